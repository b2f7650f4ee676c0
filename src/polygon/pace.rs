//! The pace of requests. It is learned from the API's first refusal: nobody has to set it.

use std::collections::VecDeque;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

/// The longest wait that a `Retry-After` can cause.
const LONGEST_WAIT: Duration = Duration::from_secs(5 * 60);

/// For how long nothing may be refused before the pace is raised for the first time.
const FIRST_RAISE: Duration = Duration::from_secs(10 * 60);

/// After this long of nothing but refusals, waiting for the API is given up.
const GIVE_UP: Duration = Duration::from_secs(15 * 60);

/// What a request may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// Go out now.
    Now,
    /// Ask again at that time of the clock's `elapsed`.
    At(Duration),
    /// Ask again when another request is done: those under way fill the limit.
    AfterAnother,
}

/// The pace of all requests of a run. Times are those of the clock's `elapsed`.
///
/// Until a request is refused there is no limit. A refusal (429) closes the gate for as long as `Retry-After` says, or
/// until the minute has passed; from then on no more requests go out in any minute than went through in the minute
/// before the refusal. When nothing has been refused for a long time, the limit is raised a little; each refusal
/// doubles that time, so that a free key's five a minute are not overrun again and again.
#[derive(Debug)]
pub struct Pace {
    /// When requests of the last minute were done. A request counts from its end, when the API has surely seen it, so
    /// that a minute here is never shorter than a minute there.
    done: VecDeque<Duration>,
    under_way: usize,
    limit: Option<usize>,
    closed_until: Duration,
    last_refusal: Duration,
    refused_since: Option<Duration>,
    refusals_in_a_row: u32,
    last_change: Duration,
    raise_after: Duration,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace {
            done: VecDeque::new(),
            under_way: 0,
            limit: None,
            closed_until: Duration::ZERO,
            last_refusal: Duration::ZERO,
            refused_since: None,
            refusals_in_a_row: 0,
            last_change: Duration::ZERO,
            raise_after: FIRST_RAISE,
        }
    }
}

impl Pace {
    /// Takes a slot for a request if there is one; every slot taken is given back by `finished` or `refused`.
    pub fn take(&mut self, now: Duration) -> Slot {
        if now < self.closed_until {
            return Slot::At(self.closed_until);
        }
        self.forget_before_the_last_minute(now);
        if let Some(limit) = self.limit {
            let limit = self.raised(limit, now);
            if let Some(too_many) = (self.done.len() + self.under_way).checked_sub(limit) {
                return self.done.get(too_many).map_or(Slot::AfterAnother, |done| Slot::At(*done + MINUTE));
            }
        }
        self.under_way += 1;
        Slot::Now
    }

    /// The request that went out at `started` is done, and was not refused; `answered` if the API answered it.
    pub fn finished(&mut self, started: Duration, now: Duration, answered: bool) {
        self.under_way -= 1;
        self.done.push_back(now);
        if answered {
            self.refused_since = None;
            self.refusals_in_a_row = 0;
        }
        // It was on its way when another was refused, and went through in the same minute.
        if let Some(limit) = &mut self.limit
            && started <= self.last_refusal
            && now < self.last_refusal + MINUTE
        {
            *limit += 1;
        }
    }

    /// A request was refused (429). `false` if there has been nothing but refusals for so long that it is time to give
    /// up.
    pub fn refused(&mut self, now: Duration, retry_after: Option<Duration>) -> bool {
        self.under_way -= 1;
        self.forget_before_the_last_minute(now);
        // Requests that were under way together are refused together: that is one refusal.
        if now >= self.closed_until {
            self.refusals_in_a_row += 1;
            if self.limit.is_some() && self.refusals_in_a_row == 1 {
                self.raise_after *= 2;
            }
            self.limit = Some(self.done.len().max(1));
            self.last_change = now;
            self.last_refusal = now;
        }
        // A Retry-After of nothing, again and again, must not become a storm.
        let shortest = Duration::from_secs(1 << self.refusals_in_a_row.min(6).saturating_sub(1)).min(MINUTE);
        let wait = retry_after.unwrap_or(MINUTE).clamp(shortest, LONGEST_WAIT);
        self.closed_until = self.closed_until.max(now + wait);
        now - *self.refused_since.get_or_insert(now) < GIVE_UP
    }

    /// How many requests a minute go through, if the API has set a limit.
    pub fn limit(&self) -> Option<usize> {
        self.limit
    }

    fn raised(&mut self, limit: usize, now: Duration) -> usize {
        if now >= self.last_change + self.raise_after {
            self.limit = Some(limit + limit.div_ceil(10));
            self.last_change = now;
        }
        self.limit.unwrap_or(limit)
    }

    fn forget_before_the_last_minute(&mut self, now: Duration) {
        while self.done.front().is_some_and(|done| *done + MINUTE <= now) {
            self.done.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// An API that lets `allowed` requests through in any 60 seconds, and one client that asks as fast as it may.
    /// Returns the times at which requests went through and at which they were refused.
    fn ask(requests: usize, allowed: impl Fn(Duration) -> usize) -> (Vec<Duration>, Vec<Duration>) {
        let (mut pace, mut now) = (Pace::default(), Duration::ZERO);
        let (mut through, mut refused): (Vec<Duration>, Vec<Duration>) = Default::default();
        while through.len() < requests {
            match pace.take(now) {
                Slot::At(later) => {
                    assert!(later > now);
                    now = later;
                }
                Slot::AfterAnother => unreachable!("there is no other"),
                Slot::Now if through.iter().filter(|at| **at + MINUTE > now).count() < allowed(now) => {
                    through.push(now);
                    pace.finished(now, now, true);
                }
                Slot::Now => {
                    refused.push(now);
                    assert!(pace.refused(now, None));
                }
            }
        }
        (through, refused)
    }

    #[test]
    fn a_free_key_goes_at_five_a_minute_after_one_refusal() {
        let (through, refused) = ask(100, |_| 5);
        assert!(refused.len() <= 3, "one to learn from, and one for each careful raise: {refused:?}");
        assert!(*through.last().unwrap() < seconds(23 * 60), "{:?}", through.last());
    }

    #[test]
    fn a_key_without_a_limit_is_never_slowed_down() {
        let (through, refused) = ask(10_000, |_| usize::MAX);
        assert_eq!((through.last(), refused.len()), (Some(&Duration::ZERO), 0));
    }

    #[test]
    fn the_pace_rises_again_when_the_api_allows_more() {
        let (through, _) = ask(2_000, |now| if now < seconds(300) { 5 } else { 1_000 });
        let in_the_last_minute = through.iter().filter(|at| **at + MINUTE > *through.last().unwrap()).count();
        assert!(in_the_last_minute > 10, "{in_the_last_minute}");
    }

    #[test]
    fn retry_after_is_waited_for_but_not_for_ever() {
        let closed_until = |retry_after| {
            let mut pace = Pace::default();
            assert_eq!(pace.take(seconds(0)), Slot::Now);
            pace.refused(seconds(0), retry_after);
            pace.take(seconds(0))
        };
        assert_eq!(closed_until(Some(seconds(17))), Slot::At(seconds(17)));
        assert_eq!(closed_until(Some(seconds(86_400))), Slot::At(LONGEST_WAIT));
        assert_eq!(closed_until(Some(seconds(0))), Slot::At(seconds(1)));
        assert_eq!(closed_until(None), Slot::At(MINUTE));
    }

    #[test]
    fn nothing_but_refusals_are_given_up_after_a_quarter_of_an_hour() {
        for retry_after in [None, Some(Duration::ZERO), Some(seconds(7)), Some(seconds(86_400))] {
            let (mut pace, mut now, mut requests) = (Pace::default(), Duration::ZERO, 0);
            loop {
                match pace.take(now) {
                    Slot::At(later) => now = later,
                    Slot::AfterAnother => unreachable!("there is no other"),
                    Slot::Now => {
                        requests += 1;
                        if !pace.refused(now, retry_after) {
                            break;
                        }
                    }
                }
            }
            assert!(now >= GIVE_UP && now <= GIVE_UP + LONGEST_WAIT, "{now:?}");
            assert!(requests < 150, "{requests} requests with Retry-After {retry_after:?}");
        }
    }

    #[test]
    fn a_refusal_after_a_long_time_without_requests_is_not_given_up() {
        let mut pace = Pace::default();
        assert_eq!(pace.take(seconds(7_200)), Slot::Now);
        assert!(pace.refused(seconds(7_200), None));
    }

    #[test]
    fn requests_under_way_fill_the_limit_like_those_that_are_done() {
        let mut pace = Pace::default();
        pace.take(seconds(0));
        pace.refused(seconds(0), None);
        assert_eq!(pace.take(seconds(60)), Slot::Now);
        assert_eq!(pace.take(seconds(60)), Slot::AfterAnother);
        pace.finished(seconds(60), seconds(62), true);
        assert_eq!(pace.take(seconds(62)), Slot::At(seconds(122)));
    }

    #[test]
    fn what_was_under_way_at_the_refusal_and_went_through_counts_for_the_pace() {
        let mut pace = Pace::default();
        for _ in 0..6 {
            assert_eq!(pace.take(seconds(0)), Slot::Now);
        }
        for _ in 0..4 {
            pace.finished(seconds(0), seconds(1), true);
        }
        pace.refused(seconds(1), None);
        pace.finished(seconds(0), seconds(2), true);
        assert_eq!(pace.limit(), Some(5));
    }
}
