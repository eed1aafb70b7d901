//! A server whose providers are told what to say.

use anyhow::Result;
use reqwest::Url;
use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use serde_json::Value;
use tempfile::TempDir;
use testkit::process::{Burgee, Start};

use crate::fake_issuer::{Issuer, Plan};

/// A server with the providers `fake` and `other`.
pub(crate) struct World {
    pub(crate) issuer: Issuer,
    pub(crate) other: Issuer,
    pub(crate) burgee: Burgee,
    pub(crate) client: reqwest::Client,
    pub(crate) folder: TempDir,
}

/// A sign-in that was begun.
pub(crate) struct Begun {
    pub(crate) provider: &'static str,
    pub(crate) cookie: String,
    pub(crate) at: Url,
}

impl World {
    pub(crate) async fn open(more: &[(&str, &str)]) -> Result<Self> {
        let (issuer, other) = (Issuer::open().await?, Issuer::open().await?);
        let folder = tempfile::tempdir()?;
        let own = [
            ("BURGEE__OIDC__PROVIDERS__FAKE__ISSUER", issuer.url.as_str()),
            ("BURGEE__OIDC__PROVIDERS__FAKE__CLIENT_ID", "burgee"),
            ("BURGEE__OIDC__PROVIDERS__FAKE__CLIENT_SECRET", "0123456789"),
            ("BURGEE__OIDC__PROVIDERS__OTHER__ISSUER", other.url.as_str()),
            ("BURGEE__OIDC__PROVIDERS__OTHER__CLIENT_ID", "burgee"),
        ];
        let env = [&own, more].concat();
        let start = Start { program: super::PROGRAM, folder: folder.path(), env: &env };
        let burgee = start.start_logging_to(&folder.path().join("log")).await?;
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .tls_certs_only([])
            .build()?;
        Ok(Self { issuer, other, burgee, client, folder })
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    pub(crate) async fn begin(&self, provider: &'static str) -> Result<Begun> {
        let place = format!("{}/auth/oidc/{provider}/start", self.burgee.url);
        let answer = self.client.get(place).send().await?;
        assert_eq!(answer.status(), 302, "{}", self.log());
        let cookie = answer.headers()[SET_COOKIE].to_str()?.split(';').next().unwrap().to_owned();
        Ok(Begun { provider, cookie, at: answer.headers()[LOCATION].to_str()?.parse()? })
    }

    /// Comes back with what the issuer plans to say; gives status and answer.
    pub(crate) async fn finish(&self, begun: &Begun, plan: Plan) -> Result<(u16, Value)> {
        let asked = |name: &str| begun.at.query_pairs().find(|(key, _)| key == name).unwrap().1.into_owned();
        let (provider, state) = (begun.provider, asked("state"));
        let issuer = if provider == "other" { &self.other } else { &self.issuer };
        issuer.plan(plan, asked("nonce"));
        let place = format!("{}/auth/oidc/{provider}/callback?code=c&state={state}", self.burgee.url);
        let request =
            self.client.get(place).header(COOKIE, &begun.cookie).header("accept", "application/json");
        let answer = request.send().await?;
        Ok((answer.status().as_u16(), answer.json().await?))
    }

    pub(crate) async fn sign_in(&self, plan: Plan) -> Result<(u16, Value)> {
        self.finish(&self.begin("fake").await?, plan).await
    }
}

pub(crate) fn claim(name: &'static str, value: Value) -> Plan {
    Plan { claims: vec![(name, value)], ..Plan::default() }
}
