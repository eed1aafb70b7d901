//! A snapshot as it comes over the wire: read, checked, compiled, asked, changed and written again.
#![no_main]

use engine::model::{Delta, Snapshot};
use engine::{KeyLists, Ruleset, check_flag, check_list, check_segment};
use fuzz::{ask_all, none_is_broken};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|document: &[u8]| {
    let Ok(snapshot) = serde_json::from_slice::<Snapshot>(document) else { return };
    let lists = KeyLists::default();
    let ruleset = Ruleset::compile(&snapshot, &lists);
    let contexts = bench_engine::everything::contexts();
    for context in &contexts {
        ask_all(&ruleset, context);
    }

    // What can be saved can be answered, but for lists of keys that are not here.
    let accepted = snapshot.lists.keys().all(|key| check_list(&snapshot, key).is_ok())
        & snapshot.segments.keys().all(|key| check_segment(&snapshot, key).is_ok())
        & snapshot.flags.keys().all(|key| check_flag(&snapshot, key).is_ok());
    if accepted && !has(document, b"sha256") {
        for context in &contexts {
            none_is_broken(&ruleset, context);
        }
    }

    // What was read is written so that it reads the same again.
    let written = serde_json::to_vec(&snapshot).expect("a snapshot can be written");
    let again: Snapshot = serde_json::from_slice(&written).expect("what was written can be read");
    assert_eq!(Ruleset::compile(&again, &lists), ruleset);

    // A change applied is the changed snapshot compiled: take away what others name, and put it back.
    let revision = snapshot.revision;
    let gone = Delta {
        revision,
        flags: snapshot.flags.keys().step_by(2).map(|key| (key.clone(), None)).collect(),
        segments: snapshot.segments.keys().map(|key| (key.clone(), None)).collect(),
        lists: snapshot.lists.keys().map(|key| (key.clone(), None)).collect(),
    };
    let back = Delta {
        revision,
        flags: snapshot.flags.iter().map(|(key, flag)| (key.clone(), Some(flag.clone()))).collect(),
        segments: snapshot.segments.iter().map(|(key, one)| (key.clone(), Some(one.clone()))).collect(),
        lists: snapshot.lists.iter().map(|(key, list)| (key.clone(), Some(list.clone()))).collect(),
    };
    let mut without = snapshot.clone();
    without.apply(&gone);
    let applied = ruleset.apply(&gone, &lists);
    assert_eq!(applied, Ruleset::compile(&without, &lists));
    assert_eq!(applied.apply(&back, &lists), ruleset);
});

fn has(document: &[u8], part: &[u8]) -> bool {
    document.windows(part.len()).any(|window| window == part)
}
