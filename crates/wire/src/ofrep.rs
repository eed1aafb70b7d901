//! OFREP 0.3 (OpenFeature's remote evaluation protocol): what is asked and what is answered.
//!
//! Published providers are brittle, so answers for a flag always carry what the protocol leaves open: `key`,
//! `reason`, `variant` (empty when there is none), `metadata` (an object), and `errorDetails` on errors.

use std::fmt;

use engine::model::Revision;
use engine::{Context, Error, ErrorCode, Reason, Resolution};
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::json::{append_json, append_text, is_plain, without_lone_surrogates};

/// The media type of questions and answers, without parameters: providers look for exactly this.
pub const CONTENT_TYPE: &str = "application/json";
/// A provider whose page is not seen for so long, in seconds, may close its stream; it opens it again, and asks for all
/// flags, when the page is seen. Not how long a stream may be silent: that says nothing of whether it lives. The
/// protocol's own figure.
const INACTIVITY_DELAY: u32 = 120;
/// No context is larger, in bytes of its JSON.
pub const MOST_CONTEXT: usize = Context::MOST_BYTES;

/// Why a question was not understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unreadable {
    /// Not JSON, or not of the shape `{"context": {…}}`: `INVALID_CONTEXT`, status 400.
    Invalid(String),
    /// The context is larger than [`MOST_CONTEXT`]: status 413.
    TooLarge,
}

#[derive(Deserialize)]
struct Question {
    context: Option<Map<String, Value>>,
}

#[derive(Deserialize)]
struct Measured<'a> {
    #[serde(borrow)]
    context: Option<&'a RawValue>,
}

/// The context of a question: the body `{"context": {…}}`. No body, no context and `null` in its place are the
/// empty context, since providers send all of them. Other members are ignored. A lone surrogate counts as U+FFFD.
pub fn read_context(body: &[u8]) -> Result<Context, Unreadable> {
    match read_well_formed(body) {
        // Looked for only where reading failed: nearly nobody sends any.
        Err(Unreadable::Invalid(details)) => without_lone_surrogates(body)
            .map_or(Err(Unreadable::Invalid(details)), |body| read_well_formed(&body)),
        read => read,
    }
}

fn read_well_formed(body: &[u8]) -> Result<Context, Unreadable> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Context::default());
    }
    // In a small body there is no large context: most questions are parsed once.
    if body.len() > MOST_CONTEXT {
        let measured: Measured<'_> = read(body)?;
        if measured.context.is_some_and(|context| context.get().len() > MOST_CONTEXT) {
            return Err(Unreadable::TooLarge);
        }
    }
    let question: Question = read(body)?;
    Ok(question.context.map(Context::new).unwrap_or_default())
}

fn read<'de, T: Deserialize<'de>>(body: &'de [u8]) -> Result<T, Unreadable> {
    // `serde` would read a list as a struct, member by member.
    let is_object = body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
    let expected = "the body must be {\"context\": {…}}";
    if !is_object {
        return Err(Unreadable::Invalid(expected.to_owned()));
    }
    serde_json::from_slice(body).map_err(|error| Unreadable::Invalid(format!("{expected}: {error}")))
}

/// Where an answer comes from; written as `<project>/<environment>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlagSet<'a> {
    /// Key of the project.
    pub project: &'a str,
    /// Key of the environment.
    pub environment: &'a str,
}

impl fmt::Display for FlagSet<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.project, self.environment)
    }
}

impl FlagSet<'_> {
    /// Keys have no character that JSON escapes, but a document may say anything.
    fn append(self, json: &mut Vec<u8>) {
        if is_plain(self.project) && is_plain(self.environment) {
            for part in [b"\"", self.project.as_bytes(), b"/", self.environment.as_bytes(), b"\""] {
                json.extend_from_slice(part);
            }
        } else {
            append_json(json, &format_args!("{self}"));
        }
    }
}

/// What a flag evaluated to, as far as the asker is told.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Told<'a> {
    /// The value; none where the caller's own default holds.
    pub value: Option<&'a Value>,
    /// The variant that the value belongs to.
    pub variant: Option<&'a str>,
    /// Why it came out.
    pub reason: Reason,
    /// What went wrong.
    pub error: Option<Error<'a>>,
    /// Id of the rule that answered.
    pub rule: Option<&'a str>,
    /// Of a sticky split, whether earlier assignments were kept to.
    pub sticky: Option<bool>,
    /// Revision of the last change to the flag; 0 if there is none.
    pub flag_version: Revision,
    /// Revision of the rules.
    pub revision: Revision,
}

impl<'a> From<Resolution<'a>> for Told<'a> {
    fn from(resolution: Resolution<'a>) -> Self {
        Self {
            value: resolution.value(),
            variant: resolution.variant(),
            reason: resolution.reason(),
            error: resolution.error(),
            rule: resolution.rule(),
            sticky: resolution.sticky(),
            flag_version: resolution.flag_version(),
            revision: resolution.revision(),
        }
    }
}

/// The answer for one flag, as it is sent.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    /// The key that was asked for.
    pub key: &'a str,
    /// Where the flag is.
    pub flag_set: FlagSet<'a>,
    /// What it evaluated to.
    pub resolution: Told<'a>,
}

impl<'a> Answer<'a> {
    /// The answer for a flag that does not exist, or that the asker is not shown: the same, so that nobody
    /// learns which.
    pub fn not_found(key: &'a str, flag_set: FlagSet<'a>, revision: Revision) -> Self {
        let details = "the key shows no flag of this name in its environment";
        let resolution = Told {
            value: None,
            variant: None,
            reason: Reason::Error,
            error: Some(Error { code: ErrorCode::FlagNotFound, details }),
            rule: None,
            sticky: None,
            flag_version: 0,
            revision,
        };
        Self { key, flag_set, resolution }
    }

    /// The HTTP status of the answer alone: 200, 404 or 400.
    pub fn status(&self) -> u16 {
        match self.resolution.error.map(|error| error.code) {
            None => 200,
            Some(ErrorCode::FlagNotFound) => 404,
            Some(_) => 400,
        }
    }

    /// The body of the answer alone.
    pub fn to_json(&self) -> Vec<u8> {
        let mut json = Vec::with_capacity(USUAL_ANSWER + 64);
        self.append(&mut json, Some(self.resolution.revision));
        json
    }

    /// Writes the answer at the end of `json`. `key`, `reason`, `variant` and `metadata` are always there: providers fail
    /// without. The revision is left out of a bulk answer, which says it once for all: providers compare flag by flag to
    /// tell their application what changed, and this changes with every other flag.
    ///
    /// By hand, for all of five thousand flags are written for one question: by way of `serde` that took four times as
    /// long.
    fn append(&self, json: &mut Vec<u8>, revision: Option<Revision>) {
        let Self { key, flag_set, resolution } = self;
        json.extend_from_slice(b"{\"key\":");
        append_text(json, key);
        // Without a value the caller's own default holds.
        match resolution.value {
            None => {}
            Some(Value::Bool(true)) => json.extend_from_slice(b",\"value\":true"),
            Some(Value::Bool(false)) => json.extend_from_slice(b",\"value\":false"),
            Some(value) => {
                json.extend_from_slice(b",\"value\":");
                append_json(json, value);
            }
        }
        member(json, b",\"reason\":", word(resolution.reason));
        member(json, b",\"variant\":", resolution.variant.unwrap_or_default());
        if let Some(error) = resolution.error {
            member(json, b",\"errorCode\":", error.code.as_str());
            member(json, b",\"errorDetails\":", error.details);
        }
        json.extend_from_slice(b",\"metadata\":{\"flagSetId\":");
        flag_set.append(json);
        // A flag that is not there has no version.
        if resolution.flag_version != 0 {
            json.extend_from_slice(b",\"version\":\"");
            append_json(json, &resolution.flag_version);
            json.push(b'"');
        }
        if let Some(revision) = revision {
            json.extend_from_slice(b",\"revision\":");
            append_json(json, &revision);
        }
        if let Some(rule) = resolution.rule {
            member(json, b",\"ruleId\":", rule);
        }
        if resolution.reason == Reason::PrerequisiteFailed {
            member(json, b",\"reason\":", resolution.reason.as_str());
        }
        if let Some(sticky) = resolution.sticky {
            json.extend_from_slice(if sticky { b",\"sticky\":true" } else { b",\"sticky\":false" });
        }
        json.extend_from_slice(b"}}");
    }
}

/// Writes a name, with what stands before and after it, and the text that it has.
fn member(json: &mut Vec<u8>, name: &[u8], text: &str) {
    json.extend_from_slice(name);
    append_text(json, text);
}

/// The protocol's own words only; the finer one stands in the metadata.
fn word(reason: Reason) -> &'static str {
    match reason {
        Reason::PrerequisiteFailed => Reason::Disabled.as_str(),
        reason => reason.as_str(),
    }
}

/// What an answer with a short value takes, in bytes.
const USUAL_ANSWER: usize = 192;

/// The body of a bulk answer, written flag by flag.
#[derive(Debug)]
pub struct BulkAnswer {
    json: Vec<u8>,
    is_empty: bool,
}

impl BulkAnswer {
    /// An answer with room for about `flags` flags before it has to grow.
    pub fn with_capacity(flags: usize) -> Self {
        let mut json = Vec::with_capacity(128 + flags.saturating_mul(USUAL_ANSWER));
        json.extend_from_slice(b"{\"flags\":[");
        Self { json, is_empty: true }
    }

    /// Adds a flag's answer; an error of one flag leaves the others as they are.
    pub fn push(&mut self, answer: &Answer<'_>) {
        if !self.is_empty {
            self.json.push(b',');
        }
        self.is_empty = false;
        answer.append(&mut self.json, None);
    }

    /// The body, with the metadata of the whole set: where it is from and its revision. `stream` is where changes are
    /// told of, as path and query: it is of whatever origin was asked, so a proxy in between needs to know nothing.
    pub fn finish(mut self, flag_set: FlagSet<'_>, revision: Revision, stream: &str) -> Vec<u8> {
        self.json.extend_from_slice(b"],\"metadata\":");
        append_json(&mut self.json, &BulkMetadata { flag_set, revision });
        self.json.extend_from_slice(b",\"eventStreams\":");
        append_json(&mut self.json, &[EventStream::at(stream)]);
        self.json.push(b'}');
        self.json
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EventStream<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    endpoint: Endpoint<'a>,
    inactivity_delay_sec: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Endpoint<'a> {
    request_uri: &'a str,
}

impl<'a> EventStream<'a> {
    fn at(request_uri: &'a str) -> Self {
        Self { kind: "sse", endpoint: Endpoint { request_uri }, inactivity_delay_sec: INACTIVITY_DELAY }
    }
}

struct BulkMetadata<'a> {
    flag_set: FlagSet<'a>,
    revision: Revision,
}

impl Serialize for BulkMetadata<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("flagSetId", &format_args!("{}", self.flag_set))?;
        map.serialize_entry("version", &format_args!("{}", self.revision))?;
        map.serialize_entry("revision", &self.revision)?;
        map.end()
    }
}

/// Body of the status 400 for a context that does not read; `key` is there when one flag was asked for.
pub fn invalid_context(key: Option<&str>, details: &str) -> Vec<u8> {
    crate::to_json(&Failure {
        key,
        reason: key.map(|_| Reason::Error.as_str()),
        variant: key.map(|_| ""),
        error_code: Some("INVALID_CONTEXT"),
        error_details: details,
        metadata: Some(Map::new()),
    })
}

/// Body of an answer that is about no flag: the statuses 413 and 500.
pub fn failure(details: &str) -> Vec<u8> {
    crate::to_json(&Failure { error_details: details, ..Failure::default() })
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Failure<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    variant: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<&'static str>,
    error_details: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Map<String, Value>>,
}
