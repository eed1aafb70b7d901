//! A fresh server with people in it.

use anyhow::{Context, Result, ensure};
use reqwest::Body;
use serde_json::Value;
use tempfile::TempDir;

use crate::process::{Burgee, Start};

/// A fresh server on an empty database, and session tokens of those who use it.
pub struct House {
    /// The server.
    pub burgee: Burgee,
    /// May change what is not protected.
    pub developer: String,
    /// May read; registered under the other word for a viewer.
    pub user: String,
    /// May do everything.
    pub admin: String,
    _folder: TempDir,
}

impl House {
    /// Starts the program (`env!("CARGO_BIN_EXE_burgee")`) and registers its people.
    pub async fn open(program: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let burgee = Start { program, folder: folder.path(), env: &[] }.start().await?;
        let developer = burgee.register("dev@example.com", "developer").await?;
        let user = burgee.register("user@example.com", "user").await?;
        let admin = burgee.admin().await?;
        Ok(Self { burgee, developer, user, admin, _folder: folder })
    }

    /// Makes an account with this role, as the admin, and gives its session token.
    pub async fn person(&self, email: &str, role: &str) -> Result<String> {
        let document = serde_json::json!({ "email": email, "password": "secret", "role": role });
        self.burgee.post("/auth/users", Some(&self.admin), &document).await?;
        self.burgee.login(email, "secret").await
    }

    /// Makes a flag, as the developer.
    pub async fn create(&self, flag: Value) -> Result<Value> {
        self.burgee.post("/api/v1/flags", Some(&self.developer), &flag).await
    }

    /// Changes a flag; `path` is its key and perhaps a query.
    pub async fn patch(&self, token: &str, path: &str, document: Value) -> Result<(u16, Value)> {
        self.burgee.ask("PATCH", &format!("/api/v1/flags/{path}"), Some(token), Some(&document)).await
    }

    /// Sends a request as whose token it is, without a body if that is null.
    pub async fn ask(&self, token: &str, method: &str, path: &str, body: Value) -> Result<(u16, Value)> {
        let body = Some(body).filter(|body| !body.is_null());
        self.burgee.ask(method, path, Some(token), body.as_ref()).await
    }

    /// What applications with the server key are given.
    pub async fn snapshot(&self) -> Result<Value> {
        self.burgee.get("/sdk/v1/snapshot", &self.burgee.banner.server_key).await
    }

    /// What the developer is shown at a path.
    pub async fn get(&self, path: &str) -> Result<Value> {
        self.burgee.get(path, &self.developer).await
    }

    /// What a flag gives whose token it is.
    pub async fn evaluate(&self, key: &str, token: &str) -> Result<Value> {
        self.burgee.get(&format!("/api/v1/flags/{key}/evaluate"), token).await
    }

    /// The revision of the last change.
    pub async fn head(&self) -> Result<u64> {
        let log = self.get("/api/v1/audit?limit=1").await?;
        log[0]["revision"].as_u64().context("an empty log")
    }

    /// Sends any bytes as the developer; the answer must be a problem document.
    pub async fn refused(&self, method: &str, path: &str, body: impl Into<Body>) -> Result<(u16, Value)> {
        let request = self.burgee.http.request(method.parse()?, format!("{}{path}", self.burgee.url));
        let answer = request.bearer_auth(&self.developer).body(body).send().await?;
        let (status, kind) = (answer.status().as_u16(), answer.headers().get("content-type").cloned());
        ensure!(
            kind.is_some_and(|kind| kind == "application/problem+json"),
            "{method} {path}: {status} is no problem"
        );
        Ok((status, answer.json().await?))
    }
}
