//! The name by which people and programs call a flag or an environment.

use std::fmt;

use serde::{Serialize, Serializer};

/// A key of a flag, environment or project: 1 to 256 characters of `a-z A-Z 0-9 . _ ~ : | -`, and neither `.`
/// nor `..`, so that it is one segment of any URL.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(String);

impl Key {
    /// The longest key, in characters.
    pub const MOST: usize = 256;
    /// What is wrong with a text that is no key.
    pub const RULE: &str =
        "must be 1 to 256 characters of a-z, A-Z, 0-9, '.', '_', '~', ':', '|' and '-', and not '.' or '..'";

    /// Reads a key; `None` if it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._~:|-".contains(&byte);
        let fits = (1..=Self::MOST).contains(&text.len()) && text != "." && text != "..";
        (fits && text.bytes().all(allowed)).then(|| Self(text.to_owned()))
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Key {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::Key;

    #[test]
    fn takes_the_alphabet_and_nothing_else() {
        for good in ["a", "new-checkout", "A.b_c~d:e|f-9", "...", &"x".repeat(256)] {
            assert!(Key::parse(good).is_some(), "{good}");
        }
        for bad in ["", ".", "..", "a b", "a/b", "é", "a\n", "a%", &"x".repeat(257)] {
            assert!(Key::parse(bad).is_none(), "{bad}");
        }
    }
}
