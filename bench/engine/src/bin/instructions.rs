//! What the hot paths of the engine cost in instructions, which a busy machine counts as well as a quiet one.
//!
//! `instructions` counts each path with callgrind, compares with `expected.json` and fails where one differs by
//! more than 3 %, either way, and where a question allocates. `instructions --update` writes `expected.json`
//! anew. `instructions --walk PATH` is what callgrind runs. `bench/README.md` says how to read it.
#![expect(clippy::print_stdout, reason = "figures are what it is for")]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};
use bench_engine::{Caller, Sort, flags};
use engine::{Context, KeyList, KeyLists, Ruleset};

/// How far a count may be from what is expected, in percent.
const TOLERANCE: f64 = 3.0;
/// How many flags there are for all paths but the last.
const FLAGS: usize = 100;
/// What libc allocates with.
const ALLOCATORS: [&str; 4] = ["malloc", "calloc", "realloc", "posix_memalign"];

/// Names of the paths, as they stand in `expected.json`.
const QUESTIONS: [(&str, Sort); 6] = [
    ("no_rule", Sort::NoRule),
    ("one_in", Sort::OneIn),
    ("half_split", Sort::HalfSplit),
    ("segment_100", Sort::Segment),
    ("semver", Sort::Semver),
    ("starts_with_ignoring_case", Sort::StartsWith),
];
const ALL_OF_100: &str = "all_of_100";
const COMPILE_ONE: &str = "compile_one_flag";
const LARGE_LIST: &str = "lookup_in_a_large_list";
const LARGE_LIST_MISS: &str = "miss_in_a_large_list";
const MAKE_CONTEXT: &str = "make_context";
/// How many keys the large list has.
const LISTED: usize = 100_000;

fn main() -> Result<ExitCode> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => compare(),
        ["--update"] => update(),
        ["--walk", path] => walk(path).map(|()| ExitCode::SUCCESS),
        other => bail!("{other:?} is neither nothing, nor --update, nor --walk PATH"),
    }
}

/// What callgrind counts: all between entering and leaving this function, and nothing else.
#[inline(never)]
fn counted(rounds: u32, step: &mut dyn FnMut()) {
    for _ in 0..rounds {
        step();
    }
}

/// How often a path is walked in one count, so that what the loop costs is shared.
fn rounds(path: &str) -> u32 {
    if [ALL_OF_100, COMPILE_ONE].contains(&path) { 10 } else { 1_000 }
}

fn walk(path: &str) -> Result<()> {
    let (lists, context) = (KeyLists::default(), Caller::usual().context());
    let rounds = rounds(path);
    if path == COMPILE_ONE {
        let mut snapshot = flags::snapshot(Sort::ALL.len())?;
        let key = flags::key(Sort::OneIn.place_among(0));
        snapshot.flags.retain(|other, _| *other == key);
        snapshot.segments.clear();
        counted(rounds, &mut || drop(black_box(Ruleset::compile(black_box(&snapshot), &lists))));
        return Ok(());
    }
    if path == MAKE_CONTEXT {
        let mut callers = vec![Caller::usual().attributes(); rounds as usize];
        counted(rounds, &mut || drop(black_box(callers.pop().map(Context::new))));
        return Ok(());
    }
    if path == LARGE_LIST || path == LARGE_LIST_MISS {
        let keys: Vec<_> = (0..LISTED).map(|key| format!("user-{key:016}")).collect();
        let blob = keys.join("\n") + "\n";
        let list = KeyList::read(blob.as_bytes(), [7; 16]).map_err(anyhow::Error::msg)?;
        let other = if path == LARGE_LIST { "" } else { "-" };
        let asked: Vec<_> = keys.iter().step_by(97).map(|key| format!("{other}{key}")).collect();
        let mut asked = asked.iter().cycle();
        counted(rounds, &mut || {
            black_box(asked.next().is_some_and(|key| list.holds(black_box(key))));
        });
        return Ok(());
    }
    let ruleset = Ruleset::compile(&flags::snapshot(FLAGS)?, &lists);
    if let Some(problem) = ruleset.problems().next() {
        bail!("a flag does not compile: {problem:?}");
    }
    if path == ALL_OF_100 {
        counted(rounds, &mut || {
            for flag in ruleset.flags() {
                black_box(flag.evaluate(black_box(&context)).value());
            }
        });
        return Ok(());
    }
    let known = QUESTIONS.iter().find(|(name, _)| *name == path);
    let (_, sort) = known.with_context(|| format!("{path:?} is not a path"))?;
    let key = flags::key(sort.place_among(FLAGS));
    counted(rounds, &mut || {
        black_box(ruleset.evaluate(black_box(&key), black_box(&context)).value());
    });
    Ok(())
}

/// What callgrind says of a path.
struct Count {
    /// Instructions of walking it once.
    instructions: f64,
    /// Whether anything on it allocates.
    allocates: bool,
}

fn count(path: &str, folder: &Path) -> Result<Count> {
    let out = folder.join(path);
    let output = Command::new("valgrind")
        .args(["--quiet", "--tool=callgrind", "--toggle-collect=*counted*"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(std::env::current_exe()?)
        .args(["--walk", path])
        // libc picks its copies and comparisons by what the processor can do: let it be the same everywhere.
        .env("GLIBC_TUNABLES", "glibc.cpu.hwcaps=-AVX2,-AVX2_Usable,-ERMS,-FSRM")
        .output()
        .context("valgrind does not start: install Debian's package `valgrind`")?;
    if !output.status.success() {
        bail!("{path} under valgrind: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    let profile = std::fs::read_to_string(&out)?;
    let total: f64 = profile
        .lines()
        .find_map(|line| line.strip_prefix("summary: ").or_else(|| line.strip_prefix("totals: ")))
        .context("callgrind wrote no summary")?
        .parse()?;
    if total == 0.0 {
        bail!("callgrind counted nothing on {path}: the function `counted` was not found");
    }
    // Functions are named where they stand first: `fn=(7) malloc`, or `cfn=(7) malloc` where one is called.
    let mut functions = profile.lines().filter_map(|line| {
        let name = line.strip_prefix("fn=").or_else(|| line.strip_prefix("cfn="))?;
        name.split_once(' ').map(|(_, name)| name)
    });
    Ok(Count {
        instructions: total / f64::from(rounds(path)),
        allocates: functions.any(|name| ALLOCATORS.contains(&name)),
    })
}

fn count_all() -> Result<Vec<(&'static str, Count)>> {
    if !cfg!(target_arch = "x86_64") {
        bail!("expected.json holds the counts of x86-64; this is {}", std::env::consts::ARCH);
    }
    let folder = std::env::temp_dir().join(format!("burgee-instructions-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let paths = QUESTIONS.iter().map(|(name, _)| *name).chain([
        ALL_OF_100,
        LARGE_LIST,
        LARGE_LIST_MISS,
        MAKE_CONTEXT,
        COMPILE_ONE,
    ]);
    let counts = paths.map(|path| count(path, &folder).map(|count| (path, count))).collect();
    std::fs::remove_dir_all(&folder)?;
    counts
}

fn expected_file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("expected.json")
}

fn update() -> Result<ExitCode> {
    let counts: BTreeMap<_, _> =
        count_all()?.into_iter().map(|(path, count)| (path, count.instructions.round())).collect();
    std::fs::write(expected_file(), serde_json::to_string_pretty(&counts)? + "\n")?;
    println!("wrote {}", expected_file().display());
    Ok(ExitCode::SUCCESS)
}

fn compare() -> Result<ExitCode> {
    let expected = std::fs::read_to_string(expected_file()).context("expected.json")?;
    let expected: BTreeMap<String, f64> = serde_json::from_str(&expected).context("expected.json")?;
    let mut sound = true;
    println!("| path | expected | counted | | |\n|---|---:|---:|---:|---|");
    for (path, Count { instructions, allocates }) in count_all()? {
        let before = expected.get(path).copied().with_context(|| format!("expected.json lacks {path}"))?;
        let percent = (instructions / before - 1.0) * 100.0;
        let verdict = match percent {
            _ if allocates && ![MAKE_CONTEXT, COMPILE_ONE].contains(&path) => "allocates",
            percent if percent > TOLERANCE => "dearer",
            percent if percent < -TOLERANCE => "cheaper",
            _ => "as expected",
        };
        sound &= verdict == "as expected";
        println!("| {path} | {before:.0} | {instructions:.0} | {percent:+.1} % | {verdict} |");
    }
    if sound {
        return Ok(ExitCode::SUCCESS);
    }
    println!(
        "\nA count is more than {TOLERANCE} % off, or a question allocates. Where that is meant: \
         `make instructions UPDATE=1`, and say why in the commit."
    );
    Ok(ExitCode::FAILURE)
}
