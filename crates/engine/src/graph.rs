//! Who names whom, among segments and among flags with prerequisites: an order to compile them in, cycles, and
//! how far each reaches. Walks without recursion: what a reader is handed may be as deep as it is long.

use std::collections::{BTreeMap, BTreeSet};

/// What entities name, as far as it can be reached from some of them.
#[derive(Debug, Default)]
pub(crate) struct Graph<'a> {
    names: BTreeMap<&'a str, Vec<&'a str>>,
    order: Vec<&'a str>,
    cycles: BTreeMap<&'a str, Vec<&'a str>>,
    /// The longest way down from each, in entities; entities on a cycle are not gone into.
    depths: BTreeMap<&'a str, usize>,
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
        graph.measure();
        graph
    }

    /// Depth first; an entity enters the order after all that it names.
    fn walk(&mut self, root: &'a str, names: &impl Fn(&str) -> Vec<&'a str>) {
        let mut way: Vec<(&'a str, usize)> = Vec::new();
        let mut on_way = BTreeSet::new();
        let enter = |graph: &mut Self, way: &mut Vec<_>, on_way: &mut BTreeSet<_>, key: &'a str| {
            graph.names.insert(key, names(key));
            way.push((key, 0));
            on_way.insert(key);
        };
        if !self.names.contains_key(root) {
            enter(self, &mut way, &mut on_way, root);
        }
        while let Some((key, nth)) = way.last_mut() {
            let key = *key;
            let next = self.names.get(key).and_then(|names| names.get(*nth)).copied();
            *nth += 1;
            match next {
                Some(next) if on_way.contains(next) => {
                    let from = way.iter().position(|(key, _)| *key == next).unwrap_or_default();
                    let cycle: Vec<_> = way.iter().skip(from).map(|(key, _)| *key).collect();
                    for (place, member) in cycle.iter().enumerate() {
                        let turned = [cycle.get(place..), cycle.get(..place)].into_iter().flatten().flatten();
                        self.cycles.entry(member).or_insert_with(|| turned.copied().collect());
                    }
                }
                Some(next) if self.names.contains_key(next) => {}
                Some(next) => enter(self, &mut way, &mut on_way, next),
                None => {
                    way.pop();
                    on_way.remove(key);
                    self.order.push(key);
                }
            }
        }
    }

    fn measure(&mut self) {
        self.complete_cycles();
        for key in &self.order {
            let below = self.named(key).filter_map(|name| self.depths.get(name)).max();
            let depth =
                if self.cycles.contains_key(key) { 0 } else { 1 + below.copied().unwrap_or_default() };
            self.depths.insert(key, depth);
        }
    }

    /// The walk meets a cycle once, and may have passed others that share entities with it: whoever reaches
    /// itself is on one.
    fn complete_cycles(&mut self) {
        if self.cycles.is_empty() {
            return;
        }
        let unmarked: Vec<_> =
            self.names.keys().filter(|key| !self.cycles.contains_key(*key)).copied().collect();
        for key in unmarked {
            if let Some(way) = self.way_back(key) {
                self.cycles.insert(key, way);
            }
        }
    }

    /// A way from `key` to itself.
    fn way_back(&self, key: &'a str) -> Option<Vec<&'a str>> {
        let mut came_from: BTreeMap<&str, &str> = BTreeMap::new();
        let mut waiting = vec![key];
        while let Some(at) = waiting.pop() {
            for name in self.named(at) {
                if name == key {
                    let mut way = vec![at];
                    while let Some(before) = way.last().filter(|last| **last != key) {
                        way.push(*came_from.get(*before)?);
                    }
                    way.reverse();
                    return Some(way);
                }
                if !came_from.contains_key(name) {
                    came_from.insert(name, at);
                    waiting.push(name);
                }
            }
        }
        None
    }

    fn named(&self, key: &str) -> impl Iterator<Item = &'a str> {
        self.names.get(key).into_iter().flatten().copied()
    }

    /// All that was reached, each after what it names (but for cycles).
    pub(crate) fn order(&self) -> impl Iterator<Item = &'a str> {
        self.order.iter().copied()
    }

    /// The cycle that an entity is on, from itself on.
    pub(crate) fn cycle(&self, key: &str) -> Option<&[&'a str]> {
        self.cycles.get(key).map(Vec::as_slice)
    }

    /// How many entities the longest way down from this one has, itself included.
    pub(crate) fn depth(&self, key: &str) -> usize {
        self.depths.get(key).copied().unwrap_or_default()
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
                waiting.extend(self.named(key));
            }
        }
        seen.len()
    }
}

/// A cycle for people: `a → b → a`.
pub(crate) fn spelled(cycle: &[&str]) -> String {
    let closed = cycle.iter().chain(cycle.first()).copied();
    closed.collect::<Vec<_>>().join(" → ")
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

    #[test]
    fn depth_needs_no_stack() {
        let names: Vec<String> = (0..100_000).map(|place| place.to_string()).collect();
        let next = |key: &str| {
            let place: usize = key.parse().unwrap_or(usize::MAX);
            names.get(place.saturating_add(1)).map(String::as_str).into_iter().collect()
        };
        let graph = Graph::new(names.first().map(String::as_str), next);
        assert_eq!(graph.depth("0"), 100_000);
    }
}
