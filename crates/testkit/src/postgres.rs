//! A real PostgreSQL for tests: Debian's package, one server for each test process, an empty database for each
//! test. It needs no setup and leaves nothing behind, also when tests panic or are killed.

use std::cmp::Reverse;
use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, bail, ensure};
use tokio::sync::OnceCell;

/// Where Debian keeps each major version.
const DEBIAN: &str = "/usr/lib/postgresql";
/// A free port may be taken by someone else before the server has it.
const ATTEMPTS: u32 = 3;

static SERVER: OnceCell<Server> = OnceCell::const_new();

/// A running server. It stops when its standard input closes, so when this process ends.
struct Server {
    programs: PathBuf,
    port: u16,
    databases: AtomicU32,
    _shell: Child,
}

/// The address of a new, empty database, as `postgres://…`. The first call in a process starts the server.
pub async fn database() -> Result<String> {
    let start = || async { tokio::task::spawn_blocking(Server::start).await? };
    let server = SERVER.get_or_try_init(start).await?;
    tokio::task::spawn_blocking(|| server.create_database()).await?
}

impl Server {
    fn start() -> Result<Self> {
        let programs = programs()?;
        let mut attempt = 1;
        loop {
            match Self::start_at(&programs, free_port()?) {
                Err(error) if attempt < ATTEMPTS => {
                    eprintln!("PostgreSQL did not start, trying again: {error:#}");
                    attempt += 1;
                }
                started => return started,
            }
        }
    }

    fn start_at(programs: &Path, port: u16) -> Result<Self> {
        let mut shell = as_ordinary_user()?
            .args(["sh", "-c", include_str!("postgres.sh"), "postgres.sh"])
            .arg(programs)
            .arg(port.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot run a shell as an ordinary user; PostgreSQL does not run as root")?;
        let mut stdout = BufReader::new(shell.stdout.take().context("the shell has no output")?);
        let mut said = String::new();
        stdout.read_line(&mut said)?;
        if said.trim_end() != "ready" {
            stdout.read_to_string(&mut said)?;
            shell.wait()?;
            bail!("PostgreSQL does not start: {said}");
        }
        Ok(Self { programs: programs.to_owned(), port, databases: AtomicU32::new(0), _shell: shell })
    }

    fn create_database(&self) -> Result<String> {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let created = Command::new(self.programs.join("createdb"))
            .args(["--host=127.0.0.1", "--username=burgee", "--port", &self.port.to_string(), &name])
            .output()?;
        ensure!(created.status.success(), "createdb: {}", String::from_utf8_lossy(&created.stderr));
        Ok(format!("postgres://burgee@127.0.0.1:{}/{name}", self.port))
    }
}

/// The folder of PostgreSQL's programs: the newest of Debian's, or the one on the path.
fn programs() -> Result<PathBuf> {
    let versions = fs::read_dir(DEBIAN).into_iter().flatten().flatten().map(|entry| entry.path());
    let number = |path: &PathBuf| path.file_name().and_then(OsStr::to_str)?.parse::<u32>().ok();
    let mut versions: Vec<_> = versions.filter(|path| number(path).is_some()).collect();
    versions.sort_by_key(|path| Reverse(number(path)));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let debian = versions.into_iter().map(|version| version.join("bin"));
    debian
        .chain(std::env::split_paths(&path))
        .find(|folder| folder.join("initdb").is_file())
        .context("these tests need PostgreSQL's server: apt-get install postgresql (or put initdb on PATH)")
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// The beginning of a command: as the package's user if we are root, since PostgreSQL refuses to run as root.
fn as_ordinary_user() -> Result<Command> {
    let output = Command::new("id").arg("-u").output().context("cannot ask `id -u` who runs the tests")?;
    if output.stdout.trim_ascii() != b"0" {
        return Ok(Command::new("env"));
    }
    let mut command = Command::new("runuser");
    command.args(["-u", "postgres", "--"]);
    Ok(command)
}
