//! HTTPS: which protocols, which certificate, and what happens when it changes.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use futures_util::StreamExt;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::generate_simple_self_signed;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ProtocolVersion, RootCertStore, SupportedProtocolVersion};
use tempfile::TempDir;
use testkit::process::{Burgee, Start};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

const PROGRAM: &str = env!("CARGO_BIN_EXE_burgee");
/// What is to happen at once has happened by then, on a busy machine too.
const SOON: Duration = Duration::from_secs(10);

/// A folder with a certificate for `localhost` and its key, and the settings that name them.
struct Secured {
    folder: TempDir,
}

impl Secured {
    fn new() -> Result<Self> {
        let secured = Self { folder: tempfile::tempdir()? };
        secured.renew()?;
        Ok(secured)
    }

    /// Another certificate in the place of the one before.
    fn renew(&self) -> Result<()> {
        let made = generate_simple_self_signed(["localhost".to_owned()])?;
        std::fs::write(self.path("cert.pem"), made.cert.pem())?;
        std::fs::write(self.path("key.pem"), made.signing_key.serialize_pem())?;
        std::fs::set_permissions(self.path("key.pem"), PermissionsExt::from_mode(0o600))?;
        Ok(())
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    async fn start(&self, more: &[(&str, &str)]) -> Result<Burgee> {
        let (certificate, key) = (self.path("cert.pem"), self.path("key.pem"));
        let files =
            [("BURGEE__SERVER__TLS__CERTIFICATE", certificate.as_str()), ("BURGEE__SERVER__TLS__KEY", &key)];
        let env = [&files, more].concat();
        let start = Start { program: PROGRAM, folder: self.folder.path(), env: &env };
        start.start_logging_to(&self.folder.path().join("log")).await
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap()
    }

    /// Waits until the log says something.
    async fn says(&self, text: &str) -> Result<()> {
        let said = async {
            while !self.log().contains(text) {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(SOON, said).await.with_context(|| format!("{text:?} is not in {}", self.log()))
    }

    /// Connects, trusting the certificate that is in the file now and no other.
    async fn connect(
        &self,
        burgee: &Burgee,
        protocol: &str,
        version: &'static SupportedProtocolVersion,
    ) -> Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.path("cert.pem"))?)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[version])?;
        let mut config = config.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![protocol.into()];
        let stream = TcpStream::connect(authority(burgee)).await?;
        let name = ServerName::try_from("localhost")?;
        Ok(timeout(SOON, TlsConnector::from(Arc::new(config)).connect(name, stream)).await??)
    }
}

fn authority(burgee: &Burgee) -> &str {
    burgee.url.strip_prefix("https://").unwrap()
}

fn request(path: &str) -> Request<Body> {
    Request::get(path).header("host", "localhost").body(Body::empty()).unwrap()
}

/// Asks over a connection of HTTP/1.
async fn ask(stream: TlsStream<TcpStream>, path: &str) -> Result<(StatusCode, HeaderMap)> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let answer = timeout(SOON, sender.send_request(request(path))).await??;
    Ok((answer.status(), answer.headers().clone()))
}

fn hang_up(burgee: &Burgee) -> Result<()> {
    ensure!(Command::new("kill").args(["-HUP", &burgee.pid().to_string()]).status()?.success());
    Ok(())
}

#[tokio::test]
async fn both_protocols_and_versions_are_spoken() -> Result<()> {
    let secured = Secured::new()?;
    let burgee = secured.start(&[("BURGEE_PROFILE", "production")]).await?;
    for (version, named) in [(&TLS12, ProtocolVersion::TLSv1_2), (&TLS13, ProtocolVersion::TLSv1_3)] {
        let stream = secured.connect(&burgee, "http/1.1", version).await?;
        assert_eq!(stream.get_ref().1.protocol_version(), Some(named));
        let (status, headers) = ask(stream, "/health").await?;
        assert_eq!(
            (status, &headers["strict-transport-security"]),
            (StatusCode::OK, &"max-age=31536000".parse()?)
        );
    }
    let stream = secured.connect(&burgee, "h2", &TLS13).await?;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let answer = timeout(SOON, sender.send_request(request("https://localhost/health"))).await??;
    assert_eq!(to_bytes(Body::new(answer.into_body()), 100).await?, r#"{"status":"ok"}"#);
    assert!(!secured.log().contains("may read the key"), "{}", secured.log());
    assert!(burgee.banner.text.contains("https://"), "{}", burgee.banner.text);
    let (code, took) = burgee.stop().await?;
    assert!(code == Some(0) && took < SOON / 2, "{code:?} after {took:?}");
    Ok(())
}

#[tokio::test]
async fn what_is_not_https_is_sent_away_and_what_says_nothing_is_closed() -> Result<()> {
    let secured = Secured::new()?;
    let burgee = secured.start(&[]).await?;
    let said = async |bytes: &[u8]| -> Result<String> {
        let mut stream = TcpStream::connect(authority(&burgee)).await?;
        stream.write_all(bytes).await?;
        let mut answer = Vec::new();
        let _ = timeout(SOON * 2, stream.read_to_end(&mut answer)).await.context("it stays open")?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    };
    let answer = said(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n").await?;
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.ends_with("write https:// instead\n"), "{answer}");
    let junk = said(&[22; 100]).await?;
    assert!(!junk.contains("HTTP"), "{junk}");
    assert_eq!(said(b"").await?, "", "a silent one is closed");
    // The local profile serves no other host than this machine, and tells no browser to remember HTTPS.
    let (status, headers) = ask(secured.connect(&burgee, "http/1.1", &TLS13).await?, "/health").await?;
    assert_eq!(status, StatusCode::OK);
    assert!(!headers.contains_key("strict-transport-security"));
    Ok(())
}

#[tokio::test]
async fn a_new_certificate_is_taken_while_streams_live_on_and_a_bad_one_is_not() -> Result<()> {
    let secured = Secured::new()?;
    let burgee = secured.start(&[]).await?;
    let stream = secured.connect(&burgee, "http/1.1", &TLS13).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let mut asked = request("/sdk/v1/stream");
    asked.headers_mut().insert("x-sdk-key", burgee.banner.server_key.parse()?);
    let answer = timeout(SOON, sender.send_request(asked)).await??;
    assert_eq!(answer.status(), StatusCode::OK);
    let mut events = Body::new(answer.into_body()).into_data_stream();
    timeout(SOON, events.next()).await?.context("no event")??;

    let before = std::fs::read(secured.path("cert.pem"))?;
    secured.renew()?;
    let after = std::fs::read(secured.path("cert.pem"))?;
    hang_up(&burgee)?;
    secured.says("as it is now").await?;
    assert_eq!(ask(secured.connect(&burgee, "http/1.1", &TLS13).await?, "/health").await?.0, StatusCode::OK);
    std::fs::write(secured.path("cert.pem"), &before)?;
    assert!(secured.connect(&burgee, "http/1.1", &TLS13).await.is_err(), "the old one is still served");

    // A certificate without its key, half a file, and none: the good one stays, and the log says why.
    for (bad, why) in [
        (before.as_slice(), "does not go with"),
        (&before[..40], "server.tls.certificate"),
        (b"", "no certificate"),
    ] {
        std::fs::write(secured.path("cert.pem"), bad)?;
        hang_up(&burgee)?;
        secured.says(why).await?;
        std::fs::write(secured.path("cert.pem"), &after)?;
        assert_eq!(
            ask(secured.connect(&burgee, "http/1.1", &TLS13).await?, "/health").await?.0,
            StatusCode::OK
        );
    }
    // The stream has lived through all of it.
    let later = timeout(SOON * 6, events.next()).await.context("the stream says nothing")?;
    later.context("the stream has ended")??;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_in_the_middle_of_a_rush_loses_nobody() -> Result<()> {
    let secured = Secured::new()?;
    let burgee = secured.start(&[]).await?;
    let rush = async {
        for _ in 0..200 {
            let stream = secured.connect(&burgee, "http/1.1", &TLS13).await?;
            ensure!(ask(stream, "/health").await?.0 == StatusCode::OK);
        }
        Ok(())
    };
    let reloads = async {
        for _ in 0..50 {
            hang_up(&burgee)?;
            sleep(Duration::from_millis(10)).await;
        }
        anyhow::Ok(())
    };
    let (rush, reloads) = tokio::join!(rush, reloads);
    rush.and(reloads)
}

fn refused(folder: &Path, certificate: &str, key: &str) -> (Option<i32>, String) {
    let env = [("BURGEE__SERVER__TLS__CERTIFICATE", certificate), ("BURGEE__SERVER__TLS__KEY", key)];
    let output = Start { program: PROGRAM, folder, env: &env }.command().arg("start").output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[tokio::test]
async fn files_that_do_not_do_are_named_before_anything_is_made() -> Result<()> {
    let (secured, other) = (Secured::new()?, Secured::new()?);
    let (certificate, key) = (secured.path("cert.pem"), secured.path("key.pem"));
    let cases = [
        (certificate.clone(), String::new(), "server.tls.key"),
        (String::new(), key.clone(), "server.tls.certificate"),
        (secured.path("nowhere.pem"), key.clone(), "nowhere.pem"),
        (certificate.clone(), secured.path("nothing.pem"), "nothing.pem"),
        (key.clone(), key.clone(), "server.tls.certificate"),
        (certificate.clone(), certificate.clone(), "server.tls.key"),
        (certificate.clone(), other.path("key.pem"), "does not go with"),
    ];
    for (certificate, key, named) in cases {
        let (code, said) = refused(secured.folder.path(), &certificate, &key);
        assert_eq!((code, said.lines().count()), (Some(64), 1), "{said}");
        assert!(said.contains(named) && !said.contains("BEGIN"), "{named} is not in {said}");
    }
    assert!(!Path::new(&secured.path("burgee.db")).exists());
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o644))?;
    let burgee = secured.start(&[]).await?;
    assert!(
        secured.log().contains("may read the key") && secured.log().contains("key.pem"),
        "{}",
        secured.log()
    );
    burgee.stop().await?;
    Ok(())
}

#[tokio::test]
async fn the_end_of_a_large_snapshot_does_not_wait_for_what_comes_next() -> Result<()> {
    let secured = Secured::new()?;
    // Made without a certificate: the client that makes flags trusts none.
    let plain = Start { program: PROGRAM, folder: secured.folder.path(), env: &[] }.start().await?;
    let (admin, key) = (plain.admin().await?, plain.banner.server_key.clone());
    for number in 0..20 {
        let variants = serde_json::json!([{ "key": "a", "value": "x".repeat(90_000) }]);
        let flag = serde_json::json!({
            "key": format!("large-{number}"), "kind": "string", "variants": variants, "default": { "variant": "a" },
        });
        plain.post("/api/v1/flags", Some(&admin), &flag).await?;
    }
    plain.stop().await?;
    let burgee = secured.start(&[]).await?;
    let mut stream = secured.connect(&burgee, "http/1.1", &TLS13).await?;
    let request = format!("GET /sdk/v1/stream HTTP/1.1\r\nhost: localhost\r\nx-sdk-key: {key}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    stream.flush().await?;
    // Until all that has room on the way is there, and the rest of it is not.
    sleep(Duration::from_secs(1)).await;
    let whole = async {
        let (mut heard, mut piece) = (Vec::new(), vec![0; 64 << 10]);
        while !heard.ends_with(b"}\n\n") {
            let read = stream.read(&mut piece).await?;
            ensure!(read > 0, "closed after {} bytes", heard.len());
            heard.extend_from_slice(&piece[..read]);
        }
        Ok(heard.len())
    };
    // Sooner than the comment that breaks a silence.
    let length = timeout(Duration::from_secs(8), whole).await.context("its end lies somewhere")??;
    assert!(length > 1_800_000, "{length}");
    Ok(())
}
