//! The walls between the rooms, as ARCHITECTURE.md draws them: what each crate may lean on, and which libraries
//! are known in one room only.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// What each room may lean on. `testkit` and `bench` are not part of the house; they may lean on all of it.
const ROOMS: [(&str, &[&str]); 8] = [
    ("engine", &[]),
    ("wire", &["engine"]),
    ("domain", &["engine"]),
    ("store", &["domain", "engine"]),
    ("bus", &["domain", "engine"]),
    ("delivery", &["wire", "engine"]),
    ("server", &["delivery", "wire", "domain", "engine"]),
    ("burgee", &["bus", "delivery", "domain", "engine", "server", "store", "wire"]),
];

/// Libraries that only these rooms may know.
const KNOWN_ONLY_TO: [(&str, &[&str]); 15] = [
    ("sqlx", &["store"]),
    ("axum", &["delivery", "server", "burgee"]),
    ("utoipa", &["server"]),
    ("jsonwebtoken", &["domain"]),
    ("argon2", &["domain"]),
    ("clap", &["burgee"]),
    ("hmac", &["delivery"]),
    ("flate2", &["delivery"]),
    ("figment", &["burgee"]),
    ("rand", &["burgee"]),
    ("ring", &["server"]),
    ("rustix", &["burgee"]),
    ("rustls", &["burgee"]),
    ("thread-priority", &["burgee"]),
    ("tokio-rustls", &["burgee"]),
];

/// What the engine may know: no time, no network, no runtime.
const ENGINE: [&str; 10] = [
    "foldhash",
    "hashbrown",
    "md-5",
    "regex-automata",
    "regex-syntax",
    "ryu-js",
    "serde",
    "serde_json",
    "siphasher",
    "strsim",
];

/// What each crate of the workspace depends on, tests aside.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let name = |value: &Value| value.as_str().unwrap().trim_start_matches("burgee-").to_owned();
    let needed = |dependency: &&Value| dependency["kind"].is_null();
    let of = |package: &Value| {
        let dependencies = package["dependencies"].as_array().unwrap();
        (name(&package["name"]), dependencies.iter().filter(needed).map(|one| name(&one["name"])).collect())
    };
    metadata["packages"].as_array().unwrap().iter().map(of).collect()
}

#[test]
fn rooms_lean_only_where_the_map_says() {
    let dependencies = dependencies();
    let inside: BTreeSet<_> = dependencies.keys().cloned().collect();
    let drawn: BTreeSet<_> =
        ROOMS.iter().map(|(room, _)| (*room).to_owned()).chain(["testkit".into(), "bench".into()]).collect();
    assert_eq!(inside, drawn, "a room is not on the map");
    for (room, may) in ROOMS {
        for leans_on in dependencies[room].intersection(&inside) {
            assert!(may.contains(&leans_on.as_str()), "{room} leans on {leans_on}");
        }
    }
}

#[test]
fn libraries_stay_in_their_rooms() {
    let dependencies = dependencies();
    for (library, rooms) in KNOWN_ONLY_TO {
        for (room, _) in ROOMS {
            let knows = dependencies[room].contains(library);
            assert!(!knows || rooms.contains(&room), "{room} knows {library}");
        }
    }
    for library in &dependencies["engine"] {
        assert!(ENGINE.contains(&library.as_str()), "the engine knows {library}");
    }
}
