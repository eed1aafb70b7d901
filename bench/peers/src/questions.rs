//! What questions cost. Contexts and keys are made beforehand on both sides.

use std::hint::black_box;

use anyhow::Result;
use bench_engine::{Caller, Sort, flags};
use engine::{KeyLists, Ruleset};

use crate::timing::{Figure, repeated, side_by_side};
use crate::yggdrasil;

/// The sorts whose questions have a goal.
const SORTS: [Sort; 6] =
    [Sort::NoRule, Sort::OneIn, Sort::HalfSplit, Sort::Segment, Sort::Semver, Sort::StartsWith];
/// How many different callers ask mixed questions.
const CALLERS: usize = 64;
/// How many mixed questions there are before they repeat: more than a processor remembers the branches of.
const MIXED: usize = 16_384;

fn ruleset(flags: usize) -> Result<Ruleset> {
    Ok(Ruleset::compile(&flags::snapshot(flags)?, &KeyLists::default()))
}

/// One flag of each sort, asked for again and again by the same caller.
pub(crate) fn single(flags: usize, figures: &mut Vec<Figure>) -> Result<()> {
    let (ours, theirs) = (ruleset(flags)?, yggdrasil::state(flags)?);
    let caller = Caller::usual();
    let (our_context, their_context) = (caller.context(), yggdrasil::context(&caller));
    for sort in SORTS {
        let key = flags::key(sort.place_among(flags));
        let what = if flags == 100 { sort.name().to_owned() } else { format!("{}, of {flags}", sort.name()) };
        figures.push(side_by_side(
            what,
            repeated(|| ours.evaluate(black_box(&key), black_box(&our_context)).value()),
            repeated(|| theirs.is_enabled(black_box(&key), black_box(&their_context), &None)),
        ));
    }
    Ok(())
}

/// All flags and many callers in no order, so that neither caches nor branches are warm for one question.
pub(crate) fn mixed(flags: usize, figures: &mut Vec<Figure>) -> Result<()> {
    let (ours, theirs) = (ruleset(flags)?, yggdrasil::state(flags)?);
    let keys: Vec<_> = (0..flags).map(flags::key).collect();
    let callers: Vec<_> = (0..CALLERS).map(Caller::nth).collect();
    let our_contexts: Vec<_> = callers.iter().map(Caller::context).collect();
    let their_contexts: Vec<_> = callers.iter().map(yggdrasil::context).collect();
    // A multiplicative generator: each place and caller about as often, in no order that a processor foresees.
    let mut word = 1_u64;
    let mut pick = |among: usize| {
        word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(word >> 33).unwrap_or_default() % among
    };
    let order: Vec<_> = (0..MIXED).map(|_| (pick(flags), pick(CALLERS))).collect();
    let ours_asked: Vec<_> = order
        .iter()
        .filter_map(|(key, caller)| Some((keys.get(*key)?, our_contexts.get(*caller)?)))
        .collect();
    let theirs_asked: Vec<_> = order
        .iter()
        .filter_map(|(key, caller)| Some((keys.get(*key)?, their_contexts.get(*caller)?)))
        .collect();
    let (mut our_turn, mut their_turn) = (ours_asked.iter().cycle(), theirs_asked.iter().cycle());
    figures.push(side_by_side(
        format!("mixed questions, of {flags}"),
        repeated(|| our_turn.next().map(|(key, context)| ours.evaluate(key, context).value().is_some())),
        repeated(|| their_turn.next().map(|(key, context)| theirs.is_enabled(key, context, &None))),
    ));
    Ok(())
}

/// All flags for one caller: ours into a list that is used again, theirs into the map that it makes.
pub(crate) fn all(flags: usize, figures: &mut Vec<Figure>) -> Result<()> {
    let (ours, theirs) = (ruleset(flags)?, yggdrasil::state(flags)?);
    let caller = Caller::usual();
    let (our_context, their_context) = (caller.context(), yggdrasil::context(&caller));
    let mut answers = Vec::with_capacity(flags);
    figures.push(side_by_side(
        format!("all of {flags}"),
        repeated(|| {
            answers.clear();
            answers.extend(ours.flags().map(|flag| (flag.key(), flag.evaluate(black_box(&our_context)))));
            black_box(answers.as_slice()).len()
        }),
        repeated(|| theirs.resolve_all(black_box(&their_context), &None)),
    ));
    Ok(())
}
