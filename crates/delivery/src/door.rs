//! Which door a path leads to.

use axum::http::Method;

/// Where all flags are evaluated.
const FLAGS: &str = "/ofrep/v1/evaluate/flags";
/// What comes before a flag's key: the rest of the path, for some providers leave slashes in keys as they are.
pub(crate) const FLAG_PREFIX: &str = "/ofrep/v1/evaluate/flags/";
/// What comes before the digest of a large key list.
pub(crate) const KEY_LIST_PREFIX: &str = "/sdk/v1/segments/";

/// A door for applications.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// All flags, over OFREP.
    Flags,
    /// One flag, over OFREP.
    Flag,
    /// The rules.
    Snapshot,
    /// The keys of a large segment.
    KeyList,
    /// What applications evaluated, showed and measured.
    Events,
    /// Changes as they happen. The one door that takes a key in its URL.
    Stream,
}

impl Door {
    /// The one that a path leads to, if it is one for applications. Decided by hand rather than by a router: this is
    /// asked a hundred thousand times a second, and there are six.
    pub fn of(path: &str) -> Option<Self> {
        match path {
            // With a slash, as some providers have it.
            FLAGS | FLAG_PREFIX => Some(Self::Flags),
            "/sdk/v1/snapshot" => Some(Self::Snapshot),
            "/sdk/v1/stream" => Some(Self::Stream),
            "/sdk/v1/events" => Some(Self::Events),
            _ if path.starts_with(FLAG_PREFIX) => Some(Self::Flag),
            _ => path
                .strip_prefix(KEY_LIST_PREFIX)
                .filter(|digest| !digest.is_empty() && !digest.contains('/'))
                .map(|_| Self::KeyList),
        }
    }

    /// The path as it is documented, with a name for what varies.
    pub fn template(self) -> &'static str {
        match self {
            Self::Flags => FLAGS,
            Self::Flag => "/ofrep/v1/evaluate/flags/{key}",
            Self::Snapshot => "/sdk/v1/snapshot",
            Self::KeyList => "/sdk/v1/segments/{sha256}",
            Self::Stream => "/sdk/v1/stream",
            Self::Events => "/sdk/v1/events",
        }
    }

    /// Whether it is asked by this method.
    pub(crate) fn takes(self, method: &Method) -> bool {
        match self {
            Self::Flags | Self::Flag | Self::Events => method == Method::POST,
            _ => matches!(*method, Method::GET | Method::HEAD),
        }
    }

    /// The methods it takes, as they are told to who came by another.
    pub(crate) fn methods(self) -> &'static str {
        match self {
            Self::Flags | Self::Flag | Self::Events => "POST",
            _ => "GET,HEAD",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_to_one_door_or_to_none() {
        for (path, door) in [
            ("/ofrep/v1/evaluate/flags", Some(Door::Flags)),
            ("/ofrep/v1/evaluate/flags/", Some(Door::Flags)),
            ("/ofrep/v1/evaluate/flags/a", Some(Door::Flag)),
            ("/ofrep/v1/evaluate/flags/a/b%20c", Some(Door::Flag)),
            ("/ofrep/v1/evaluate/flagsa", None),
            ("/ofrep/v1/configuration", None),
            ("/sdk/v1/snapshot", Some(Door::Snapshot)),
            ("/sdk/v1/snapshot/", None),
            ("/sdk/v1/stream", Some(Door::Stream)),
            ("/sdk/v1/events", Some(Door::Events)),
            ("/sdk/v1/segments/abc", Some(Door::KeyList)),
            ("/sdk/v1/segments/", None),
            ("/sdk/v1/segments/a/b", None),
            ("/sdk/v1", None),
            ("", None),
        ] {
            assert_eq!(Door::of(path), door, "{path}");
        }
    }
}
