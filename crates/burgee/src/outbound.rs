//! Asking others: providers of identities.

use std::time::Duration;

use anyhow::Context;
use reqwest::Client;
use reqwest::redirect::Policy;
use rustls::crypto::ring::default_provider;

/// How long it may take to reach somebody.
const CONNECT: Duration = Duration::from_secs(5);
/// How long anything may take in all.
const PATIENCE: Duration = Duration::from_secs(10);

/// Has all that is made secure stand on ring.
pub(crate) fn use_ring() {
    // It fails only if it was done before.
    let _ = default_provider().install_default();
}

/// A client that trusts whom this machine trusts (`SSL_CERT_FILE` names others), and follows no redirect: what was asked
/// here must not be asked elsewhere. With nobody to ask it needs no certificates.
pub(crate) fn client(is_needed: bool) -> anyhow::Result<Client> {
    let client = Client::builder().redirect(Policy::none()).connect_timeout(CONNECT).timeout(PATIENCE);
    let client = if is_needed { client } else { client.tls_certs_only([]) };
    client
        .build()
        .context("the certificates that this machine trusts cannot be read; SSL_CERT_FILE names them")
}
