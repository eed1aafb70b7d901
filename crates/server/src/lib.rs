//! Everything a person or a script talks to: REST, sign-in, the API's documents.
//!
//! A handler parses, calls one use case of `domain`, and translates one error; [`problem`] is the one table for
//! that. Who may call it is a type in its signature ([`auth`]).

pub mod auth;
pub mod body;
mod credential;
pub mod doors;
pub mod feed;
pub mod health;
pub mod keyring;
mod loopback;
pub mod oidc;
pub mod openapi;
pub mod problem;
pub mod rest;
mod settle;
pub mod sink;
mod upload;
mod watch;

use std::sync::Arc;

use axum::middleware::{from_fn, from_fn_with_state};
use delivery::Hub;
use domain::control::Control;

use crate::doors::{Doors, Front};
use crate::health::Health;
use crate::keyring::Keyring;
use crate::oidc::Oidc;
use crate::problem::Problem;
pub use crate::rest::Exports;
pub use crate::upload::Uploads;
use crate::watch::Watcher;

/// What every handler may ask.
#[derive(Clone)]
pub struct AppState {
    /// The use cases.
    pub control: Arc<Control>,
    /// What this node serves applications from.
    pub hub: Arc<Hub>,
    /// Whom this node lets in.
    pub keyring: Arc<Keyring>,
    /// Signing in with providers of identities.
    pub oidc: Arc<Oidc>,
    /// Who uploads just now.
    pub uploads: Uploads,
    /// Who exports a log just now.
    pub exports: Exports,
}

/// Everything a server answers: REST and its documents, health, and what applications ask. With `local` it answers this
/// machine alone.
///
/// Fails only if the API's document does not come together, which a test rules out.
pub fn front(
    state: AppState,
    delivery: Arc<delivery::Doors>,
    health: Health,
    doors: Arc<Doors>,
    local: bool,
) -> serde_json::Result<Front> {
    let (rest, openapi) = rest::router().split_for_parts();
    let control = state.control.clone();
    let watcher = Watcher { control: control.clone(), keyring: state.keyring.clone() };
    let rest = rest
        .with_state(state)
        .fallback(|| async { Problem::no_such_route() })
        .method_not_allowed_fallback(|| async { Problem::method_not_allowed() });
    let rest = doors.before_control(rest, control);
    let rest = rest.layer(from_fn_with_state(watcher.clone(), watch::watch));
    // Health is asked by who watches, however often; nothing stands before it.
    let mut rest = rest.merge(health.router());
    if doors.settings.docs {
        rest = rest.merge(openapi::router(openapi)?);
    }
    if local {
        rest = rest.layer(from_fn(loopback::require_loopback));
    }
    let rest = doors.before_rest(rest);
    Ok(Front::new(doors, delivery, watcher, local, rest))
}
