//! A provider as this node knows it: what it says of itself, its keys, and what it says of people.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::account::{IdToken, IdTokenFault, Proof, ProviderKeys};
use domain::time::Timestamp;
use http::StatusCode;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Client, Url};
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::sync::{Mutex, Semaphore};
use tokio::time::{Duration, Instant};

use super::Provider;
use super::fetch::{Fault, ask, endpoint};
use super::flow::Flow;

/// What a provider says of itself, its keys included, is believed for so long: a key that it takes back proves
/// nothing after that.
const BELIEVED: Duration = Duration::from_hours(1);
/// A key that is not there is looked for no more often: whoever invents key ids does not make us ask.
const KEYS_AGAIN: Duration = Duration::from_mins(1);
/// After it did not answer a provider is left in peace for so long; whoever comes meanwhile is told so at once.
const REST: Duration = Duration::from_secs(5);
/// So many people at a time are asked for; more are told to come again.
const MOST_EXCHANGES: usize = 32;

/// A provider, and what is known of it.
pub(crate) struct Remote {
    pub(crate) provider: Provider,
    client: Client,
    plain: bool,
    /// One asks at a time; who comes meanwhile waits for what they hear.
    known: Mutex<Known>,
    room: Semaphore,
}

#[derive(Default)]
struct Known {
    description: Option<(Arc<Description>, Instant)>,
    keys: Option<(ProviderKeys, Instant)>,
    /// When keys were last fetched because one was not there.
    looked_again: Option<Instant>,
    failed: Option<Instant>,
}

/// Where to ask a provider for what.
struct Description {
    authorization: Url,
    token: Url,
    keys: Url,
    userinfo: Option<Url>,
    /// How this program proves to it who it is, if it does so in the body.
    secret_in_body: bool,
    names_itself: bool,
}

#[derive(Deserialize)]
struct Discovered {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    userinfo_endpoint: Option<String>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

#[derive(Deserialize)]
struct Tokens {
    id_token: String,
    access_token: Option<String>,
}

impl Remote {
    pub(super) fn new(provider: Provider, client: Client, plain: bool) -> Self {
        Self { provider, client, plain, known: Mutex::default(), room: Semaphore::new(MOST_EXCHANGES) }
    }

    /// Where a browser goes to prove who sits before it.
    pub(crate) async fn authorization(&self, flow: &Flow, redirect_uri: &str) -> Result<Url, Fault> {
        let mut url = self.description(&mut *self.known.lock().await).await?.authorization.clone();
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.provider.client_id)
            .append_pair("redirect_uri", redirect_uri)
            .append_pair("scope", &self.provider.scopes.join(" "))
            .append_pair("state", &flow.state)
            .append_pair("nonce", &flow.nonce)
            .append_pair("code_challenge", &flow.challenge())
            .append_pair("code_challenge_method", "S256");
        Ok(url)
    }

    /// Whether an answer that says it is `issuer`'s may be this provider's (RFC 9207).
    pub(crate) async fn is_its_answer(&self, issuer: Option<&str>) -> Result<bool, Fault> {
        if let Some(issuer) = issuer {
            return Ok(issuer == self.provider.rules.issuer);
        }
        Ok(!self.description(&mut *self.known.lock().await).await?.names_itself)
    }

    /// Who somebody is that came back with a code.
    pub(crate) async fn exchange(
        &self,
        code: &str,
        flow: &Flow,
        redirect_uri: &str,
        now: Timestamp,
    ) -> Result<Proof, Fault> {
        let busy = |_| Fault::Unavailable("many sign in with it at this moment".to_owned());
        let _place = self.room.try_acquire().map_err(busy)?;
        let description = self.description(&mut *self.known.lock().await).await?;
        let tokens = self.tokens(&description, code, flow, redirect_uri).await?;
        let mut claims = self.prove(&tokens.id_token, &flow.nonce, now).await?;
        let subject = claims.get("sub").and_then(Value::as_str).unwrap_or_default().to_owned();
        if let (Some(userinfo), Some(token)) = (&description.userinfo, &tokens.access_token)
            && self.lacks_something(&claims)
        {
            add(&mut claims, self.userinfo(userinfo, token, &subject).await?);
        }
        Ok(Proof { subject, claims })
    }

    /// Many providers tell in the token only who it is, and the rest when asked for it.
    fn lacks_something(&self, claims: &Map<String, Value>) -> bool {
        let rules = &self.provider.rules;
        !claims.contains_key("email")
            || !claims.contains_key("email_verified")
            || (rules.wants_groups() && !claims.contains_key(&rules.groups_claim))
    }

    async fn tokens(
        &self,
        description: &Description,
        code: &str,
        flow: &Flow,
        redirect_uri: &str,
    ) -> Result<Tokens, Fault> {
        let Provider { client_id, client_secret, .. } = &self.provider;
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", redirect_uri),
            ("code_verifier", &flow.verifier),
        ];
        let mut request = self.client.post(description.token.clone());
        match client_secret {
            Some(secret) if !description.secret_in_body => {
                request = request.header("authorization", basic(client_id, secret));
            }
            Some(secret) => form.extend([("client_id", client_id.as_str()), ("client_secret", secret)]),
            None => form.push(("client_id", client_id)),
        }
        let (status, answer) = ask(request.form(&form)).await?;
        if status == StatusCode::OK {
            let read = Tokens::deserialize(&answer);
            return read.map_err(|_| Fault::Refused("the provider gave no ID token".to_owned()));
        }
        match answer.get("error").and_then(Value::as_str) {
            Some("invalid_grant") => {
                Err(Fault::Refused("the provider does not take the code, or not again".to_owned()))
            }
            // Wrong settings, here or there: what the provider says is for the log.
            error => Err(Fault::Unavailable(format!("the token endpoint answers {status} {error:?}"))),
        }
    }

    async fn prove(&self, token: &str, nonce: &str, now: Timestamp) -> Result<Map<String, Value>, Fault> {
        let Provider { rules, client_id, .. } = &self.provider;
        let wanted = IdToken { issuer: &rules.issuer, client_id, nonce };
        let refused = |fault: IdTokenFault| Fault::Refused(format!("the ID token is not taken: {fault}"));
        let (keys, fetched) = self.keys(None).await?;
        match wanted.prove(token, &keys, now) {
            // The provider may have a new one.
            Err(IdTokenFault::UnknownKey) => {
                let (keys, _) = self.keys(Some(fetched)).await?;
                wanted.prove(token, &keys, now).map_err(refused)
            }
            proved => proved.map_err(refused),
        }
    }

    /// The provider's keys with the time when they were fetched; newer ones than `lacking`, in which one was not
    /// there, unless they were looked for just now.
    async fn keys(&self, lacking: Option<Instant>) -> Result<(ProviderKeys, Instant), Fault> {
        let mut known = self.known.lock().await;
        let again = known.looked_again.is_none_or(|at| at.elapsed() >= KEYS_AGAIN);
        if let Some((keys, at)) = &known.keys
            && at.elapsed() < BELIEVED
            && (lacking.is_none_or(|lacking| *at > lacking) || !again)
        {
            return Ok((keys.clone(), *at));
        }
        if lacking.is_some() {
            known.looked_again = Some(Instant::now());
        }
        let url = self.description(&mut known).await?.keys.clone();
        let fetched = self.fetch(&mut known, url).await?;
        let read = ProviderKeys::read(&fetched);
        let keys = read.ok_or_else(|| Fault::Unavailable("jwks_uri gives no set of keys".to_owned()))?;
        let fetched = (keys, Instant::now());
        known.keys = Some(fetched.clone());
        Ok(fetched)
    }

    async fn description(&self, known: &mut Known) -> Result<Arc<Description>, Fault> {
        if let Some((description, at)) = &known.description
            && at.elapsed() < BELIEVED
        {
            return Ok(description.clone());
        }
        let issuer = &self.provider.rules.issuer;
        let place = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let url = endpoint(&place, self.plain)?;
        let document = self.fetch(known, url).await?;
        let description = Arc::new(self.describe(&document)?);
        known.description = Some((description.clone(), Instant::now()));
        Ok(description)
    }

    fn describe(&self, document: &Value) -> Result<Description, Fault> {
        let said = Discovered::deserialize(document)
            .map_err(|error| Fault::Unavailable(format!("what it says of itself does not read: {error}")))?;
        let issuer = &self.provider.rules.issuer;
        if said.issuer != *issuer {
            let message = format!("it says that its issuer is {:?}, not {issuer:?}", said.issuer);
            return Err(Fault::Unavailable(message));
        }
        let place = |text: &str| endpoint(text, self.plain);
        let methods = said.token_endpoint_auth_methods_supported.unwrap_or_default();
        let takes = |method: &str| methods.iter().any(|one| one == method);
        Ok(Description {
            authorization: place(&said.authorization_endpoint)?,
            token: place(&said.token_endpoint)?,
            keys: place(&said.jwks_uri)?,
            userinfo: said.userinfo_endpoint.as_deref().map(place).transpose()?,
            // Who says nothing takes the other way (OpenID Connect Discovery, 3).
            secret_in_body: !takes("client_secret_basic") && takes("client_secret_post"),
            names_itself: said.authorization_response_iss_parameter_supported,
        })
    }

    /// A document of the provider, unless it did not answer just now.
    async fn fetch(&self, known: &mut Known, url: Url) -> Result<Value, Fault> {
        if known.failed.is_some_and(|at| at.elapsed() < REST) {
            return Err(Fault::Unavailable("it did not answer a moment ago".to_owned()));
        }
        let answered = match ask(self.client.get(url)).await {
            Ok((StatusCode::OK, document)) => Ok(document),
            Ok((status, _)) => Err(Fault::Unavailable(format!("it answers {status}"))),
            Err(fault) => Err(fault),
        };
        known.failed = answered.is_err().then(Instant::now);
        answered
    }

    async fn userinfo(&self, url: &Url, token: &str, subject: &str) -> Result<Map<String, Value>, Fault> {
        match ask(self.client.get(url.clone()).bearer_auth(token)).await? {
            (StatusCode::OK, Value::Object(claims)) => {
                // Or it could be another's (OpenID Connect Core, 5.3.2).
                if claims.get("sub").and_then(Value::as_str) == Some(subject) {
                    return Ok(claims);
                }
                Err(Fault::Refused("the provider's userinfo is somebody else's".to_owned()))
            }
            (status, _) => Err(Fault::Unavailable(format!("the userinfo endpoint answers {status}"))),
        }
    }
}

/// Adds to what a token claims what is told besides. An address and whether it was verified come from one of the two, or
/// one's word would stand for another's address.
fn add(claims: &mut Map<String, Value>, mut told: Map<String, Value>) {
    const ADDRESS: [&str; 2] = ["email", "email_verified"];
    if !ADDRESS.iter().all(|name| claims.contains_key(*name)) {
        let outdone = if told.contains_key("email") { &mut *claims } else { &mut told };
        for name in ADDRESS {
            outdone.remove(name);
        }
    }
    for (name, value) in told {
        claims.entry(name).or_insert(value);
    }
}

/// Both parts are encoded before they are joined (RFC 6749, 2.3.1).
fn basic(id: &str, secret: &str) -> String {
    let [id, secret] = [id, secret].map(|part| utf8_percent_encode(part, NON_ALPHANUMERIC).to_string());
    format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::add;

    #[test]
    fn ones_word_does_not_stand_for_anothers_address() {
        let added = |claims: Value, told: Value| {
            let (Value::Object(mut claims), Value::Object(told)) = (claims, told) else { panic!() };
            add(&mut claims, told);
            Value::Object(claims)
        };
        let (a, b) = (json!({ "email": "a" }), json!({ "email": "b", "email_verified": true, "sub": "2" }));
        assert_eq!(
            added(json!({ "email": "a", "sub": "1" }), b.clone()),
            json!({ "email": "b", "email_verified": true, "sub": "1" })
        );
        assert_eq!(added(json!({ "email_verified": true }), a.clone()), a);
        assert_eq!(added(a.clone(), json!({ "email_verified": true })), a);
        let whole = json!({ "email": "a", "email_verified": false, "sub": "1" });
        assert_eq!(added(whole.clone(), b.clone()), whole);
        assert_eq!(added(json!({}), b.clone()), b);
    }
}
