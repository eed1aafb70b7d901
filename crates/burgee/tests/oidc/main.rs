//! Signing in with a provider that lies, or does not answer. (What a good one says: `e2e/oidc.test.mjs`.)
#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod fake_issuer;
mod linking;
mod world;

use anyhow::Result;
use fake_issuer::{Plan, Signed};
use futures_util::future::join_all;
use reqwest::Url;
use reqwest::header::{LOCATION, SET_COOKIE};
use serde_json::{Value, json};
use testkit::problem::detail;
use world::{World, claim};

const PROGRAM: &str = env!("CARGO_BIN_EXE_burgee");

#[tokio::test]
async fn an_id_token_that_does_not_hold_lets_nobody_in() -> Result<()> {
    let world = World::open(&[]).await?;
    let now = fake_issuer::now();
    let signed = |signed| Plan { signed, ..Plan::default() };
    let bad = [
        ("another issuer", claim("iss", json!("https://evil.example"))),
        ("its issuer with a slash", claim("iss", json!(format!("{}/", world.issuer.url)))),
        ("for another", claim("aud", json!("other"))),
        ("for nobody", claim("aud", Value::Null)),
        ("for several, given to nobody", claim("aud", json!(["burgee", "other"]))),
        (
            "for several, given to another",
            Plan {
                claims: vec![("aud", json!(["burgee", "other"])), ("azp", json!("other"))],
                ..Plan::default()
            },
        ),
        ("given to another", claim("azp", json!("other"))),
        ("another question's", claim("nonce", json!("x"))),
        ("nobody's question's", claim("nonce", Value::Null)),
        ("expired", claim("exp", json!(now - 61))),
        ("without an end", claim("exp", Value::Null)),
        ("with an end that is none", claim("exp", json!("soon"))),
        ("from the future", claim("iat", json!(now + 120))),
        ("not yet", claim("nbf", json!(now + 120))),
        ("of nobody", claim("sub", Value::Null)),
        ("of an empty subject", claim("sub", json!(""))),
        ("of a long subject", claim("sub", json!("s".repeat(256)))),
        ("unsigned", signed(Signed::None)),
        ("unsigned, in capitals", signed(Signed::NoneInCapitals)),
        ("HS256 with the public key", signed(Signed::WithPublicKey)),
        ("HS256 with the client's secret", signed(Signed::WithClientSecret)),
        ("ES384 said of an ES256 key", signed(Signed::OtherAlgorithm)),
        ("by another key of the same name", signed(Signed::ByAnotherKey)),
        ("by a key that it brings along", signed(Signed::ByOwnKey)),
        ("with what must be understood", signed(Signed::Critical)),
        ("bent", signed(Signed::Bent)),
        ("no token", signed(Signed::Garbage)),
    ];
    for (name, plan) in bad {
        let (status, problem) = world.sign_in(plan).await?;
        assert_eq!((status, &problem["code"]), (401, &json!("sign_in_refused")), "{name}: {problem}");
    }
    for good in [Plan::default(), claim("exp", json!(now - 30)), claim("aud", json!(["burgee"]))] {
        let (status, session) = world.sign_in(good).await?;
        assert_eq!((status, &session["email"]), (200, &json!("ada@example.org")), "{session}");
    }
    for secret in ["0123456789", "eyJ"] {
        assert!(!world.log().contains(secret), "{}", world.log());
    }
    Ok(())
}

#[tokio::test]
async fn whoever_invents_key_ids_does_not_make_us_ask() -> Result<()> {
    let world = World::open(&[]).await?;
    for _ in 0..5 {
        let plan = Plan { signed: Signed::ByUnknownKey, ..Plan::default() };
        assert_eq!(world.sign_in(plan).await?.0, 401);
    }
    assert_eq!(world.issuer.asked_for_keys(), 2, "once at first, and once because one was not there");
    Ok(())
}

#[tokio::test]
async fn userinfo_of_somebody_else_lets_nobody_in() -> Result<()> {
    let world = World::open(&[]).await?;
    let bare = || vec![("email", Value::Null)];
    let of = |sub: &str| json!({ "sub": sub, "email": "eve@example.org", "email_verified": true, "iss": "https://evil.example" });
    let plan = Plan { claims: bare(), userinfo: Some(of("248289761002")), ..Plan::default() };
    assert_eq!(world.sign_in(plan).await?.0, 401);
    let plan = Plan { claims: bare(), userinfo: Some(of("248289761001")), ..Plan::default() };
    let (status, session) = world.sign_in(plan).await?;
    assert_eq!((status, &session["email"]), (200, &json!("eve@example.org")), "{session}");
    Ok(())
}

#[tokio::test]
async fn a_provider_that_says_what_cannot_be_is_not_asked_further() -> Result<()> {
    let lies = [
        json!({ "issuer": "https://evil.example" }),
        json!({ "token_endpoint": "http://169.254.169.254/latest" }),
        json!({ "jwks_uri": "file:///etc/passwd" }),
        json!({ "authorization_endpoint": "javascript:alert(1)" }),
        json!({ "token_endpoint": null }),
    ];
    for lie in lies {
        let world = World::open(&[]).await?;
        world.issuer.lie(lie.clone());
        world.is_unavailable().await?;
        let problem = world.burgee.ask("GET", "/auth/oidc", None, None).await?;
        assert_eq!(problem.0, 200, "the rest goes on: {lie}");
    }
    Ok(())
}

impl World {
    async fn is_unavailable(&self) -> Result<()> {
        let answer = self.client.get(format!("{}/auth/oidc/fake/start", self.burgee.url)).send().await?;
        assert_eq!(answer.headers().get("retry-after").map(|after| after.to_str().unwrap()), Some("5"));
        let (status, problem) = (answer.status(), answer.json::<Value>().await?);
        assert_eq!((status.as_u16(), &problem["code"]), (503, &json!("provider_unavailable")), "{problem}");
        assert!(!problem.to_string().contains("169.254"), "what it said is for the log: {problem}");
        Ok(())
    }
}

#[tokio::test]
async fn b9_a_provider_leads_us_nowhere_and_does_not_fill_us() -> Result<()> {
    let world = World::open(&[]).await?;
    world.issuer.lie(json!("redirect"));
    world.is_unavailable().await?;
    assert_eq!(world.issuer.was_led_on(), 0);
    let world = World::open(&[]).await?;
    world.issuer.lie(json!("endless"));
    world.is_unavailable().await?;
    // Nor does everyone who comes wait for it again.
    let asked = world.issuer.asked_for_description();
    for _ in 0..10 {
        world.is_unavailable().await?;
    }
    assert_eq!(world.issuer.asked_for_description(), asked);
    Ok(())
}

#[tokio::test]
async fn many_windows_make_one_account() -> Result<()> {
    let world = World::open(&[]).await?;
    // They share a cookie, and so a nonce: that is all that the issuer can know of one.
    let begun = world.begin("fake").await?;
    let all = (0..8).map(|_| world.finish(&begun, Plan::default()));
    let mut ids = Vec::new();
    for finished in join_all(all).await {
        let (status, session) = finished?;
        assert_eq!(status, 200, "{session}");
        ids.push(session["id"].clone());
    }
    ids.dedup();
    assert_eq!(ids.len(), 1, "{ids:?}");
    let admin = world.burgee.admin().await?;
    let users = world.burgee.get("/auth/users?search=ada", &admin).await?;
    assert_eq!(users.as_array().map(Vec::len), Some(1), "{users}");
    Ok(())
}

#[tokio::test]
async fn nobody_comes_in_by_an_address_that_looks_like_anothers() -> Result<()> {
    let world = World::open(&[("BURGEE__OIDC__PROVIDERS__FAKE__LINK_BY_EMAIL", "true")]).await?;
    for alike in ["\u{430}dmin@burgee.local", "\u{ff41}dmin@burgee.local", "admin\u{200b}@burgee.local"] {
        let (status, problem) = world.sign_in(claim("email", json!(alike))).await?;
        assert_eq!((status, &problem["code"]), (403, &json!("email_missing")), "{alike}: {problem}");
    }
    let admin = world.burgee.admin().await?;
    let users = world.burgee.get("/auth/users", &admin).await?;
    assert_eq!(users.as_array().map(Vec::len), Some(1), "{users}");
    Ok(())
}

#[tokio::test]
async fn passwords_can_be_turned_off() -> Result<()> {
    let world = World::open(&[("BURGEE__OIDC__PASSWORD_LOGIN", "false")]).await?;
    for path in ["/auth/login", "/auth/register"] {
        let document = json!({ "email": "ada@example.org", "password": "secret" });
        let (status, problem) = world.burgee.ask("POST", path, None, Some(&document)).await?;
        assert_eq!((status, &problem["code"]), (403, &json!("password_login_off")), "{path}: {problem}");
    }
    let (_, with) = world.burgee.ask("GET", "/auth/oidc", None, None).await?;
    assert_eq!(with["password"], json!(false));
    assert_eq!(world.sign_in(Plan::default()).await?.0, 200);
    Ok(())
}

#[tokio::test]
async fn behind_https_cookies_are_this_hosts_alone() -> Result<()> {
    let world = World::open(&[("BURGEE__SERVER__PUBLIC_URL", "https://flags.example.com")]).await?;
    let request = world.client.get(format!("{}/auth/oidc/fake/start", world.burgee.url));
    let answer = request.header("host", "localhost").send().await?;
    let cookie = answer.headers()[SET_COOKIE].to_str()?;
    assert!(cookie.starts_with("__Host-burgee_oidc="), "{cookie}");
    assert!(cookie.ends_with("; Path=/; Max-Age=600; HttpOnly; SameSite=Lax; Secure"), "{cookie}");
    let at: Url = answer.headers()[LOCATION].to_str()?.parse()?;
    let back = at.query_pairs().find(|(name, _)| name == "redirect_uri").unwrap().1.into_owned();
    assert_eq!(back, "https://flags.example.com/auth/oidc/fake/callback");
    Ok(())
}

#[tokio::test]
async fn a_sign_in_says_what_is_wrong_with_its_query() -> Result<()> {
    let world = World::open(&[]).await?;
    let (status, problem) = world.burgee.ask("GET", "/auth/oidc/fake/start?return=/", None, None).await?;
    assert_eq!(status, 400);
    assert!(detail(&problem).contains("return_to"), "{problem}");
    // A provider may say more than we know of.
    let (status, problem) =
        world.burgee.ask("GET", "/auth/oidc/fake/callback?session_state=x&scope=openid", None, None).await?;
    assert_eq!((status, &problem["code"]), (400, &json!("sign_in_not_begun")));
    Ok(())
}
