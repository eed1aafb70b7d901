//! The table by which case is folded, made from Unicode's data: `conformance/fold.json` for every SDK, and
//! `src/fold/table.rs` for this engine. `make docs` makes both anew.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

/// Code point and lower case, as `UnicodeData.txt` has them.
const LOWER: &str = include_str!("../../../conformance/unicode/lowercase-16.0.0.txt");

/// Code points in a block of the engine's table.
const BLOCK: u32 = 64;

/// Code points at equal distances that are all moved equally far.
struct Run {
    first: u32,
    last: u32,
    distance: u32,
    add: i64,
}

fn lower() -> BTreeMap<u32, u32> {
    let point = |text| u32::from_str_radix(text, 16).unwrap();
    let lines = LOWER.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.split_once(';').unwrap()).map(|(from, to)| (point(from), point(to))).collect()
}

fn runs(lower: &BTreeMap<u32, u32>) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for (&from, &to) in lower {
        let add = i64::from(to) - i64::from(from);
        match runs.last_mut() {
            Some(run) if run.add == add && run.first == run.last && from - run.last <= 2 => {
                run.distance = from - run.last;
                run.last = from;
            }
            Some(run) if run.add == add && run.first != run.last && from - run.last == run.distance => {
                run.last = from;
            }
            _ => runs.push(Run { first: from, last: from, distance: 1, add }),
        }
    }
    runs
}

fn json(runs: &[Run]) -> String {
    let mut json = String::from(concat!(
        "{\n",
        "  \"about\": \"How case is folded: each code point alone, as Unicode 16.0.0 lowers it. A range is [first, ",
        "last, distance, add]: first, and every distance-th code point after it up to last, folds to itself plus ",
        "add; all others fold to themselves. Made from unicode/lowercase-16.0.0.txt by ",
        "crates/engine/tests/fold_table.rs.\",\n",
        "  \"unicode\": \"16.0.0\",\n",
        "  \"ranges\": [\n",
    ));
    for (index, Run { first, last, distance, add }) in runs.iter().enumerate() {
        let comma = if index + 1 < runs.len() { "," } else { "" };
        writeln!(json, "    [{first}, {last}, {distance}, {add}]{comma}").unwrap();
    }
    json + "  ]\n}\n"
}

/// Two levels: the number of each block's kind, and for each kind what is added to its code points. Only the lower
/// 16 bits of a code point ever change, so that is what is added to them, wrapping.
fn rust(lower: &BTreeMap<u32, u32>) -> String {
    let mut kinds = vec![vec![0; BLOCK as usize]];
    let mut blocks = Vec::new();
    for block in 0..=*lower.keys().last().unwrap() / BLOCK {
        let add = |from| {
            let to = lower.get(&from).copied().unwrap_or(from);
            assert_eq!(from >> 16, to >> 16, "U+{from:04X} moves to another plane");
            to.wrapping_sub(from) & 0xFFFF
        };
        let kind: Vec<u32> = (block * BLOCK..(block + 1) * BLOCK).map(add).collect();
        let known = kinds.iter().position(|known| *known == kind).unwrap_or_else(|| {
            kinds.push(kind);
            kinds.len() - 1
        });
        blocks.push(known);
    }
    let mut rust = String::from(
        "//! How case is folded, as Unicode 16.0.0 has it. Made by `tests/fold_table.rs`; `make docs` makes it anew.\n\n\
         /// For each 64 code points in turn which of [`KINDS`] they are; past the end nothing is folded.\n",
    );
    writeln!(rust, "pub(super) static BLOCKS: [u8; {}] = [", blocks.len()).unwrap();
    for row in blocks.chunks(32) {
        let row: Vec<_> = row.iter().map(usize::to_string).collect();
        writeln!(rust, "    {},", row.join(", ")).unwrap();
    }
    rust += "];\n\n/// What is added to the lower 16 bits of each of 64 code points, wrapping.\n";
    writeln!(rust, "pub(super) static KINDS: [[u16; {BLOCK}]; {}] = [", kinds.len()).unwrap();
    for kind in kinds {
        let kind: Vec<_> = kind.iter().map(u32::to_string).collect();
        writeln!(rust, "    [{}],", kind.join(", ")).unwrap();
    }
    rust + "];\n"
}

fn compare(name: &str, made: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, made).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == made, "{name} is not what Unicode's data says; run `make docs`");
}

#[test]
fn the_tables_are_made_from_unicode_s_data() {
    let lower = lower();
    let runs = runs(&lower);
    let expanded = runs.iter().flat_map(|run| {
        let points = (run.first..=run.last).step_by(run.distance as usize);
        points.map(|from| (from, u32::try_from(i64::from(from) + run.add).unwrap()))
    });
    assert!(expanded.eq(lower.clone()), "the ranges say something else than Unicode's data");
    compare("conformance/fold.json", &json(&runs));
    compare("crates/engine/src/fold/table.rs", &rust(&lower));
}
