//! The API's document is the one that is committed, so that a change of it is seen in review. `make docs` makes
//! it anew.

use std::path::Path;

#[test]
fn the_document_is_committed() {
    let made = burgee_server::openapi::complete_document().unwrap().to_pretty_json().unwrap() + "\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == made, "docs/openapi.json is not what the program says; run `make docs`");
}

#[test]
fn no_two_operations_share_an_id() {
    let document = serde_json::to_value(burgee_server::openapi::complete_document().unwrap()).unwrap();
    let paths = document["paths"].as_object().unwrap().values();
    let operations = paths.flat_map(|path| path.as_object().unwrap().values());
    let mut ids: Vec<_> = operations.filter_map(|operation| operation["operationId"].as_str()).collect();
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert!(all > 10 && ids.len() == all, "{ids:?}");
}

#[test]
fn every_reference_leads_somewhere() {
    let document = serde_json::to_value(burgee_server::openapi::complete_document().unwrap()).unwrap();
    let mut open = vec![&document];
    let mut found = 0;
    while let Some(value) = open.pop() {
        if let Some(to) = value.get("$ref").and_then(|to| to.as_str()) {
            assert!(document.pointer(&to[1..]).is_some(), "{to} is not there");
            found += 1;
        }
        open.extend(value.as_object().into_iter().flat_map(|members| members.values()));
        open.extend(value.as_array().into_iter().flatten());
    }
    assert!(found > 100, "{found}");
}
