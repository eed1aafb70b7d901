//! Entity tags and event ids: where a reader stands.

use std::fmt;

use engine::model::Revision;

/// A place in an environment's history, written `<epoch>.<revision>`: the id of a stream's event and, in
/// quotes, the entity tag of a snapshot. Places of different epochs cannot be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position<'a> {
    /// Names the history.
    pub epoch: &'a str,
    /// The last change that is included.
    pub revision: Revision,
}

impl<'a> Position<'a> {
    /// Reads an event id; `None` if it is not one of ours.
    pub fn parse(id: &'a str) -> Option<Self> {
        let (epoch, revision) = id.rsplit_once('.')?;
        // `u64::from_str` takes a leading `+`, which we never write.
        let is_number = revision.bytes().all(|byte| byte.is_ascii_digit());
        let revision = revision.parse().ok().filter(|_| is_number && !epoch.is_empty())?;
        Some(Self { epoch, revision })
    }

    /// The entity tag, with its quotes.
    pub fn to_etag(self) -> String {
        format!("\"{self}\"")
    }
}

impl fmt::Display for Position<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.epoch, self.revision)
    }
}

/// What a `*` in a list of entity tags stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Star {
    /// Whatever there is, as RFC 9110 has it.
    Anything,
    /// Nothing: for an answer that depends on more than the address, where "I have something" says nothing.
    Nothing,
}

/// Whether `list`, the value of an `If-None-Match` or `If-Match` header, names `etag` (given with its quotes).
///
/// Takes what clients really send: quoted and bare tags, weak ones (`W/`), and lists of them. A weak tag counts
/// like a strong one: proxies that compress weaken ours on the way.
pub fn matches(list: &str, etag: &str, star: Star) -> bool {
    let wanted = etag.trim_matches('"');
    Tags(list).any(|tag| match tag {
        Tag::Bare("*") => star == Star::Anything,
        Tag::Quoted(tag) | Tag::Bare(tag) => tag == wanted,
    })
}

enum Tag<'a> {
    Quoted(&'a str),
    Bare(&'a str),
}

/// The tags of a list; the value is what is left to read.
struct Tags<'a>(&'a str);

impl<'a> Iterator for Tags<'a> {
    type Item = Tag<'a>;

    fn next(&mut self) -> Option<Tag<'a>> {
        let rest = self.0.trim_start_matches([' ', '\t', ',']);
        if rest.is_empty() {
            return None;
        }
        let rest = rest.strip_prefix("W/").unwrap_or(rest);
        let quoted = rest.strip_prefix('"').and_then(|inside| inside.split_once('"'));
        let (tag, rest) = if let Some((tag, rest)) = quoted {
            (Tag::Quoted(tag), rest)
        } else {
            let (tag, rest) = rest.split_once(',').unwrap_or((rest, ""));
            (Tag::Bare(tag.trim_end()), rest)
        };
        self.0 = rest;
        Some(tag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_id_is_read_as_it_is_written() {
        let position = Position { epoch: "9f3c2a1b", revision: 42 };
        assert_eq!(position.to_string(), "9f3c2a1b.42");
        assert_eq!(position.to_etag(), "\"9f3c2a1b.42\"");
        assert_eq!(Position::parse("9f3c2a1b.42"), Some(position));
        let last = Position { epoch: "a.b", revision: u64::MAX };
        assert_eq!(Position::parse(&last.to_string()), Some(last));
    }

    #[test]
    fn other_texts_are_no_event_ids() {
        for id in
            ["", ".", "42", "9f.", ".42", "9f.+42", "9f.-1", "9f.4 2", "9f.18446744073709551616", "9f.4.x"]
        {
            assert_eq!(Position::parse(id), None, "{id:?}");
        }
    }

    #[test]
    fn tags_match_in_every_form_that_clients_send() {
        for list in [
            "\"9f.4\"",
            "9f.4",
            "W/\"9f.4\"",
            "W/9f.4",
            "\"a\", \"9f.4\"",
            "a,9f.4",
            " ,\"a,b\",W/\"9f.4\" ",
            "x, 9f.4 , y",
        ] {
            assert!(matches(list, "\"9f.4\"", Star::Nothing), "{list:?}");
        }
        for list in ["", ",", "\"9f.40\"", "\"9f.4", "9f", "\"x,9f.4,y\"", "w/\"9f.5\"", "*", "\"*\""] {
            assert!(!matches(list, "\"9f.4\"", Star::Nothing), "{list:?}");
        }
    }

    #[test]
    fn a_star_is_what_the_caller_says() {
        assert!(matches("*", "\"9f.4\"", Star::Anything));
        assert!(matches("\"a\", *", "\"9f.4\"", Star::Anything));
        assert!(!matches("\"*\"", "\"9f.4\"", Star::Anything), "a quoted star is a tag");
    }
}
