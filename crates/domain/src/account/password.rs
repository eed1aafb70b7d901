//! Passwords: Argon2id, off the reactor, a few at a time.

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};

use crate::background::Background;
use crate::control::Control;
use crate::error::{Error, Result};

/// What an unknown user's password is compared with, so that the answer takes as long as for a known one.
/// The hash of random bytes that nobody kept.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$YnVyZ2VlLW5vYm9keS0wMQ$\
                      Z0Zr0m0m3pQx1Xl6b1m8y1oXwL1t0d4q1o3b2u5k7mA";

impl Control {
    /// Whether the password is the one that was hashed. With no hash it is not, after the same time.
    pub(crate) async fn verify_password(&self, password: String, hash: Option<String>) -> Result<bool> {
        let known = hash.is_some();
        let hash = hash.unwrap_or_else(|| NOBODY.to_owned());
        let matches = self.hashing.work(move || verify(&password, &hash)).await??;
        Ok(matches && known)
    }

    /// The password's hash in PHC form.
    pub(crate) async fn hash_password(&self, password: String) -> Result<String> {
        let salt = self.ids.secret();
        self.hashing.work(move || hash_password(&password, &salt)).await?
    }
}

/// How many may be hashed or wait for it; who comes then is told to come back.
const PLACES: usize = 64;

/// The most that are hashed at once, whatever the machine.
const MOST_THREADS: usize = 8;

/// The bounds on hashing. Each password takes 19 MiB and a core for some 20 ms, on threads that let all others go first
/// (by `give_way`), half as many as there are cores: those who ask flags must not wait for it.
pub(crate) fn hashing(give_way: fn()) -> Background {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Background::new((cores / 2).clamp(1, MOST_THREADS), give_way, PLACES)
}

/// Argon2id with the library's defaults (19 MiB, 2 passes), in PHC form.
pub(crate) fn hash_password(password: &str, salt: &[u8; 32]) -> Result<String> {
    let hash = Argon2::default().hash_password_with_salt(password.as_bytes(), salt.as_slice());
    let hash: PasswordHash = hash.map_err(|error| Error::Internal(error.to_string().into()))?;
    Ok(hash.to_string())
}

/// Whether a password is the one that was hashed.
pub(crate) fn verify(password: &str, hash: &str) -> Result<bool> {
    let hash = PasswordHash::new(hash).map_err(|error| Error::Internal(error.to_string().into()))?;
    Ok(Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
}

#[cfg(test)]
mod tests {
    use super::{NOBODY, hash_password, verify};

    #[test]
    fn a_password_verifies_against_its_own_hash_alone() {
        let hash = hash_password("correct horse", &[7; 32]).unwrap();
        assert!(hash.starts_with("$argon2id$"));
        assert!(verify("correct horse", &hash).unwrap());
        assert!(!verify("correct horsf", &hash).unwrap());
    }

    #[test]
    fn nobody_has_a_hash_of_the_same_cost() {
        let cost = |hash: &str| hash.split('$').take(4).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(cost(NOBODY), cost(&hash_password("x", &[0; 32]).unwrap()));
        assert!(!verify("x", NOBODY).unwrap());
    }
}
