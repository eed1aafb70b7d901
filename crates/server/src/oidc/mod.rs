//! Signing in with a provider of identities (OpenID Connect): the authorization code flow with PKCE.
//!
//! This node asks the provider (`remote`), keeps in the browser what belongs to a sign-in under way (`sealed`), and
//! leaves to `domain` what is proved and who comes in.

mod cookie;
mod fetch;
mod flow;
mod remote;
mod sealed;

use std::sync::Arc;

use domain::account::ProviderRules;
use domain::ports::{Clock, Ids};

pub(crate) use remote::Remote;

pub(crate) use cookie::{Cookies, take};
pub(crate) use fetch::Fault;
pub(crate) use flow::{Flow, Handoff, is_local_path};

/// A provider, as an operator describes it.
pub struct Provider {
    /// What its word is worth.
    pub rules: ProviderRules,
    /// What people read on a sign-in page.
    pub name: String,
    /// What this program is to it.
    pub client_id: String,
    /// What this program proves that by; without one it is a public client, and PKCE alone protects the code.
    pub client_secret: Option<String>,
    /// What is asked for; with `openid`.
    pub scopes: Vec<String>,
}

/// Where people reach this server: providers lead back there, and nowhere else.
#[derive(Debug, Clone)]
pub enum Place {
    /// Without a path: `https://flags.example.com`.
    At(String),
    /// Under whatever name the request says, which must be known to be good before: on this machine only.
    AsAsked {
        /// `http` or `https`.
        scheme: &'static str,
    },
}

/// What an operator chose.
pub struct Settings {
    /// Whom people may sign in with.
    pub providers: Vec<Provider>,
    /// Where people reach this server.
    pub place: Place,
    /// Whether a provider on this machine may be asked without TLS.
    pub allow_plain_loopback: bool,
    /// Whether people may sign in with a password as well.
    pub password_login: bool,
}

/// Signing in with providers.
pub struct Oidc {
    pub(crate) providers: Vec<Arc<Remote>>,
    pub(crate) place: Place,
    pub(crate) password_login: bool,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn Ids>,
}

impl Oidc {
    /// With providers that nobody has asked yet. The client must follow no redirects, and give up in time.
    pub fn new(
        settings: Settings,
        client: &reqwest::Client,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
    ) -> Arc<Self> {
        let Settings { providers, place, allow_plain_loopback, password_login } = settings;
        let remote = |provider| Arc::new(Remote::new(provider, client.clone(), allow_plain_loopback));
        let providers = providers.into_iter().map(remote).collect();
        Arc::new(Self { providers, place, password_login, clock, ids })
    }

    /// How cookies are set.
    pub(crate) fn cookies(&self) -> Cookies {
        let secure = match &self.place {
            Place::At(url) => url.starts_with("https://"),
            Place::AsAsked { scheme } => *scheme == "https",
        };
        Cookies { secure }
    }

    /// Where a provider leads people back to. `host` is what the request says.
    pub(crate) fn redirect_uri(&self, key: &str, host: &str) -> String {
        let path = format!("/auth/oidc/{key}/callback");
        match &self.place {
            Place::At(url) => format!("{url}{path}"),
            Place::AsAsked { scheme } => format!("{scheme}://{host}{path}"),
        }
    }

    pub(crate) fn provider(&self, key: &str) -> Option<&Arc<Remote>> {
        self.providers.iter().find(|remote| remote.provider.rules.key == key)
    }
}
