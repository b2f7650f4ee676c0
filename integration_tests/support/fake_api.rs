//! The fake API on wiremock: every answer is well-formed HTTP. What is broken below HTTP is for `RawApi`.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Respond, ResponseTemplate};

use super::answers;
use super::backend::Api;
pub use super::backend::{KEY, Request};
use super::market::Market;

/// How a well-formed answer can go wrong.
#[derive(Clone)]
pub enum Fault {
    /// Another status, with header lines and a body.
    Status(u16, String, String),
    /// The true answer, with its body changed.
    Changed(Arc<dyn Fn(String) -> String + Send + Sync>),
    /// The true answer, so much later in real time.
    Delayed(Duration),
}

impl Fault {
    /// Another status, with header lines (`Retry-After: 1`) and a body.
    pub fn status(status: u16, headers: &str, body: &str) -> Fault {
        Fault::Status(status, headers.to_owned(), body.to_owned())
    }

    /// The refusal of days that the plan does not include.
    pub fn outside_the_plan() -> Fault {
        let (status, body) = answers::outside_the_plan();
        Fault::Status(status, String::new(), body)
    }

    /// The true answer, with its body changed.
    pub fn changed(change: impl Fn(String) -> String + Send + Sync + 'static) -> Fault {
        Fault::Changed(Arc::new(change))
    }

    /// The true answer after a random wait of up to `longest`.
    pub fn random_delay(longest: Duration) -> Fault {
        Fault::Delayed(longest.mul_f64(fastrand::f64()))
    }
}

/// The fake API on wiremock.
pub type FakeApi = Api<Fault>;

impl FakeApi {
    /// Serves `market` on a free port until the process ends.
    pub fn start(market: Market) -> FakeApi {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let origin = format!("http://{}", listener.local_addr().expect("an address"));
        let api = Api::new(origin, market);
        let mock = Mock::given(any()).respond_with(Answering(api.clone()));
        // Only starting takes a runtime: the server has a thread of its own.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let server = MockServer::builder()
                .listener(listener)
                .disable_request_recording()
                .start()
                .await;
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
        let ((status, body), fault) = self.0.receive(
            request.url.path(),
            request.url.query().unwrap_or(""),
            headers,
        );
        match fault {
            None => response(status, &body),
            Some(Fault::Status(status, headers, body)) => {
                with_headers(response(status, &body), &headers)
            }
            Some(Fault::Changed(change)) => response(status, &change(body)),
            Some(Fault::Delayed(delay)) => response(status, &body).set_delay(delay),
        }
    }
}

fn response(status: u16, body: &str) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_raw(body.as_bytes(), "application/json")
}

fn with_headers(response: ResponseTemplate, lines: &str) -> ResponseTemplate {
    let lines = lines.lines().filter_map(|line| line.split_once(':'));
    lines.fold(response, |response, (name, value)| {
        response.append_header(name.trim(), value.trim())
    })
}
