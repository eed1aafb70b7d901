//! What people tell environments by.

use std::fmt;

use serde::{Serialize, Serializer};

/// A colour on a screen, 8 bits each of red, green and blue: `#2e7d32`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Color([u8; 3]);

impl Color {
    /// What is wrong with a text that is no colour.
    pub const RULE: &str = "must be # and six hexadecimal digits, such as #2e7d32";

    /// Of an environment of which nobody said: a grey.
    pub const PLAIN: Self = Self([0x60, 0x7d, 0x8b]);
    /// Go.
    pub(crate) const GREEN: Self = Self([0x2e, 0x7d, 0x32]);
    /// Take care.
    pub(crate) const AMBER: Self = Self([0xf9, 0xa8, 0x25]);
    /// Stop and think.
    pub(crate) const RED: Self = Self([0xc6, 0x28, 0x28]);

    /// Reads a colour, in either case; `None` if it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 3];
        hex::decode_to_slice(text.strip_prefix('#')?, &mut bytes).ok()?;
        Some(Self(bytes))
    }
}

impl fmt::Display for Color {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [red, green, blue] = self.0;
        write!(f, "#{red:02x}{green:02x}{blue:02x}")
    }
}

impl Serialize for Color {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::Color;

    #[test]
    fn a_color_is_written_in_lower_case() {
        assert_eq!(Color::parse("#2E7d32").map(|color| color.to_string()).as_deref(), Some("#2e7d32"));
        assert_eq!(Color::parse("#2e7d32"), Some(Color::GREEN));
        for none in ["", "2e7d32", "#fff", "#2e7d3", "#2e7d3g", "#2e7d3200", "green", "#ÄÄÄ"] {
            assert_eq!(Color::parse(none), None, "{none}");
        }
    }
}
