//! The real program, started on a free port with a data folder of its own, and stopped by its id.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

/// How long a start or a stop may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running server.
pub struct Burgee {
    /// Where it listens: `http://127.0.0.1:PORT`, or `https://` with a certificate, which [`Burgee::http`] does not speak.
    pub url: String,
    /// What its start printed.
    pub banner: Banner,
    /// For requests; no timeouts beyond its own.
    pub http: reqwest::Client,
    admin_password: String,
    program: PathBuf,
    folder: PathBuf,
    child: Child,
}

/// What a first start shows once; empty on later ones.
#[derive(Debug, Default, Clone)]
pub struct Banner {
    /// The admin's password.
    pub admin_password: String,
    /// The server-kind key of `development`.
    pub server_key: String,
    /// The client-kind key of `development`.
    pub client_key: String,
    /// Where it runs.
    pub url: String,
    /// All of it.
    pub text: String,
}

/// How to start.
pub struct Start<'a> {
    /// The program: `env!("CARGO_BIN_EXE_burgee")`.
    pub program: &'a str,
    /// Its data folder; kept when it stops.
    pub folder: &'a Path,
    /// Environment variables, over a database in the folder and a free port.
    pub env: &'a [(&'a str, &'a str)],
}

impl Start<'_> {
    /// The command, with an environment of its own so that nothing of the developer's leaks in.
    pub fn command(&self) -> Command {
        let mut command = Command::new(self.program);
        command
            .env_clear()
            .envs(std::env::vars_os().filter(|(name, _)| name == "PATH" || name == "LLVM_PROFILE_FILE"))
            .env("BURGEE__DATABASE__PATH", self.folder.join("burgee.db"))
            .env("BURGEE__STORAGE__BASE_PATH", self.folder)
            .env("BURGEE__SERVER__PORT", "0")
            .envs(self.env.iter().copied())
            .current_dir(self.folder);
        command
    }

    /// Starts it and waits until it answers; with a certificate, until it listens.
    pub async fn start(&self) -> Result<Burgee> {
        self.start_with(Stdio::inherit()).await
    }

    /// The same, with its log in a file.
    pub async fn start_logging_to(&self, log: &Path) -> Result<Burgee> {
        self.start_with(std::fs::File::create(log)?.into()).await
    }

    async fn start_with(&self, log: Stdio) -> Result<Burgee> {
        let mut child = self
            .command()
            .arg("start")
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .with_context(|| format!("{} does not start", self.program))?;
        let stdout = child.stdout.take().context("no standard output")?;
        let banner = tokio::task::spawn_blocking(move || read_banner(BufReader::new(stdout))).await?;
        let banner = match banner {
            Ok(banner) => banner,
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(error);
            }
        };
        let given = self.env.iter().find(|(name, _)| *name == "BURGEE_ADMIN_PASSWORD");
        let admin_password =
            given.map_or(banner.admin_password.as_str(), |(_, password)| password).to_owned();
        let burgee = Burgee {
            url: banner.url.clone(),
            admin_password,
            banner,
            http: http()?,
            program: self.program.into(),
            folder: self.folder.into(),
            child,
        };
        if burgee.url.starts_with("http://") {
            burgee.wait_until_healthy().await?;
        }
        Ok(burgee)
    }
}

/// A client that speaks HTTP, and would speak HTTPS to nobody: it trusts no certificate.
fn http() -> Result<reqwest::Client> {
    // Taken once for the process; whoever comes later finds it there.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Ok(reqwest::Client::builder().timeout(Duration::from_mins(1)).tls_certs_only([]).build()?)
}

/// Reads until the last line, which says where it runs.
fn read_banner(mut lines: impl BufRead) -> Result<Banner> {
    let mut banner = Banner::default();
    loop {
        let mut line = String::new();
        ensure!(
            lines.read_line(&mut line)? > 0,
            "it stopped before it was running; it printed: {}",
            banner.text
        );
        banner.text.push_str(&line);
        let last = || line.split_whitespace().last().unwrap_or_default().to_owned();
        match line.trim() {
            text if text.starts_with("Admin password") => banner.admin_password = last(),
            text if text.starts_with("SDK key (server)") => banner.server_key = last(),
            text if text.starts_with("SDK key (client)") => banner.client_key = last(),
            text if text.starts_with("Burgee is running at") => {
                let address = line.split_whitespace().find(|word| word.starts_with("http"));
                address.context("the banner names no address")?.clone_into(&mut banner.url);
                return Ok(banner);
            }
            _ => {}
        }
    }
}

impl Burgee {
    async fn wait_until_healthy(&self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if self
                .http
                .get(format!("{}/health", self.url))
                .send()
                .await
                .is_ok_and(|answer| answer.status() == 200)
            {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        bail!("{} does not answer", self.url)
    }

    /// The process's id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A session token of the first admin.
    pub async fn admin(&self) -> Result<String> {
        self.login("admin@burgee.local", &self.admin_password).await
    }

    /// A session token of an account.
    pub async fn login(&self, email: &str, password: &str) -> Result<String> {
        let answer = self.post("/auth/login", None, &json!({ "email": email, "password": password })).await?;
        answer["token"].as_str().map(str::to_owned).with_context(|| format!("no token in {answer}"))
    }

    /// Registers an account and gives its session token.
    pub async fn register(&self, email: &str, role: &str) -> Result<String> {
        let document = json!({ "email": email, "password": "secret", "role": role });
        let answer = self.post("/auth/register", None, &document).await?;
        answer["token"].as_str().map(str::to_owned).with_context(|| format!("no token in {answer}"))
    }

    /// Asks, and gives the status and the JSON of the answer (`null` if there is none).
    pub async fn ask(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: Option<&Value>,
    ) -> Result<(u16, Value)> {
        let mut request = self.http.request(method.parse()?, format!("{}{path}", self.url));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await?;
        let status = answer.status().as_u16();
        let bytes = answer.bytes().await?;
        let body = if bytes.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&bytes).with_context(|| format!("{path}: {bytes:?}"))?
        };
        Ok((status, body))
    }

    /// POSTs (`null` is no body), and fails unless the answer is a success.
    pub async fn post(&self, path: &str, token: Option<&str>, body: &Value) -> Result<Value> {
        let (status, answer) =
            self.ask("POST", path, token, Some(body).filter(|body| !body.is_null())).await?;
        ensure!((200..300).contains(&status), "POST {path}: {status} {answer}");
        Ok(answer)
    }

    /// GETs, and fails unless the answer is a success.
    pub async fn get(&self, path: &str, token: &str) -> Result<Value> {
        let (status, answer) = self.ask("GET", path, Some(token), None).await?;
        ensure!((200..300).contains(&status), "GET {path}: {status} {answer}");
        Ok(answer)
    }

    /// Runs another command of the program on the same data folder.
    pub fn run(&self, arguments: &[&str]) -> Result<std::process::Output> {
        let program = self.program.to_str().context("the program's path is no text")?;
        let start = Start { program, folder: &self.folder, env: &[] };
        Ok(start.command().args(arguments).output()?)
    }

    /// Kills it, as `kill -9` does.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Asks it to stop (SIGTERM) and gives its exit code and how long it took.
    pub async fn stop(mut self) -> Result<(Option<i32>, Duration)> {
        let asked = Instant::now();
        ensure!(
            Command::new("kill").arg(self.pid().to_string()).status()?.success(),
            "it could not be asked to stop"
        );
        while asked.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait()? {
                return Ok((status.code(), asked.elapsed()));
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        bail!("it did not stop within {PATIENCE:?}")
    }
}

impl Drop for Burgee {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
