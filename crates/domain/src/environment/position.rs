//! Where environments stand in lists: no two of them at one place.

use super::Environment;
use crate::time::Timestamp;

/// Positions go this far either way.
pub(super) const MOST_POSITION: i32 = 1_000_000_000;

/// Where those go that are in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// To higher positions.
    Up,
    /// To lower ones.
    Down,
}

impl Way {
    fn step(self) -> i32 {
        match self {
            Self::Up => 1,
            Self::Down => -1,
        }
    }

    fn back(self) -> Self {
        match self {
            Self::Up => Self::Down,
            Self::Down => Self::Up,
        }
    }
}

/// The position after all that there are; the last there may be if another one is there already.
pub(super) fn next_position(environments: &[Environment]) -> i32 {
    let last = environments.iter().map(|environment| environment.position).max();
    last.map_or(0, |last| last.saturating_add(1).min(MOST_POSITION))
}

/// Those of the others that must move when an environment comes to its position, before and after: the one that is
/// there by one place, and so on to the first gap. Where the positions end before one, all go the other way: there are
/// far more positions than environments.
pub(super) fn make_way(
    coming: &Environment,
    way: Way,
    environments: &[Environment],
    now: Timestamp,
) -> Vec<(Environment, Environment)> {
    let moved = push(coming, way, environments, now);
    let outside = |(_, after): &(Environment, Environment)| after.position.abs() > MOST_POSITION;
    if moved.iter().any(outside) { push(coming, way.back(), environments, now) } else { moved }
}

fn push(
    coming: &Environment,
    way: Way,
    environments: &[Environment],
    now: Timestamp,
) -> Vec<(Environment, Environment)> {
    let step = way.step();
    // How far along the way.
    let ahead = |position: i32| i64::from(position) * i64::from(step);
    let mut taken = coming.position;
    let others = environments.iter().filter(|one| one.id != coming.id);
    let mut others: Vec<_> = others.filter(|one| ahead(one.position) >= ahead(taken)).collect();
    others.sort_by_key(|one| ahead(one.position));
    let mut moved = Vec::new();
    for before in others {
        if ahead(before.position) > ahead(taken) {
            break;
        }
        taken = taken.saturating_add(step);
        let after = Environment { position: taken, updated_at: now, ..before.clone() };
        moved.push((before.clone(), after));
    }
    moved
}
