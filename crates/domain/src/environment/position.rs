//! Where environments stand in lists: no two of them at one place.

use super::Environment;
use crate::time::Timestamp;

/// Where those go that are in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// To higher positions.
    Up,
    /// To lower ones.
    Down,
}

/// Those of the others that must move when an environment comes to its position, before and after: the one that is
/// there by one place, and so on to the first gap.
pub(super) fn make_way(
    coming: &Environment,
    way: Way,
    environments: &[Environment],
    now: Timestamp,
) -> Vec<(Environment, Environment)> {
    let step = match way {
        Way::Up => 1,
        Way::Down => -1,
    };
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
