//! The Polygon.io (now Massive) API. Nothing outside this module knows HTTP.
//!
//! A question for bars ([`Question`]) is answered page by page ([`Pages`]); every page is fetched by the [`Client`],
//! which retries, keeps to the [`pace`] that the API allows, and tells failures apart ([`ApiError`]).

pub mod answer;
mod client;
mod error;
mod origin;
pub mod pace;
mod pages;
mod retry_after;
mod scan;

pub use client::{Client, Patience};
pub use error::ApiError;
pub use origin::Origin;
pub use pages::{Pages, Question};

/// How many bars a page may hold: the most that the API accepts. It counts base bars: 50,000 days, or about 50 sessions
/// of minutes.
const LIMIT: u32 = 50_000;
