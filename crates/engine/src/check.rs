//! What keeps a flag from being saved.

use std::collections::HashSet;

use crate::compile::{Compiler, Findings};
use crate::json::{Violation, Violations};
use crate::model::{Flag, Read};

/// No longer than this, in bytes, are names of variants and rules and targeting keys.
const MOST_NAME: usize = 256;

/// Whether a flag may be written: everything compiles, the last of its rules too, and its names can be told
/// apart. A reader is milder with what travels; a writer has no reason to be.
///
/// # Errors
/// Everything that is wrong, each with its path in the flag's document, such as `rules[2].serve.variant`.
pub fn check(key: &str, flag: &Flag) -> Result<(), Vec<Violation>> {
    let mut findings = Findings::default();
    Compiler::new(key, flag).body(&mut findings);
    let mut names = Violations::default();
    check_names(flag, &mut names);
    let mut violations: Vec<_> = findings.into_violations().collect();
    violations.extend(names.into_result(Some(())).err().unwrap_or_default());
    if violations.is_empty() { Ok(()) } else { Err(violations) }
}

fn check_names(flag: &Flag, violations: &mut Violations) {
    for (index, variant) in flag.variants.iter().enumerate() {
        check_name(&variant.key, format_args!("variants[{index}].key"), violations);
    }
    for (index, target) in flag.targets.known().into_iter().flatten().enumerate() {
        for (nth, key) in target.keys.iter().enumerate() {
            check_name(key, format_args!("targets[{index}].keys[{nth}]"), violations);
        }
    }
    let mut ids = HashSet::new();
    for (index, rule) in flag.rules.iter().enumerate() {
        let Read::Known(rule) = rule else { continue };
        let path = format_args!("rules[{index}].id").to_string();
        check_name(&rule.id, &path, violations);
        if !ids.insert(rule.id.as_str()) {
            violations.add(&path, format_args!("{:?} is the id of another rule already", rule.id));
        }
    }
}

fn check_name(name: &str, path: impl std::fmt::Display, violations: &mut Violations) {
    if name.is_empty() || name.len() > MOST_NAME || name.contains(char::is_control) {
        violations.add(path, format_args!("must have 1 to {MOST_NAME} bytes and no control characters"));
    }
}
