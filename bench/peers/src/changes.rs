//! What changes cost. Both sides are given documents that were read already, and drop what was before.

use std::hint::black_box;

use anyhow::Result;
use bench_engine::{Sort, flags};
use engine::{KeyLists, Ruleset};

use crate::timing::{Figure, fed, repeated, side_by_side};
use crate::yggdrasil;

pub(crate) fn measure(flags: usize, figures: &mut Vec<Figure>) -> Result<()> {
    let lists = KeyLists::default();
    let (snapshot, features) = (flags::snapshot(flags)?, yggdrasil::features(flags)?);
    let (mut ours, theirs) = (Ruleset::compile(&snapshot, &lists), yggdrasil::state(flags)?);
    figures.push(side_by_side(
        format!("compile {flags}"),
        repeated(|| ours = Ruleset::compile(black_box(&snapshot), &lists)),
        fed(|| features.clone(), |features| theirs.apply_client_features(features)),
    ));
    let place = Sort::OneIn.place_among(flags);
    let (our_change, their_change) = (flags::change(place)?, yggdrasil::change(place)?);
    figures.push(side_by_side(
        format!("change one of {flags}"),
        repeated(|| ours = ours.apply(black_box(&our_change), &lists)),
        repeated(|| theirs.apply_delta(black_box(&their_change))),
    ));
    Ok(())
}
