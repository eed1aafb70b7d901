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
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Who it speaks of.
const SUBJECT: &str = "248289761001";

/// How an ID token is signed.
#[derive(Clone, Copy, Default)]
pub(crate) enum Signed {
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
pub(crate) struct Plan {
    /// Over what a good one has; `null` is left out.
    pub(crate) claims: Vec<(&'static str, Value)>,
    pub(crate) signed: Signed,
    pub(crate) userinfo: Option<Value>,
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

pub(crate) struct Issuer {
    pub(crate) url: String,
    held: Arc<Held>,
    task: JoinHandle<()>,
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[expect(clippy::disallowed_methods, reason = "a provider has a clock of its own")]
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

impl Issuer {
    /// On a free port of this machine.
    pub(crate) async fn open() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let held = Arc::new(Held {
            url: url.clone(),
            key: KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?,
            other: KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?,
            plan: Mutex::default(),
            lie: Mutex::default(),
            keys: AtomicUsize::default(),
            descriptions: AtomicUsize::default(),
            led_on: AtomicUsize::default(),
        });
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(describe))
            .route("/elsewhere", get(elsewhere))
            .route("/jwks", get(keys))
            .route("/token", post(token))
            .route("/userinfo", get(userinfo))
            .with_state(held.clone());
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Ok(Self { url, held, task })
    }

    /// What the next ID token says, and the nonce that a good one has.
    pub(crate) fn plan(&self, plan: Plan, nonce: String) {
        *self.held.plan.lock().unwrap() = (plan, nonce);
    }

    /// What it says of itself, over what is true; or `redirect`, or `endless`.
    pub(crate) fn lie(&self, lie: Value) {
        *self.held.lie.lock().unwrap() = lie;
    }

    pub(crate) fn asked_for_keys(&self) -> usize {
        self.held.keys.load(Ordering::Relaxed)
    }

    pub(crate) fn asked_for_description(&self) -> usize {
        self.held.descriptions.load(Ordering::Relaxed)
    }

    /// How often somebody followed a redirect.
    pub(crate) fn was_led_on(&self) -> usize {
        self.held.led_on.load(Ordering::Relaxed)
    }
}

async fn describe(State(held): State<Arc<Held>>) -> Response {
    held.descriptions.fetch_add(1, Ordering::Relaxed);
    let lie = held.lie.lock().unwrap().clone();
    let of = |path: &str| format!("{}/{path}", held.url);
    let mut said = json!({
        "issuer": held.url,
        "authorization_endpoint": of("authorize"),
        "token_endpoint": of("token"),
        "jwks_uri": of("jwks"),
        "userinfo_endpoint": of("userinfo"),
    });
    match lie {
        Value::String(lie) if lie == "redirect" => Redirect::temporary("/elsewhere").into_response(),
        Value::String(_) => {
            let piece = vec![b' '; 1 << 16];
            let pieces = futures_util::stream::repeat_with(move || Ok::<_, std::io::Error>(piece.clone()));
            Body::from_stream(pieces).into_response()
        }
        lie => {
            for (name, value) in lie.as_object().into_iter().flatten() {
                said[name.as_str()] = value.clone();
            }
            Json(said).into_response()
        }
    }
}

async fn elsewhere(State(held): State<Arc<Held>>) -> Json<Value> {
    held.led_on.fetch_add(1, Ordering::Relaxed);
    Json(json!({}))
}

async fn keys(State(held): State<Arc<Held>>) -> Json<Value> {
    held.keys.fetch_add(1, Ordering::Relaxed);
    Json(json!({ "keys": [jwk(&held.key, "known"), { "kty": "new" }] }))
}

async fn userinfo(State(held): State<Arc<Held>>) -> Json<Value> {
    Json(held.plan.lock().unwrap().0.userinfo.clone().unwrap_or_else(|| json!({ "sub": SUBJECT })))
}

async fn token(State(held): State<Arc<Held>>) -> Json<Value> {
    let plan = held.plan.lock().unwrap();
    let id_token = held.id_token(&plan.0, &plan.1);
    Json(json!({ "access_token": "a", "token_type": "Bearer", "id_token": id_token }))
}

/// Its point, as 0x04 and both coordinates.
fn jwk(key: &KeyPair, id: &str) -> Value {
    let point = key.public_key_raw();
    let (x, y) = (encode_bytes(&point[1..33]), encode_bytes(&point[33..]));
    json!({ "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": id, "x": x, "y": y })
}

fn encode_bytes(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Held {
    fn id_token(&self, plan: &Plan, nonce: &str) -> String {
        let mut claims = json!({
            "iss": self.url, "sub": SUBJECT, "aud": "burgee", "nonce": nonce,
            "iat": now(), "exp": now() + 300,
            "email": "ada@example.org", "email_verified": true, "name": "Ada",
        });
        for (name, value) in &plan.claims {
            claims[*name] = value.clone();
        }
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        let header = |algorithm, id: &str| Header { kid: Some(id.to_owned()), ..Header::new(algorithm) };
        let by = |key: &KeyPair, header: &Header| {
            encode(header, &claims, &EncodingKey::from_ec_der(&key.serialize_der())).unwrap()
        };
        let good = header(Algorithm::ES256, "known");
        let by_secret = |secret: &[u8]| {
            encode(&header(Algorithm::HS256, "known"), &claims, &EncodingKey::from_secret(secret)).unwrap()
        };
        let unsigned = |algorithm: &str| {
            let header = json!({ "alg": algorithm, "kid": "known" }).to_string();
            format!("{}.{}.", encode_bytes(header.as_bytes()), encode_bytes(claims.to_string().as_bytes()))
        };
        match plan.signed {
            Signed::Well => by(&self.key, &good),
            Signed::None => unsigned("none"),
            Signed::NoneInCapitals => unsigned("NONE"),
            Signed::WithPublicKey => by_secret(self.key.public_key_raw()),
            Signed::WithClientSecret => by_secret(b"0123456789"),
            Signed::OtherAlgorithm => {
                with_header(&by(&self.key, &good), &json!({ "alg": "ES384", "kid": "known" }))
            }
            Signed::ByAnotherKey => by(&self.other, &good),
            Signed::ByUnknownKey => by(&self.other, &header(Algorithm::ES256, "unknown")),
            Signed::ByOwnKey => {
                let jwk = serde_json::from_value(jwk(&self.other, "known")).unwrap();
                by(&self.other, &Header { jwk: Some(jwk), ..good })
            }
            Signed::Critical => by(&self.key, &Header { crit: Some(vec!["b64".to_owned()]), ..good }),
            Signed::Bent => {
                let token = by(&self.key, &good);
                let mut parts = token.split('.').map(str::to_owned).collect::<Vec<_>>();
                let mut bent = claims.clone();
                bent["email"] = json!("admin@burgee.local");
                parts[1] = encode_bytes(bent.to_string().as_bytes());
                parts.join(".")
            }
            Signed::Garbage => "a.b.c".to_owned(),
        }
    }
}

fn with_header(token: &str, header: &Value) -> String {
    let (_, rest) = token.split_once('.').unwrap();
    format!("{}.{rest}", encode_bytes(header.to_string().as_bytes()))
}
