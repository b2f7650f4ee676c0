//! The fake API behind TLS, with a good or a bad certificate.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tempfile::TempDir;

use super::fake_api::{FakeApi, serve};
use super::market::Market;

/// What is wrong with the server's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certificate {
    /// Nothing, for a client that trusts the CA of [`TlsServer::ca_file`].
    Trusted,
    /// It is not for `localhost`.
    OtherName,
    /// It expired long ago.
    Expired,
    /// No authority signed it.
    SelfSigned,
}

/// The fake API behind TLS; it serves until the process ends.
pub struct TlsServer {
    address: SocketAddr,
    /// Answers the requests and records those that got through, and with them the key.
    pub api: FakeApi,
    folder: TempDir,
}

impl TlsServer {
    /// Serves `market` on a free port.
    pub fn start(certificate: Certificate, market: Market) -> TlsServer {
        let folder = tempfile::tempdir().expect("a folder");
        let (ca, config) = certified(certificate);
        std::fs::write(folder.path().join("ca.pem"), ca).expect("a file");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let api = FakeApi::start(market);
        let serving = api.clone();
        thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let (api, connection) = (serving.clone(), ServerConnection::new(config.clone()).expect("a connection"));
                thread::spawn(move || serve(&api, StreamOwned::new(connection, socket)));
            }
        });
        TlsServer { address, api, folder }
    }

    /// The `api_url` for a configuration.
    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }

    /// The certificate of the CA that signs trusted certificates, for `SSL_CERT_FILE`.
    pub fn ca_file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }
}

/// The CA's certificate in PEM, and a server's configuration with a certificate of this kind.
fn certified(kind: Certificate) -> (String, Arc<ServerConfig>) {
    let mut authority = CertificateParams::new(Vec::new()).expect("no names");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().expect("a key")).expect("a CA");
    let name = if kind == Certificate::OtherName { "elsewhere.example" } else { "localhost" };
    let mut parameters = CertificateParams::new(vec![name.to_owned()]).expect("a name");
    if kind == Certificate::Expired {
        parameters.not_before = date_time_ymd(2019, 1, 1);
        parameters.not_after = date_time_ymd(2020, 1, 1);
    }
    let key = KeyPair::generate().expect("a key");
    let certificate = match kind {
        Certificate::SelfSigned => parameters.self_signed(&key),
        _ => parameters.signed_by(&key, &authority),
    };
    let certificate = certificate.expect("a certificate").der().clone();
    (pem(authority.der()), server_config(certificate, PrivatePkcs8KeyDer::from(key.serialize_der()).into()))
}

fn pem(certificate: &CertificateDer) -> String {
    let lines = STANDARD.encode(certificate);
    let lines: Vec<&str> = lines.as_bytes().chunks(64).map(|line| str::from_utf8(line).expect("ASCII")).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

fn server_config(certificate: CertificateDer<'static>, key: PrivateKeyDer<'static>) -> Arc<ServerConfig> {
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("a matching key");
    Arc::new(config)
}
