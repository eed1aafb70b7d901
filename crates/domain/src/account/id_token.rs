//! What a provider of identities says of somebody, proved: ID tokens (OpenID Connect Core, 3.1.3.7).
//!
//! Which algorithms are taken is decided here and by nobody else: neither the token's header nor the provider's
//! documents add one, so a public key is never taken for a shared secret, and "none" never for a signature.

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;
use serde_json::{Map, Value};
use subtle::ConstantTimeEq;

use super::Identity;
use crate::time::Timestamp;

/// No ID token is longer, in bytes: what is longer is refused unread. One that lists hundreds of groups fits.
const MOST_TOKEN: usize = 64 << 10;
/// Of a provider's keys no more than these are kept; further ones are as if they were not there.
const MOST_KEYS: usize = 100;
/// Clocks may differ by so many seconds.
const LEEWAY: i64 = 60;
/// The modulus of an RSA key of 2,048 bits, which is the least (RFC 7518, 3.3), in characters of base64url.
const LEAST_MODULUS: usize = 342;

/// The public keys of a provider that may sign: RSA for RS256 and P-256 for ES256.
#[derive(Debug, Clone, Default)]
pub struct ProviderKeys(Vec<Jwk>);

impl ProviderKeys {
    /// Reads a JWK set (RFC 7517). Keys of other kinds, and for other uses, are left out; `None` if it is no set.
    pub fn read(document: &Value) -> Option<Self> {
        let keys = document.get("keys")?.as_array()?;
        let read = keys.iter().filter_map(|key| serde_json::from_value::<Jwk>(key.clone()).ok());
        Some(Self(read.filter(|key| algorithm(key).is_some()).take(MOST_KEYS).collect()))
    }

    /// The key that a token names, or the only one there is for its algorithm if it names none.
    fn find(&self, id: Option<&str>, wanted: Algorithm) -> Option<&Jwk> {
        let mut found = self.0.iter().filter(|key| {
            algorithm(key) == Some(wanted) && (id.is_none() || key.common.key_id.as_deref() == id)
        });
        found.next().filter(|_| found.next().is_none())
    }
}

/// What a key signs with; `None` if that is not taken here.
fn algorithm(key: &Jwk) -> Option<Algorithm> {
    if key.common.public_key_use.as_ref().is_some_and(|meant| *meant != PublicKeyUse::Signature) {
        return None;
    }
    let (own, named) = match &key.algorithm {
        AlgorithmParameters::RSA(key) if key.n.len() >= LEAST_MODULUS => {
            (Algorithm::RS256, KeyAlgorithm::RS256)
        }
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
            (Algorithm::ES256, KeyAlgorithm::ES256)
        }
        _ => return None,
    };
    key.common.key_algorithm.is_none_or(|given| given == named).then_some(own)
}

/// What an ID token must say to be the answer to a question.
#[derive(Debug, Clone, Copy)]
pub struct IdToken<'a> {
    /// Who must have made it.
    pub issuer: &'a str,
    /// For whom.
    pub client_id: &'a str,
    /// What was asked with.
    pub nonce: &'a str,
}

/// Why an ID token proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdTokenFault {
    /// It is no token, or says too little.
    #[error("it does not read")]
    Malformed,
    /// It is not signed, or in another way than RS256 or ES256.
    #[error("its algorithm is not RS256 or ES256")]
    Algorithm,
    /// No key of the provider is the one that it names; a newer set may have it.
    #[error("the provider has no such key")]
    UnknownKey,
    /// The key did not sign it.
    #[error("its signature is wrong")]
    Signature,
    /// Another provider made it.
    #[error("it is another issuer's")]
    Issuer,
    /// It is for somebody else.
    #[error("it is not for this client")]
    Audience,
    /// It answers another question, or none.
    #[error("its nonce is another")]
    Nonce,
    /// Its time is over, or has not come.
    #[error("it is not valid now")]
    Time,
}

/// The members of a token that are checked.
#[derive(Deserialize)]
struct Checked {
    iss: String,
    sub: String,
    aud: Audience,
    azp: Option<String>,
    nonce: Option<String>,
    exp: f64,
    iat: f64,
    nbf: Option<f64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl IdToken<'_> {
    /// All that a token claims, if one of the keys signed it and it is what was asked for.
    pub fn prove(
        &self,
        token: &str,
        keys: &ProviderKeys,
        now: Timestamp,
    ) -> Result<Map<String, Value>, IdTokenFault> {
        if token.len() > MOST_TOKEN {
            return Err(IdTokenFault::Malformed);
        }
        // "none" is no algorithm that reads.
        let header = decode_header(token).map_err(|_| IdTokenFault::Algorithm)?;
        if !matches!(header.alg, Algorithm::RS256 | Algorithm::ES256) {
            return Err(IdTokenFault::Algorithm);
        }
        // What must be understood and is not (RFC 7515, 4.1.11) is refused.
        if header.crit.is_some() {
            return Err(IdTokenFault::Malformed);
        }
        let key = keys.find(header.kid.as_deref(), header.alg).ok_or(IdTokenFault::UnknownKey)?;
        let key = DecodingKey::from_jwk(key).map_err(|_| IdTokenFault::UnknownKey)?;
        let mut signed = Validation::new(header.alg);
        // The rest is compared below: this library asks the machine's clock, and takes a missing claim for a good one.
        (signed.validate_exp, signed.validate_aud) = (false, false);
        signed.required_spec_claims.clear();
        let claims = decode::<Value>(token, &key, &signed).map_err(|_| IdTokenFault::Signature)?.claims;
        self.check(&claims, now)?;
        match claims {
            Value::Object(claims) => Ok(claims),
            _ => Err(IdTokenFault::Malformed),
        }
    }

    fn check(&self, claims: &Value, now: Timestamp) -> Result<(), IdTokenFault> {
        let said = Checked::deserialize(claims).map_err(|_| IdTokenFault::Malformed)?;
        if said.iss != self.issuer {
            return Err(IdTokenFault::Issuer);
        }
        let (is_ours, others) = match &said.aud {
            Audience::One(audience) => (audience == self.client_id, false),
            Audience::Many(all) => (all.iter().any(|one| one == self.client_id), all.len() > 1),
        };
        let party = said.azp.as_deref();
        // A token for several says to whom it was given.
        if !is_ours || party.map_or(others, |party| party != self.client_id) {
            return Err(IdTokenFault::Audience);
        }
        let nonce = said.nonce.unwrap_or_default();
        if !bool::from(nonce.as_bytes().ct_eq(self.nonce.as_bytes())) {
            return Err(IdTokenFault::Nonce);
        }
        #[expect(clippy::cast_precision_loss, reason = "seconds are far below 2^53")]
        let (late, early) = ((now.as_seconds() - LEEWAY) as f64, (now.as_seconds() + LEEWAY) as f64);
        if said.exp <= late || said.iat > early || said.nbf.is_some_and(|begin| begin > early) {
            return Err(IdTokenFault::Time);
        }
        if Identity::is_subject(&said.sub) { Ok(()) } else { Err(IdTokenFault::Malformed) }
    }
}
