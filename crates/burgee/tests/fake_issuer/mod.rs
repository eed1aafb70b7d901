//! An issuer that says whatever it is told to.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// How an ID token is signed.
#[derive(Clone, Copy, Default)]
pub enum Signed {
    #[default]
    Well,
    None,
    NoneInCapitals,
    WithPublicKey,
    WithClientSecret,
    OtherAlgorithm,
    ByAnotherKey,
    ByUnknownKey,
    ByOwnKey,
    Critical,
    Bent,
    Garbage,
}

/// What the next ID token says.
#[derive(Default)]
pub struct Plan {
    /// Over what a good one has; `null` is left out.
    pub claims: Vec<(&'static str, Value)>,
    pub signed: Signed,
    pub userinfo: Option<Value>,
    /// Whether several are under way, of which each has the nonce of the others.
    pub any_nonce: bool,
}

struct Held {
    url: String,
    key: KeyPair,
    other: KeyPair,
    plan: Mutex<(Plan, String)>,
    lie: Mutex<Value>,
    keys: AtomicUsize,
    descriptions: AtomicUsize,
    led_on: AtomicUsize,
}

pub struct Issuer {
    pub url: String,
    held: Arc<Held>,
    task: JoinHandle<()>,
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[expect(clippy::disallowed_methods, reason = "a provider has a clock of its own")]
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}
