//! Where something is named: what stands in the way of removing it.

use crate::model::{Condition, Flag, Operands, Read, Serve, Snapshot};

/// Something that others may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named<'a> {
    /// A flag: prerequisites name it.
    Flag(&'a str),
    /// A variant: its flag's off variant, targets and serves name it, and prerequisites of other flags.
    Variant {
        /// The flag that has it.
        flag: &'a str,
        /// Its key.
        variant: &'a str,
    },
    /// A segment: conditions of flags and segments name it.
    Segment(&'a str),
    /// A context list: conditions of flags and segments name it.
    List(&'a str),
}

/// A place where something is named.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Use {
    /// What names it.
    pub user: User,
    /// The key of what names it.
    pub key: String,
    /// Where in it, such as `rules[0].when.all[1].segment`.
    pub path: String,
}

/// What can name something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum User {
    /// A flag.
    Flag,
    /// A segment.
    Segment,
}

/// All places of a snapshot in which something is named. What does not read is not looked into.
pub fn uses(snapshot: &Snapshot, named: Named<'_>) -> Vec<Use> {
    let mut uses = Vec::new();
    for (key, segment) in &snapshot.segments {
        let when = segment.known().and_then(|segment| segment.when.as_ref());
        let paths = when.into_iter().flat_map(|when| in_condition(when, "when", named));
        uses.extend(paths.map(|path| Use { user: User::Segment, key: key.clone(), path }));
    }
    for (key, flag) in &snapshot.flags {
        let Some(flag) = flag.known() else { continue };
        let paths = in_flag(key, flag, named);
        uses.extend(paths.into_iter().map(|path| Use { user: User::Flag, key: key.clone(), path }));
    }
    uses
}

fn in_flag(key: &str, flag: &Flag, named: Named<'_>) -> Vec<String> {
    let mut paths = in_prerequisites(flag, named);
    let own = match named {
        Named::Variant { flag, variant } if flag == key => Some(variant),
        _ => None,
    };
    if let Some(variant) = own {
        if flag.off_variant.as_deref() == Some(variant) {
            paths.push("off_variant".to_owned());
        }
        for (index, target) in flag.targets.known().into_iter().flatten().enumerate() {
            if target.variant == variant {
                paths.push(format!("targets[{index}].variant"));
            }
        }
        paths.extend(flag.default.known().and_then(|serve| in_serve(serve, "default", variant)));
    }
    for (index, rule) in flag.rules.iter().enumerate() {
        let Read::Known(rule) = rule else { continue };
        paths.extend(in_condition(&rule.when, &format!("rules[{index}].when"), named));
        let path = format!("rules[{index}].serve");
        paths.extend(own.and_then(|variant| in_serve(&rule.serve, &path, variant)));
    }
    paths
}

fn in_prerequisites(flag: &Flag, named: Named<'_>) -> Vec<String> {
    let mut paths = Vec::new();
    for (index, required) in flag.prerequisites.known().into_iter().flatten().enumerate() {
        match named {
            Named::Flag(key) if required.flag == key => paths.push(format!("prerequisites[{index}].flag")),
            Named::Variant { flag, variant } if required.flag == flag => {
                let place = required.variants.iter().position(|own| own == variant);
                paths.extend(place.map(|nth| format!("prerequisites[{index}].variants[{nth}]")));
            }
            _ => {}
        }
    }
    paths
}

fn in_serve(serve: &Serve, path: &str, variant: &str) -> Option<String> {
    match serve {
        Serve::Nothing => None,
        Serve::Variant(own) => (own == variant).then(|| format!("{path}.variant")),
        Serve::Split(split) => {
            let place = split.shares.iter().position(|share| share.variant == variant)?;
            Some(format!("{path}.split[{place}].variant"))
        }
    }
}

fn in_condition(condition: &Condition, path: &str, named: Named<'_>) -> Vec<String> {
    let parts = condition.parts().into_iter();
    let member = |part: &Condition| match (part, named) {
        (Condition::Segment(own), Named::Segment(key)) if own == key => Some("segment"),
        (Condition::Leaf(leaf), Named::List(key)) => match &leaf.operands {
            Operands::List(own) if own == key => Some("list"),
            _ => None,
        },
        _ => None,
    };
    parts.filter_map(|(way, part)| Some(format!("{path}{way}.{}", member(part)?))).collect()
}
