//! Where a key falls in a split: the same place on every node, in every language, for ever.
//!
//! What is hashed is `salt + ":" + key`, as UTF-8. The parts are fed one after the other, so that a question
//! joins no text and hashes no salt. `docs/evaluation.md`, "Buckets", has the vectors.

use md5::{Digest, Md5};

use crate::model::{Hash, WHOLE};

/// The bucket of `key`: 0 to [`WHOLE`] − 1.
pub fn place(hash: Hash, salt: &str, key: &str) -> u32 {
    Salted::new(hash, salt).place(key)
}

/// The 32 bits that [`place`] is made from.
pub fn digest(hash: Hash, salt: &str, key: &str) -> u32 {
    Salted::new(hash, salt).digest(key)
}

/// A hash that was fed its salt and the colon when its flag was compiled, so that a question feeds the key only.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Salted {
    Murmur3(Murmur3),
    Fnv1a(u32),
    Md5(Box<str>),
}

impl Salted {
    pub(crate) fn new(hash: Hash, salt: &str) -> Self {
        match hash {
            Hash::Murmur3 => Self::Murmur3(Murmur3::default().feed(salt.as_bytes()).feed(b":")),
            Hash::Fnv1a => Self::Fnv1a(fnv1a(fnv1a(FNV_OFFSET, salt.as_bytes()), b":")),
            Hash::Md5 => Self::Md5(format!("{salt}:").into()),
        }
    }

    /// The bucket of `key`.
    #[inline]
    pub(crate) fn place(&self, key: &str) -> u32 {
        let digest = self.digest(key);
        match self {
            Self::Murmur3(_) => scale(digest),
            // The whole percent is the old rollout's own; what is left of the hash places within it.
            Self::Fnv1a(_) | Self::Md5(_) => (digest % 100) * 1_000 + (digest / 100) % 1_000,
        }
    }

    #[inline]
    fn digest(&self, key: &str) -> u32 {
        match self {
            Self::Murmur3(murmur3) => murmur3.feed(key.as_bytes()).finish(),
            Self::Fnv1a(state) => fnv1a(*state, key.as_bytes()),
            Self::Md5(salt) => md5([salt.as_bytes(), key.as_bytes()]),
        }
    }
}

/// The upper half of the product, so below [`WHOLE`].
fn scale(digest: u32) -> u32 {
    ((u64::from(digest) * u64::from(WHOLE)) >> 32) as u32
}

/// `murmur3_x86_32` with seed 0, fed in parts.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Murmur3 {
    hash: u32,
    /// What did not fill a block yet, in its lower bytes.
    rest: u32,
    length: u32,
}

impl Murmur3 {
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "takes words apart, and counts as the hash does")]
    fn feed(self, bytes: &[u8]) -> Self {
        let Self { mut hash, rest, length } = self;
        let shift = 8 * (length % 4);
        let mut rest = u64::from(rest);
        let (words, odd) = bytes.as_chunks::<4>();
        for word in words {
            let wide = rest | (u64::from(u32::from_le_bytes(*word)) << shift);
            hash = mix(hash, wide as u32);
            rest = wide >> 32;
        }
        let mut filled = shift;
        for byte in odd {
            rest |= u64::from(*byte) << filled;
            filled += 8;
        }
        if filled >= 32 {
            hash = mix(hash, rest as u32);
            rest >>= 32;
        }
        Self { hash, rest: rest as u32, length: length.wrapping_add(bytes.len() as u32) }
    }

    #[inline]
    fn finish(self) -> u32 {
        // A whole last block leaves 0 behind, which scrambles to 0 and changes nothing.
        let mut hash = self.hash ^ scramble(self.rest) ^ self.length;
        hash = (hash ^ (hash >> 16)).wrapping_mul(0x85eb_ca6b);
        hash = (hash ^ (hash >> 13)).wrapping_mul(0xc2b2_ae35);
        hash ^ (hash >> 16)
    }
}

fn mix(hash: u32, block: u32) -> u32 {
    (hash ^ scramble(block)).rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64)
}

fn scramble(block: u32) -> u32 {
    block.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593)
}

const FNV_OFFSET: u32 = 0x811c_9dc5;

fn fnv1a(state: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(state, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

/// The first four bytes of MD5, big-endian.
fn md5(parts: [&[u8]; 2]) -> u32 {
    let digest = parts.into_iter().fold(Md5::new(), Digest::chain_update).finalize();
    let [a, b, c, d, ..]: [u8; 16] = digest.into();
    u32::from_be_bytes([a, b, c, d])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The reference implementation's own values; `conformance/buckets.json` has the other lengths of a last block.
    #[test]
    fn murmur3_is_the_reference_one() {
        for (text, hash) in [
            ("", 0),
            ("hello", 0x248b_fa47),
            ("hello, world", 0x149b_bb7f),
            ("The quick brown fox jumps over the lazy dog", 0x2e4f_f723),
            ("test", 0xba6b_d213),
        ] {
            for cut in 0..=text.len() {
                let (front, back) = text.as_bytes().split_at(cut);
                assert_eq!(Murmur3::default().feed(front).feed(back).finish(), hash, "{text:?} cut at {cut}");
            }
        }
    }

    #[test]
    fn fnv1a_and_md5_are_the_reference_ones() {
        assert_eq!(fnv1a(FNV_OFFSET, b""), 0x811c_9dc5);
        assert_eq!(fnv1a(fnv1a(FNV_OFFSET, b"foo"), b"bar"), 0xbf9c_f968);
        assert_eq!(md5([b"", b""]), 0xd41d_8cd9);
        assert_eq!(md5([b"message ", b"digest"]), 0xf96b_697d);
    }

    #[test]
    fn the_ends_of_the_hash_stay_within_the_buckets() {
        assert_eq!(scale(0), 0);
        assert_eq!(scale(u32::MAX), WHOLE - 1);
    }
}
