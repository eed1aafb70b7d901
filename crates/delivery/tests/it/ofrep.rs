//! OFREP as providers speak it: every status, the golden exchanges, and what must not leak.

use crate::support::{Answer, App, CLIENT_KEY, PROD, SERVER_KEY, flag, with};
use burgee_delivery::{Door, KeyKind, Pages};
use serde_json::{Value, json};

const FLAGS: &str = "/ofrep/v1/evaluate/flags";

fn flags() -> Value {
    let rule = json!({"id": "r1", "when": {"attribute": "email", "operator": "equals", "values": ["user@example.com"]},
                      "serve": {"variant": "on"}});
    let split = json!({"split": [{"variant": "on", "weight": 50_000}, {"variant": "off", "weight": 50_000}]});
    json!({
        "discount-banner": with(flag(), json!({"client_visible": true, "rules": [rule], "default": {"variant": "off"}})),
        "hidden": flag(),
        "code-default": with(flag(), json!({"client_visible": true, "default": null})),
        "disabled": with(flag(), json!({"enabled": false, "off_variant": null})),
        "split": with(flag(), json!({"default": split})),
        "unreadable": with(flag(), json!({"kind": "colour", "client_visible": true})),
        "team:a/b": with(flag(), json!({"version": 8})),
        "a b é": flag(),
        "50%": flag(),
    })
}

async fn ask(app: &App, path: &str, key: &str, body: &str) -> Answer {
    Answer::of(app.send("POST", &format!("{FLAGS}{path}"), &[("x-api-key", key)], body.to_owned()).await)
        .await
}

async fn bulk(app: &App, key: &str, body: &str, known: &str) -> Answer {
    let headers = [("x-sdk-key", key), ("if-none-match", known)];
    Answer::of(app.send("POST", FLAGS, &headers, body.to_owned()).await).await
}

#[tokio::test]
async fn the_golden_exchanges() {
    let app = App::new(flags()).await;
    let user = r#"{"context":{"targetingKey":"user-123","email":"user@example.com"}}"#;
    let headers = [("x-api-key", SERVER_KEY), ("content-type", "application/json; charset=utf-8")];
    let answer =
        Answer::of(app.send("POST", &format!("{FLAGS}/discount-banner"), &headers, user).await).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "application/json");
    let metadata = json!({"flagSetId": "shop/prod", "version": "7", "revision": 40});
    assert_eq!(
        answer.json(),
        json!({"key": "discount-banner", "value": true, "reason": "TARGETING_MATCH", "variant": "on",
               "metadata": {"flagSetId": "shop/prod", "version": "7", "revision": 40, "ruleId": "r1"}})
    );
    for (key, status, expected) in [
        (
            "discount-banner",
            200,
            json!({"value": false, "reason": "DEFAULT", "variant": "off", "metadata": metadata}),
        ),
        ("hidden", 200, json!({"value": true, "reason": "STATIC", "variant": "on", "metadata": metadata})),
        ("code-default", 200, json!({"reason": "DEFAULT", "variant": "", "metadata": metadata})),
        ("disabled", 200, json!({"reason": "DISABLED", "variant": "", "metadata": metadata})),
        (
            "split",
            400,
            json!({"errorCode": "TARGETING_KEY_MISSING", "reason": "ERROR", "variant": "", "metadata": metadata}),
        ),
        ("unreadable", 400, json!({"errorCode": "PARSE_ERROR"})),
        (
            "nope",
            404,
            json!({"errorCode": "FLAG_NOT_FOUND", "metadata": {"flagSetId": "shop/prod", "revision": 40}}),
        ),
    ] {
        let answer = ask(&app, &format!("/{key}"), SERVER_KEY, "{}").await;
        assert_eq!(answer.status, status, "{key}");
        assert_eq!(answer.header("content-type"), "application/json", "{key}");
        let mut body = answer.json();
        assert_eq!(body["key"], key);
        assert!(body["metadata"].is_object(), "{body}");
        if status != 200 {
            let details = body.as_object_mut().unwrap().remove("errorDetails").unwrap();
            assert!(!details.as_str().unwrap().is_empty(), "{key}");
        }
        assert_eq!(with(body.clone(), expected), body, "{key}");
    }
    let split = ask(&app, "/split", SERVER_KEY, r#"{"context":{"targetingKey":"user-1"}}"#).await.json();
    assert_eq!(split["reason"], "SPLIT");
}

#[tokio::test]
async fn providers_may_leave_out_what_they_do() {
    let app = App::new(flags()).await;
    for body in ["", "{}", "{\"context\":{}}", "{\"context\":null}", "{\"context\":{\"targetingKey\":\"\"}}"]
    {
        assert_eq!(ask(&app, "/hidden", SERVER_KEY, body).await.status, 200, "{body}");
        for path in ["", "/", "?flagConfigEtag=%22x%22&flagConfigLastModified=1&other=1"] {
            let answer = ask(&app, path, SERVER_KEY, body).await;
            assert_eq!(answer.status, 200, "{path} {body}");
            assert_eq!(answer.json()["flags"].as_array().unwrap().len(), 9);
        }
    }
}

#[tokio::test]
async fn a_context_that_does_not_read_is_said_to_be_invalid() {
    let app = App::new(flags()).await;
    for body in ["{", "[]", "7", "{\"context\":[]}", "{\"context\":\"user-1\"}"] {
        let one = ask(&app, "/hidden", SERVER_KEY, body).await;
        assert_eq!(
            (one.status.as_u16(), one.json()["errorCode"].as_str()),
            (400, Some("INVALID_CONTEXT")),
            "{body}"
        );
        assert_eq!(one.json()["key"], "hidden");
        assert_eq!(one.json()["metadata"], json!({}));
        let all = ask(&app, "", SERVER_KEY, body).await;
        assert_eq!(
            (all.status.as_u16(), all.json()["errorCode"].as_str()),
            (400, Some("INVALID_CONTEXT")),
            "{body}"
        );
        assert!(all.json()["errorDetails"].is_string());
    }
}

#[tokio::test]
async fn what_is_too_large_is_refused() {
    let app = App::new(flags()).await;
    let context = format!(r#"{{"context":{{"a":"{}"}}}}"#, "x".repeat(64 << 10));
    let body = format!(r#"{{"other":"{}"}}"#, "x".repeat(1 << 20));
    for path in ["", "/hidden"] {
        for (body, what) in [(&context, "the context is larger"), (&body, "the request body is larger")] {
            let answer = ask(&app, path, SERVER_KEY, body).await;
            assert_eq!(answer.status, 413);
            assert!(answer.json()["errorDetails"].as_str().unwrap().starts_with(what));
        }
    }
    let fits = format!(r#"{{"context":{{"a":1}},"other":"{}"}}"#, "x".repeat(512 << 10));
    assert_eq!(ask(&app, "/hidden", SERVER_KEY, &fits).await.status, 200);
}

#[tokio::test]
async fn s8_a_key_is_the_rest_of_the_path_decoded_once() {
    let app = App::new(flags()).await;
    for (path, key) in [
        ("/team:a/b", "team:a/b"),
        ("/team%3Aa%2Fb", "team:a/b"),
        ("/a%20b%20%C3%A9", "a b é"),
        ("/50%25", "50%"),
    ] {
        let answer = ask(&app, path, SERVER_KEY, "{}").await;
        assert_eq!((answer.status.as_u16(), &answer.json()["key"]), (200, &json!(key)), "{path}");
    }
    for (path, key) in [
        ("/team:a%252Fb", "team:a%2Fb"),
        ("/team:a/b/", "team:a/b/"),
        ("/a+b+é".replace('é', "%C3%A9").as_str(), "a+b+é"),
        ("/%ff", "\u{fffd}"),
        ("/hidden?x=1%2", "hidden"),
    ] {
        let answer = ask(&app, path, SERVER_KEY, "{}").await;
        assert_eq!(answer.json()["key"], key, "{path}");
        assert_eq!(answer.status == 200, key == "hidden", "{path}");
    }
}

#[tokio::test]
async fn without_a_key_in_force_nothing_is_said() {
    let app = App::new(flags()).await;
    for path in ["", "/hidden", "/nope"] {
        let uri = format!("{FLAGS}{path}");
        Answer::of(app.send("POST", &uri, &[], "{}").await).await.assert_problem(401, "missing_key");
        Answer::of(app.send("POST", &format!("{uri}?key={CLIENT_KEY}"), &[], "{}").await)
            .await
            .assert_problem(401, "missing_key");
        ask(&app, path, "unknown", "{").await.assert_problem(401, "unknown_key");
        let answer = ask(&app, path, SERVER_KEY, "{}").await;
        assert_ne!(answer.status, 401);
    }
    let bearer = [("authorization", &*format!("Bearer {SERVER_KEY}"))];
    assert_eq!(app.send("POST", FLAGS, &bearer, "{}").await.status(), 200);
    app.gate.revoke(SERVER_KEY);
    ask(&app, "", SERVER_KEY, "{}").await.assert_problem(401, "unknown_key");
}

#[tokio::test]
async fn before_the_first_load_the_answer_is_to_wait() {
    let app = App::unloaded(flags());
    let answer = ask(&app, "/hidden", SERVER_KEY, "{}").await;
    answer.assert_problem(503, "not_ready");
    assert_eq!(answer.header("retry-after"), "1");
}

#[tokio::test]
async fn a_client_key_learns_of_visible_flags_and_of_no_rule() {
    let app = App::new(flags()).await;
    let user = r#"{"context":{"email":"user@example.com"}}"#;
    let seen = ask(&app, "/discount-banner", CLIENT_KEY, user).await;
    assert_eq!(seen.status, 200);
    assert_eq!(seen.json()["reason"], "TARGETING_MATCH");
    assert_eq!(seen.json()["metadata"], json!({"flagSetId": "shop/prod", "version": "7", "revision": 40}));

    let hidden = ask(&app, "/hidden", CLIENT_KEY, user).await;
    let unknown = ask(&app, "/nopeee", CLIENT_KEY, user).await;
    assert_eq!((hidden.status.as_u16(), unknown.status.as_u16()), (404, 404));
    let as_unknown = String::from_utf8(hidden.body.to_vec()).unwrap().replace("hidden", "nopeee");
    assert_eq!(as_unknown.as_bytes(), &*unknown.body, "nobody can tell a hidden flag from none");

    let all = ask(&app, "", CLIENT_KEY, user).await;
    let keys: Vec<_> =
        all.json()["flags"].as_array().unwrap().iter().map(|flag| flag["key"].clone()).collect();
    assert_eq!(keys, ["code-default", "discount-banner", "unreadable"]);
    assert!(!String::from_utf8(all.body.to_vec()).unwrap().contains("ruleId"));
    let unreadable = ask(&app, "/unreadable", CLIENT_KEY, user).await.json();
    let told = ask(&app, "/unreadable", SERVER_KEY, user).await.json();
    assert_eq!(unreadable["errorCode"], told["errorCode"]);
    assert_ne!(unreadable["errorDetails"], told["errorDetails"], "why is not for browsers");
}

#[tokio::test]
async fn a_bulk_answer_is_the_single_answers_together() {
    let app = App::new(flags()).await;
    let user = r#"{"context":{"targetingKey":"user-456","email":"user@example.com"}}"#;
    let all = ask(&app, "", SERVER_KEY, user).await;
    assert_eq!(all.header("content-type"), "application/json");
    assert_eq!(all.json()["metadata"], json!({"flagSetId": "shop/prod", "version": "40", "revision": 40}));
    let answers = all.json()["flags"].as_array().unwrap().clone();
    assert_eq!(answers.len(), 9);
    for answer in answers {
        let key = answer["key"].as_str().unwrap();
        let path = format!("/{}", key.replace('%', "%25").replace(' ', "%20").replace('é', "%C3%A9"));
        let mut alone = ask(&app, &path, SERVER_KEY, user).await.json();
        // Providers compare flag by flag: what changes with every other flag is said once, for all.
        let revision = alone["metadata"].as_object_mut().unwrap().remove("revision");
        assert_eq!((revision, alone), (Some(json!(40)), answer));
    }
}

#[tokio::test]
async fn a_known_answer_is_not_sent_again() {
    let mut app = App::new(flags()).await;
    let user = r#"{"context":{"targetingKey":"user-456","plan":"free"}}"#;
    let first = bulk(&app, CLIENT_KEY, user, "").await;
    let etag = first.header("etag");
    assert_eq!(first.status, 200);
    assert!(etag.len() == 66 && etag.starts_with('"') && etag.ends_with('"'), "{etag}");
    let bare = etag.trim_matches('"');
    for known in [etag, bare, &format!("W/{etag}"), &format!("\"x\", {etag}")] {
        let again = bulk(&app, CLIENT_KEY, user, known).await;
        assert_eq!(
            (again.status.as_u16(), again.header("etag"), again.body.len()),
            (304, etag, 0),
            "{known}"
        );
    }
    for known in ["*", "\"*\"", "", "\"x\"", &bare[1..]] {
        assert_eq!(bulk(&app, CLIENT_KEY, user, known).await.status, 200, "{known}");
    }
    app.change("hidden", Value::Null).await;
    let changed = bulk(&app, CLIENT_KEY, user, etag).await;
    assert_eq!(changed.status, 200);
    assert_ne!(changed.header("etag"), etag);
}

#[tokio::test]
async fn a_tag_covers_all_that_the_answer_depends_on() {
    let mut app = App::new(flags()).await;
    app.source.put("dev", "9f", 40, flags());
    app.gate.add("dev-key", "dev", KeyKind::Server);
    let (id, kind) = ("0190a6e0-0000-7000-8000-000000000002", KeyKind::Server);
    app.gate.put_as(id, "second-server-key", &[PROD], kind, Pages::None);
    app.sync().await;
    let user = r#"{"context":{"targetingKey":"u","plan":"free","n":1}}"#;
    let tag = async |app: &App, key, body| bulk(app, key, body, "").await.header("etag").to_owned();
    let base = tag(&app, SERVER_KEY, user).await;
    let same = [
        (SERVER_KEY, r#"{"context": {"n": 1, "plan": "free", "targetingKey": "u"}}"#),
        (SERVER_KEY, r#"{"context":{"targetingKey":"u","plan":"free","n":1,"$reserved":1},"other":2}"#),
    ];
    for (key, body) in same {
        assert_eq!(tag(&app, key, body).await, base, "{key} {body}");
    }
    let other = [
        (SERVER_KEY, r#"{"context":{"targetingKey":"u","plan":"premium","n":1}}"#),
        (SERVER_KEY, r#"{"context":{"targetingKey":"v","plan":"free","n":1}}"#),
        (SERVER_KEY, r#"{"context":{"targetingKey":"u","plan":"free"}}"#),
        (SERVER_KEY, r#"{"context":{"targetingKey":"u","plan":"free","n":"1"}}"#),
        (SERVER_KEY, "{}"),
        (CLIENT_KEY, user),
        ("dev-key", user),
        ("second-server-key", user),
    ];
    for (key, body) in other {
        assert_ne!(tag(&app, key, body).await, base, "{key} {body}");
    }
    let mut restored = App::unloaded(json!({}));
    restored.source.put(PROD, "a0", 40, flags());
    restored.sync().await;
    assert_ne!(tag(&restored, SERVER_KEY, user).await, base, "another epoch");
    app.change("hidden", flag()).await;
    assert_ne!(tag(&app, SERVER_KEY, user).await, base, "another revision");
}

#[tokio::test]
async fn other_methods_and_paths_are_not_taken() {
    let app = App::new(flags()).await;
    for path in [FLAGS, "/ofrep/v1/evaluate/flags/hidden"] {
        let answer = Answer::of(app.send("GET", path, &[("x-sdk-key", SERVER_KEY)], "").await).await;
        answer.assert_problem(405, "method_not_allowed");
        assert_eq!(answer.header("allow"), "POST");
    }
    assert_eq!(Door::of("/ofrep/v1/configuration"), None);
}
