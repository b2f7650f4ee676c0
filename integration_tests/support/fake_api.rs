//! The fake API on wiremock: every response is well-formed HTTP. `raw_api` can break the layers below.

use std::net::TcpListener;

use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Respond, ResponseTemplate};

pub use super::backend::{FakeApi, KEY, Request};
pub use super::fault::Fault;
use super::market::Market;

impl FakeApi {
    /// Serves `market` on a free port until the process ends.
    pub fn start(market: Market) -> FakeApi {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let origin = format!("http://{}", listener.local_addr().expect("an address"));
        let api = FakeApi::new(origin, market);
        let mock = Mock::given(any()).respond_with(Answering(api.clone()));
        // Only starting needs a runtime: the server runs in its own thread.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let server = MockServer::builder().listener(listener).disable_request_recording().start().await;
            server.register(mock).await;
            // A dropped server stops; tests drop their handle early.
            std::mem::forget(server);
        });
        api
    }
}

struct Answering(FakeApi);

impl Respond for Answering {
    fn respond(&self, request: &wiremock::Request) -> ResponseTemplate {
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        let headers = request.headers.iter();
        let headers = headers.map(|(name, value)| (name.to_string(), text(value.as_bytes())));
        let headers = headers.collect();
        let ((status, body), fault) = self.0.receive(request.url.path(), request.url.query().unwrap_or(""), headers);
        match fault {
            None => response(status, &body),
            Some(Fault::Status(status, headers, body)) => with_headers(response(status, &body), &headers),
            Some(Fault::Changed(change)) => response(status, &change(body)),
            Some(fault) => panic!("{fault:?} takes the server of `raw_api`"),
        }
    }
}

fn response(status: u16, body: &str) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_raw(body.as_bytes(), "application/json")
}

fn with_headers(response: ResponseTemplate, lines: &str) -> ResponseTemplate {
    let lines = lines.lines().filter_map(|line| line.split_once(':'));
    lines.fold(response, |response, (name, value)| response.append_header(name.trim(), value.trim()))
}
