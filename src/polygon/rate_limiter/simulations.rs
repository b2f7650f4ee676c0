//! Whole runs against APIs that count in different ways.

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
