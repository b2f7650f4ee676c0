//! How many requests may go out, and when. The API does not say what a key may do: it is learned
//! from refusals (429).
//!
//! A refusal closes the gate until the minute has passed. Only a minute that our own requests
//! filled teaches the limit, and only when the next one ends in the same way: when another run, or
//! a check just before, used the same key, or when the API refused for no reason, a refusal costs
//! no more than the wait.

use std::collections::VecDeque;
use std::time::Duration;

/// How many requests are under way at a time.
pub(super) const MAX_IN_FLIGHT: usize = 8;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// Paid plans are asked to stay under a hundred requests a second.
const MAX_PER_SECOND: usize = 95;

/// No plan allows fewer requests a minute: a refusal after fewer of ours was caused by somebody
/// else's.
const MIN_LIMIT: usize = 5;

/// How many requests are under way at first. Each answer makes room for one more, so that a key
/// whose minute is used up is not met with eight requests at once.
const INITIAL_IN_FLIGHT: usize = 4;

/// After a refusal requests go one at a time, until at least so many were answered, or a minute has
/// passed.
const MIN_CAUTIOUS_ANSWERS: usize = 10;

/// The longest wait that a `Retry-After` can cause.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(5 * 60);

/// For how long nothing may be refused before it is tried whether the limit still stands.
const INITIAL_PROBE_INTERVAL: Duration = Duration::from_secs(3 * 60);
const MAX_PROBE_INTERVAL: Duration = Duration::from_secs(30 * 60);

/// After this long of nothing but refusals, waiting for the API is given up.
const MAX_RATE_LIMITED: Duration = Duration::from_secs(15 * 60);

/// What a request may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Permit {
    /// Go out now.
    Granted,
    /// Ask again at that time.
    WaitUntil(Duration),
    /// Ask again when another request is done.
    WaitForInFlight,
}

/// One refusal; of requests that were under way together only the first counts.
#[derive(Debug, Clone, Copy)]
struct Refusal {
    at: Duration,
    /// How many of our requests were answered in the minute before it, those included that were
    /// under way.
    answers: usize,
    /// Whether the limit was taken from it.
    has_set_limit: bool,
}

/// The rate of all requests of a run. Times are those of the clock's `elapsed`.
#[derive(Debug)]
pub(super) struct RateLimiter {
    /// When requests of the last second were sent.
    started: VecDeque<Duration>,
    /// When requests of the last minute were done, and whether they were answered. A request counts
    /// from its end, when the API has surely seen it, so that a minute here is never shorter than a
    /// minute there.
    finished: VecDeque<(Duration, bool)>,
    in_flight: usize,
    max_in_flight: usize,
    /// How many more answers it takes until caution ends.
    cautious_answers: usize,
    limit: Option<usize>,
    blocked_until: Duration,
    last_refusal: Option<Refusal>,
    refused_since: Option<Duration>,
    consecutive_refusals: u32,
    /// Whether the only request under way is one more than the limit allows.
    is_probing: bool,
    last_probe: Duration,
    probe_interval: Duration,
}

impl Default for RateLimiter {
    fn default() -> RateLimiter {
        RateLimiter {
            started: VecDeque::new(),
            finished: VecDeque::new(),
            in_flight: 0,
            max_in_flight: INITIAL_IN_FLIGHT,
            cautious_answers: 0,
            limit: None,
            blocked_until: Duration::ZERO,
            last_refusal: None,
            refused_since: None,
            consecutive_refusals: 0,
            is_probing: false,
            last_probe: Duration::ZERO,
            probe_interval: INITIAL_PROBE_INTERVAL,
        }
    }
}

impl RateLimiter {
    /// Takes a permit for a request if there is one. Every permit is given back by `on_response` or
    /// `on_rate_limited`.
    pub(super) fn acquire(&mut self, now: Duration) -> Permit {
        if now < self.blocked_until {
            return Permit::WaitUntil(self.blocked_until);
        }
        self.forget_what_is_over(now);
        if self.in_flight >= self.max_in_flight || self.is_probing {
            return Permit::WaitForInFlight;
        }
        if let Some(limit) = self.limit
            && let Some(surplus) = (self.finished.len() + self.in_flight).checked_sub(limit)
        {
            if !self.may_probe(limit, now) {
                let blocking = self.finished.get(surplus);
                return blocking.map_or(Permit::WaitForInFlight, |(at, _)| {
                    Permit::WaitUntil(*at + MINUTE)
                });
            }
            self.is_probing = true;
            self.last_probe = now;
        }
        if self.started.len() >= MAX_PER_SECOND
            && let Some(first) = self.started.front()
        {
            self.is_probing = false;
            return Permit::WaitUntil(*first + SECOND);
        }
        self.started.push_back(now);
        self.in_flight += 1;
        Permit::Granted
    }

    /// A request that went out at `started` is done, and was not refused; `is_answered` if the API
    /// answered it.
    pub(super) fn on_response(&mut self, started: Duration, now: Duration, is_answered: bool) {
        self.in_flight -= 1;
        self.finished.push_back((now, is_answered));
        let has_probed = std::mem::take(&mut self.is_probing);
        if !is_answered {
            return;
        }
        self.refused_since = None;
        self.consecutive_refusals = 0;
        if has_probed {
            self.limit = None;
            self.last_refusal = None;
            self.be_cautious(0);
        } else if self.cautious_answers > 0 {
            self.cautious_answers -= 1;
        } else {
            self.max_in_flight = (self.max_in_flight + 1).min(MAX_IN_FLIGHT);
        }
        self.count_towards_last_refusal(started, now);
    }

    /// A request that went out at `started` was refused (429). `false` if there has been nothing
    /// but refusals for so long that it is time to give up.
    pub(super) fn on_rate_limited(
        &mut self,
        started: Duration,
        now: Duration,
        retry_after: Option<Duration>,
    ) -> bool {
        self.in_flight -= 1;
        self.forget_what_is_over(now);
        let has_probed = std::mem::take(&mut self.is_probing);
        let answers = self.answers();
        if self.last_refusal.is_none_or(|last| started > last.at) {
            self.consecutive_refusals += 1;
            if has_probed {
                self.probe_interval = (self.probe_interval * 2).min(MAX_PROBE_INTERVAL);
            } else {
                self.be_cautious(answers);
                self.learn(answers, now);
            }
        }
        let minute_is_over = match self.finished.front() {
            // The limit stands, so the minute is that of our own requests.
            Some((oldest, _)) if has_probed => (*oldest + MINUTE).saturating_sub(now),
            _ => MINUTE,
        };
        // A Retry-After of nothing, again and again, must not become a storm.
        let shortest = SECOND * (1 << (self.consecutive_refusals.clamp(1, 7) - 1));
        let wait = retry_after
            .unwrap_or(minute_is_over)
            .clamp(shortest.min(MINUTE), MAX_RETRY_AFTER);
        self.blocked_until = self.blocked_until.max(now + wait);
        now.saturating_sub(*self.refused_since.get_or_insert(now)) < MAX_RATE_LIMITED
    }

    /// How many requests a minute go through, once it is known.
    pub(super) fn limit(&self) -> Option<usize> {
        self.limit
    }

    /// Whether everything waits because of a refusal.
    pub(super) fn is_blocked(&self, now: Duration) -> bool {
        now < self.blocked_until
    }

    /// Requests go one at a time, until clearly more were answered than before the refusal.
    fn be_cautious(&mut self, answers: usize) {
        self.max_in_flight = 1;
        self.cautious_answers = MIN_CAUTIOUS_ANSWERS.max(answers + answers / 4);
    }

    /// Takes the limit from two full minutes in a row that ended with a refusal after about as many
    /// answers.
    fn learn(&mut self, answers: usize, now: Duration) {
        let previous = self.last_refusal.filter(|last| last.answers >= MIN_LIMIT);
        // A refusal within the same minute says nothing new.
        if let Some(last) = previous
            && now < last.at + MINUTE
        {
            self.last_refusal = Some(Refusal {
                at: last.at.max(now),
                ..last
            });
            return;
        }
        let agrees =
            previous.is_some_and(|last| answers.abs_diff(last.answers) <= tolerance(last.answers));
        let has_set_limit = agrees && answers >= MIN_LIMIT;
        if has_set_limit {
            self.limit = Some(answers);
            self.last_probe = now;
            self.probe_interval = INITIAL_PROBE_INTERVAL;
            self.max_in_flight = MAX_IN_FLIGHT;
            self.cautious_answers = 0;
        }
        self.last_refusal = Some(Refusal {
            at: now,
            answers,
            has_set_limit,
        });
    }

    /// An answer to a request that was under way at the last refusal came through in the same
    /// minute. An answer in a minute with clearly more of them shows that the refusal had another
    /// reason than a limit.
    fn count_towards_last_refusal(&mut self, started: Duration, now: Duration) {
        let answers = self
            .finished
            .iter()
            .filter(|(at, is_answered)| *is_answered && *at + MINUTE > now)
            .count();
        let Some(last) = &mut self.last_refusal else {
            return;
        };
        if started <= last.at {
            last.answers += 1;
            if last.has_set_limit {
                self.limit = self.limit.map(|limit| limit + 1);
            }
        } else if last.answers >= MIN_LIMIT && answers > last.answers + tolerance(last.answers) {
            last.answers = 0;
        }
    }

    /// Whether one request more than the limit may show that the limit stands no longer. The minute
    /// must be young: at its end a request may go through because the API counts from another
    /// moment.
    fn may_probe(&self, limit: usize, now: Duration) -> bool {
        let quiet_since = self
            .last_refusal
            .map_or(Duration::ZERO, |last| last.at)
            .max(self.last_probe);
        self.in_flight == 0
            && self.finished.len() == limit
            && now >= quiet_since + self.probe_interval
            && self
                .finished
                .front()
                .is_some_and(|(oldest, _)| now < *oldest + MINUTE / 2)
    }

    fn answers(&self) -> usize {
        self.finished
            .iter()
            .filter(|(_, is_answered)| *is_answered)
            .count()
    }

    fn forget_what_is_over(&mut self, now: Duration) {
        while self
            .finished
            .front()
            .is_some_and(|(at, _)| *at + MINUTE <= now)
        {
            self.finished.pop_front();
        }
        while self.started.front().is_some_and(|at| *at + SECOND <= now) {
            self.started.pop_front();
        }
        let is_quiet = self
            .last_refusal
            .is_some_and(|_| now >= self.blocked_until + MINUTE);
        if self.cautious_answers > 0 && is_quiet {
            self.cautious_answers = 0;
        }
    }
}

/// By how much two minutes with the same limit may differ.
fn tolerance(answers: usize) -> usize {
    (answers / 10).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::cmp::Reverse;
    use std::collections::BinaryHeap;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    const REQUEST: Duration = Duration::from_millis(300);

    /// The answer to a request at a time: `Err` is a 429 with its `Retry-After`.
    type Answer = Result<(), Option<Duration>>;
    type Api = Box<dyn FnMut(Duration) -> Answer>;

    /// At most `limit` requests in any 60 seconds; refused ones count if `counts_refused`.
    fn sliding(limit: usize, counts_refused: bool, used: usize) -> impl FnMut(Duration) -> Answer {
        let mut seen: VecDeque<Duration> = vec![Duration::ZERO; used].into();
        move |now| {
            seen.retain(|at| *at + MINUTE > now);
            let is_allowed = seen.len() < limit;
            if is_allowed || counts_refused {
                seen.push_back(now);
            }
            if is_allowed { Ok(()) } else { Err(None) }
        }
    }

    /// At most `limit` requests in each minute of a clock that is `offset` ahead.
    fn fixed_windows(limit: usize, offset: Duration) -> impl FnMut(Duration) -> Answer {
        let (mut window, mut count) = (0, 0);
        move |now| {
            let current = (now + offset).as_secs() / 60;
            if current != window {
                (window, count) = (current, 0);
            }
            count += 1;
            if count <= limit { Ok(()) } else { Err(None) }
        }
    }

    #[derive(Debug, Default)]
    struct Run {
        limiter: RateLimiter,
        to_ask: usize,
        in_flight: usize,
        answered: Vec<Duration>,
        refused: Vec<Duration>,
        limits: Vec<(Duration, Option<usize>)>,
    }

    impl Run {
        fn took(&self) -> Duration {
            *self.answered.last().expect("it was answered")
        }
    }

    /// Runs that each make so many requests, eight at a time, of one API, until all are answered.
    fn simulate(
        requests: &[usize],
        each: Duration,
        mut api: impl FnMut(Duration) -> Answer,
    ) -> Vec<Run> {
        let mut runs: Vec<Run> = requests
            .iter()
            .map(|to_ask| Run {
                to_ask: *to_ask,
                ..Run::default()
            })
            .collect();
        let mut now = Duration::ZERO;
        let mut events = BinaryHeap::new();
        loop {
            let mut wake = None;
            for (number, run) in runs.iter_mut().enumerate() {
                while run.to_ask > 0 && run.in_flight < MAX_IN_FLIGHT {
                    match run.limiter.acquire(now) {
                        Permit::Granted => {
                            run.to_ask -= 1;
                            run.in_flight += 1;
                            events.push(Reverse((now + each, number, now, api(now))));
                        }
                        Permit::WaitUntil(later) => {
                            assert!(later > now, "a wait for the past");
                            wake = Some(wake.map_or(later, |wake: Duration| wake.min(later)));
                            break;
                        }
                        Permit::WaitForInFlight => {
                            assert!(run.in_flight > 0, "nothing to wait for");
                            break;
                        }
                    }
                }
            }
            let is_event_first = events
                .peek()
                .is_some_and(|Reverse((at, ..))| wake.is_none_or(|wake| *at <= wake));
            if !is_event_first {
                let Some(wake) = wake else { return runs };
                now = wake;
                continue;
            }
            let Some(Reverse((at, number, started, answer))) = events.pop() else {
                return runs;
            };
            now = at;
            let run = &mut runs[number];
            run.in_flight -= 1;
            match answer {
                Ok(()) => {
                    run.limiter.on_response(started, now, true);
                    run.answered.push(now);
                }
                Err(retry_after) => {
                    assert!(
                        run.limiter.on_rate_limited(started, now, retry_after),
                        "given up"
                    );
                    run.refused.push(now);
                    run.to_ask += 1;
                }
            }
            if run
                .limits
                .last()
                .is_none_or(|(_, limit)| *limit != run.limiter.limit())
            {
                run.limits.push((now, run.limiter.limit()));
            }
        }
    }

    fn one(requests: usize, each: Duration, api: impl FnMut(Duration) -> Answer) -> Run {
        simulate(&[requests], each, api).remove(0)
    }

    #[test]
    fn a_free_key_does_100_tickers_in_22_minutes_after_a_check_that_used_its_minute() {
        let run = one(100, REQUEST, sliding(5, false, 5));
        assert!(run.took() <= seconds(22 * 60), "{:?}", run.took());
        assert!(run.refused.len() <= 10, "{:?}", run.refused);
        assert!(
            run.limits
                .iter()
                .all(|(_, limit)| limit.is_none_or(|limit| limit == 5)),
            "{:?}",
            run.limits
        );
    }

    #[test]
    fn a_free_key_does_100_tickers_in_22_minutes_however_the_api_counts() {
        let mut apis: Vec<(String, Api)> = Vec::new();
        for used in [0, 3, 5] {
            apis.push((
                format!("sliding, {used} used"),
                Box::new(sliding(5, false, used)),
            ));
            apis.push((
                format!("refused ones count, {used} used"),
                Box::new(sliding(5, true, used)),
            ));
        }
        for offset in [0, 1, 10, 30, 50, 57, 59] {
            apis.push((
                format!("minutes of the clock, {offset} s in"),
                Box::new(fixed_windows(5, seconds(offset))),
            ));
        }
        for (what, api) in apis {
            let run = one(100, REQUEST, api);
            assert!(
                run.took() <= seconds(22 * 60),
                "{what}: {:?} {:?}",
                run.took(),
                run.limits
            );
            assert!(run.refused.len() <= 25, "{what}: {:?}", run.refused);
        }
    }

    #[test]
    fn a_free_key_does_7_tickers_in_150_seconds_after_a_check_that_used_its_minute() {
        let run = one(7, REQUEST, sliding(5, false, 5));
        assert!(run.took() <= seconds(150), "{:?}", run.took());
    }

    #[test]
    fn two_runs_share_a_free_key_and_neither_starves() {
        for used in [0, 3, 5] {
            let runs = simulate(&[6, 6], REQUEST, sliding(5, false, used));
            for run in &runs {
                assert!(run.took() <= seconds(210), "{used}: {:?}", run.took());
                assert!(
                    run.limits
                        .iter()
                        .all(|(_, limit)| limit.is_none_or(|limit| limit >= MIN_LIMIT))
                );
            }
        }
    }

    #[test]
    fn two_long_runs_on_a_free_key_both_go_on() {
        let runs = simulate(&[40, 40], REQUEST, sliding(5, false, 0));
        for run in &runs {
            assert!(run.took() <= seconds(25 * 60), "{:?}", run.took());
        }
        let (first, second) = (
            runs[0].took().min(runs[1].took()),
            runs[0].took().max(runs[1].took()),
        );
        assert!(
            first * 2 > second,
            "one waited for the other to end: {first:?}, {second:?}"
        );
    }

    #[test]
    fn one_stray_refusal_costs_an_unlimited_key_little() {
        for retry_after in [Some(SECOND), None] {
            for stray in [1, 3, 50, 250] {
                let mut count = 0;
                let run = one(500, Duration::from_millis(75), |_| {
                    count += 1;
                    if count == stray {
                        Err(retry_after)
                    } else {
                        Ok(())
                    }
                });
                assert!(run.took() <= seconds(180), "{stray}: {:?}", run.took());
                assert_eq!(
                    run.limits,
                    [(run.limits[0].0, None)],
                    "a limit was learned from nothing"
                );
            }
        }
    }

    #[test]
    fn two_stray_refusals_cost_minutes_and_not_hours() {
        let mut count = 0;
        let run = one(2_000, Duration::from_millis(75), |_| {
            count += 1;
            if count % 500 == 7 { Err(None) } else { Ok(()) }
        });
        assert!(run.took() <= seconds(15 * 60), "{:?}", run.took());
    }

    #[test]
    fn a_key_without_a_limit_is_only_held_to_95_requests_a_second() {
        let run = one(10_000, Duration::from_millis(10), |_| Ok(()));
        let took = run.took();
        assert!((seconds(105)..seconds(108)).contains(&took), "{took:?}");
        for window in run.answered.windows(MAX_PER_SECOND + 1) {
            assert!(window[MAX_PER_SECOND].checked_sub(window[0]).unwrap() >= SECOND);
        }
        assert_eq!(run.limits, [(run.limits[0].0, None)]);
    }

    #[test]
    fn eight_requests_are_under_way_soon() {
        let run = one(100, REQUEST, |_| Ok(()));
        assert!(
            run.took() <= REQUEST * 14,
            "{:?} for 100 requests of {REQUEST:?}",
            run.took()
        );
    }

    #[test]
    fn an_upgrade_during_a_run_is_found_within_minutes() {
        let mut free = sliding(5, false, 0);
        let run = one(2_000, REQUEST, |now| {
            if now < seconds(600) {
                free(now)
            } else {
                Ok(())
            }
        });
        assert!(
            run.took() <= seconds(600 + 16 * 60),
            "{:?} {:?}",
            run.took(),
            run.limits
        );
    }

    #[test]
    fn a_limit_that_somebody_elses_requests_caused_is_dropped_again() {
        // Something else takes all but five of every minute for a while.
        let mut busy = sliding(5, false, 0);
        let run = one(1_000, REQUEST, |now| {
            if now < seconds(200) {
                busy(now)
            } else {
                Ok(())
            }
        });
        assert!(
            run.limits.iter().any(|(_, limit)| *limit == Some(5)),
            "{:?}",
            run.limits
        );
        assert!(
            run.took() <= seconds(200 + 8 * 60),
            "{:?} {:?}",
            run.took(),
            run.limits
        );
    }

    #[test]
    fn a_larger_limit_is_learned_as_it_is() {
        let run = one(300, REQUEST, sliding(30, false, 0));
        assert!(
            run.limits.iter().any(|(_, limit)| *limit == Some(30)),
            "{:?}",
            run.limits
        );
        assert!(
            run.took() <= seconds(12 * 60),
            "{:?} {:?}",
            run.took(),
            run.limits
        );
    }

    #[test]
    fn a_refusal_after_fewer_than_five_answers_teaches_nothing() {
        let mut limiter = RateLimiter::default();
        for minute in 0..10 {
            let now = seconds(minute * 61);
            for _ in 0..4 {
                assert_eq!(limiter.acquire(now), Permit::Granted);
                limiter.on_response(now, now, true);
            }
            assert_eq!(limiter.acquire(now), Permit::Granted);
            assert!(limiter.on_rate_limited(now, now + REQUEST, None));
        }
        assert_eq!(limiter.limit(), None);
    }

    #[test]
    fn retry_after_is_waited_for_but_not_for_ever() {
        let blocked_until = |retry_after| {
            let mut limiter = RateLimiter::default();
            assert_eq!(limiter.acquire(seconds(0)), Permit::Granted);
            limiter.on_rate_limited(seconds(0), seconds(0), retry_after);
            limiter.acquire(seconds(0))
        };
        assert_eq!(
            blocked_until(Some(seconds(17))),
            Permit::WaitUntil(seconds(17))
        );
        assert_eq!(
            blocked_until(Some(seconds(86_400))),
            Permit::WaitUntil(MAX_RETRY_AFTER)
        );
        assert_eq!(
            blocked_until(Some(seconds(0))),
            Permit::WaitUntil(seconds(1))
        );
        assert_eq!(blocked_until(None), Permit::WaitUntil(MINUTE));
    }

    #[test]
    fn nothing_but_refusals_are_given_up_after_a_quarter_of_an_hour() {
        for retry_after in [
            None,
            Some(Duration::ZERO),
            Some(seconds(7)),
            Some(seconds(86_400)),
        ] {
            let (mut limiter, mut now, mut requests) = (RateLimiter::default(), Duration::ZERO, 0);
            loop {
                match limiter.acquire(now) {
                    Permit::WaitUntil(later) => now = later,
                    Permit::WaitForInFlight => unreachable!("there is no other"),
                    Permit::Granted => {
                        requests += 1;
                        let started = now;
                        now += REQUEST;
                        if !limiter.on_rate_limited(started, now, retry_after) {
                            break;
                        }
                    }
                }
            }
            assert!(
                now >= MAX_RATE_LIMITED && now <= MAX_RATE_LIMITED + MAX_RETRY_AFTER + MINUTE,
                "{now:?}"
            );
            assert!(
                requests < 40,
                "{requests} requests with Retry-After {retry_after:?}"
            );
        }
    }

    #[test]
    fn a_refusal_after_a_long_time_without_requests_is_not_given_up() {
        let mut limiter = RateLimiter::default();
        assert_eq!(limiter.acquire(seconds(7_200)), Permit::Granted);
        assert!(limiter.on_rate_limited(seconds(7_200), seconds(7_200), None));
    }

    #[test]
    fn requests_that_are_refused_together_are_one_refusal() {
        let mut limiter = RateLimiter::default();
        for _ in 0..4 {
            assert_eq!(limiter.acquire(seconds(0)), Permit::Granted);
        }
        for _ in 0..4 {
            limiter.on_rate_limited(seconds(0), seconds(1), Some(Duration::ZERO));
        }
        assert_eq!(limiter.acquire(seconds(1)), Permit::WaitUntil(seconds(2)));
    }

    /// A limiter that has learned a limit of five, at the moment when its block ends.
    fn with_limit_of_five() -> (RateLimiter, Duration) {
        let (mut limiter, mut now) = (RateLimiter::default(), Duration::ZERO);
        for _ in 0..2 {
            for _ in 0..5 {
                assert_eq!(limiter.acquire(now), Permit::Granted);
                limiter.on_response(now, now, true);
            }
            assert_eq!(limiter.acquire(now), Permit::Granted);
            limiter.on_rate_limited(now, now + SECOND, None);
            now += SECOND + MINUTE;
        }
        assert_eq!(limiter.limit(), Some(5));
        (limiter, now)
    }

    #[test]
    fn requests_under_way_fill_the_limit_like_those_that_are_done() {
        let (mut limiter, now) = with_limit_of_five();
        for _ in 0..5 {
            assert_eq!(limiter.acquire(now), Permit::Granted);
        }
        assert_eq!(limiter.acquire(now), Permit::WaitForInFlight);
        limiter.on_response(now, now + seconds(2), true);
        let wait = Permit::WaitUntil(now + seconds(62));
        assert_eq!(limiter.acquire(now + seconds(2)), wait);
        for _ in 0..4 {
            limiter.on_response(now, now + seconds(3), false);
        }
        assert_eq!(
            limiter.acquire(now + seconds(3)),
            wait,
            "a request that failed may have been counted, too"
        );
    }

    #[test]
    fn what_was_under_way_at_the_refusal_and_went_through_counts_for_the_limit() {
        let (mut limiter, mut now) = (RateLimiter::default(), Duration::ZERO);
        for _ in 0..2 {
            for _ in 0..5 {
                assert_eq!(limiter.acquire(now), Permit::Granted);
                limiter.on_response(now, now, true);
            }
            // The second time they go one at a time.
            let together = i32::from(limiter.acquire(now) == Permit::Granted && now.is_zero());
            for _ in 0..together {
                assert_eq!(limiter.acquire(now), Permit::Granted);
            }
            limiter.on_rate_limited(now, now, None);
            for _ in 0..together {
                limiter.on_response(now, now + SECOND, true);
            }
            now += MINUTE + MINUTE;
        }
        assert_eq!(limiter.limit(), Some(5), "six, then five: about the same");
    }
}
