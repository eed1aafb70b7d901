//! Connections made secure, with a certificate that can be replaced while they live.

use std::fs::File;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, ensure};
use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::config::TlsFiles;

/// What is spoken, the better one first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];
/// What the first byte of a connection says that is to be made secure (RFC 8446, 5.1).
const HANDSHAKE: u8 = 22;
/// For who forgot that.
const PLAIN: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\nconnection: close\r\n\
    content-length: 47\r\n\r\nthis port speaks HTTPS; write https:// instead\n";

/// How connections are made secure.
pub(crate) struct Tls {
    files: TlsFiles,
    config: ArcSwap<ServerConfig>,
}

impl Tls {
    /// With the certificate and key in these files.
    pub(crate) fn load(files: TlsFiles) -> anyhow::Result<Self> {
        let config = ArcSwap::from_pointee(read(&files)?);
        Ok(Self { files, config })
    }

    /// Takes the files as they are now, for connections to come. If they do not do, those before them are kept.
    pub(super) fn reload(&self) -> anyhow::Result<()> {
        self.config.store(Arc::new(read(&self.files)?));
        Ok(())
    }

    /// Makes a connection secure.
    pub(super) async fn accept(&self, mut stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let mut first = [HANDSHAKE];
        stream.peek(&mut first).await?;
        if first != [HANDSHAKE] {
            stream.write_all(PLAIN).await?;
            stream.shutdown().await?;
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it did not ask for HTTPS"));
        }
        TlsAcceptor::from(self.config.load_full()).accept(stream).await
    }
}

fn read(files: &TlsFiles) -> anyhow::Result<ServerConfig> {
    let TlsFiles { certificate, key } = files;
    let at = |name: &str, path: &PathBuf| format!("server.tls.{name}: {}", path.display());
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| at("certificate", certificate))?;
    ensure!(!chain.is_empty(), "{}: there is no certificate in it", at("certificate", certificate));
    let secret = PrivateKeyDer::from_pem_file(key).with_context(|| at("key", key))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .context("no version of TLS is known")?
        .with_no_client_auth()
        .with_single_cert(chain, secret)
        .with_context(|| format!("{} does not go with {}", at("key", key), at("certificate", certificate)))?;
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).into();
    let mode = File::open(key)
        .and_then(|file| file.metadata())
        .with_context(|| at("key", key))?
        .permissions()
        .mode();
    if mode & 0o007 != 0 {
        tracing::warn!("{}: everyone on this machine may read the key; chmod o-rwx", at("key", key));
    }
    Ok(config)
}
