//! What it costs to ask whether somebody may do something.
//!
//! Imitates someone with a hundred grants (as many as teams and projects may give a busy person), of whom the last one
//! is the one that counts: a role of their own making with words for single environments.
//!
//! `cargo bench --workspace --bench permission`

#![expect(clippy::expect_used, reason = "a test says what is wrong by failing")]

use std::sync::Arc;

use burgee_domain::access::{Allows, Held, Permission, Rights, Scope};
use burgee_domain::environment::{Color, Environment};
use burgee_domain::id::Id;
use burgee_domain::key::Key;
use burgee_domain::time::Timestamp;
use divan::{Bencher, black_box};
use uuid::Uuid;

/// How many grants they have.
const GRANTS: u128 = 100;

fn main() {
    divan::main();
}

fn id(number: u128) -> Id {
    Id::new(Uuid::from_u128(number))
}

fn rights() -> Rights {
    let reads = Arc::new(Allows::known(["project.read", "log.read"]));
    let held = |project| Held { scope: Scope::Project(id(project)), allows: reads.clone() };
    let mut all: Vec<_> = (1..GRANTS).map(held).collect();
    let words = ["project.read", "flag.update@staging", "flag.update@production", "segment.*@!protected"];
    let allows = Arc::new(Allows::known(words));
    all.push(Held { scope: Scope::Project(id(GRANTS)), allows });
    Rights::new(all, None)
}

fn production() -> Environment {
    Environment {
        id: id(1_000),
        project_id: id(GRANTS),
        key: Key::parse("production").expect("a key"),
        name: String::new(),
        description: String::new(),
        color: Color::PLAIN,
        protected: true,
        position: 0,
        version: 0,
        created_at: Timestamp::from_millis(0),
        updated_at: Timestamp::from_millis(0),
    }
}

#[divan::bench]
fn in_an_environment(bencher: Bencher<'_, '_>) {
    let (rights, environment) = (rights(), production());
    assert!(rights.in_environment(Permission::UpdateFlag, &environment));
    bencher.bench_local(|| rights.in_environment(black_box(Permission::UpdateFlag), black_box(&environment)));
}

#[divan::bench]
fn refused_in_an_environment(bencher: Bencher<'_, '_>) {
    let (rights, environment) = (rights(), production());
    assert!(!rights.in_environment(Permission::DeleteFlag, &environment));
    bencher.bench_local(|| rights.in_environment(black_box(Permission::DeleteFlag), black_box(&environment)));
}

#[divan::bench]
fn in_a_project(bencher: Bencher<'_, '_>) {
    let rights = rights();
    assert!(rights.in_project(Permission::ReadProject, id(GRANTS)));
    bencher.bench_local(|| rights.in_project(black_box(Permission::ReadProject), black_box(id(GRANTS))));
}
