//! Who asks too often is told when to come again, and nobody else notices.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::future::join_all;
use reqwest::{Client, Response};
use serde_json::{Value, json};
use testkit::process::{Burgee, Start};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

const PROGRAM: &str = env!("CARGO_BIN_EXE_burgee");
const PRODUCTION: (&str, &str) = ("BURGEE_PROFILE", "production");
/// The program believes whom this machine asks for.
const PROXY: (&str, &str) = ("BURGEE__SERVER__TRUSTED_PROXIES", r#"["127.0.0.0/8"]"#);

async fn ask(burgee: &Burgee, path: &str, address: &str, token: &str) -> Result<Response> {
    let request = burgee.http.get(format!("{}{path}", burgee.url)).header("x-forwarded-for", address);
    Ok(request.bearer_auth(token).send().await?)
}

#[tokio::test]
async fn b4_who_guesses_credentials_is_slowed_down_and_others_are_not() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let env = [
        PRODUCTION,
        PROXY,
        ("BURGEE__LIMITS__CONTROL__PER_ADDRESS", "{rate=1, burst=20}"),
        ("BURGEE__LIMITS__CONTROL__PER_CREDENTIAL", "{rate=1, burst=10}"),
    ];
    let burgee = Start { program: PROGRAM, folder: folder.path(), env: &env }.start().await?;
    let mut codes = Vec::new();
    for guess in 0..30 {
        let answer = ask(&burgee, "/api/v1/flags", "203.0.113.7", &format!("guess-{guess}")).await?;
        codes.push(answer.status().as_u16());
        if answer.status() == 429 {
            let wait: u64 = answer.headers().get("retry-after").context("when?")?.to_str()?.parse()?;
            ensure!((1..=2).contains(&wait), "{wait} s");
            let problem: Value = answer.json().await?;
            assert_eq!(problem["code"], "too_many", "{problem}");
        }
    }
    ensure!(codes[..20].iter().all(|code| *code == 401), "{codes:?}");
    ensure!(codes[20..].iter().filter(|code| **code == 429).count() >= 6, "{codes:?}");

    // Another network, and another subscriber of IPv6, are not meant; the same subscriber is.
    assert_eq!(ask(&burgee, "/api/v1/flags", "203.0.113.8", "guess").await?.status(), 401);
    for host in 0..20 {
        ask(&burgee, "/api/v1/flags", &format!("2001:db8::{host:x}"), "guess-6").await?;
    }
    let same = ask(&burgee, "/api/v1/flags", "2001:db8::ffff", "guess-7").await?;
    let other = ask(&burgee, "/api/v1/flags", "2001:db8:0:1::1", "guess-7").await?;
    assert_eq!((same.status().as_u16(), other.status().as_u16()), (429, 401));

    // A token is counted wherever it comes from.
    let mut codes = Vec::new();
    for network in 0..15 {
        let answer = ask(&burgee, "/api/v1/flags", &format!("198.51.{network}.1"), "leaked").await?;
        codes.push(answer.status().as_u16());
    }
    ensure!(codes[..10].iter().all(|code| *code == 401) && codes.contains(&429), "{codes:?}");

    // Health is never counted, and applications only if somebody wants that.
    for _ in 0..100 {
        assert_eq!(ask(&burgee, "/health", "203.0.113.7", "").await?.status(), 200);
        let answer = ask(&burgee, "/sdk/v1/snapshot", "203.0.113.7", &burgee.banner.server_key).await?;
        assert_eq!(answer.status(), 200);
    }
    Ok(())
}

#[tokio::test]
async fn a_credential_is_counted_however_it_is_written() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let env = [
        PRODUCTION,
        ("BURGEE__LIMITS__CONTROL__PER_CREDENTIAL", "{rate=1, burst=5}"),
        ("BURGEE__LIMITS__DELIVERY__PER_CREDENTIAL", "{rate=1, burst=5}"),
    ];
    let burgee = Start { program: PROGRAM, folder: folder.path(), env: &env }.start().await?;
    let ask = async |path: &str, name: &str, value: String| {
        let request = burgee.http.get(format!("{}{path}", burgee.url)).header(name, value);
        anyhow::Ok(request.send().await?.status().as_u16())
    };
    let mut codes = Vec::new();
    for spaces in 1..8 {
        let scheme = if spaces % 2 == 0 { "Bearer" } else { "bEARER" };
        let value = format!("{scheme}{}leaked", " ".repeat(spaces));
        codes.push(ask("/api/v1/flags", "authorization", value).await?);
    }
    codes.push(ask("/api/v1/flags", "x-admin-api-key", "leaked".to_owned()).await?);
    // One a second is given back meanwhile.
    ensure!(codes[..5] == [401; 5] && codes[5..].contains(&429), "{codes:?}");
    let key = &burgee.banner.server_key;
    let mut codes = Vec::new();
    for spaces in 1..6 {
        codes.push(
            ask("/sdk/v1/snapshot", "authorization", format!("Bearer{}{key}", " ".repeat(spaces))).await?,
        );
    }
    for name in ["x-sdk-key", "x-api-key"] {
        codes.push(ask("/sdk/v1/snapshot", name, key.clone()).await?);
    }
    ensure!(codes[..5] == [200; 5] && codes[5..].contains(&429), "{codes:?}");
    Ok(())
}

#[tokio::test]
async fn applications_are_counted_if_somebody_wants_that() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let env = [PRODUCTION, ("BURGEE__LIMITS__DELIVERY__PER_CREDENTIAL", "{rate=1, burst=5}")];
    let burgee = Start { program: PROGRAM, folder: folder.path(), env: &env }.start().await?;
    let keys = [burgee.banner.server_key.clone(), burgee.banner.client_key.clone()];
    for key in keys {
        let mut codes = Vec::new();
        for _ in 0..10 {
            let request = burgee.http.post(format!("{}/ofrep/v1/evaluate/flags", burgee.url));
            let answer = request.header("x-sdk-key", &key).json(&json!({ "context": {} })).send().await?;
            if answer.status() == 429 {
                ensure!(answer.headers().contains_key("retry-after"));
                ensure!(answer.headers()["access-control-allow-origin"] == "*", "a page cannot hear of it");
            }
            codes.push(answer.status().as_u16());
        }
        ensure!(codes[..5].iter().all(|code| *code == 200) && codes.contains(&429), "{codes:?}");
    }
    Ok(())
}

#[tokio::test]
async fn the_local_profile_does_not_count() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let env = [("BURGEE__LIMITS__CONTROL__PER_ADDRESS", "{rate=1, burst=1}")];
    let burgee = Start { program: PROGRAM, folder: folder.path(), env: &env }.start().await?;
    for _ in 0..20 {
        assert_eq!(ask(&burgee, "/api/v1/flags", "", "guess").await?.status(), 401);
    }
    Ok(())
}

/// The status of each answer to a flood of logins, of many who do not wait for each other.
async fn flood(burgee: &Burgee, lasting: Duration) -> Result<Vec<u16>> {
    const CLIENTS: usize = 1_000;
    let http = Client::builder().timeout(Duration::from_mins(2)).build()?;
    let (url, until) = (format!("{}/auth/login", burgee.url), Instant::now() + lasting);
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let (http, url) = (http.clone(), url.clone());
        clients.spawn(async move {
            let mut codes = Vec::new();
            while Instant::now() < until {
                let email = format!("a{client}@example.com");
                let guess = json!({ "email": email, "password": format!("guess{}", codes.len()) });
                codes.push(http.post(&url).json(&guess).send().await?.status().as_u16());
            }
            anyhow::Ok(codes)
        });
    }
    let mut codes = Vec::new();
    while let Some(client) = clients.join_next().await {
        codes.extend(client??);
    }
    Ok(codes)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_logins_is_sent_away_and_the_server_lives() -> Result<()> {
    for env in [&[PRODUCTION, ("BURGEE_ADMIN_PASSWORD", "long enough")][..], &[]] {
        let folder = tempfile::tempdir()?;
        let burgee = Start { program: PROGRAM, folder: folder.path(), env }.start().await?;
        let watched = async {
            let mut seen = 0;
            for _ in 0..20 {
                // A store with a long queue before it may make a node say that it is not ready; it lives all the same.
                for (path, codes) in [("/health", &[200][..]), ("/ready", &[200, 503])] {
                    let answer = burgee.http.get(format!("{}{path}", burgee.url)).send();
                    let status =
                        timeout(Duration::from_secs(10), answer).await.context("no answer")??.status();
                    ensure!(codes.contains(&status.as_u16()), "{path} under a flood: {status}");
                    seen += 1;
                }
                let snapshot = burgee.get("/sdk/v1/snapshot", &burgee.banner.server_key).await?;
                ensure!(snapshot["flags"].is_object());
                sleep(Duration::from_millis(150)).await;
            }
            Ok(seen)
        };
        let (codes, watched) = tokio::join!(flood(&burgee, Duration::from_secs(4)), watched);
        let (codes, seen) = (codes?, watched?);
        let of = |code: u16| codes.iter().filter(|seen| **seen == code).count();
        let told = [401, 429, 503].map(&of);
        println!("{} logins in 4 s: 401, 429, 503: {told:?}; health asked {seen} times", codes.len());
        assert_eq!(told.iter().sum::<usize>(), codes.len(), "another code: {codes:?}");
        ensure!(told[1] + told[2] > 0, "nobody was sent away");
        // It goes on as if nothing had been.
        sleep(Duration::from_secs(5)).await;
        burgee.admin().await?;
        let (code, _) = burgee.stop().await?;
        assert_eq!(code, Some(0));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn hundreds_who_say_half_a_head_keep_nobody_waiting() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let burgee = Start { program: PROGRAM, folder: folder.path(), env: &[PRODUCTION] }.start().await?;
    let authority = burgee.url.strip_prefix("http://").context("no address")?;
    let halves = (0..500).map(|_| async {
        let mut stream = TcpStream::connect(authority).await?;
        stream.write_all(b"GET /health HTTP/1.1\r\nhost: x\r\nx-slow: ").await?;
        anyhow::Ok(stream)
    });
    let mut halves = join_all(halves).await.into_iter().collect::<Result<Vec<_>>>()?;
    for _ in 0..20 {
        let answer =
            timeout(Duration::from_secs(5), burgee.http.get(format!("{}/health", burgee.url)).send())
                .await??;
        assert_eq!(answer.status(), 200);
    }
    // And each of them may still say the rest.
    let last = halves.last_mut().context("nobody")?;
    last.write_all(b"y\r\n\r\n").await?;
    let mut bytes = [0; 12];
    last.read_exact(&mut bytes).await?;
    assert_eq!(&bytes, b"HTTP/1.1 200");
    Ok(())
}
