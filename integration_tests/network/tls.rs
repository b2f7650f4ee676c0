//! TLS for real: the built binary against a server whose certificate can be trusted, or not. On a bare socket behind TLS.

use std::process::Command;

use serde_json::Value;

use crate::support::connector::{Connector, Output, binary_command, run_command};
use crate::support::days::date;
use crate::support::market::Market;
use crate::support::tls_server::{Certificate, TlsServer};

fn market() -> Market {
    let mut market = Market::at("2026-11-20T15:00:00Z");
    market.days("TSLA", &[(date(2026, 11, 18), 404.0), (date(2026, 11, 19), 405.5)]);
    market
}

fn connector(server: &TlsServer) -> Connector {
    let mut connector = Connector::with_url(&server.url(), "TSLA");
    connector.set("start_date", "2026-11-18").set("end_date", "2026-11-19");
    connector
}

/// A command of the binary whose trusted certificates are those of a file.
fn trusting(connector: &Connector, command: &str, certificates: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = binary_command(&connector.arguments(command));
    command.env("SSL_CERT_FILE", certificates).env_remove("SSL_CERT_DIR");
    command
}

fn failure_of_check(server: &TlsServer, certificates: impl AsRef<std::ffi::OsStr>) -> Output {
    run_command(&mut trusting(&connector(server), "check", certificates))
}

#[test]
fn server_with_a_certificate_of_a_trusted_authority_is_read_from() {
    let server = TlsServer::start(Certificate::Trusted, market());
    let output = run_command(&mut trusting(&connector(&server), "read", server.ca_file())).succeeded();
    assert_eq!(output.records().len(), 2);
    assert_eq!(server.api.take_requests().len(), 1);
}

#[test]
fn certificate_that_is_not_trusted_is_refused_before_the_key_is_sent() {
    let other = TlsServer::start(Certificate::Trusted, market());
    for certificate in [Certificate::Trusted, Certificate::SelfSigned] {
        let server = TlsServer::start(certificate, market());
        // Another authority than the one that signed it.
        assert_refused(&server, &failure_of_check(&server, other.ca_file()), "invalid peer certificate");
    }
}

#[test]
fn certificate_for_another_name_is_refused_before_the_key_is_sent() {
    let server = TlsServer::start(Certificate::OtherName, market());
    assert_refused(&server, &failure_of_check(&server, server.ca_file()), "elsewhere.example");
}

#[test]
fn certificate_that_has_expired_is_refused_before_the_key_is_sent() {
    let server = TlsServer::start(Certificate::Expired, market());
    assert_refused(&server, &failure_of_check(&server, server.ca_file()), "expired");
}

fn assert_refused(server: &TlsServer, output: &Output, says: &str) {
    let (failure_type, message) = output.failure();
    assert_eq!(failure_type, "transient_error");
    assert!(message.contains("certificate") && message.contains(says), "{message}");
    assert_eq!(server.api.take_requests().len(), 0, "the key was sent");
}

#[test]
fn read_tells_of_a_certificate_that_is_not_trusted() {
    let server = TlsServer::start(Certificate::SelfSigned, market());
    let output = connector(&server).run_at("2026-11-20T15:00:00Z", "read");
    assert_refused(&server, &output, "after 6 attempts");
}

#[test]
fn certificates_that_can_not_be_loaded_are_a_clear_failure_at_the_start() {
    let server = TlsServer::start(Certificate::Trusted, market());
    let folder = tempfile::tempdir().expect("a folder");
    let (empty, garbage) = (folder.path().join("empty.pem"), folder.path().join("garbage.pem"));
    std::fs::write(&empty, "").expect("a file");
    std::fs::write(&garbage, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").expect("a file");
    for file in [folder.path().join("missing.pem"), empty, garbage, folder.path().to_owned()] {
        let says = "Can't load the certificates of trusted authorities. Check SSL_CERT_FILE";
        let read = run_command(&mut trusting(&connector(&server), "read", &file));
        let (failure_type, message) = read.failure();
        assert_eq!(failure_type, "config_error", "{}", file.display());
        assert!(message.starts_with(says), "{message}");
        let types: Vec<&Value> = read.messages.iter().map(|message| &message["type"]).collect();
        assert_eq!(types, ["TRACE"], "nothing was begun");
        let check = failure_of_check(&server, &file);
        let (status, message) = check.connection_status();
        assert!(status == "FAILED" && message.starts_with(says), "{message}");
    }
    assert_eq!(server.api.take_requests().len(), 0);
}

#[test]
fn loopback_without_tls_needs_no_certificates() {
    let server = TlsServer::start(Certificate::Trusted, market());
    let mut connector = connector(&server);
    connector.set("api_url", server.api.url());
    let output = run_command(&mut trusting(&connector, "read", "/no/such/file")).succeeded();
    assert_eq!(output.records().len(), 2);
}
