//! Holes of older systems, each closed by something that no other test is about. `docs/holes-closed.md` lists all.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use testkit::house::House;
use testkit::process::{Burgee, Start};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

const PROGRAM: &str = env!("CARGO_BIN_EXE_burgee");
const PRODUCTION: (&str, &str) = ("BURGEE_PROFILE", "production");
const NOTHING: Value = Value::Null;
/// What is not held up has happened by then, on a busy machine too.
const SOON: Duration = Duration::from_secs(20);

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Asks for something long with a small window, reads that it comes, and then no more.
async fn begin_and_stop_reading(burgee: &Burgee, path: &str, header: &str) -> Result<TcpStream> {
    let authority = burgee.url.strip_prefix("http://").context("no address")?;
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(4_096)?;
    let mut stream = socket.connect(authority.parse()?).await?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: {authority}\r\n{header}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut begin = [0; 12];
    timeout(SOON, stream.read_exact(&mut begin)).await.context("no answer")??;
    ensure!(&begin == b"HTTP/1.1 200", "{}", String::from_utf8_lossy(&begin));
    Ok(stream)
}

/// Changes of a flag that each say much.
async fn change_much(house: &House, times: usize, keys: usize) -> Result<()> {
    for round in 0..times {
        let keys: Vec<_> = (0..keys).map(|number| format!("user-{round}-{number}")).collect();
        let changed = house.patch(&house.developer, "much", json!({ "targeted_users": keys }));
        let (status, problem) = timeout(SOON, changed).await.context("a write waits")??;
        ensure!(status == 200, "{problem}");
    }
    Ok(())
}

/// A connection of the database that stays with who reads slowly is one that nobody else has.
#[tokio::test(flavor = "multi_thread")]
async fn b1_answers_that_nobody_reads_keep_no_request_waiting() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    house.create(json!({ "key": "much" })).await?;
    change_much(&house, 60, 1_500).await?;
    let mut unread = Vec::new();
    // More than the store has connections that read.
    for token in [&house.developer, &house.user, &house.admin] {
        let header = format!("authorization: Bearer {token}");
        for _ in 0..2 {
            unread.push(begin_and_stop_reading(&house.burgee, "/api/v1/audit/export", &header).await?);
        }
    }
    let (status, problem) = house.ask(&house.developer, "GET", "/api/v1/audit/export", NOTHING).await?;
    assert_eq!((status, &problem["code"]), (429, &json!("too_many")), "they are large, so they are few");
    for round in 0..5 {
        timeout(SOON, house.create(json!({ "key": format!("flag-{round}") })))
            .await
            .context("a write waits")??;
        timeout(SOON, house.get("/api/v1/audit?limit=5")).await.context("a read waits")??;
        timeout(SOON, house.burgee.login("dev@example.com", "secret")).await.context("a sign-in waits")??;
    }
    drop(unread);
    let (code, _) = house.burgee.stop().await?;
    assert_eq!(code, Some(0));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn k9_streams_that_nobody_reads_keep_no_write_waiting() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    house.create(json!({ "key": "much", "enabled": true })).await?;
    let header = format!("x-sdk-key: {}", house.burgee.banner.server_key);
    let mut unread = Vec::new();
    for _ in 0..100 {
        unread.push(begin_and_stop_reading(&house.burgee, "/sdk/v1/stream", &header).await?);
    }
    change_much(&house, 40, 5_000).await?;
    let snapshot = timeout(SOON, house.snapshot()).await.context("who reads waits for who does not")??;
    let targets = snapshot["flags"]["much"]["targets"][0]["keys"].to_string();
    ensure!(targets.contains("user-39-0"), "the last change is served: {targets:.200}");
    Ok(())
}

/// How much an answer of the table of permissions lets somebody do.
fn rank(answer: &str) -> Option<u8> {
    match answer {
        "who?" | "no" | "hidden" => Some(0),
        "not protected" => Some(1),
        "sign in" | "yes" => Some(2),
        _ => None,
    }
}

/// Each route of `docs/permissions.md`, which a running server is held to, with what each role is answered.
fn table() -> Result<Vec<(String, BTreeMap<String, String>)>> {
    let page = fs::read_to_string(root().join("docs/permissions.md"))?;
    let cells = |line: &str| -> Vec<String> {
        line.trim_matches('|').split('|').map(|cell| cell.trim().replace('`', "")).collect()
    };
    let mut lines = page.lines().skip_while(|line| !line.starts_with("| route |"));
    let roles = cells(lines.next().context("no table")?);
    let rows = lines.skip(1).map(|line| {
        let mut answers = cells(line).into_iter();
        let route = answers.next().unwrap_or_default();
        (route, roles.iter().skip(1).cloned().zip(answers).collect())
    });
    Ok(rows.collect())
}

#[test]
fn b5_who_has_the_greater_role_may_do_what_the_lesser_may() -> Result<()> {
    let rows = table()?;
    ensure!(rows.len() > 80, "only {} routes", rows.len());
    for (route, answers) in rows {
        let may = |role: &str| rank(&answers[role]).with_context(|| format!("{route}: {answers:?}"));
        for (lesser, greater) in [
            ("nobody", "member"),
            ("member", "viewer"),
            ("viewer", "developer"),
            ("viewer", "requester"),
            ("viewer", "approver"),
            ("developer", "team_admin"),
            ("requester", "team_admin"),
            ("approver", "team_admin"),
            ("team_admin", "admin"),
        ] {
            ensure!(may(lesser)? <= may(greater)?, "{route}: {lesser} may more than {greater}");
        }
    }
    Ok(())
}

/// A server without an account of the asker's must know why it answers; whoever adds a route here says so.
#[test]
fn s1_only_the_ways_in_are_open_to_nobody_in_particular() -> Result<()> {
    let open: Vec<_> = table()?
        .into_iter()
        .filter(|(_, answers)| answers["nobody"] != "who?")
        .map(|(route, _)| route)
        .collect();
    assert_eq!(
        open,
        [
            "POST /auth/login",
            "GET /auth/oidc",
            "POST /auth/oidc/session",
            "GET /auth/oidc/{provider}/callback",
            "GET /auth/oidc/{provider}/start",
            "POST /auth/refresh",
            "POST /auth/register",
            "POST /auth/reset-password",
            "GET /health",
            "GET /ready",
            "POST /setup",
            "GET /setup/status",
        ]
    );
    Ok(())
}

#[tokio::test]
async fn s1_nobody_deletes_an_environment_without_an_account() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    for (method, path) in [
        ("GET", "/api/v1/environments"),
        ("POST", "/api/v1/environments"),
        ("PATCH", "/api/v1/environments/production"),
        ("DELETE", "/api/v1/environments/production?force=true"),
    ] {
        for path in [path.to_owned(), path.replace("/v1/", "/v1/projects/default/")] {
            let (status, problem) =
                house.burgee.ask(method, &path, None, Some(&json!({ "key": "x" }))).await?;
            assert_eq!((status, &problem["code"]), (401, &json!("missing_token")), "{method} {path}");
        }
    }
    house.get("/api/v1/environments/production").await?;
    Ok(())
}

#[tokio::test]
async fn b25_what_is_there_already_is_a_conflict_and_no_fault_of_ours() -> Result<()> {
    let house = House::open(PROGRAM).await?;
    for (path, document) in [
        ("/api/v1/flags", json!({ "key": "one" })),
        ("/api/v1/segments", json!({ "key": "one" })),
        ("/api/v1/context-fields", json!({ "key": "one" })),
        ("/api/v1/environments", json!({ "key": "one" })),
        ("/api/v1/projects", json!({ "key": "one" })),
        ("/api/v1/teams", json!({ "key": "one" })),
        ("/api/v1/roles", json!({ "key": "one" })),
        ("/api/v1/service-accounts", json!({ "name": "one" })),
        ("/api/v1/grants", json!({ "account": "user@example.com", "role": "viewer" })),
        ("/auth/users", json!({ "email": "one@example.com" })),
    ] {
        let made = house.ask(&house.admin, "POST", path, document.clone()).await?;
        assert_eq!(made.0, 201, "{path}: {}", made.1);
        let (status, problem) = house.ask(&house.admin, "POST", path, document).await?;
        assert_eq!(status, 409, "{path}: {problem}");
        assert!(problem["code"].is_string() && problem["detail"].is_string(), "{path}: {problem}");
    }
    Ok(())
}

#[tokio::test]
async fn s10_no_answer_leads_to_the_host_that_was_named() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let burgee = Start { program: PROGRAM, folder: folder.path(), env: &[PRODUCTION] }.start().await?;
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build()?;
    let mut led = 0;
    for path in ["/", "/docs", "/api/v1/flags/", "/api/v1/flags", "//evil.example/", "/auth/oidc/corp/start"]
    {
        for (host, forwarded) in
            [("evil.example", ""), ("evil.example:80", ""), ("flags.example", "evil.example")]
        {
            let mut request = http.get(format!("{}{path}", burgee.url)).header("host", host);
            if !forwarded.is_empty() {
                request =
                    request.header("x-forwarded-host", forwarded).header("forwarded", "host=evil.example");
            }
            let answer = request.send().await?;
            let place = answer.headers().get("location").map(|place| place.to_str().map(str::to_owned));
            if let Some(place) = place.transpose()? {
                led += 1;
                ensure!(place.starts_with('/') && !place.starts_with("//"), "{path}: {place}");
            }
            // A fault names the path that was asked for; the host nowhere.
            let text = answer.text().await?.replace("//evil.example/", "");
            ensure!(!text.contains("evil.example"), "{path}: {text}");
        }
    }
    ensure!(led > 0, "no path here leads anywhere");
    Ok(())
}

/// One says a limit, and a load that cannot be within it.
#[tokio::test(flavor = "multi_thread")]
async fn g10_applications_are_not_counted_unless_somebody_says_so() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let burgee = Start { program: PROGRAM, folder: folder.path(), env: &[PRODUCTION] }.start().await?;
    let mut askers = JoinSet::new();
    for _ in 0..10 {
        let http = burgee.http.clone();
        let (url, key) =
            (format!("{}/ofrep/v1/evaluate/flags", burgee.url), burgee.banner.server_key.clone());
        askers.spawn(async move {
            for _ in 0..200 {
                let answer = http.post(&url).header("x-sdk-key", &key).body("{}").send().await?;
                ensure!(answer.status() == 200, "{}", answer.status());
            }
            Ok(())
        });
    }
    while let Some(asker) = askers.join_next().await {
        asker??;
    }
    Ok(())
}

/// The text of each file that people wrote, but for what is built, and what others wrote.
fn texts(folder: &Path, found: &mut Vec<(PathBuf, String)>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        if path.is_symlink() || ["target", "node_modules", ".git"].contains(&&*name) {
            continue;
        }
        if path.is_dir() {
            texts(&path, found)?;
        } else if let Ok(text) = fs::read_to_string(&path) {
            found.push((path, text));
        }
    }
    Ok(())
}

/// Whether a word is a secret that this program made, and not one that stands for any.
fn is_secret(word: &str) -> bool {
    let Some((body, check)) = word.split_at_checked(52) else { return false };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    let Some((prefix, random)) = body.split_at_checked(4) else { return false };
    let shaped = word.len() == 60 && prefix.starts_with("bg") && prefix.ends_with('_') && digits(random);
    // One of a single digit is an example that nobody drew.
    let drawn = random.bytes().any(|byte| Some(byte) != random.bytes().next());
    shaped && drawn && check == hex::encode(&Sha256::digest(body)[..4])
}

#[test]
fn g2_no_secret_is_committed() -> Result<()> {
    let body = format!("bgs_{}", "0123456789abcdef".repeat(3));
    let sum = hex::encode(&Sha256::digest(&body)[..4]);
    ensure!(is_secret(&format!("{body}{sum}")) && !is_secret(&format!("{body}00000000")));
    let mut files = Vec::new();
    texts(&root(), &mut files)?;
    ensure!(files.len() > 300, "only {} files were read", files.len());
    let begin = format!("-----BEGIN {}", "");
    for (path, text) in files {
        let names_key = text
            .split(&begin)
            .skip(1)
            .any(|rest| rest.lines().next().is_some_and(|line| line.contains("PRIVATE KEY-----")));
        ensure!(!names_key, "{} has a private key", path.display());
        let words = text.split(|character: char| !character.is_ascii_alphanumeric() && character != '_');
        for word in words {
            ensure!(!is_secret(word), "{} has a secret: {word:.12}…", path.display());
        }
    }
    Ok(())
}

/// The holes that a test's name begins with, as the page writes them: `b25_k8_twenty_…` is about B25 and K8.
fn holes_of(test: &str) -> Vec<String> {
    let numbered = |part: &&str| {
        let (letter, number) = part.split_at_checked(1).unwrap_or_default();
        "bkgs".contains(letter) && !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    };
    test.split('_').take_while(numbered).map(str::to_uppercase).collect()
}

/// Names of tests for holes, where they are written: as functions here, and as titles in `e2e/`.
fn tests_for_holes() -> Result<Vec<String>> {
    let mut files = Vec::new();
    texts(&root().join("crates"), &mut files)?;
    texts(&root().join("e2e"), &mut files)?;
    let mut tests = Vec::new();
    for (path, text) in files {
        let (begin, prefix) = match path.extension().and_then(|extension| extension.to_str()) {
            Some("rs") => (vec!["fn "], ""),
            Some("mjs") => (vec!["describe(\"", "it('", "it(`"], "e2e/"),
            _ => continue,
        };
        for place in begin.into_iter().flat_map(|begin| text.split(begin).skip(1)) {
            let end = place.find(['(', '"', '`', '$', ' ']).unwrap_or(place.len());
            if !holes_of(&place[..end]).is_empty() {
                tests.push(format!("{prefix}{}", &place[..end]));
            }
        }
    }
    Ok(tests)
}

/// Each hole of the page, with what it says of it and the tests that it names.
fn page_of_holes() -> Result<BTreeMap<String, (String, Vec<String>)>> {
    let page = fs::read_to_string(root().join("docs/holes-closed.md"))?;
    let mut holes = BTreeMap::new();
    for line in page.lines().filter(|line| line.starts_with("| ")).skip(1) {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [hole, _, how, tests] = cells[..] else { anyhow::bail!("not four cells: {line}") };
        let tests = tests.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        ensure!(
            holes.insert(hole.to_owned(), (how.to_owned(), tests)).is_none(),
            "{hole} stands there twice"
        );
    }
    Ok(holes)
}

#[test]
fn the_page_of_holes_names_the_tests_that_there_are() -> Result<()> {
    let holes = page_of_holes()?;
    let all = [('B', 26), ('K', 15), ('G', 12), ('S', 16)];
    let all =
        all.into_iter().flat_map(|(letter, most)| (1..=most).map(move |number| format!("{letter}{number}")));
    let missing: Vec<_> = all.filter(|hole| !holes.contains_key(hole)).collect();
    assert_eq!((missing, holes.len()), (Vec::new(), 69));

    let tests = tests_for_holes()?;
    ensure!(tests.len() > 40, "{tests:?}");
    for (hole, (how, named)) in &holes {
        ensure!(named.is_empty() == how.starts_with("later: "), "{hole} has no test, or has one already");
        for test in named {
            ensure!(tests.contains(test), "{hole}: there is no test {test}");
        }
    }
    for test in &tests {
        for hole in holes_of(test.trim_start_matches("e2e/")) {
            let (_, named) =
                holes.get(&hole).with_context(|| format!("{test}: {hole} is not on the page"))?;
            ensure!(named.contains(test), "{hole} does not name {test}");
        }
    }
    Ok(())
}
