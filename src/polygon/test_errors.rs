//! Every error of the API, for tests of all texts.

use super::error::ApiProblem;
use super::{ApiError, Request};
use crate::events::ActionKind;

/// One error for each problem.
pub(crate) fn every_error() -> Vec<ApiError> {
    let unavailable = ApiProblem::Unavailable { origin: "https://host".to_owned(), attempts: 6 };
    let problems = [
        (401, ApiProblem::Unauthorized),
        (403, ApiProblem::BeforeHistory),
        (403, ApiProblem::TodayNotOver),
        (403, ApiProblem::NotEntitled),
        (400, ApiProblem::PastTheEnd),
        (429, ApiProblem::RateLimited(None)),
        (404, ApiProblem::NotFound),
        (407, ApiProblem::ProxyAuthentication),
        (200, ApiProblem::NoTls("the server".to_owned())),
        (200, ApiProblem::OtherCase("AAPL".to_owned())),
        (418, ApiProblem::Rejected),
        (502, unavailable),
        (200, ApiProblem::Unexpected),
    ];
    let request = Request::actions(ActionKind::Splits, &[]);
    let error = |(status, problem)| ApiError::new(problem, &request, "words", Some((status, Some("r1".to_owned()))));
    problems.into_iter().map(error).collect()
}
