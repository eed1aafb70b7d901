//! A whole document, in which no object has a member twice.

use std::cell::RefCell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::{Path, Violation, shortened};

/// Why a text is no document.
#[derive(Debug)]
pub enum Malformed {
    /// It is not JSON.
    Syntax(serde_json::Error),
    /// An object has a member twice. Readers of JSON keep one or the other: nobody knows which was meant.
    Repeated(Violation),
}

/// Reads a document. The first thing that is wrong ends the reading: what comes after it can mean anything.
pub fn read_document(text: &[u8]) -> Result<Value, Malformed> {
    let repeated = RefCell::new(None);
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let seed = Unique { path: Path::Root, repeated: &repeated };
    let read = seed.deserialize(&mut deserializer).and_then(|value| deserializer.end().map(|()| value));
    read.map_err(|error| match repeated.take() {
        Some((path, name)) => {
            let (line, column) = (error.line(), error.column());
            let message =
                format!("{name:?} is given twice, again at line {line}, column {column}; keep one of them");
            Malformed::Repeated(Violation { path, message })
        }
        None => Malformed::Syntax(error),
    })
}

/// The value that comes next, and where it stands.
#[derive(Clone, Copy)]
struct Unique<'a> {
    path: Path<'a>,
    /// The path and the name of a member that its object had already.
    repeated: &'a RefCell<Option<(String, String)>>,
}

impl<'de> DeserializeSeed<'de> for Unique<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unique<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        loop {
            let path = Path::Index(&self.path, list.len());
            let Some(element) = elements.next_element_seed(Unique { path, ..self })? else { break };
            list.push(element);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let path = Path::Member(&self.path, &name);
            if object.contains_key(&name) {
                self.repeated.replace(Some((path.to_string(), shortened(&name).to_owned())));
                return Err(A::Error::custom("a member is given twice"));
            }
            let value = members.next_value_seed(Unique { path, ..self })?;
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::{Malformed, read_document};

    #[test]
    fn a_document_is_what_it_always_was() {
        let long = format!("[{}]", "[".repeat(100) + &"]".repeat(100));
        for text in [
            "null",
            " true ",
            "-0",
            "-0.0",
            "10",
            "10.0",
            "1e400",
            "18446744073709551616",
            "-9223372036854775808",
            "0.1",
            "\"a\\u0000\\n\"",
            "\"\\ud800\"",
            "[]",
            "[1,[2],{}]",
            r#"{"a":{"b":[null]},"":1,"b":{"a":1}}"#,
            r#"{"$serde_json::private::Number":"1"}"#,
            "",
            "{",
            "[1,]",
            "{\"a\":1,}",
            "1 2",
            "nul",
            "\u{feff}1",
            &long,
        ] {
            match (read_document(text.as_bytes()), serde_json::from_str::<Value>(text)) {
                (Ok(read), Ok(expected)) => assert_eq!(read, expected, "{text}"),
                (Err(Malformed::Syntax(error)), Err(expected)) => {
                    assert_eq!(error.to_string(), expected.to_string(), "{text}");
                }
                (read, expected) => panic!("{text}: {read:?}, not {expected:?}"),
            }
        }
        assert!(matches!(read_document("[".repeat(1_000).as_bytes()), Err(Malformed::Syntax(_))));
    }

    #[test]
    fn a_member_that_is_given_twice_is_told_with_its_place() {
        for (text, expected) in [
            (
                r#"{"enabled": true, "enabled": false}"#,
                "enabled: \"enabled\" is given twice, again at line 1, column 27",
            ),
            (
                "{\"rules\": [{}, {\"a\": 1,\n  \"\\u0061\": 1}]}",
                "rules[1].a: \"a\" is given twice, again at line 2, column 10",
            ),
            (r#"{"a": {"b": {"": 1, "": 1}}}"#, "a.b.: \"\" is given twice, again at line 1, column 22"),
        ] {
            match read_document(text.as_bytes()) {
                Err(Malformed::Repeated(violation)) => {
                    assert_eq!(violation.to_string(), format!("{expected}; keep one of them"));
                }
                other => panic!("{text}: {other:?}"),
            }
        }
    }
}
