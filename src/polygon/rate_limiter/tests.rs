//! What each answer and each refusal changes.

use super::*;

fn at(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

/// Requests that are answered at once, one at each of these seconds.
fn answer(limiter: &mut RateLimiter, seconds: impl IntoIterator<Item = u32>) {
    for second in seconds {
        let now = at(f64::from(second));
        assert_eq!(limiter.acquire(now), Permit::Granted, "at {second} s");
        limiter.on_response(now, now, true);
    }
}

/// A request that is refused at once.
fn refuse(limiter: &mut RateLimiter, seconds: f64, retry_after: Option<Duration>) {
    let now = at(seconds);
    assert_eq!(limiter.acquire(now), Permit::Granted, "at {seconds} s");
    assert!(limiter.on_rate_limited(now, now, retry_after));
}

/// How many requests may be under way at a time.
fn in_flight_at(limiter: &mut RateLimiter, seconds: f64) -> usize {
    let now = at(seconds);
    let granted = (0..20)
        .take_while(|_| limiter.acquire(now) == Permit::Granted)
        .count();
    for _ in 0..granted {
        limiter.on_response(now, now, false);
    }
    granted
}

/// A limiter that has learned a limit of five a minute, at 76 s.
fn with_a_limit_of_five() -> RateLimiter {
    let mut limiter = RateLimiter::default();
    answer(&mut limiter, 1..=5);
    refuse(&mut limiter, 6.0, None);
    answer(&mut limiter, 70..=74);
    refuse(&mut limiter, 76.0, None);
    assert_eq!(limiter.limit(), Some(5));
    limiter
}

#[test]
fn refusal_costs_a_minute_or_what_it_says() {
    for (retry_after, until) in [
        (None, 66.0),
        (Some(SECOND * 20), 26.0),
        (Some(Duration::ZERO), 7.0),
    ] {
        let mut limiter = RateLimiter::default();
        answer(&mut limiter, 1..=5);
        assert!(!limiter.is_blocked(at(6.0)));
        refuse(&mut limiter, 6.0, retry_after);
        assert_eq!(limiter.acquire(at(6.5)), Permit::WaitUntil(at(until)));
        assert!(limiter.is_blocked(at(until - 0.1)) && !limiter.is_blocked(at(until)));
    }
}

#[test]
fn requests_that_were_under_way_together_are_refused_once() {
    let mut limiter = RateLimiter::default();
    for started in [0.0, 1.0] {
        assert_eq!(limiter.acquire(at(started)), Permit::Granted);
    }
    for started in [0.0, 1.0] {
        assert!(limiter.on_rate_limited(at(started), at(started + 1.0), Some(SECOND)));
    }
    assert_eq!(
        limiter.acquire(at(3.0)),
        Permit::Granted,
        "a second refusal in a row would cost two"
    );
}

#[test]
fn caution_ends_after_clearly_more_answers_than_before_the_refusal() {
    for (before, cautious) in [(0, 10), (40, 50)] {
        let mut limiter = RateLimiter::default();
        answer(&mut limiter, 0..before);
        refuse(&mut limiter, f64::from(before), Some(SECOND));
        let first = before + 1;
        answer(&mut limiter, first..first + cautious);
        assert_eq!(
            in_flight_at(&mut limiter, f64::from(first + cautious)),
            1,
            "{before}"
        );
        answer(&mut limiter, [first + cautious]);
        assert_eq!(
            in_flight_at(&mut limiter, f64::from(first + cautious)),
            2,
            "{before}"
        );
    }
}

#[test]
fn caution_ends_a_quiet_minute_after_the_wait() {
    for (second, in_flight) in [(61, 1), (62, 2)] {
        let mut limiter = RateLimiter::default();
        refuse(&mut limiter, 1.0, Some(SECOND));
        answer(&mut limiter, [second]);
        assert_eq!(
            in_flight_at(&mut limiter, f64::from(second)),
            in_flight,
            "{second}"
        );
    }
}

#[test]
fn limit_is_learned_from_two_minutes_with_about_as_many_answers() {
    for (first, second, limit) in [
        (5, 5, Some(5)),
        (20, 18, Some(18)),
        (20, 17, None),
        (20, 23, None),
        (10, 11, Some(11)),
        (10, 12, None),
        (4, 4, None),
    ] {
        let mut limiter = RateLimiter::default();
        answer(&mut limiter, 1..=first);
        refuse(&mut limiter, f64::from(first + 1), None);
        answer(&mut limiter, 150..150 + second);
        refuse(&mut limiter, f64::from(150 + second), None);
        assert_eq!(limiter.limit(), limit, "{first}, {second}");
    }
}

#[test]
fn minute_with_clearly_more_answers_shows_that_the_refusal_had_another_reason() {
    let mut limiter = RateLimiter::default();
    answer(&mut limiter, 1..=10);
    refuse(&mut limiter, 11.0, None);
    answer(&mut limiter, 150..162);
    answer(&mut limiter, 300..310);
    refuse(&mut limiter, 310.0, None);
    assert_eq!(limiter.limit(), None);
}

#[test]
fn requests_that_nobody_answered_show_nothing() {
    let mut limiter = RateLimiter::default();
    answer(&mut limiter, 1..=10);
    refuse(&mut limiter, 11.0, None);
    for second in [150.0, 151.0, 152.0] {
        in_flight_at(&mut limiter, second);
    }
    answer(&mut limiter, 153..163);
    refuse(&mut limiter, 163.0, None);
    assert_eq!(limiter.limit(), Some(10));
}

#[test]
fn answers_that_were_under_way_at_a_refusal_count_towards_it() {
    let mut limiter = RateLimiter::default();
    answer(&mut limiter, 1..=9);
    for _ in 0..8 {
        assert_eq!(limiter.acquire(at(100.0)), Permit::Granted);
    }
    assert!(limiter.on_rate_limited(at(100.0), at(100.3), None));
    for _ in 0..7 {
        limiter.on_response(at(100.0), at(100.4), true);
    }
    answer(&mut limiter, 170..177);
    refuse(&mut limiter, 200.0, None);
    assert_eq!(limiter.limit(), Some(7));

    let mut limiter = RateLimiter::default();
    answer(&mut limiter, 1..=20);
    refuse(&mut limiter, 21.0, None);
    answer(&mut limiter, 150..168);
    for _ in 0..3 {
        assert_eq!(limiter.acquire(at(170.0)), Permit::Granted);
    }
    assert!(limiter.on_rate_limited(at(170.0), at(171.0), None));
    assert_eq!(limiter.limit(), Some(18));
    limiter.on_response(at(170.0), at(171.1), true);
    limiter.on_response(at(170.0), at(171.2), true);
    assert_eq!(limiter.limit(), Some(20));
}

#[test]
fn second_refusal_in_a_minute_says_nothing_about_the_limit() {
    let mut limiter = RateLimiter::default();
    answer(&mut limiter, 1..=5);
    refuse(&mut limiter, 6.0, Some(SECOND));
    refuse(&mut limiter, 7.1, Some(SECOND));
    answer(&mut limiter, 62..=66);
    refuse(&mut limiter, 66.5, Some(SECOND));
    assert_eq!(
        limiter.limit(),
        None,
        "the minute of the second has not passed"
    );
}

#[test]
fn known_limit_is_kept_until_it_is_tried_after_a_while() {
    let mut limiter = with_a_limit_of_five();
    answer(&mut limiter, 140..145);
    assert_eq!(
        limiter.acquire(at(146.0)),
        Permit::WaitUntil(at(200.0)),
        "it was learned just now"
    );
    answer(&mut limiter, 300..305);
    assert_eq!(
        limiter.acquire(at(330.0)),
        Permit::WaitUntil(at(360.0)),
        "the minute is half over"
    );
    // One more goes out; refused, it shows that the limit stands.
    refuse(&mut limiter, 329.0, None);
    assert_eq!(limiter.limit(), Some(5));
    assert_eq!(
        limiter.acquire(at(331.0)),
        Permit::WaitUntil(at(360.0)),
        "our own minute"
    );
}
