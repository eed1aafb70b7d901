//! Who asks.

use engine::Context;
use serde_json::{Map, Value};

const COUNTRIES: [&str; 8] = ["US", "GB", "IT", "DE", "JP", "AT", "BR", "FR"];
const VERSIONS: [&str; 4] = ["1.9.0", "2.3.0", "2.10.1", "3.0.0-beta.1"];
const EMAILS: [&str; 4] =
    ["anna@example.com", "OPS-bert@example.com", "QA-Cleo@example.com", "dan@example.com"];

/// One caller: a targeting key and four texts.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Who it is.
    pub key: String,
    /// Name and value of each attribute besides.
    pub attributes: [(&'static str, String); 4],
}

impl Caller {
    /// The caller of a number.
    pub fn nth(number: usize) -> Self {
        let pick = |among: &[&str]| among.get(number % among.len()).copied().unwrap_or_default().to_owned();
        Self {
            key: format!("user-{number}"),
            attributes: [
                ("country", pick(&COUNTRIES)),
                ("plan", pick(&["free", "pro"])),
                ("email", pick(&EMAILS)),
                ("version", pick(&VERSIONS)),
            ],
        }
    }

    /// The one for whom each flag of [`crate::flags`] has to look closely: it is in every list, under no first
    /// value, and its condition holds.
    pub fn usual() -> Self {
        Self::nth(42)
    }

    /// As a request tells of it.
    pub fn attributes(&self) -> Map<String, Value> {
        let attributes = self.attributes.iter().map(|(name, value)| (*name, value));
        let all = attributes.chain([("targetingKey", &self.key)]);
        all.map(|(name, value)| (name.to_owned(), Value::from(value.as_str()))).collect()
    }

    /// As the engine is told of it.
    pub fn context(&self) -> Context {
        Context::new(self.attributes())
    }
}
