//! Proxies from the environment of child processes: used, exempted, or refused without showing the password.

use std::io::{BufRead, BufReader, Read, Write, copy};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;

use super::connector;
use crate::support::connector::{Connector, Output, binary_command, run_command};
use crate::support::fake_api::FakeApi;
use crate::support::market::two_days;
use crate::support::tls_server::{Certificate, TlsServer};

const PASSWORD: &str = "proxy-pa55word";

/// A proxy that records its requests, and tunnels to one port or answers with a status.
struct Proxy {
    /// Its address with a name and a password.
    url: String,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// `answer` is the port to which every CONNECT leads, or the status line of an error.
    fn start(answer: Result<u16, &'static str>) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://user:{PASSWORD}@{}", listener.local_addr().expect("an address"));
        let heads = Arc::new(Mutex::new(Vec::new()));
        let noted = heads.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let noted = noted.clone();
                thread::spawn(move || serve(client, answer, &noted));
            }
        });
        Proxy { url, heads }
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().expect("no panic").clone()
    }
}

fn serve(client: TcpStream, answer: Result<u16, &str>, noted: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(client.try_clone().expect("a handle"));
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).expect("a line") == 0 {
            return;
        }
    }
    noted.lock().expect("no panic").push(head);
    let mut client = client;
    match answer {
        Err(status) => drop(write!(client, "HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n")),
        Ok(port) => {
            let server = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
            write!(client, "HTTP/1.1 200 Connection established\r\n\r\n").expect("a socket");
            let (mut up, mut down) = (server.try_clone().expect("a handle"), client);
            thread::spawn(move || {
                let _ = copy(&mut reader, &mut up);
                let _ = up.shutdown(Shutdown::Write);
            });
            let _ = copy(&mut server.take(u64::MAX), &mut down);
        }
    }
}

/// Runs a command of the binary with variables; asserts that no password is shown.
fn run(connector: &Connector, command: &str, variables: &[(&str, &str)]) -> Output {
    let mut command: Command = binary_command(&connector.arguments(command));
    command.envs(variables.iter().copied()).env("RUST_BACKTRACE", "full");
    let output = run_command(&mut command);
    assert!(!output.text.contains(PASSWORD), "{}", output.text);
    output
}

#[test]
fn https_goes_through_the_proxy_that_the_environment_names() {
    let server = TlsServer::start(Certificate::OtherName, two_days(&["TSLA"]));
    let port = server.url().rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
    let ca = server.ca_file().display().to_string();
    for variable in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        let proxy = Proxy::start(Ok(port));
        let connector = connector("https://elsewhere.example");
        let output = run(&connector, "read", &[(variable, &proxy.url), ("SSL_CERT_FILE", &ca)]).succeeded();
        assert_eq!((output.records().len(), server.api.take_requests().len()), (1, 1), "{variable}");
        let heads = proxy.heads();
        assert!(heads[0].starts_with("CONNECT elsewhere.example:443 "), "{variable}: {heads:?}");
        let head = heads[0].to_lowercase();
        assert!(head.contains("proxy-authorization: basic ") && !head.contains("bearer"), "{head}");
    }
}

#[test]
fn proxy_that_can_not_be_used_is_a_config_error_that_names_the_variable() {
    let connector = connector("https://elsewhere.example");
    for (variable, value) in [
        ("HTTPS_PROXY", format!("socks5://user:{PASSWORD}@127.0.0.1:1")),
        ("all_proxy", format!("http://user:{PASSWORD}@127.0.0.1:port")),
    ] {
        let says = format!("The proxy in the environment variable {variable} can't be used: ");
        run(&connector, "read", &[(variable, &value)]).assert_failure("config_error", &[&says]);
        run(&connector, "check", &[(variable, &value)]).assert_check_fails(&[&says]);
    }
}

#[test]
fn proxy_that_requires_a_password_is_reported_and_not_tried_again() {
    for status in ["407 Proxy Authentication Required", "407 Nope"] {
        let proxy = Proxy::start(Err(status));
        let connector = connector("https://elsewhere.example");
        println!("{status}");
        let says = "the proxy requires a user name and password (";
        let output = run(&connector, "read", &[("HTTPS_PROXY", &proxy.url)]);
        output.assert_failure("config_error", &["stock_prices, TSLA: ", says, "Check HTTPS_PROXY or ALL_PROXY."]);
        assert_eq!(proxy.heads().len(), 1);
        run(&connector, "check", &[("HTTPS_PROXY", &proxy.url)]).assert_check_fails(&[says]);
    }
}

#[test]
fn proxy_that_refuses_or_does_not_exist_is_a_transient_error() {
    let refusing = Proxy::start(Err("503 Service Unavailable"));
    let missing = format!("http://user:{PASSWORD}@127.0.0.1:1");
    for url in [&refusing.url, &missing] {
        let output = run(&connector("https://elsewhere.example"), "check", &[("HTTPS_PROXY", url)]);
        println!("{url}");
        output.assert_failure("transient_error", &["check the network, proxy settings and api_url"]);
    }
}

#[test]
fn no_proxy_sends_requests_directly() {
    let server = TlsServer::start(Certificate::Trusted, two_days(&["TSLA"]));
    let ca = server.ca_file().display().to_string();
    let proxy = Proxy::start(Err("500 Not wanted"));
    for (variable, exempt) in [("NO_PROXY", "localhost"), ("no_proxy", "example.com, localhost"), ("NO_PROXY", "*")] {
        let variables = [("HTTPS_PROXY", proxy.url.as_str()), ("SSL_CERT_FILE", &ca), (variable, exempt)];
        let output = run(&connector(&server.url()), "read", &variables).succeeded();
        assert_eq!((output.records().len(), proxy.heads().len()), (1, 0), "{variable}={exempt}");
    }
}

#[test]
fn loopback_without_tls_never_uses_a_proxy() {
    let api = FakeApi::start(two_days(&["TSLA"]));
    let proxy = Proxy::start(Err("500 Not wanted"));
    for variable in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"] {
        for value in [proxy.url.as_str(), "socks5://x", " "] {
            let output = run(&connector(&api.url()), "read", &[(variable, value)]).succeeded();
            assert_eq!((output.records().len(), proxy.heads().len()), (1, 0), "{variable}={value}");
        }
    }
}
