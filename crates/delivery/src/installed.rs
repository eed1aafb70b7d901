//! One environment at one revision, with everything that is told from it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use engine::model::{Delta, Revision, Snapshot};
use engine::{KeyLists, Ruleset};
use sha2::{Digest, Sha256};
use tokio::sync::OnceCell;
use tokio::task::spawn_blocking;
use wire::etag::Position;
use wire::sse::{self, SnapshotFrame};

use crate::behind::{divide, divide_snapshot, lacking, merge};
use crate::encoding::gzip;
use crate::list_name::Name;
use crate::ports::{EnvironmentId, KeyKind};
use crate::tally::{Counter, Tallied, Tally};
use crate::waiting::{Wait, Waiting};
use crate::weight::{Weight, Weights};

/// A document of more flags than this takes so long to compile or render (about a millisecond) that it is done
/// off the reactor.
pub(crate) const LARGE: usize = 250;
/// No more deltas than this are kept for readers that fell behind; who needs an older one gets a snapshot.
const MOST_DELTAS: usize = 256;
/// Nor more bytes of them than this.
const MOST_BYTES: usize = 1 << 20;

/// One environment at one revision, immutable. Rules, revision and frames belong together: who holds one of
/// these never sees half a change.
pub struct Installed {
    ruleset: Ruleset,
    /// What the source has at this revision and the ruleset does not yet, for want of key lists.
    behind: Delta,
    /// Since when each of its segments waits.
    waits: BTreeMap<String, Wait>,
    /// Those of them that a list is missing for; the others wait with them.
    lacking: BTreeSet<String>,
    /// Tells what is evaluated meanwhile from other states of the same revision; none if nothing waits.
    stage: Option<Box<str>>,
    /// What a question about all flags takes.
    weight: Weights,
    /// Oldest first. Each leads on from where the one before it led to, the last one to here.
    deltas: VecDeque<Step>,
    /// The last of these, if streams have not been told of it: what comes next is told with it.
    untold: Option<Arc<Delta>>,
    refetch: Bytes,
    /// Where what is evaluated is counted, if it is.
    tallied: OnceLock<Tallied>,
    /// Rendered when the first reader asks: most revisions are only ever sent as deltas.
    rendered: OnceCell<SnapshotFrame>,
    /// Its document, compressed when the first reader asks who takes it so.
    compressed: OnceCell<Bytes>,
}

#[derive(Clone)]
struct Step {
    from: Revision,
    to: Revision,
    frame: Bytes,
}

/// What a reader must be sent to stand where an [`Installed`] does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Catchup {
    /// Nothing: it stands there already.
    UpToDate,
    /// These frames, in this order; their ids rise.
    Deltas(Vec<Bytes>),
    /// All of it: [`Installed::snapshot`].
    Snapshot,
}

impl Installed {
    /// Compiles a snapshot that was fetched, with the large lists that it names. A segment whose lists are not all
    /// there is one that is not understood.
    pub fn new(document: &Snapshot, key_lists: &KeyLists) -> Self {
        let (ruleset, behind) = divide_snapshot(document, None, key_lists);
        let waits = waits(&behind, |_| Wait { before: 0, wanted: document.revision });
        Self::of(ruleset, behind, waits, VecDeque::new(), key_lists)
    }

    /// Compiles a snapshot that was fetched to take the place of this state. A segment whose lists are not all there
    /// is evaluated as it is here.
    pub(crate) fn replaced(&self, document: &Snapshot, key_lists: &KeyLists) -> Self {
        let (ruleset, behind) = divide_snapshot(document, Some(&self.ruleset), key_lists);
        // Revisions of another history say nothing here: what is asked is of some time before this one.
        let is_same = self.ruleset.epoch() == document.epoch;
        let waits = waits(&behind, |key| {
            let before = self.waits.get(key).map_or(self.ruleset.revision(), |wait| wait.before);
            Wait { before: if is_same { before } else { 0 }, wanted: document.revision }
        });
        Self::of(ruleset, behind, waits, VecDeque::new(), key_lists)
    }

    /// The state after `delta`, which must lead on from here. `key_lists` has the large lists that it names, as far
    /// as they are there, and those that are named here. Streams were told last of the revision `told`.
    #[must_use]
    pub fn next(&self, delta: &Delta, key_lists: &KeyLists, told: Revision) -> Self {
        let mut deltas = self.deltas.clone();
        let untold = self.untold.as_ref().filter(|_| deltas.back().is_some_and(|last| last.from >= told));
        let (from, step) = match untold {
            Some(untold) => {
                let last = deltas.pop_back();
                (last.map_or(self.ruleset.revision(), |last| last.from), merge(untold, delta))
            }
            None => (self.ruleset.revision(), delta.clone()),
        };
        let frame = sse::delta(self.ruleset.epoch(), &step);
        deltas.push_back(Step { from, to: step.revision, frame });
        forget_oldest(&mut deltas);
        let wanted = merge(&self.behind, delta);
        let apply = |now: &Delta| self.ruleset.apply(now, key_lists);
        let (ruleset, behind) = divide(&wanted, Some(&self.ruleset), key_lists, apply);
        let waits = waits(&behind, |key| match self.waits.get(key) {
            Some(wait) if delta.segments.contains_key(key) => Wait { wanted: delta.revision, ..*wait },
            Some(wait) => *wait,
            None => Wait { before: self.ruleset.revision(), wanted: delta.revision },
        });
        Self { untold: Some(Arc::new(step)), ..Self::of(ruleset, behind, waits, deltas, key_lists) }
    }

    /// The same revision with what was waiting, if more of it can be asked now.
    pub(crate) fn caught_up(&self, key_lists: &KeyLists) -> Option<Self> {
        // Compared first: that is looked at again and again while nothing comes.
        if lacking(&self.behind, key_lists).into_iter().eq(&self.lacking) {
            return None;
        }
        let wanted = Delta { revision: self.ruleset.revision(), ..self.behind.clone() };
        let apply = |now: &Delta| self.ruleset.apply(now, key_lists);
        let (ruleset, behind) = divide(&wanted, Some(&self.ruleset), key_lists, apply);
        if behind.segments == self.behind.segments {
            return None;
        }
        let mut waits = self.waits.clone();
        waits.retain(|key, _| behind.segments.contains_key(key));
        let caught_up = Self::of(ruleset, behind, waits, self.deltas.clone(), key_lists);
        Some(Self { untold: self.untold.clone(), ..caught_up })
    }

    fn of(
        ruleset: Ruleset,
        behind: Delta,
        waits: BTreeMap<String, Wait>,
        deltas: VecDeque<Step>,
        key_lists: &KeyLists,
    ) -> Self {
        let position = Position { epoch: ruleset.epoch(), revision: ruleset.revision() };
        let stage = (!behind.segments.is_empty()).then(|| stage(&ruleset, &behind));
        let refetch = match &stage {
            None => sse::refetch(position),
            Some(stage) => sse::refetch_on_the_way(position, stage),
        };
        let weight = Weights::of(&ruleset);
        let lacking = lacking(&behind, key_lists).into_iter().map(str::to_owned).collect();
        Self {
            ruleset,
            behind,
            waits,
            lacking,
            stage,
            weight,
            deltas,
            untold: None,
            refetch,
            tallied: OnceLock::new(),
            rendered: OnceCell::new(),
            compressed: OnceCell::new(),
        }
    }

    /// What is asked.
    pub fn ruleset(&self) -> &Ruleset {
        &self.ruleset
    }

    /// Has what is evaluated counted; what did not change goes on where it was in the state before.
    pub(crate) fn count_with(&self, tally: &Arc<Tally>, environment: &EnvironmentId, before: Option<&Self>) {
        let former = before.and_then(|before| Some((&before.ruleset, before.tallied.get()?)));
        self.tallied.get_or_init(|| Tallied::new(tally, environment, &self.ruleset, former));
    }

    /// Counts answers on this thread, if they are counted.
    pub(crate) fn counter(&self) -> Option<Counter<'_>> {
        self.tallied.get().map(Tallied::counter)
    }

    /// What a question about all flags takes that a key of this kind shows.
    pub(crate) fn weight(&self, kind: KeyKind) -> Weight {
        self.weight.shown_to(kind)
    }

    /// What the source has at this revision: what is asked, and what waits for key lists in its place.
    pub fn document(&self) -> Snapshot {
        let mut document = self.ruleset.snapshot();
        document.apply(&Delta { revision: document.revision, ..self.behind.clone() });
        document
    }

    /// Whether there are segments that cannot be evaluated as the source has them, for want of key lists.
    pub fn is_behind(&self) -> bool {
        self.stage.is_some()
    }

    /// Tells this from other states of the same revision while segments wait for key lists.
    pub(crate) fn stage(&self) -> Option<&str> {
        self.stage.as_deref()
    }

    /// The segments that wait for key lists: all of them, those that are not understood until then included.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = &str> {
        self.waits.keys().map(String::as_str)
    }

    /// Of these segments those that are asked as they were, by key.
    pub fn asked_as_before<'a>(
        &'a self,
        segments: impl IntoIterator<Item = &'a str>,
    ) -> impl Iterator<Item = Waiting<'a>> {
        let is_asked = |key: &&str| self.ruleset.knows_segment(key);
        segments.into_iter().filter(is_asked).filter_map(|key| {
            let wait = self.waits.get(key)?;
            let wanted = self.behind.segments.get(key)?.as_ref()?.known()?;
            Some(Waiting::new(key, *wait, wanted))
        })
    }

    /// The lists of the segments that wait, those that are there already included.
    pub(crate) fn awaited(&self) -> BTreeSet<Name> {
        Name::all_of_delta(&self.behind)
    }

    /// Digests of the lists that are named at this revision, and of those that are asked meanwhile.
    pub(crate) fn key_lists(&self) -> BTreeSet<&str> {
        let segments = self.behind.segments.values().flatten().filter_map(|segment| segment.known());
        let awaited =
            segments.flat_map(|segment| [segment.included.blob(), segment.excluded.blob()]).flatten();
        self.ruleset.key_lists().into_iter().chain(awaited).collect()
    }

    /// Whether the change that took this revision is asked here, all of it. What other changes brought may wait for
    /// key lists still.
    pub fn has_taken_in(&self, revision: Revision) -> bool {
        self.ruleset.revision() >= revision && !self.waits.values().any(|wait| wait.is_for(revision))
    }

    /// Where this is in the environment's history.
    pub fn position(&self) -> Position<'_> {
        Position { epoch: self.ruleset.epoch(), revision: self.ruleset.revision() }
    }

    /// What brings a reader here that stands at `position`; `None` is one that has nothing. From another epoch,
    /// from ahead of here and from too far back only a snapshot does.
    pub fn since(&self, position: Option<Position<'_>>) -> Catchup {
        let here = self.position();
        let Some(stand) = position.filter(|position| position.epoch == here.epoch) else {
            return Catchup::Snapshot;
        };
        if stand.revision == here.revision {
            return Catchup::UpToDate;
        }
        // A delta may be applied to any state between its ends: it carries whole entities. So a reader may come
        // from another node, which had cut the history at other revisions.
        let reaches_back = self.deltas.front().is_some_and(|oldest| oldest.from <= stand.revision);
        if !reaches_back || stand.revision > here.revision {
            return Catchup::Snapshot;
        }
        let missed = self.deltas.iter().filter(|step| step.to > stand.revision);
        Catchup::Deltas(missed.map(|step| step.frame.clone()).collect())
    }

    /// All of it, rendered once for all who ask.
    pub async fn snapshot(self: &Arc<Self>) -> &SnapshotFrame {
        self.rendered
            .get_or_init(|| async {
                if self.ruleset.len() < LARGE {
                    return SnapshotFrame::new(&self.document());
                }
                let this = Arc::clone(self);
                let rendering = spawn_blocking(move || SnapshotFrame::new(&this.document()));
                // Fails only when the runtime is being shut down; then it does not matter who waits.
                rendering.await.unwrap_or_else(|_| SnapshotFrame::new(&self.document()))
            })
            .await
    }

    /// The document of the snapshot, compressed once for all who ask.
    pub(crate) async fn compressed(self: &Arc<Self>) -> Bytes {
        let compress = || async { gzip(self.snapshot().await.document()).await };
        self.compressed.get_or_init(compress).await.clone()
    }

    /// The notice for readers that are given results only.
    pub fn refetch(&self) -> Bytes {
        self.refetch.clone()
    }
}

/// Those of all segments that wait.
fn waits(behind: &Delta, wait: impl Fn(&str) -> Wait) -> BTreeMap<String, Wait> {
    let waiting = behind.segments.iter().filter(|(_, segment)| segment.is_some());
    waiting.map(|(key, _)| (key.clone(), wait(key))).collect()
}

/// A digest of what is evaluated in the place of what waits: all that two states of one revision can differ in.
fn stage(ruleset: &Ruleset, behind: &Delta) -> Box<str> {
    let evaluated = ruleset.snapshot();
    let mut hash = Sha256::new();
    for key in behind.segments.keys() {
        hash.update(wire::to_json(&(key, evaluated.segments.get(key), ruleset.knows_segment(key))));
    }
    for key in behind.lists.keys() {
        hash.update(wire::to_json(&(key, evaluated.lists.get(key))));
    }
    hex::encode(hash.finalize()).into()
}

fn forget_oldest(deltas: &mut VecDeque<Step>) {
    let mut bytes: usize = deltas.iter().map(|step| step.frame.len()).sum();
    while deltas.len() > MOST_DELTAS || bytes > MOST_BYTES {
        let Some(oldest) = deltas.pop_front() else { return };
        bytes -= oldest.frame.len();
    }
}

#[cfg(test)]
mod tests {
    use engine::model::List;
    use serde_json::json;

    use super::*;

    fn at(revision: Revision) -> Installed {
        Installed::new(
            &serde_json::from_value(json!({
                "schema": 1, "epoch": "e", "revision": revision, "project": "p", "environment": "dev", "flags": {},
            }))
            .unwrap(),
            &KeyLists::default(),
        )
    }

    /// The state after a delta that names no large lists.
    fn after(state: &Installed, delta: &Delta) -> Installed {
        state.next(delta, &KeyLists::default(), state.position().revision)
    }

    fn to(revision: Revision, name: &str) -> Delta {
        let lists = [(name.to_owned(), Some(Arc::new(List::default().into())))].into();
        Delta { revision, lists, ..Delta::default() }
    }

    fn stand(revision: Revision) -> Position<'static> {
        Position { epoch: "e", revision }
    }

    fn frames(deltas: &[&Delta]) -> Catchup {
        Catchup::Deltas(deltas.iter().map(|delta| sse::delta("e", delta)).collect())
    }

    #[test]
    fn a_reader_gets_exactly_what_it_missed() {
        let (a, b, c) = (to(7, "a"), to(8, "b"), to(12, "c"));
        let installed = [&a, &b, &c].into_iter().fold(at(5), |state, delta| after(&state, delta));
        assert_eq!(installed.since(Some(stand(12))), Catchup::UpToDate);
        assert_eq!(installed.since(Some(stand(8))), frames(&[&c]));
        assert_eq!(installed.since(Some(stand(7))), frames(&[&b, &c]));
        assert_eq!(installed.since(Some(stand(5))), frames(&[&a, &b, &c]));
        assert_eq!(installed.since(Some(stand(10))), frames(&[&c]), "between the ends of a delta");
        assert_eq!(installed.since(Some(stand(6))), frames(&[&a, &b, &c]), "between the ends of the oldest");
    }

    #[test]
    fn a_reader_from_elsewhere_gets_a_snapshot() {
        let installed = after(&at(5), &to(7, "a"));
        for (position, case) in [
            (None, "has nothing"),
            (Some(stand(4)), "too old"),
            (Some(stand(8)), "ahead of here"),
            (Some(Position { epoch: "f", revision: 7 }), "another epoch, same revision"),
            (Some(Position { epoch: "f", revision: 5 }), "another epoch, older revision"),
        ] {
            assert_eq!(installed.since(position), Catchup::Snapshot, "{case}");
        }
        assert_eq!(at(5).since(Some(stand(5))), Catchup::UpToDate);
        assert_eq!(at(5).since(Some(stand(4))), Catchup::Snapshot, "without deltas nothing reaches back");
    }

    #[test]
    fn no_more_deltas_are_kept_than_the_bounds_allow() {
        let many = MOST_DELTAS as Revision + 10;
        let installed = (1..=many).fold(at(0), |state, revision| after(&state, &to(revision, "a")));
        assert_eq!(installed.since(Some(stand(9))), Catchup::Snapshot);
        let Catchup::Deltas(kept) = installed.since(Some(stand(10))) else { panic!("the bound is not used") };
        assert_eq!(kept.len(), MOST_DELTAS);

        let large = "x".repeat(MOST_BYTES / 4);
        let installed = (1..=5).fold(at(0), |state, revision| after(&state, &to(revision, &large)));
        assert_eq!(installed.since(Some(stand(1))), Catchup::Snapshot);
        let Catchup::Deltas(kept) = installed.since(Some(stand(2))) else { panic!("the bound is not used") };
        assert_eq!(kept.len(), 3);

        let huge = after(&at(0), &to(1, &"x".repeat(MOST_BYTES)));
        assert_eq!(huge.since(Some(stand(0))), Catchup::Snapshot, "one that fits nowhere is not kept");
    }

    #[test]
    fn what_streams_were_not_told_of_is_told_as_one() {
        let (a, b, c) = (to(7, "a"), to(8, "b"), to(9, "a"));
        let none = KeyLists::default();
        let untold = at(5).next(&a, &none, 5).next(&b, &none, 5);
        assert_eq!(untold.since(Some(stand(5))), frames(&[&merge(&a, &b)]));
        assert_eq!(
            untold.since(Some(stand(7))),
            frames(&[&merge(&a, &b)]),
            "who saw a part is told all of it"
        );
        let told = untold.next(&c, &none, 8);
        assert_eq!(told.since(Some(stand(5))), frames(&[&merge(&a, &b), &c]));
        assert_eq!(told.since(Some(stand(8))), frames(&[&c]));
        let later = told.next(&to(10, "d"), &none, 9);
        assert_eq!(later.since(Some(stand(9))), frames(&[&to(10, "d")]), "told in between");
    }

    #[test]
    fn applied_deltas_equal_a_compiled_snapshot() {
        let flag = json!({"kind": "boolean", "version": 1, "enabled": true, "off_variant": null,
            "variants": [{"key": "on", "value": true}], "default": {"variant": "on"}});
        let delta: Delta =
            serde_json::from_value(json!({"revision": 6, "flags": {"a": flag, "b": flag}})).unwrap();
        let deleted: Delta = serde_json::from_value(json!({"revision": 7, "flags": {"a": null}})).unwrap();
        let installed = after(&after(&at(5), &delta), &deleted);
        let document = installed.ruleset().snapshot();
        assert_eq!(document.flags.keys().collect::<Vec<_>>(), ["b"]);
        let fetched = Installed::new(&document, &KeyLists::default());
        assert_eq!(installed.ruleset(), fetched.ruleset());
        assert_eq!(installed.position(), fetched.position());
        assert_eq!(installed.refetch(), fetched.refetch());
    }
}
