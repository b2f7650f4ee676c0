//! History that a user's plan does not show, or no longer, whether the API shortens such ranges or refuses them.

mod limit;
mod moving;

use crate::support::market::PartialCoverage;

pub const BOTH: [PartialCoverage; 2] = [PartialCoverage::Shortened, PartialCoverage::Refused];
