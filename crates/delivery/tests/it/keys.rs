//! What a key opens, by which pages it may be used, and how a request says which environment it means.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use burgee_delivery::{KeyKind, Pages};
use serde_json::{Value, json};

use crate::sdk::Reading;
use crate::support::{Answer, App, CLIENT_KEY, KEY_ID, PROD, SERVER_KEY, flag, with};

const FLAGS: &str = "/ofrep/v1/evaluate/flags";
const SHOP: &str = "https://shop.example";
const EDGE_KEY: &str = "edge-key";

fn flags() -> Value {
    json!({"seen": with(flag(), json!({"client_visible": true})), "hidden": flag()})
}

async fn ask(app: &App, method: &str, uri: &str, headers: &[(&str, &str)]) -> Answer {
    let body = if method == "POST" { "{}" } else { "" };
    Answer::of(app.send(method, uri, headers, body).await).await
}

/// Environments `prod` and `dev`, and a key for both.
async fn with_edge() -> App {
    let mut app = App::unloaded(flags());
    app.source.put("dev", "9f", 40, json!({"only-in-dev": flag()}));
    app.gate.put(EDGE_KEY, &[PROD, "dev"], KeyKind::Server, Pages::None);
    app.sync().await;
    app
}

fn basic(id: &str, key: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{id}:{key}")))
}

#[tokio::test]
async fn every_page_may_ask_whether_it_may_ask() {
    let app = App::new(flags()).await;
    let headers = [
        ("origin", SHOP),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "content-type,if-none-match,x-api-key"),
    ];
    for path in [FLAGS, "/ofrep/v1/evaluate/flags/hidden", "/sdk/v1/stream", "/sdk/v1/snapshot"] {
        let preflight = ask(&app, "OPTIONS", path, &headers).await;
        assert_eq!(preflight.status, 200, "{path}");
        assert_eq!(preflight.header("access-control-allow-origin"), "*");
        assert_eq!(preflight.header("access-control-allow-methods"), "GET,POST");
        assert_eq!(preflight.header("access-control-max-age"), "86400");
        assert_eq!(preflight.header("access-control-allow-credentials"), "");
        let allowed = preflight.header("access-control-allow-headers");
        for name in
            ["content-type", "if-none-match", "authorization", "x-api-key", "x-sdk-key", "last-event-id"]
        {
            assert!(allowed.split(',').any(|allowed| allowed == name), "{name} in {allowed}");
        }
    }
    for key in [None, Some("unknown")] {
        let mut headers = vec![("origin", SHOP)];
        headers.extend(key.map(|key| ("x-sdk-key", key)));
        let answer = ask(&app, "POST", FLAGS, &headers).await;
        assert_eq!(answer.status, 401);
        assert_eq!(answer.header("access-control-allow-origin"), "*", "what is wrong can be read");
        assert_eq!(answer.header("access-control-expose-headers"), "ETag,Retry-After");
    }
}

#[tokio::test]
async fn a_client_key_is_used_by_pages_of_its_origins() {
    let app = App::new(flags()).await;
    let origins = [SHOP.to_owned(), "http://localhost:3000".to_owned()];
    app.gate.put("shop-key", &[PROD], KeyKind::Client, Pages::Of(origins.into()));
    let headers = |origin| [("x-sdk-key", "shop-key"), ("origin", origin)];
    for origin in [SHOP, "http://localhost:3000"] {
        let answer = ask(&app, "POST", FLAGS, &headers(origin)).await;
        assert_eq!((answer.status.as_u16(), answer.header("vary")), (200, "Origin"));
        assert_eq!(answer.header("access-control-allow-origin"), origin);
        assert_eq!(answer.header("access-control-expose-headers"), "ETag,Retry-After");
        let etag = answer.header("etag").to_owned();
        let again = [&headers(origin)[..], &[("if-none-match", &etag)]].concat();
        let again = ask(&app, "POST", FLAGS, &again).await;
        assert_eq!((again.status.as_u16(), again.header("access-control-allow-origin")), (304, origin));
    }
    let near = ["https://shop.example.evil", "http://shop.example", "https://shop.example:8443", "null", ""];
    for origin in near.into_iter().chain(["https://evil.example"]) {
        for (method, path) in
            [("POST", FLAGS), ("POST", "/ofrep/v1/evaluate/flags/seen"), ("GET", "/sdk/v1/stream")]
        {
            let answer = ask(&app, method, path, &headers(origin)).await;
            answer.assert_problem(403, "origin_not_allowed");
            assert_eq!(answer.header("access-control-allow-origin"), "", "{origin}");
        }
    }
    // What is no browser says no origin, and needs none.
    let answer = ask(&app, "POST", FLAGS, &headers(SHOP)[..1]).await;
    assert_eq!((answer.status.as_u16(), answer.header("access-control-allow-origin")), (200, ""));
    assert_eq!(answer.header("vary"), "Origin");
    // A key of any origin says which one it answered.
    let answer =
        ask(&app, "POST", FLAGS, &[("x-sdk-key", CLIENT_KEY), ("origin", "https://any.example")]).await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("access-control-allow-origin")),
        (200, "https://any.example")
    );
}

#[tokio::test]
async fn a_page_reads_nothing_with_a_key_that_must_stay_secret() {
    let app = with_edge().await;
    for key in [SERVER_KEY, EDGE_KEY] {
        for (method, path) in [
            ("GET", "/sdk/v1/snapshot?environment=prod"),
            ("POST", "/ofrep/v1/evaluate/flags?environment=prod"),
        ] {
            let answer = ask(&app, method, path, &[("x-sdk-key", key), ("origin", SHOP)]).await;
            assert_eq!(answer.status, 200, "{key} {path}");
            for header in ["access-control-allow-origin", "access-control-expose-headers"] {
                assert_eq!(answer.header(header), "", "{key} {path} {header}");
            }
        }
    }
}

#[tokio::test]
async fn g3_the_id_of_a_key_opens_nothing() {
    let app = with_edge().await;
    let snapshot = "/sdk/v1/snapshot?environment=dev";
    let status = async |name, value: &str| ask(&app, "GET", snapshot, &[(name, value)]).await.status.as_u16();
    assert_eq!(status("authorization", &format!("Bearer {EDGE_KEY}")).await, 200);
    assert_eq!(status("authorization", &basic(KEY_ID, EDGE_KEY)).await, 200);
    assert_eq!(status("authorization", &basic(&KEY_ID.to_ascii_uppercase(), EDGE_KEY)).await, 200);
    for value in [
        format!("Bearer {KEY_ID}"),
        basic(KEY_ID, KEY_ID),
        basic(KEY_ID, ""),
        basic(KEY_ID, "another secret"),
        basic("0190a6e0-0000-7000-8000-000000000002", EDGE_KEY),
        basic(EDGE_KEY, KEY_ID),
    ] {
        assert_eq!(status("authorization", &value).await, 401, "{value}");
    }
    for name in ["x-sdk-key", "x-api-key"] {
        assert_eq!(status(name, KEY_ID).await, 401);
    }
}

#[tokio::test]
async fn a_key_of_several_environments_is_told_which_is_meant() {
    let app = with_edge().await;
    let edge = [("x-sdk-key", EDGE_KEY)];
    let get = async |uri: &str, headers: &[(&str, &str)]| ask(&app, "GET", uri, headers).await;
    for (environment, flag) in [("prod", "seen"), ("dev", "only-in-dev")] {
        let answer = get(&format!("/sdk/v1/snapshot?environment={environment}"), &edge).await;
        assert_eq!(answer.json()["environment"], environment);
        assert!(answer.json()["flags"][flag].is_object(), "{environment}");
    }
    let asked = ask(&app, "POST", "/ofrep/v1/evaluate/flags/only-in-dev?environment=dev", &edge).await;
    assert_eq!((asked.status.as_u16(), &asked.json()["value"]), (200, &json!(true)));
    for path in ["/sdk/v1/snapshot", "/sdk/v1/stream", "/sdk/v1/segments/00"] {
        get(path, &edge).await.assert_problem(400, "environment_required");
        get(&format!("{path}?environment=staging"), &edge).await.assert_problem(404, "no_such_environment");
        get(&format!("{path}?environment=%ff"), &edge).await.assert_problem(404, "no_such_environment");
        let twice = format!("{path}?environment=dev&environment=prod");
        get(&twice, &edge).await.assert_problem(400, "invalid_parameter");
    }
    get("/sdk/v1/segments/00?environment=dev", &edge).await.assert_problem(404, "key_list_not_found");
    // Who has one environment need not say which, but must not be mistaken about it.
    let server = [("x-sdk-key", SERVER_KEY)];
    assert_eq!(get("/sdk/v1/snapshot?environment=prod", &server).await.status, 200);
    get("/sdk/v1/snapshot?environment=dev", &server).await.assert_problem(404, "no_such_environment");
}

#[tokio::test]
async fn an_environment_that_is_not_loaded_is_not_denied() {
    let app = with_edge().await;
    app.gate.put(EDGE_KEY, &[PROD, "dev", "late"], KeyKind::Server, Pages::None);
    let edge = [("x-sdk-key", EDGE_KEY)];
    let answer = ask(&app, "GET", "/sdk/v1/snapshot?environment=late", &edge).await;
    answer.assert_problem(503, "not_ready");
    assert_eq!(ask(&app, "GET", "/sdk/v1/snapshot?environment=dev", &edge).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_opens_less_ends_the_streams_of_the_rest() {
    let app = with_edge().await;
    let open = async |environment: &str| {
        let uri = format!("/sdk/v1/stream?environment={environment}");
        let response = app.send("GET", &uri, &[("x-sdk-key", EDGE_KEY)], "").await;
        assert_eq!(response.status(), 200);
        let mut reading = Reading::begun(response).await;
        assert_eq!(reading.event().await.unwrap().data["environment"], environment);
        reading
    };
    let (mut prod, mut dev) = (open("prod").await, open("dev").await);
    app.gate.put(EDGE_KEY, &[PROD], KeyKind::Server, Pages::None);
    assert_eq!(dev.event().await, None);
    prod.assert_quiet().await;
    app.gate.put(EDGE_KEY, &[PROD, "dev"], KeyKind::Server, Pages::None);
    prod.assert_quiet().await;
    app.gate.revoke(EDGE_KEY);
    assert_eq!(prod.event().await, None);
}

#[tokio::test(start_paused = true)]
async fn an_origin_that_goes_ends_the_streams_of_its_pages() {
    let app = App::new(flags()).await;
    let pages = |origins: &[&str]| Pages::Of(origins.iter().map(|&origin| origin.to_owned()).collect());
    app.gate.put(CLIENT_KEY, &[PROD], KeyKind::Client, pages(&[SHOP, "https://other.example"]));
    let uri = format!("/sdk/v1/stream?key={CLIENT_KEY}");
    let mut readings = Vec::new();
    for origin in [SHOP, "https://other.example"] {
        let response = app.send("GET", &uri, &[("origin", origin), ("last-event-id", "9f.40")], "").await;
        assert_eq!(response.headers()["access-control-allow-origin"], origin);
        readings.push(Reading::begun(response).await);
    }
    app.gate.put(CLIENT_KEY, &[PROD], KeyKind::Client, pages(&[SHOP]));
    assert_eq!(readings[1].event().await, None);
    readings[0].assert_quiet().await;
}

#[tokio::test]
async fn k7_a_key_that_must_stay_secret_is_refused_in_a_url() {
    let app = with_edge().await;
    for key in [SERVER_KEY, EDGE_KEY] {
        let uri = format!("/sdk/v1/stream?environment=prod&key={key}");
        let answer = ask(&app, "GET", &uri, &[]).await;
        answer.assert_problem(401, "server_key_in_url");
        assert!(!answer.json().to_string().contains(key));
        // A header beside it does not make the URL unwritten.
        ask(&app, "GET", &uri, &[("x-sdk-key", key)]).await.assert_problem(401, "server_key_in_url");
    }
    // Elsewhere a URL carries no key at all.
    for (method, path) in [("POST", FLAGS), ("GET", "/sdk/v1/snapshot")] {
        let uri = format!("{path}?key={CLIENT_KEY}");
        ask(&app, method, &uri, &[]).await.assert_problem(401, "missing_key");
    }
}

#[tokio::test]
async fn keys_that_disagree_are_refused() {
    let app = App::new(flags()).await;
    let bearer = format!("Bearer {CLIENT_KEY}");
    let both = [("x-sdk-key", SERVER_KEY), ("authorization", &*bearer)];
    ask(&app, "POST", FLAGS, &both).await.assert_problem(400, "conflicting_keys");
    let same = [("x-sdk-key", CLIENT_KEY), ("x-api-key", CLIENT_KEY), ("authorization", &*bearer)];
    assert_eq!(ask(&app, "POST", FLAGS, &same).await.status, 200);
    let stream = format!("/sdk/v1/stream?key={CLIENT_KEY}");
    ask(&app, "GET", &stream, &[("x-sdk-key", "other")]).await.assert_problem(400, "conflicting_keys");
}
