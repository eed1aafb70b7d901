//! What a token is for.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::key::Key;

/// A permission word, `resource.verb`, such as `flag.read`; with `@environment` for one environment alone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Scope {
    resource: String,
    verb: String,
    environment: Option<Key>,
}

impl Scope {
    /// What is wrong with a text that is none.
    pub const RULE: &str =
        "must be a permission such as flag.read, or flag.update@production for one environment alone";
    /// The longest resource and verb, in bytes.
    const MOST_WORD: usize = 32;

    /// Reads one.
    pub fn parse(text: &str) -> Option<Self> {
        let (permission, environment) = match text.split_once('@') {
            Some((permission, environment)) => (permission, Some(Key::parse(environment)?)),
            None => (text, None),
        };
        let (resource, verb) = permission.split_once('.')?;
        let word = |word: &str| {
            let letters = word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
            letters && (1..=Self::MOST_WORD).contains(&word.len())
        };
        (word(resource) && word(verb)).then(|| Self {
            resource: resource.to_owned(),
            verb: verb.to_owned(),
            environment,
        })
    }

    /// What it is a right to: `flag`.
    pub fn resource(&self) -> &str {
        &self.resource
    }

    /// What may be done with it: `update`.
    pub fn verb(&self) -> &str {
        &self.verb
    }

    /// Key of the one environment that it is for; `None` is everywhere.
    pub fn environment(&self) -> Option<&Key> {
        self.environment.as_ref()
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.resource, self.verb)?;
        self.environment.as_ref().map_or(Ok(()), |environment| write!(f, "@{environment}"))
    }
}

impl From<Scope> for String {
    fn from(scope: Scope) -> Self {
        scope.to_string()
    }
}

impl TryFrom<String> for Scope {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or(Self::RULE)
    }
}

#[cfg(test)]
mod tests {
    use super::Scope;

    #[test]
    fn a_scope_is_a_resource_a_verb_and_perhaps_an_environment() {
        for text in ["flag.read", "flag.update@production", "sdk_key.create@eu:west-1"] {
            let scope = Scope::parse(text).unwrap();
            assert_eq!(scope.to_string(), text);
        }
        let scope = Scope::parse("flag.update@production").unwrap();
        let parts = (scope.resource(), scope.verb(), scope.environment().map(crate::key::Key::as_str));
        assert_eq!(parts, ("flag", "update", Some("production")));
        for none in
            ["", "flag", "flag.", ".read", "Flag.read", "flag.read@", "flag.*", "a.b.c", "flag.read@a b"]
        {
            assert_eq!(Scope::parse(none), None, "{none}");
        }
        assert_eq!(Scope::parse(&format!("{}.read", "f".repeat(33))), None);
    }
}
