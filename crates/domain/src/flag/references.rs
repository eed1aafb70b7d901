//! What a config names beyond its own flag.

use std::collections::BTreeSet;

use engine::model::{Condition, Operands, Read};

use super::Config;

/// Something that a config names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reference<'a> {
    /// A variant of another flag; no variant if a prerequisite names none.
    Flag(&'a str, Option<&'a str>),
    /// A segment.
    Segment(&'a str),
    /// A context list.
    List(&'a str),
}

/// All that a config names, as far as it is understood.
pub(super) fn references(config: &Config) -> BTreeSet<Reference<'_>> {
    let mut named = BTreeSet::new();
    for required in config.prerequisites.known().into_iter().flatten() {
        named.insert(Reference::Flag(&required.flag, None));
        named.extend(required.variants.iter().map(|variant| Reference::Flag(&required.flag, Some(variant))));
    }
    for rule in config.rules.iter().filter_map(Read::known) {
        collect(&rule.when, &mut named);
    }
    named
}

fn collect<'c>(condition: &'c Condition, named: &mut BTreeSet<Reference<'c>>) {
    match condition {
        Condition::All(children) | Condition::Any(children) => {
            for child in children {
                collect(child, named);
            }
        }
        Condition::Not(child) => collect(child, named),
        Condition::Segment(key) => {
            named.insert(Reference::Segment(key));
        }
        Condition::Leaf(leaf) => {
            if let Operands::List(key) = &leaf.operands {
                named.insert(Reference::List(key));
            }
        }
        Condition::Bucket(_) => {}
    }
}
