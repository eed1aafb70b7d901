//! Where a key falls in a split: the same place on every node, in every language, for ever.
//!
//! What is hashed is `salt + ":" + key`, as UTF-8. The parts are fed one after the other, so that a question
//! joins no text. `docs/evaluation.md`, "Buckets", has the vectors.

use md5::{Digest, Md5};

use crate::model::{Hash, WHOLE};

/// The bucket of `key`: 0 to [`WHOLE`] − 1.
pub fn place(hash: Hash, salt: &str, key: &str) -> u32 {
    let digest = digest(hash, salt, key);
    match hash {
        Hash::Murmur3 => scale(digest),
        // The whole percent is the old rollout's own; what is left of the hash places within it.
        Hash::Fnv1a | Hash::Md5 => (digest % 100) * 1_000 + (digest / 100) % 1_000,
    }
}

/// The 32 bits that [`place`] is made from.
pub fn digest(hash: Hash, salt: &str, key: &str) -> u32 {
    let parts = [salt.as_bytes(), b":", key.as_bytes()];
    match hash {
        Hash::Murmur3 => murmur3(parts),
        Hash::Fnv1a => fnv1a(parts),
        Hash::Md5 => md5(parts),
    }
}

/// The upper half of the product, so below [`WHOLE`].
fn scale(digest: u32) -> u32 {
    ((u64::from(digest) * u64::from(WHOLE)) >> 32) as u32
}

/// `murmur3_x86_32` with seed 0.
fn murmur3(parts: [&[u8]; 3]) -> u32 {
    let mut hash = 0_u32;
    let mut block = 0_u32;
    let mut length = 0_u32;
    for &byte in parts.into_iter().flatten() {
        block |= u32::from(byte) << (8 * (length % 4));
        length = length.wrapping_add(1);
        if length.is_multiple_of(4) {
            hash = (hash ^ scramble(block)).rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64);
            block = 0;
        }
    }
    // A whole last block leaves 0 behind, which scrambles to 0 and changes nothing.
    hash ^= scramble(block) ^ length;
    hash = (hash ^ (hash >> 16)).wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ (hash >> 13)).wrapping_mul(0xc2b2_ae35);
    hash ^ (hash >> 16)
}

fn scramble(block: u32) -> u32 {
    block.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593)
}

fn fnv1a(parts: [&[u8]; 3]) -> u32 {
    let step = |hash: u32, byte: &u8| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
    parts.into_iter().flatten().fold(0x811c_9dc5, step)
}

/// The first four bytes of MD5, big-endian.
fn md5(parts: [&[u8]; 3]) -> u32 {
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
            assert_eq!(murmur3([text.as_bytes(), b"", b""]), hash, "{text:?}");
            let (front, back) = text.split_at(text.len() / 2);
            assert_eq!(murmur3([front.as_bytes(), b"", back.as_bytes()]), hash, "{text:?} in parts");
        }
    }

    #[test]
    fn fnv1a_and_md5_are_the_reference_ones() {
        assert_eq!(fnv1a([b"", b"", b""]), 0x811c_9dc5);
        assert_eq!(fnv1a([b"foo", b"b", b"ar"]), 0xbf9c_f968);
        assert_eq!(md5([b"", b"", b""]), 0xd41d_8cd9);
        assert_eq!(md5([b"message", b" ", b"digest"]), 0xf96b_697d);
    }

    #[test]
    fn the_ends_of_the_hash_stay_within_the_buckets() {
        assert_eq!(scale(0), 0);
        assert_eq!(scale(u32::MAX), WHOLE - 1);
    }
}
