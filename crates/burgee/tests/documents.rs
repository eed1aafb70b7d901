//! The documents that are made from the program are the ones that are committed. `make docs` makes them anew.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use std::fmt::Write;
use std::path::Path;
use std::process::Command;

use testkit::process::Start;

const PROGRAM: &str = env!("CARGO_BIN_EXE_burgee");

fn compare(name: &str, made: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, made).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == made, "docs/{name} is not what the program says; run `make docs`");
}

#[test]
fn the_settings() {
    let defaults = include_str!("../src/default.yaml");
    compare(
        "config.md",
        &format!(
            "# Settings\n\n\
             `burgee start --config FILE` reads a YAML file; it need name only what differs from this:\n\n\
             ```yaml\n{defaults}```\n\n\
             ## Secrets for a first start\n\n\
             A first start makes what it is not told, and shows it once. Containers and scripts can tell it by\n\
             environment; a given key has 16 characters or more and is taken as it is. Later starts with the same\n\
             values are silent; with others they add the new one and say so.\n\n\
             | variable | what |\n|---|---|\n\
             | `BURGEE_ADMIN_EMAIL`, `BURGEE_ADMIN_PASSWORD` | the first admin; without them a start prints a password (local) or a setup token (production), see [accounts](accounts.md) |\n\
             | `ADMIN_API_KEY` | credential of a service account `admin-key` with the role admin: `X-Admin-API-Key` or `Authorization: Bearer` |\n\
             | `SDK_API_KEY` | server-kind key of the environment `development`: at most 512 visible ASCII characters |\n\
             | `JWT_SECRET_KEY` | signs session tokens |\n\
             | `PORT`, `DATABASE_URL` | `server.port`, `database.url` |\n"
        ),
    );
}

#[test]
fn the_commands() {
    let mut text = "# Commands\n".to_owned();
    let commands = [
        &[][..],
        &["start"],
        &["version"],
        &["eval"],
        &["admin"],
        &["admin", "create"],
        &["admin", "promote"],
        &["admin", "reset-password"],
        &["admin", "rotate-signing-keys"],
        &["make-admin"],
        &["audit"],
        &["audit", "verify"],
        &["store"],
        &["store", "backup"],
        &["store", "restore"],
    ];
    for command in commands {
        let output =
            Command::new(PROGRAM).args(command).arg("--help").env("COLUMNS", "100").output().unwrap();
        let help = String::from_utf8(output.stdout).unwrap();
        let name = ["burgee"].iter().chain(command).copied().collect::<Vec<_>>().join(" ");
        write!(text, "\n## `{name}`\n\n```text\n{}\n```\n", help.trim_end()).unwrap();
    }
    compare("cli.md", &text);
}

/// What stands in the fenced blocks of a language of a page.
fn blocks<'a>(page: &'a str, language: &str) -> impl Iterator<Item = &'a str> {
    let fence = format!("```{language}\n");
    let begins: Vec<_> = page.match_indices(&fence).map(|(place, _)| place + fence.len()).collect();
    begins.into_iter().map(|begin| page[begin..].split("\n```").next().unwrap())
}

fn pages() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let pages = paths.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    pages.map(|path| (path.display().to_string(), std::fs::read_to_string(&path).unwrap())).collect()
}

#[test]
fn settings_that_pages_show_are_read() {
    let mut read = 0;
    for (name, page) in pages() {
        for settings in blocks(&page, "yaml") {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("burgee.yaml");
            std::fs::write(&file, settings).unwrap();
            let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let port = taken.local_addr().unwrap().port().to_string();
            let env = [("BURGEE__SERVER__PORT", port.as_str())];
            let mut command = Start { program: PROGRAM, folder: folder.path(), env: &env }.command();
            let output = command.arg("start").arg("--config").arg(&file).output().unwrap();
            let told = String::from_utf8_lossy(&output.stderr);
            assert!(told.contains(&port), "{name}: not the port alone is in the way: {told}");
            read += 1;
        }
    }
    assert!(read >= 2, "only {read} blocks of settings stand in docs/");
}
