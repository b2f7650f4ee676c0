//! Real TLS: the built binary against servers with good and bad certificates.

use std::process::Command;

use super::connector;
use crate::support::connector::{Connector, binary_command, run_command};
use crate::support::market::two_days;
use crate::support::tls_server::{Certificate, TlsServer};

fn start(certificate: Certificate) -> TlsServer {
    TlsServer::start(certificate, two_days(&["TSLA"]))
}

/// A command of the binary that only trusts the certificates in a file.
fn trusting(connector: &Connector, command: &str, certificates: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = binary_command(&connector.arguments(command));
    command.env("SSL_CERT_FILE", certificates).env_remove("SSL_CERT_DIR");
    command
}

#[test]
fn certificate_that_can_not_be_trusted_is_refused_before_the_key_is_sent() {
    let other = start(Certificate::Trusted);
    for (certificate, is_of_authority, says) in [
        (Certificate::Trusted, false, "invalid peer certificate"),
        (Certificate::SelfSigned, false, "invalid peer certificate"),
        (Certificate::OtherName, true, "elsewhere.example"),
        (Certificate::Expired, true, "expired"),
    ] {
        println!("{certificate:?}");
        let server = start(certificate);
        let authority = if is_of_authority { &server } else { &other };
        let output = run_command(&mut trusting(&connector(&server.url()), "check", authority.ca_file()));
        output.assert_failure("transient_error", &["certificate", says]);
        assert_eq!(server.api.take_requests().len(), 0, "the key was sent");
    }
    let server = start(Certificate::SelfSigned);
    let output = connector(&server.url()).run_at("2026-11-20T15:00:00Z", "read");
    output.assert_failure("transient_error", &["certificate", "after 6 attempts"]);
    assert_eq!(server.api.take_requests().len(), 0, "the key was sent");
}

#[test]
fn certificates_that_can_not_be_loaded_are_a_clear_failure_at_the_start_unless_there_is_no_tls() {
    let server = start(Certificate::Trusted);
    let folder = tempfile::tempdir().expect("a folder");
    let (empty, garbage) = (folder.path().join("empty.pem"), folder.path().join("garbage.pem"));
    std::fs::write(&empty, "").expect("a file");
    std::fs::write(&garbage, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").expect("a file");
    for file in [folder.path().join("missing.pem"), empty, garbage, folder.path().to_owned()] {
        let says = "Can't load the certificates of trusted authorities. Check SSL_CERT_FILE";
        println!("{}", file.display());
        let read = run_command(&mut trusting(&connector(&server.url()), "read", &file));
        read.assert_failure("config_error", &[says]);
        assert_eq!(read.messages.len(), 1, "no stream was started");
        run_command(&mut trusting(&connector(&server.url()), "check", &file)).assert_check_fails(&[says]);
        assert_eq!(server.api.take_requests().len(), 0);
        let loopback = connector(&server.api.url());
        assert_eq!(run_command(&mut trusting(&loopback, "read", &file)).succeeded().records().len(), 1);
        server.api.take_requests();
    }
}
