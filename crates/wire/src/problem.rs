//! Problem documents (RFC 9457): how errors travel.

use engine::json;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

/// The media type of a problem document.
pub const CONTENT_TYPE: &str = "application/problem+json";

/// What is wrong with a request, for people and for programs.
///
/// As JSON: `type` (`urn:burgee:problem:<code>`), `title`, `status`, `detail`, `code`, `error` (the same plain
/// message as `detail`, where older clients look for it) and, where there are some, `violations` and `in_use_by`; at
/// OFREP's paths `errorCode` and `errorDetails`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The HTTP status, 400..=599.
    pub status: u16,
    /// The status in words.
    pub title: &'static str,
    /// Names the kind of problem for programs, in `snake_case`. Never changes once given out.
    pub code: &'static str,
    /// What is wrong, where, and what to do.
    pub message: String,
    /// Everything that is wrong with a document that was sent.
    pub violations: Vec<Violation>,
    /// What uses that which should go.
    pub in_use_by: Vec<Place>,
    /// Whether it is told to a provider of OFREP as well: `errorCode` and `errorDetails`, which these look for.
    pub speaks_ofrep: bool,
}

/// A place where something is used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Place {
    /// What uses it, as a noun: `flag`, `segment`.
    pub kind: &'static str,
    /// The key of what uses it; of what has none, its id.
    pub key: String,
    /// The key of the project in which it does, where that may be another than was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// The key of the environment in which it does; in all of them without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// JSON path in it, such as `rules[0].when.all[1].segment`; empty for the whole of it.
    pub path: String,
    /// The key of what is used.
    pub names: String,
}

/// One thing that is wrong with a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// JSON path of the offending value, such as `rules[0].when.values[1]`; empty for the document itself.
    pub path: String,
    /// What is wrong and what to do.
    pub message: String,
}

impl Problem {
    /// A problem of which no more is to be said.
    pub fn new(status: u16, title: &'static str, code: &'static str, message: String) -> Self {
        let (violations, in_use_by, speaks_ofrep) = (Vec::new(), Vec::new(), false);
        Self { status, title, code, message, violations, in_use_by, speaks_ofrep }
    }

    /// The document.
    pub fn to_json(&self) -> Vec<u8> {
        crate::to_json(self)
    }
}

impl From<json::Violation> for Violation {
    fn from(violation: json::Violation) -> Self {
        Self { path: violation.path, message: violation.message }
    }
}

impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", &format_args!("urn:burgee:problem:{}", self.code))?;
        map.serialize_entry("title", self.title)?;
        map.serialize_entry("status", &self.status)?;
        map.serialize_entry("detail", &self.message)?;
        map.serialize_entry("code", self.code)?;
        map.serialize_entry("error", &self.message)?;
        if !self.violations.is_empty() {
            map.serialize_entry("violations", &self.violations)?;
        }
        if !self.in_use_by.is_empty() {
            map.serialize_entry("in_use_by", &self.in_use_by)?;
        }
        if self.speaks_ofrep {
            map.serialize_entry("errorCode", "GENERAL")?;
            map.serialize_entry("errorDetails", &self.message)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(problem: &Problem) -> Value {
        serde_json::from_slice(&problem.to_json()).unwrap()
    }

    #[test]
    fn a_problem_says_the_same_to_people_and_programs() {
        let problem =
            Problem::new(409, "Conflict", "taken", "the key \"a\" is taken; choose another".to_owned());
        let expected = json!({
            "type": "urn:burgee:problem:taken", "title": "Conflict", "status": 409, "code": "taken",
            "detail": "the key \"a\" is taken; choose another", "error": "the key \"a\" is taken; choose another",
        });
        assert_eq!(read(&problem), expected);
    }

    #[test]
    fn a_provider_of_ofrep_is_told_in_its_own_words() {
        let mut problem = Problem::new(400, "Bad Request", "which", "say which".to_owned());
        problem.speaks_ofrep = true;
        let read = read(&problem);
        assert_eq!(
            (&read["errorCode"], &read["errorDetails"], &read["code"]),
            (&json!("GENERAL"), &json!("say which"), &json!("which"))
        );
    }

    #[test]
    fn violations_are_there_when_there_are_some() {
        let violation =
            json::Violation { path: "rules[0].serve".to_owned(), message: "is missing".to_owned() };
        let mut problem = Problem::new(400, "Bad Request", "invalid", "1 violation".to_owned());
        problem.violations.push(violation.into());
        assert_eq!(
            read(&problem)["violations"],
            json!([{"path": "rules[0].serve", "message": "is missing"}])
        );
    }
}
