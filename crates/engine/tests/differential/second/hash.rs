//! The three hashes and the places they give, written from their definitions.

use md5::{Digest, Md5};

/// The names that the contract knows.
pub(super) const NAMES: [&str; 3] = ["murmur3", "fnv1a", "md5"];

/// The place of `key` in `0..100_000`; `name` is one of [`NAMES`].
pub(super) fn place(name: &str, salt: &str, key: &str) -> i64 {
    let hash = i64::from(digest(name, salt, key));
    match name {
        "murmur3" => (hash * 100_000) >> 32,
        _ => (hash % 100) * 1_000 + (hash / 100) % 1_000,
    }
}

/// The 32 bits before they are placed.
pub(super) fn digest(name: &str, salt: &str, key: &str) -> u32 {
    let text = format!("{salt}:{key}");
    match name {
        "murmur3" => murmur3(text.as_bytes()),
        "fnv1a" => fnv1a(text.as_bytes()),
        _ => md5(text.as_bytes()),
    }
}

/// `MurmurHash3_x86_32` with seed 0.
fn murmur3(bytes: &[u8]) -> u32 {
    let mut hash = 0_u32;
    for block in bytes.chunks(4) {
        let word = block.iter().rev().fold(0_u32, |word, byte| (word << 8) | u32::from(*byte));
        hash ^= word.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593);
        if block.len() == 4 {
            hash = hash.rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64);
        }
    }
    hash ^= bytes.iter().fold(0, |length, _| length + 1);
    hash = (hash ^ (hash >> 16)).wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ (hash >> 13)).wrapping_mul(0xc2b2_ae35);
    hash ^ (hash >> 16)
}

fn fnv1a(bytes: &[u8]) -> u32 {
    bytes.iter().fold(2_166_136_261, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(16_777_619))
}

/// The first four bytes of MD5, big-endian.
fn md5(bytes: &[u8]) -> u32 {
    Md5::digest(bytes).iter().take(4).fold(0, |word, byte| (word << 8) | u32::from(*byte))
}
