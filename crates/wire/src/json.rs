//! Writing JSON.

use serde::Serialize;

/// `value` as one line of JSON.
///
/// For what this program itself sends: texts, numbers, lists, and objects whose names are texts.
pub fn to_json(value: &impl Serialize) -> Vec<u8> {
    let mut json = Vec::with_capacity(256);
    append_json(&mut json, value);
    json
}

/// Writes `value` at the end of `json`.
pub(crate) fn append_json(json: &mut Vec<u8>, value: &impl Serialize) {
    #[expect(
        clippy::expect_used,
        reason = "writing to memory does not fail, and no document of ours has names that are not texts"
    )]
    serde_json::to_writer(json, value).expect("our own documents are JSON");
}
