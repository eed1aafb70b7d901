//! The figures of several runs as a table, with the goals beside them.

use crate::timing::{Figure, median};

/// What is wanted: what, at most so many seconds, and at most so many times what Yggdrasil needs.
const GOALS: [(&str, f64, f64); 10] = [
    ("no rule", 10e-9, 0.7),
    ("one `in`", 20e-9, 0.7),
    ("50 % split", 40e-9, 0.7),
    ("segment with 100 keys", 60e-9, 0.6),
    ("semver", 60e-9, 0.6),
    ("starts_with ignoring case", 60e-9, 0.6),
    ("all of 100", 8e-6, 0.2),
    ("all of 5000", 400e-6, 0.05),
    ("compile 5000", 30e-3, 0.1),
    ("change one of 5000", 1e-3, 0.1),
];

/// Prints medians over `runs`, which have the same figures in the same order, and the least and the most.
pub(crate) fn print(runs: &[Vec<Figure>]) {
    println!("| what | burgee | yggdrasil | ratio | goal | at most | |\n|---|---:|---:|---:|---:|---:|---|");
    let Some(first) = runs.first() else { return };
    for (index, (what, ..)) in first.iter().enumerate() {
        let figures = runs.iter().filter_map(|run| run.get(index));
        let (ours, theirs): (Vec<_>, Vec<_>) = figures.map(|(_, ours, theirs)| (*ours, *theirs)).unzip();
        let ratios: Vec<_> = ours.iter().zip(&theirs).map(|(ours, theirs)| ours / theirs).collect();
        let (our_median, ratio) = (median(ours.clone()), median(ratios.clone()));
        let goal = GOALS.iter().find(|(name, ..)| name == what);
        let wanted = goal.map_or_else(
            || " | | ".to_owned(),
            |(_, seconds, share)| {
                let holds = if our_median <= *seconds && ratio <= *share { "holds" } else { "missed" };
                format!("{} | {share} | {holds}", time(*seconds))
            },
        );
        println!(
            "| {what} | {} | {} | {} | {wanted} |",
            spread(ours, time),
            spread(theirs, time),
            spread(ratios, |ratio| format!("{ratio:.3}")),
        );
    }
    println!("\nMedians of {} runs; in brackets the least and the most of them.", runs.len());
}

fn spread(values: Vec<f64>, show: impl Fn(f64) -> String) -> String {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(0.0, f64::max);
    format!("{} ({}–{})", show(median(values)), show(least), show(most))
}

fn time(seconds: f64) -> String {
    match seconds {
        s if s < 1e-6 => format!("{:.1} ns", s * 1e9),
        s if s < 1e-3 => format!("{:.2} µs", s * 1e6),
        s => format!("{:.2} ms", s * 1e3),
    }
}
