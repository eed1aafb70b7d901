//! Texts that have a grammar of their own: ranges, networks, patterns, and pieces of other texts.

use super::dice::Dice;
use super::words;
use crate::second;

/// The largest pattern that may be written.
const MOST_INSTRUCTIONS: usize = 2_000;

/// A piece of a text of the vocabulary, seldom an empty one.
pub(super) fn part(dice: &mut Dice) -> String {
    let source = dice.pick(&[&words::TEXTS[..], &words::SUBJECTS[..]]);
    let letters: Vec<char> = dice.pick(source).chars().collect();
    let from = dice.below(letters.len() + 1);
    let to = from + dice.below(letters.len() + 1 - from);
    let part: String = letters[from..to].iter().collect();
    if part.is_empty() && !dice.once_in(10) { "a".to_owned() } else { part }
}

/// A SemVer range of up to three comparators.
pub(super) fn range(dice: &mut Dice) -> String {
    let mut range = String::new();
    for at in 0..=dice.below(3) {
        if at > 0 {
            range.push_str(dice.pick(&[" ", ",", ", ", "  "]));
        }
        // The comparators and versions that do not read stand at the end of their words.
        let last = usize::from(!dice.once_in(25));
        range.push_str(dice.pick(&words::COMPARATORS[..words::COMPARATORS.len() - last]));
        range.push_str(dice.pick(&["", "", " "]));
        range.push_str(dice.pick(&words::VERSIONS[..words::VERSIONS.len() - 11 * last]));
    }
    range
}

/// An address, or one with the length of a prefix.
pub(super) fn network(dice: &mut Dice) -> String {
    let known = if dice.once_in(12) { words::ADDRESSES.len() } else { 13 };
    let address = dice.pick(&words::ADDRESSES[..known]);
    let length = match (address.contains(':'), dice.once_in(12)) {
        (_, true) => dice.pick(&words::LENGTHS),
        (false, _) => dice.pick(&words::LENGTHS[..7]),
        (true, _) => dice.pick(&words::LENGTHS[..12]),
    };
    format!("{address}{length}")
}

/// A pattern of the dialect that may be written; seldom parts of one as they fall.
pub(super) fn pattern(dice: &mut Dice) -> String {
    loop {
        let pattern = if dice.once_in(5) {
            dice.some(6, |dice| dice.pick(&words::PATTERN_PARTS)).concat()
        } else {
            branches(dice, 0)
        };
        // What a reader makes of a larger one is its own affair.
        if second::pattern_size(&pattern).is_none_or(|size| size <= MOST_INSTRUCTIONS) {
            return pattern;
        }
    }
}

fn branches(dice: &mut Dice, depth: usize) -> String {
    let count = if dice.once_in(4) { 2 } else { 1 };
    let branches: Vec<String> =
        (0..count).map(|_| dice.some(4, |dice| piece(dice, depth)).concat()).collect();
    branches.join("|")
}

fn piece(dice: &mut Dice, depth: usize) -> String {
    let atom = match dice.below(6) {
        0 => return dice.pick(&["^", "$", "\\b", "\\B"]).to_owned(),
        1 if depth < 2 => format!("{}{})", dice.pick(&["(", "(?:"]), branches(dice, depth + 1)),
        2 => class(dice),
        _ => dice.pick(&words::PATTERN_ATOMS).to_owned(),
    };
    let quantifier = if dice.once_in(3) { dice.pick(&words::QUANTIFIERS) } else { "" };
    atom + quantifier
}

fn class(dice: &mut Dice) -> String {
    let first = dice.pick(&words::CLASS_MEMBERS);
    let more = dice.some(3, |dice| dice.pick(&words::CLASS_MEMBERS)).concat();
    format!("[{}{first}{more}]", dice.pick(&["", "^"]))
}

/// A text for patterns to be found in.
pub(super) fn subject(dice: &mut Dice) -> String {
    dice.some(4, |dice| dice.pick(&words::SUBJECTS)).concat()
}
