//! Who names whom, among segments and among flags with prerequisites: an order to compile them in, cycles, and
//! how far each reaches. Walks without recursion: what a reader is handed may be as deep as it is long.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::iter::successors;

/// No more members of a cycle are spelled. A message about a cycle goes to each of its members: with all of
/// them in each, it would grow with the square of the cycle.
const MOST_SPELLED: usize = 16;

/// What entities name, as far as it can be reached from some of them.
#[derive(Debug, Default)]
pub(crate) struct Graph<'a> {
    places: BTreeMap<&'a str, usize>,
    /// In the order in which they were come upon.
    nodes: Vec<Node<'a>>,
    order: Vec<&'a str>,
}

#[derive(Debug)]
struct Node<'a> {
    key: &'a str,
    names: Vec<&'a str>,
    /// The earliest node that it is known to lead back to.
    earliest: usize,
    /// Whether it may still turn out to be in a knot with a node on the way.
    is_open: bool,
    /// Its part in a knot: a largest set of nodes that all reach each other, and thus are all on cycles.
    turn: Option<Turn>,
    /// The longest way down, in entities; those on a cycle are not gone into.
    depth: usize,
}

/// Where a node stands on the shortest ways within its knot: to the first of it by key, and from that to here.
#[derive(Debug, Clone, Copy)]
struct Turn {
    /// What comes next on the way to the first; for the first itself, on the way round.
    next: usize,
    /// What comes before on the way from the first; none for the first itself.
    before: Option<usize>,
}

/// A way from an entity back to itself, which meets no other twice.
#[derive(Debug)]
pub(crate) struct Cycle<'a> {
    /// From that entity on.
    members: Vec<&'a str>,
    /// Whether there are more, which are left out.
    is_cut: bool,
}

impl<'a> Graph<'a> {
    /// Walks from `roots` along `names`, which gives what an entity names; what is not there names nothing.
    pub(crate) fn new(
        roots: impl IntoIterator<Item = &'a str>,
        names: impl Fn(&str) -> Vec<&'a str>,
    ) -> Self {
        let mut graph = Self::default();
        for root in roots {
            graph.walk(root, &names);
        }
        graph
    }

    /// Depth first; an entity enters the order after all that it names. Finds the knots on the way, as Tarjan
    /// does.
    fn walk(&mut self, root: &'a str, names: &impl Fn(&str) -> Vec<&'a str>) {
        if self.places.contains_key(root) {
            return;
        }
        let mut way = vec![(self.enter(root, names), 0)];
        let mut open: Vec<usize> = way.iter().map(|(at, _)| *at).collect();
        while let Some((at, nth)) = way.last_mut() {
            let at = *at;
            let next = self.nodes.get(at).and_then(|node| node.names.get(*nth)).copied();
            *nth += 1;
            match next.map(|next| (next, self.places.get(next).copied())) {
                Some((_, Some(known))) => {
                    if self.nodes.get(known).is_some_and(|node| node.is_open) {
                        self.leads_back(at, known);
                    }
                }
                Some((next, None)) => {
                    let next = self.enter(next, names);
                    way.push((next, 0));
                    open.push(next);
                }
                None => {
                    way.pop();
                    self.leave(at, way.last().map(|(before, _)| *before), &mut open);
                }
            }
        }
    }

    fn enter(&mut self, key: &'a str, names: &impl Fn(&str) -> Vec<&'a str>) -> usize {
        let place = self.nodes.len();
        self.places.insert(key, place);
        let names = names(key);
        self.nodes.push(Node { key, names, earliest: place, is_open: true, turn: None, depth: 0 });
        place
    }

    fn leads_back(&mut self, at: usize, to: usize) {
        if let Some(node) = self.nodes.get_mut(at) {
            node.earliest = node.earliest.min(to);
        }
    }

    /// All that the node names is known, and `before` is the one that the walk came from.
    fn leave(&mut self, at: usize, before: Option<usize>, open: &mut Vec<usize>) {
        let Some((key, earliest)) = self.nodes.get(at).map(|node| (node.key, node.earliest)) else { return };
        self.order.push(key);
        if earliest == at {
            // What was come upon since and is still open leads back to here.
            let from = open.iter().rposition(|node| *node == at).unwrap_or_default();
            self.close(&open.split_off(from));
        } else if let Some(before) = before {
            self.leads_back(before, earliest);
        }
    }

    /// These reach each other and nothing else that is open.
    fn close(&mut self, members: &[usize]) {
        self.tie(members);
        for member in members {
            let below = self.named(*member).filter_map(|name| self.nodes.get(name)).map(|node| node.depth);
            let depth = 1 + below.max().unwrap_or_default();
            if let Some(node) = self.nodes.get_mut(*member) {
                node.is_open = false;
                node.depth = if node.turn.is_some() { 0 } else { depth };
            }
        }
    }

    /// Finds the ways within a knot; a node that does not name itself is none. From the least key on, so that the
    /// ways are the same from wherever the walk came.
    fn tie(&mut self, members: &[usize]) {
        let mut members = members.to_vec();
        members.sort_unstable_by_key(|member| self.nodes.get(*member).map(|node| node.key));
        let among: BTreeSet<_> = members.iter().copied().collect();
        let Some(first) = members.first() else { return };
        let (mut onward, mut backward) = (Edges::new(), Edges::new());
        for member in &members {
            for name in self.named(*member).filter(|name| among.contains(name)) {
                onward.entry(*member).or_default().push(name);
                backward.entry(name).or_default().push(*member);
            }
        }
        let (before, next) = (spread(*first, &onward), spread(*first, &backward));
        for member in &members {
            let before = before.get(member).copied().filter(|_| member != first);
            if let (Some(node), Some(next)) = (self.nodes.get_mut(*member), next.get(member)) {
                node.turn = Some(Turn { next: *next, before });
            }
        }
    }

    fn named(&self, at: usize) -> impl Iterator<Item = usize> {
        let names = self.nodes.get(at).into_iter().flat_map(|node| &node.names);
        names.filter_map(|name| self.places.get(name).copied())
    }

    fn node(&self, key: &str) -> Option<&Node<'a>> {
        self.nodes.get(*self.places.get(key)?)
    }

    /// All that was reached, each after what it names (but for cycles).
    pub(crate) fn order(&self) -> impl Iterator<Item = &'a str> {
        self.order.iter().copied()
    }

    /// A cycle that an entity is on, from itself on; none if it is on none.
    pub(crate) fn cycle(&self, key: &str) -> Option<Cycle<'a>> {
        let at = *self.places.get(key)?;
        let turn = |at: usize| self.nodes.get(at)?.turn;
        turn(at)?;
        let before: Vec<_> = successors(Some(at), |at| turn(*at)?.before).take(MOST_SPELLED).collect();
        let mut way = vec![at];
        let mut is_cut = false;
        // Towards the first of the knot, until that meets the way from there to here.
        while let Some(next) = way.last().and_then(|last| turn(*last)).map(|turn| turn.next) {
            if let Some(meeting) = before.iter().position(|before| *before == next) {
                // From the very node on, the way is closed already.
                way.extend(before.get(1..=meeting).unwrap_or_default().iter().rev());
                break;
            }
            way.push(next);
            // From the first on, it would go round and round.
            if way.len() > MOST_SPELLED || turn(next)?.before.is_none() {
                is_cut = true;
                break;
            }
        }
        is_cut |= way.len() > MOST_SPELLED;
        way.truncate(MOST_SPELLED);
        let members = way.into_iter().filter_map(|at| self.nodes.get(at)).map(|node| node.key).collect();
        Some(Cycle { members, is_cut })
    }

    /// How many entities the longest way down from this one has, itself included.
    pub(crate) fn depth(&self, key: &str) -> usize {
        self.node(key).map_or(0, |node| node.depth)
    }

    /// How many distinct others these entities reach, they themselves included; stops counting above `most`.
    pub(crate) fn reach<'r>(&'r self, roots: impl IntoIterator<Item = &'r str>, most: usize) -> usize {
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        let mut waiting: Vec<&str> = roots.into_iter().collect();
        while let Some(key) = waiting.pop() {
            if seen.len() > most {
                break;
            }
            if seen.insert(key) {
                waiting.extend(self.node(key).into_iter().flat_map(|node| &node.names));
            }
        }
        seen.len()
    }
}

type Edges = BTreeMap<usize, Vec<usize>>;

/// For each node that `first` reaches along `edges`, itself included if it does, from where the shortest way
/// comes.
fn spread(first: usize, edges: &Edges) -> BTreeMap<usize, usize> {
    let mut came_from = BTreeMap::new();
    let mut waiting = VecDeque::from([first]);
    while let Some(at) = waiting.pop_front() {
        for next in edges.get(&at).into_iter().flatten() {
            if !came_from.contains_key(next) {
                came_from.insert(*next, at);
                // The first has gone on already.
                waiting.extend(Some(*next).filter(|next| *next != first));
            }
        }
    }
    came_from
}

/// A cycle for people: `a → b → a`; of a long one the first members.
pub(crate) fn spelled(cycle: Cycle<'_>) -> String {
    let Cycle { mut members, is_cut } = cycle;
    let first = members.first().copied();
    members.extend(is_cut.then_some("…"));
    members.extend(first);
    members.join(" → ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(edges: &'static [(&'static str, &'static [&'static str])]) -> Graph<'static> {
        let names = |key: &str| {
            edges.iter().find(|(from, _)| *from == key).map(|(_, to)| to.to_vec()).unwrap_or_default()
        };
        Graph::new(edges.iter().map(|(from, _)| *from), names)
    }

    #[test]
    fn each_comes_after_what_it_names() {
        let graph = graph(&[("a", &["b", "c"]), ("b", &["d"]), ("c", &["d", "gone"]), ("d", &[])]);
        assert_eq!(graph.order().collect::<Vec<_>>(), ["d", "b", "gone", "c", "a"]);
        assert_eq!(["a", "b", "c", "d"].map(|key| graph.depth(key)), [3, 2, 2, 1]);
        assert!(graph.cycle("a").is_none());
        assert_eq!(graph.reach(["b", "c"], 64), 4);
        assert_eq!(graph.reach(["a"], 2), 3, "no further than it has to");
    }

    #[test]
    fn everyone_on_a_cycle_is_found_and_nobody_else() {
        let graph = graph(&[
            ("x", &["a"]),
            ("a", &["b", "c"]),
            ("b", &["c", "e"]),
            ("c", &["a"]),
            ("e", &["b"]),
            ("self", &["self"]),
        ]);
        for (key, cyclic) in
            [("x", false), ("a", true), ("b", true), ("c", true), ("e", true), ("self", true)]
        {
            assert_eq!(graph.cycle(key).is_some(), cyclic, "{key}");
        }
        assert_eq!(spelled(graph.cycle("self").unwrap()), "self → self");
        assert!(spelled(graph.cycle("e").unwrap()).starts_with("e → b"));
        assert_eq!(graph.depth("x"), 1, "a cycle is not gone into");
    }

    /// As many keys as asked for, and what `names` says that each names.
    fn numbered(keys: &[String], names: impl Fn(usize) -> Vec<usize>) -> Graph<'_> {
        let names = |key: &str| {
            let places = key.parse().map(&names).unwrap_or_default().into_iter();
            places.filter_map(|place| keys.get(place)).map(String::as_str).collect()
        };
        Graph::new(keys.iter().map(String::as_str), names)
    }

    fn keys(number: usize) -> Vec<String> {
        (0..number).map(|place| place.to_string()).collect()
    }

    /// Each member follows from the one before, and none is met twice.
    fn assert_is_a_cycle(graph: &Graph<'_>, key: &str) {
        let Cycle { members, is_cut } = graph.cycle(key).unwrap();
        assert_eq!(members.first(), Some(&key));
        assert!(members.len() <= MOST_SPELLED, "{members:?}");
        assert_eq!(members.iter().collect::<BTreeSet<_>>().len(), members.len(), "{members:?}");
        let names = |one: &str, other: &str| graph.node(one).unwrap().names.contains(&other);
        assert!(members.windows(2).all(|pair| names(pair[0], pair[1])), "{members:?}");
        assert!(is_cut || names(members.last().unwrap(), key), "{members:?}");
    }

    #[test]
    fn a_cycle_is_spelled_alike_wherever_the_walk_began() {
        let edges =
            [("a", vec!["b", "c"]), ("b", vec!["c", "a"]), ("c", vec!["b", "d"]), ("d", vec!["a", "b"])];
        let names = |key: &str| {
            edges.iter().find(|(from, _)| *from == key).map(|(_, to)| to.clone()).unwrap_or_default()
        };
        for key in ["a", "b", "c", "d"] {
            let from = |root: &'static str| spelled(Graph::new([root], names).cycle(key).unwrap());
            assert!(["b", "c", "d"].iter().all(|root| from(root) == from("a")), "{key}");
        }
    }

    #[test]
    fn a_cycle_is_the_same_wherever_the_walk_began() {
        let edges: [(_, &[&str]); 4] =
            [("a", &["b", "c"]), ("b", &["c", "d"]), ("c", &["a", "d"]), ("d", &["a", "b"])];
        let edges = BTreeMap::from(edges);
        let told = |root| {
            let graph = Graph::new([root], |key| edges.get(key).map(|to| to.to_vec()).unwrap_or_default());
            ["a", "b", "c", "d"].map(|key| spelled(graph.cycle(key).unwrap()))
        };
        for root in ["b", "c", "d"] {
            assert_eq!(told(root), told("a"), "from {root}");
        }
    }

    #[test]
    fn a_long_cycle_is_found_in_one_go_and_spelled_in_short() {
        let keys = keys(5_000);
        let graph = numbered(&keys, |place| vec![(place + 1) % 5_000]);
        for key in &keys {
            assert_is_a_cycle(&graph, key);
            assert_eq!(graph.depth(key), 0);
        }
        let spelled = spelled(graph.cycle("4998").unwrap());
        assert!(spelled.starts_with("4998 → 4999 → 0 → ") && spelled.ends_with(" → … → 4998"), "{spelled}");
    }

    #[test]
    fn a_large_knot_takes_no_longer() {
        // A long way round, from everywhere on which there is also a step back to its beginning, and three ahead.
        let keys = keys(20_000);
        let graph = numbered(&keys, |place| vec![place + 1, 0, place + 3]);
        for key in &keys {
            assert_is_a_cycle(&graph, key);
        }
        assert_eq!(spelled(graph.cycle("3").unwrap()), "3 → 0 → 3");
    }

    #[test]
    fn a_cycle_beside_a_long_chain_costs_the_chain_nothing() {
        let keys = keys(100_000);
        let graph = numbered(&keys, |place| if place == 0 { vec![0, 1] } else { vec![place + 1] });
        assert_eq!(spelled(graph.cycle("0").unwrap()), "0 → 0");
        assert!(keys.iter().skip(1).all(|key| graph.cycle(key).is_none()));
        assert_eq!((graph.depth("0"), graph.depth("1")), (0, 99_999));
    }

    #[test]
    fn short_cycles_are_spelled_whole_to_the_longest() {
        let keys = keys(MOST_SPELLED + 1);
        for length in 2..=MOST_SPELLED + 1 {
            let graph = numbered(&keys, |place| vec![if place + 1 < length { place + 1 } else { 0 }]);
            for key in keys.iter().take(length) {
                assert_is_a_cycle(&graph, key);
                let cycle = graph.cycle(key).unwrap();
                assert_eq!(cycle.is_cut, length > MOST_SPELLED, "{cycle:?}");
                assert!(cycle.is_cut || cycle.members.len() == length, "{cycle:?}");
            }
        }
    }

    #[test]
    fn depth_needs_no_stack() {
        let keys = keys(100_000);
        let graph = numbered(&keys, |place| vec![place + 1]);
        assert_eq!(graph.depth("0"), 100_000);
    }
}
