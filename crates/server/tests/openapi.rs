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
