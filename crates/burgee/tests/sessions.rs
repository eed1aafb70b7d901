//! Session tokens: what they are, how they are carried on, and whatever else looks like one.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use anyhow::Result;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use testkit::house::House;
use testkit::process::{Burgee, Start};

const PROGRAM: &str = env!("CARGO_BIN_EXE_burgee");
const SECRET: &str = "a secret of ours, long enough";

async fn session(burgee: &Burgee, email: &str) -> Result<Value> {
    burgee.post("/auth/login", None, &json!({ "email": email, "password": "secret" })).await
}

async fn refresh(burgee: &Burgee, token: &str) -> Result<(u16, Value)> {
    burgee.ask("POST", "/auth/refresh", None, Some(&json!({ "refresh_token": token }))).await
}

async fn is_let_in(burgee: &Burgee, token: &str) -> Result<bool> {
    Ok(burgee.ask("GET", "/auth/me", Some(token), None).await?.0 == 200)
}

fn text<'a>(answer: &'a Value, member: &str) -> &'a str {
    answer[member].as_str().unwrap()
}

/// Base64url without padding (RFC 4648, 5).
fn encode(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let digits = bytes.chunks(3).flat_map(|chunk| {
        let word =
            chunk.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        (0..=chunk.len()).map(move |digit| char::from(DIGITS[(word >> (18 - 6 * digit) & 63) as usize]))
    });
    digits.collect()
}

fn decode(text: &str) -> Value {
    let digit = |byte: u8| match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'-' => 62,
        _ => 63,
    };
    let (mut word, mut bits, mut bytes) = (0_u32, 0, Vec::new());
    for byte in text.bytes() {
        (word, bits) = (word << 6 | u32::from(digit(byte)), bits + 6);
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from(word >> bits & 255).unwrap());
        }
    }
    serde_json::from_slice(&bytes).unwrap()
}

/// A token as somebody makes it who knows a secret (RFC 2104, RFC 7515).
fn forge(header: &Value, claims: &Value, secret: &[u8]) -> String {
    let pad = |byte: u8| {
        let mut block = [byte; 64];
        block.iter_mut().zip(secret).for_each(|(pad, secret)| *pad ^= secret);
        block
    };
    let message =
        format!("{}.{}", encode(header.to_string().as_bytes()), encode(claims.to_string().as_bytes()));
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(&message).finalize();
    let signature = Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize();
    format!("{message}.{}", encode(&signature))
}

/// Header and claims of a token.
fn parts(token: &str) -> (Value, Value) {
    let mut parts = token.split('.').map(decode_part);
    (parts.next().unwrap(), parts.next().unwrap())
}

fn decode_part(part: &str) -> Value {
    if part.starts_with("ey") { decode(part) } else { Value::Null }
}

fn with(value: &Value, member: &str, new: Value) -> Value {
    let mut value = value.clone();
    value[member] = new;
    value
}

fn without(value: &Value, member: &str) -> Value {
    let mut value = value.clone();
    value.as_object_mut().unwrap().remove(member);
    value
}

#[tokio::test]
async fn row_17_a_session_says_who_and_carries_a_refresh_token() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    let answer = session(&house.burgee, "dev@example.com").await?;
    assert_eq!(answer["token"], answer["access_token"]);
    assert_eq!((&answer["token_type"], &answer["expires_in"]), (&json!("bearer"), &json!(86_400)));
    assert_eq!((&answer["user"]["role"], &answer["role"]), (&json!("developer"), &json!("developer")));
    assert!(text(&answer, "refresh_token").starts_with("bgr_"));
    let (header, claims) = parts(text(&answer, "token"));
    assert_eq!((&header["alg"], header["kid"].is_string()), (&json!("HS256"), true));
    assert_eq!(
        (&claims["role"], &claims["sub"], &claims["user_id"]),
        (&json!("developer"), &answer["id"], &answer["id"])
    );
    assert!(claims["sid"].is_string() && claims["exp"].as_i64() > claims["iat"].as_i64());
    Ok(())
}

#[tokio::test]
async fn a_refresh_token_that_comes_twice_ends_its_session() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    let burgee = &house.burgee;
    let first = session(burgee, "dev@example.com").await?;
    let other = session(burgee, "dev@example.com").await?;
    let (status, second) = refresh(burgee, text(&first, "refresh_token")).await?;
    assert_eq!((status, &second["email"]), (200, &json!("dev@example.com")));
    assert_ne!(first["refresh_token"], second["refresh_token"]);
    let (status, third) = refresh(burgee, text(&second, "refresh_token")).await?;
    assert_eq!(status, 200);
    assert!(is_let_in(burgee, text(&third, "token")).await?);
    let (status, answer) = refresh(burgee, text(&first, "refresh_token")).await?;
    assert_eq!((status, &answer["code"]), (401, &json!("refresh_token_reused")));
    for token in [&first, &second, &third] {
        assert!(!is_let_in(burgee, text(token, "token")).await?, "the whole family is gone");
    }
    let (status, answer) = refresh(burgee, text(&third, "refresh_token")).await?;
    assert_eq!((status, &answer["code"]), (401, &json!("invalid_refresh_token")));
    assert!(is_let_in(burgee, text(&other, "token")).await?, "other sessions go on");

    // Two who come at once are two who have it.
    let refresh_token = text(&other, "refresh_token");
    let (one, two) = tokio::join!(refresh(burgee, refresh_token), refresh(burgee, refresh_token));
    let mut statuses = [one?.0, two?.0];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 401]);
    for odd in
        ["", "bgr_", "bgr_é", &"f".repeat(16 << 10), &text(&first, "refresh_token").replace("bgr_", "bgs_")]
    {
        assert_eq!(refresh(burgee, odd).await?.0, 401, "{odd:.20}");
    }
    assert_eq!(burgee.ask("POST", "/auth/refresh", None, Some(&json!({ "token": "x" }))).await?.0, 400);
    Ok(())
}

#[tokio::test]
async fn signing_out_ends_one_session_or_all() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    let burgee = &house.burgee;
    let mut sessions = Vec::new();
    for _ in 0..3 {
        sessions.push(session(burgee, "dev@example.com").await?);
    }
    let token = |place: usize| text(&sessions[place], "token");
    let (status, _) = burgee.ask("POST", "/auth/logout", Some(token(0)), None).await?;
    assert_eq!(status, 204);
    assert!(!is_let_in(burgee, token(0)).await? && is_let_in(burgee, token(1)).await?);
    assert_eq!(refresh(burgee, text(&sessions[0], "refresh_token")).await?.0, 401);
    let (status, _) = burgee.ask("POST", "/auth/logout-everywhere", Some(token(1)), None).await?;
    assert_eq!(status, 204);
    assert!(!is_let_in(burgee, token(1)).await? && !is_let_in(burgee, token(2)).await?);
    assert!(!is_let_in(burgee, &house.developer).await? && is_let_in(burgee, &house.user).await?);
    Ok(())
}

#[tokio::test]
async fn s12_row_16_forged_and_changed_tokens_are_refused() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let env = [("JWT_SECRET_KEY", SECRET), ("BURGEE_ADMIN_PASSWORD", "secret")];
    let burgee = Start { program: PROGRAM, folder: folder.path(), env: &env }.start().await?;
    let good = session(&burgee, "admin@burgee.local").await?;
    let token = text(&good, "token");
    let (header, claims) = parts(token);
    let forged = |header: &Value, claims: &Value| forge(header, claims, SECRET.as_bytes());
    assert!(is_let_in(&burgee, &forged(&header, &claims)).await?, "the forger knows their craft");

    let other = burgee.register("eve@example.com", "viewer").await?;
    let (_, of_other) = parts(&other);
    let message = token.rsplit_once('.').unwrap().0;
    let bad = [
        forge(&header, &claims, b"another secret, as long as it"),
        forge(&header, &claims, b""),
        forged(&with(&header, "alg", json!("none")), &claims),
        forged(&with(&header, "alg", json!("None")), &claims),
        forged(&with(&header, "alg", json!("RS256")), &claims),
        forged(&with(&header, "alg", json!("HS512")), &claims),
        format!("{}.{}.", encode(br#"{"alg":"none","typ":"JWT"}"#), encode(claims.to_string().as_bytes())),
        format!("{message}."),
        message.to_owned(),
        forged(&without(&header, "kid"), &claims),
        forged(&with(&header, "kid", json!("00000000-0000-7000-8000-000000000000")), &claims),
        forged(&with(&header, "kid", json!("' OR 1=1 --")), &claims),
        forged(&with(&header, "kid", json!("../../../../dev/null")), &claims),
        forged(&with(&header, "kid", json!("\u{0}")), &claims),
        forged(&with(&header, "kid", json!(text(&header, "kid").to_uppercase())), &claims),
        forged(&with(&header, "kid", json!({ "$ne": null })), &claims),
        forged(&header, &without(&claims, "sid")),
        forged(&header, &without(&claims, "exp")),
        forged(&header, &without(&claims, "sub")),
        forged(&header, &with(&claims, "sid", json!("00000000-0000-7000-8000-000000000000"))),
        forged(&header, &with(&claims, "sid", json!("nonsense"))),
        forged(&header, &with(&claims, "exp", json!(1))),
        forged(&header, &with(&claims, "exp", json!("never"))),
        forged(&header, &with(&claims, "sub", of_other["sub"].clone())),
        forged(&header, &with(&of_other, "sid", claims["sid"].clone())),
        forged(&header, &json!([claims.clone()])),
        token[..token.len() - 8].to_owned(),
        format!("{token}{token}"),
        format!("{token}.{}", "x".repeat(16 << 10)),
        "x".repeat(16 << 10),
        "..".to_owned(),
        "a b c".to_owned(),
    ];
    for bad in &bad {
        let (status, answer) = burgee.ask("GET", "/auth/me", Some(bad), None).await?;
        let code = answer["code"].as_str().unwrap_or_default();
        assert!(status == 401 && ["invalid_token", "token_expired"].contains(&code), "{status} {bad:.300}");
        assert!(!answer.to_string().contains(text(&header, "kid")), "{answer}");
    }
    // A character of each part in the place of another.
    for place in [5, token.find('.').unwrap() + 9, token.len() - 5] {
        let mut changed = token.to_owned().into_bytes();
        changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
        assert!(!is_let_in(&burgee, &String::from_utf8(changed)?).await?, "{place}");
    }
    // What a token claims beyond who it is of is not asked.
    let promoted = parts(&other).1;
    let promoted = forged(&header, &with(&promoted, "role", json!("admin")));
    assert_eq!(burgee.ask("GET", "/auth/users", Some(&promoted), None).await?.0, 403);

    let control = burgee.http.get(format!("{}/auth/me", burgee.url));
    let bytes = reqwest::header::HeaderValue::from_bytes(b"Bearer \xff\xfe\x80")?;
    assert_eq!(control.header("authorization", bytes).send().await?.status(), 401);
    assert!(is_let_in(&burgee, token).await?);
    Ok(())
}

#[tokio::test]
async fn b3_k6_s3_tokens_are_signed_by_a_secret_that_nobody_knows() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    let (header, claims) = parts(&house.admin);
    for secret in ["change-me-in-production", "your-super-secret-key-change-in-production", "secret", ""] {
        assert!(!is_let_in(&house.burgee, &forge(&header, &claims, secret.as_bytes())).await?, "{secret}");
    }
    for known in ["change-me-in-production", "your-super-secret-key-change-in-production"] {
        let folder = tempfile::tempdir()?;
        let env = [("BURGEE_PROFILE", "production"), ("JWT_SECRET_KEY", known)];
        let start = Start { program: PROGRAM, folder: folder.path(), env: &env };
        let output = start.command().arg("start").output()?;
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && told.contains("iam.jwt_secret"), "{told}");
    }
    Ok(())
}

#[tokio::test]
async fn row_16_a_token_expires_and_its_session_goes_on() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let env = [("BURGEE__IAM__TOKEN_TTL", "1s"), ("BURGEE__IAM__SESSION_TTL", "4s")];
    let burgee = Start { program: PROGRAM, folder: folder.path(), env: &env }.start().await?;
    burgee.register("dev@example.com", "developer").await?;
    let first = session(&burgee, "dev@example.com").await?;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    let (status, answer) = burgee.ask("GET", "/auth/me", Some(text(&first, "token")), None).await?;
    assert_eq!((status, &answer["code"]), (401, &json!("token_expired")));
    let (status, second) = refresh(&burgee, text(&first, "refresh_token")).await?;
    assert_eq!(status, 200);
    assert!(is_let_in(&burgee, text(&second, "token")).await?);
    tokio::time::sleep(std::time::Duration::from_millis(2_500)).await;
    let (status, _) = refresh(&burgee, text(&second, "refresh_token")).await?;
    assert_eq!(status, 401, "no session lasts longer for being refreshed");
    Ok(())
}

#[tokio::test]
async fn row_28_signing_keys_are_replaced_and_revoked() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    let burgee = &house.burgee;
    let old = house.admin.clone();
    let (status, made) = house.ask(&old, "POST", "/api/v1/signing-keys", Value::Null).await?;
    assert_eq!(status, 201, "{made}");
    let first = session(burgee, "dev@example.com").await?;
    assert_eq!(parts(text(&first, "token")).0["kid"], made["id"]);
    assert!(is_let_in(burgee, &old).await?, "what the old key signed holds");
    let keys = burgee.get("/api/v1/signing-keys", &old).await?;
    assert_eq!(keys.as_array().unwrap().len(), 2);
    assert!(keys[0]["verifies_until"].is_string() && keys[1]["verifies_until"].is_null(), "{keys}");
    assert!(keys[0].get("secret").is_none());

    let new = burgee.admin().await?;
    let (status, _) = house.ask(&new, "POST", "/api/v1/signing-keys/revoke-old", Value::Null).await?;
    assert_eq!(status, 204);
    assert!(!is_let_in(burgee, &old).await? && is_let_in(burgee, &new).await?);

    // The one that signs: another takes its place, and sessions go on by their refresh tokens.
    let (status, _) = house
        .ask(&new, "DELETE", &format!("/api/v1/signing-keys/{}", text(&made, "id")), Value::Null)
        .await?;
    assert_eq!(status, 204);
    assert!(!is_let_in(burgee, &new).await? && !is_let_in(burgee, text(&first, "token")).await?);
    let (status, next) = refresh(burgee, text(&first, "refresh_token")).await?;
    assert_eq!(status, 200);
    assert!(is_let_in(burgee, text(&next, "token")).await?);
    for (method, path) in [("GET", ""), ("POST", ""), ("POST", "/revoke-old"), ("DELETE", "/x")] {
        let path = format!("/api/v1/signing-keys{path}");
        let (status, _) = house.ask(text(&next, "token"), method, &path, Value::Null).await?;
        assert_eq!(status, 403, "{method} {path}");
    }
    Ok(())
}

#[tokio::test]
async fn a_given_secret_that_was_revoked_stays_so() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let env = [("JWT_SECRET_KEY", SECRET), ("BURGEE_ADMIN_PASSWORD", "secret")];
    let start = Start { program: PROGRAM, folder: folder.path(), env: &env };
    let burgee = start.start().await?;
    let token = session(&burgee, "admin@burgee.local").await?["token"].as_str().unwrap().to_owned();
    let output = burgee.run(&["admin", "rotate-signing-keys", "--revoke-old"])?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(!is_let_in(&burgee, &token).await?, "the server notices at once");
    burgee.stop().await?;
    let burgee = start.start().await?;
    assert!(burgee.banner.text.contains("JWT_SECRET_KEY was revoked"), "{}", burgee.banner.text);
    assert!(!is_let_in(&burgee, &token).await?);
    Ok(())
}
