//! What a rule or a default gives: a variant, a split over variants, or nothing.

use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::json::{At, Object, Violations, deserialize};

/// All the weight that a split has to give: 100 % in steps of 0.001 %.
pub const WHOLE: u32 = 100_000;

/// No more attribute paths than this in a `by`.
const MOST_PATHS: usize = 4;
/// No more variants than this in a split.
const MOST_SHARES: usize = 1_000;

/// What to serve: `{"variant": …}`, `{"split": …}`, or `null`.
#[derive(Debug, Clone, PartialEq)]
pub enum Serve {
    /// No value and no variant: the caller's own default holds.
    Nothing,
    /// One variant for all.
    Variant(String),
    /// Weights over variants, by bucket.
    Split(Split),
}

/// Weights over variants; a context's bucket says which.
#[derive(Debug, Clone, PartialEq)]
pub struct Split {
    /// In the order in which they share the buckets out, lowest first. Adds up to [`WHOLE`].
    pub shares: Vec<Weighted>,
    /// How a context finds its bucket. The salt is the flag's key unless given.
    pub spread: Spread,
    /// An earlier assignment wins over the bucket, where the reader keeps assignments.
    pub sticky: bool,
    /// The reader reports an exposure for each unit.
    pub track: bool,
}

/// How a context finds its bucket.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Spread {
    /// Attribute paths, of which the first that gives a key is bucketed; the targeting key if there are none.
    pub by: Vec<String>,
    /// How a key finds its bucket.
    pub hash: Hash,
    /// Hashed before the key.
    pub salt: Option<String>,
}

impl Spread {
    /// Reads `by`, `hash` and `salt`, which stand among the other members of `object`.
    pub(super) fn read(object: &Object<'_>, violations: &mut Violations) -> Option<Self> {
        let by = object.optional(violations, "by", read_paths);
        let hash = object.optional(violations, "hash", read_hash);
        let salt =
            object.optional(violations, "salt", |at, violations| at.text(violations).map(str::to_owned));
        Some(Self { by: by?.unwrap_or_default(), hash: hash?.unwrap_or_default(), salt: salt? })
    }

    pub(super) fn write<M: SerializeMap>(&self, members: &mut M) -> Result<(), M::Error> {
        match self.by.as_slice() {
            [] => {}
            [path] => members.serialize_entry("by", path)?,
            paths => members.serialize_entry("by", paths)?,
        }
        if self.hash != Hash::default() {
            members.serialize_entry("hash", self.hash.name())?;
        }
        if let Some(salt) = &self.salt {
            members.serialize_entry("salt", salt)?;
        }
        Ok(())
    }
}

/// A share of a split.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Weighted {
    /// The variant; stands once in a split.
    pub variant: String,
    /// How many of the [`WHOLE`] buckets are its own. 0 is allowed.
    pub weight: u32,
}

/// How a salt and a key become a bucket.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Hash {
    /// `murmur3_x86_32`, scaled. For all new flags.
    #[default]
    Murmur3,
    /// FNV-1a 32. For flags that came with `FNV-1a % 100` rollouts.
    Fnv1a,
    /// The first four bytes of MD5. For flags that came with `md5 % 100` rollouts.
    Md5,
}

impl Hash {
    /// Its name in documents.
    pub fn name(self) -> &'static str {
        match self {
            Self::Murmur3 => "murmur3",
            Self::Fnv1a => "fnv1a",
            Self::Md5 => "md5",
        }
    }
}

impl Split {
    /// A plain split by targeting key.
    pub fn new(shares: Vec<Weighted>) -> Self {
        Self { shares, spread: Spread::default(), sticky: false, track: false }
    }

    fn read(object: &Object<'_>, violations: &mut Violations) -> Option<Self> {
        let shares = object.require(violations, "split").and_then(|at| read_shares(at, violations));
        let spread = Spread::read(object, violations);
        let sticky = object.optional(violations, "sticky", |at, violations| at.boolean(violations));
        let track = object.optional(violations, "track", |at, violations| at.boolean(violations));
        Some(Self {
            shares: shares?,
            spread: spread?,
            sticky: sticky?.unwrap_or_default(),
            track: track?.unwrap_or_default(),
        })
    }
}

impl Serve {
    /// Serves one variant.
    pub fn variant(key: impl Into<String>) -> Self {
        Self::Variant(key.into())
    }

    /// Reads the long form.
    pub fn read(at: At<'_>, violations: &mut Violations) -> Option<Self> {
        if at.is_null() {
            return Some(Self::Nothing);
        }
        let object = at.object(violations)?;
        let serve = if object.has("split") {
            Split::read(&object, violations).map(Self::Split)
        } else {
            let variant = object.require(violations, "variant")?.text(violations);
            variant.map(Self::variant)
        };
        object.deny_unknown(violations);
        serve
    }

    /// The variants it names.
    pub fn variants(&self) -> impl Iterator<Item = &str> {
        let (one, shares) = match self {
            Self::Nothing => (None, [].as_slice()),
            Self::Variant(variant) => (Some(variant.as_str()), [].as_slice()),
            Self::Split(split) => (None, split.shares.as_slice()),
        };
        one.into_iter().chain(shares.iter().map(|share| share.variant.as_str()))
    }
}

fn read_shares(at: At<'_>, violations: &mut Violations) -> Option<Vec<Weighted>> {
    let shares = at.each(violations, MOST_SHARES, |at, violations| {
        let object = at.object(violations)?;
        let variant = object.require(violations, "variant").and_then(|at| at.text(violations));
        let weight = object.require(violations, "weight").and_then(|at| at.whole(violations, "0 to 100000"));
        object.deny_unknown(violations);
        Some(Weighted { variant: variant?.to_owned(), weight: weight? })
    })?;
    let total: u64 = shares.iter().map(|share| u64::from(share.weight)).sum();
    if total != u64::from(WHOLE) {
        at.fault(violations, format_args!("weights add up to {total}; they must add up to {WHOLE} (100 %)"));
    }
    for (index, share) in shares.iter().enumerate() {
        if shares.iter().take(index).any(|earlier| earlier.variant == share.variant) {
            at.fault(violations, format_args!("names the variant {:?} more than once", share.variant));
        }
    }
    Some(shares)
}

fn read_paths(at: At<'_>, violations: &mut Violations) -> Option<Vec<String>> {
    let path = |at: At<'_>, violations: &mut Violations| {
        let path = at.text(violations)?;
        if path.is_empty() {
            at.fault(violations, "must name an attribute");
        }
        Some(path.to_owned())
    };
    if at.value().is_string() {
        return Some(vec![path(at, violations)?]);
    }
    let paths = at.each(violations, MOST_PATHS, path)?;
    if paths.is_empty() {
        at.fault(violations, "must name at least one attribute");
    }
    Some(paths)
}

fn read_hash(at: At<'_>, violations: &mut Violations) -> Option<Hash> {
    let name = at.text(violations)?;
    let hash = [Hash::Murmur3, Hash::Fnv1a, Hash::Md5].into_iter().find(|hash| hash.name() == name);
    if hash.is_none() {
        at.fault(violations, format_args!("{name:?} is not a known hash; use murmur3, fnv1a or md5"));
    }
    hash
}

impl<'de> Deserialize<'de> for Serve {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize(deserializer, Self::read)
    }
}

impl Serialize for Serve {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Nothing => serializer.serialize_none(),
            Self::Variant(variant) => {
                let mut members = serializer.serialize_map(Some(1))?;
                members.serialize_entry("variant", variant)?;
                members.end()
            }
            Self::Split(split) => split.serialize(serializer),
        }
    }
}

impl Serialize for Split {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_map(None)?;
        members.serialize_entry("split", &self.shares)?;
        self.spread.write(&mut members)?;
        if self.sticky {
            members.serialize_entry("sticky", &true)?;
        }
        if self.track {
            members.serialize_entry("track", &true)?;
        }
        members.end()
    }
}
