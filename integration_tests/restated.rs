//! History that changed: splits, corrections, late and vanished bars, another price basis.

use serde_json::{Value, json};

use crate::scenario::Scenario;
use crate::support::bar_size::BarSize;
use crate::support::connector::Output;
use crate::support::days::{Date, date, new_york_midnight};
use crate::support::fake_api::Fault;
use crate::support::market::{AAPL, Market, TradedBar};

/// NVDA around its ten-for-one split of 2024-06-10, as traded.
const NVDA: [(Date, f64); 6] = [
    (date(2024, 6, 5), 1224.4),
    (date(2024, 6, 6), 1209.98),
    (date(2024, 6, 7), 1208.88),
    (date(2024, 6, 10), 121.79),
    (date(2024, 6, 11), 120.91),
    (date(2024, 6, 12), 125.2),
];

const SATURDAY: &str = "2024-06-08T12:00:00Z";
const TUESDAY: &str = "2024-06-11T12:00:00Z";

/// A market that shows NVDA up to the eve of its split.
fn nvda() -> Scenario {
    let mut market = Market::at(SATURDAY);
    market.days("NVDA", &NVDA);
    Scenario::new(market, "NVDA", "stock_prices", "2024-06-05")
}

/// The same, read on Saturday.
fn before_the_split() -> (Scenario, Output) {
    let mut nvda = nvda();
    let first = nvda.sync(SATURDAY);
    assert_eq!(
        first.prices().last(),
        Some(&("NVDA", "2024-06-07", 1208.88))
    );
    assert_eq!(nvda.requests().len(), 1);
    (nvda, first)
}

fn split(scenario: &Scenario) {
    scenario.api.market().split("NVDA", date(2024, 6, 10), 10.0);
}

const REREAD: &str = "NVDA: the prices of 2024-06-05 changed (a split or a restatement); re-reading the history from 2024-06-05";

#[test]
fn split_between_two_syncs_leaves_one_consistent_basis() {
    let (mut nvda, _) = before_the_split();
    split(&nvda);
    let second = nvda.sync(TUESDAY);
    assert_eq!(
        nvda.requests().len(),
        1,
        "all of it is in the answer that shows the split"
    );
    assert_eq!(second.logs("WARN"), [REREAD]);
    nvda.assert_true("after the split");
    assert_eq!(second.records().len(), 4);
    let state = &second.last_state()["NVDA"];
    let expected = json!({"since": "2024-06-05", "first": "2024-06-05", "date": "2024-06-10",
                          "adjusted": true, "digests": state["digests"]});
    assert_eq!(*state, expected);
    let third = nvda.sync(TUESDAY);
    let counts = (
        third.records().len(),
        third.logs("WARN").len(),
        nvda.requests().len(),
    );
    assert_eq!(counts, (0, 0, 1), "an ordinary sync again");
}

#[test]
fn state_before_the_first_record_of_a_reread_says_that_it_is_under_way() {
    let (mut nvda, _) = before_the_split();
    split(&nvda);
    let second = nvda.sync(TUESDAY);
    let place = |kind: &str| {
        second
            .messages
            .iter()
            .position(|message| message["type"] == kind)
    };
    assert!(place("STATE") < place("RECORD"));
    let state = &second.states()[0]["stream"]["stream_state"]["NVDA"];
    assert_eq!(
        (&state["date"], &state["until"]),
        (&Value::Null, &json!("2024-06-07"))
    );
}

#[test]
fn split_is_reread_from_the_first_day_ever_asked_for() {
    for start_date in [Value::Null, json!("2024-06-07")] {
        let (mut nvda, _) = before_the_split();
        split(&nvda);
        let second = nvda.set("start_date", start_date).sync(TUESDAY);
        assert_eq!(
            second.prices().first(),
            Some(&("NVDA", "2024-06-05", 122.44))
        );
    }
}

#[test]
fn recorded_split_of_aapl_is_reread_with_its_figures() {
    // As traded and as adjusted: the close of 2020-08-28 was 499.23 and is 124.8075.
    let traded = [
        (date(2020, 8, 25), 499.3),
        (date(2020, 8, 26), 506.09),
        (date(2020, 8, 27), 500.04),
        (date(2020, 8, 28), 499.23),
        (date(2020, 8, 31), 129.04),
        (date(2020, 9, 1), 134.18),
    ];
    let mut market = Market::at("2020-08-29T12:00:00Z");
    market
        .days("AAPL", &traded)
        .split("AAPL", date(2020, 8, 31), 4.0);
    let mut aapl = Scenario::new(market, "AAPL", "stock_prices", "2020-08-25");
    assert_eq!(aapl.sync("2020-08-29T12:00:00Z").prices()[3].2, 499.23);
    let second = aapl.sync("2020-09-02T12:00:00Z");
    let closes: Vec<f64> = second.prices().iter().map(|price| price.2).collect();
    assert_eq!(
        closes,
        [124.825, 126.5225, 125.01, 124.8075, 129.04, 134.18]
    );
    aapl.assert_true("after the split");
}

#[test]
fn unadjusted_prices_do_not_change_with_a_split() {
    let mut nvda = nvda();
    nvda.set("adjusted", false).sync(SATURDAY);
    split(&nvda);
    let second = nvda.sync(TUESDAY);
    assert_eq!(second.prices(), [("NVDA", "2024-06-10", 121.79)]);
    assert_eq!(second.records()[0]["adjusted"], false);
    let requests = nvda.requests();
    assert!(!requests.is_empty());
    assert!(
        requests
            .iter()
            .all(|request| request.query.contains("adjusted=false"))
    );
}

#[test]
fn other_value_of_adjusted_rereads_everything() {
    let (mut nvda, _) = before_the_split();
    let second = nvda.set("adjusted", false).sync(SATURDAY);
    assert_eq!(second.records().len(), 3);
    let warning = r#"NVDA: "adjusted" is now false; re-reading the history from 2024-06-05"#;
    assert_eq!(second.logs("WARN"), [warning]);
    assert_eq!(second.last_state()["NVDA"]["adjusted"], false);
    nvda.assert_true("on the other basis");
    assert_eq!(nvda.sync(SATURDAY).records().len(), 0);
}

/// The figures that were recorded of AAPL in January 2023, read on the 10th.
fn aapl() -> Scenario {
    let mut market = Market::at("2023-01-10T12:00:00Z");
    for (day, bar) in AAPL {
        market.day("AAPL", day, bar);
    }
    let mut aapl = Scenario::new(market, "AAPL", "stock_prices", "2023-01-01");
    assert_eq!(aapl.sync("2023-01-10T12:00:00Z").records().len(), 5);
    aapl
}

#[test]
fn corrected_bar_alone_is_emitted_again_whatever_field_changed() {
    let changes: [fn(&mut TradedBar); 6] = [
        |bar| bar.open += 0.01,
        |bar| bar.high += 0.01,
        |bar| bar.low -= 0.01,
        |bar| bar.close += 0.01,
        |bar| bar.volume = Some(70_790_900.0),
        |bar| bar.traded = Some((131.6292, 645_366)),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let mut aapl = aapl();
        let corrected = new_york_midnight(date(2023, 1, 5));
        aapl.correct(BarSize::DAY, "AAPL", corrected, change);
        let second = aapl.sync("2023-01-10T12:00:00Z");
        let days: Vec<_> = second
            .prices()
            .iter()
            .map(|price| price.1.to_owned())
            .collect();
        assert_eq!(days, ["2023-01-05"], "field {number}");
        let log = "AAPL: re-emitted 1 bar of 2023-01-05: the API has corrected or added some";
        assert_eq!(
            (second.logs("INFO")[0], second.logs("WARN").len()),
            (log, 0)
        );
        aapl.assert_true("after the correction");
        assert_eq!(aapl.requests().len(), 1);
        assert_eq!(aapl.sync("2023-01-10T12:00:00Z").records().len(), 0);
    }
}

#[test]
fn state_before_a_correction_says_that_its_bars_are_to_come_again() {
    let mut aapl = aapl();
    let corrected = new_york_midnight(date(2023, 1, 5));
    aapl.correct(BarSize::DAY, "AAPL", corrected, |bar| bar.close += 0.01);
    let second = aapl.sync("2023-01-10T12:00:00Z");
    let place = |kind: &str| {
        second
            .messages
            .iter()
            .position(|message| message["type"] == kind)
    };
    assert!(place("STATE") < place("RECORD"));
    let digests = |state: &Value| state["stream"]["stream_state"]["AAPL"]["digests"].to_string();
    let states: Vec<_> = second.states().iter().map(digests).collect();
    assert!(states[0].contains("2023-01-05=?"), "{states:?}");
    assert!(!states[1].contains('?'), "{states:?}");
}

#[test]
fn corrected_first_bar_alone_is_emitted_again() {
    let (mut nvda, _) = before_the_split();
    let corrected = TradedBar::closing_at(1224.5);
    nvda.api.market().day("NVDA", date(2024, 6, 5), corrected);
    let second = nvda.sync(SATURDAY);
    assert_eq!(
        (second.logs("WARN"), second.prices()),
        (vec![], vec![("NVDA", "2024-06-05", 1224.5)])
    );
    nvda.assert_true("after the correction");
}

#[test]
fn split_is_told_by_the_first_bar_that_is_still_there() {
    let (mut nvda, _) = before_the_split();
    nvda.api
        .market()
        .remove(BarSize::DAY, "NVDA", new_york_midnight(date(2024, 6, 5)));
    split(&nvda);
    let second = nvda.sync(TUESDAY);
    let reread = REREAD.replacen("2024-06-05", "2024-06-06", 1);
    assert_eq!(second.logs("WARN")[0], reread);
}

#[test]
fn vanished_bar_is_warned_about_once_and_its_row_stays() {
    let (mut nvda, _) = before_the_split();
    nvda.api
        .market()
        .remove(BarSize::DAY, "NVDA", new_york_midnight(date(2024, 6, 7)));
    let second = nvda.sync(SATURDAY);
    let warning =
        "NVDA: the API no longer has 1 bar of 2024-06-07; the rows stay in the destination";
    assert_eq!(
        (second.logs("WARN"), second.records().len()),
        (vec![warning], 0)
    );
    let third = nvda.sync(SATURDAY);
    assert_eq!((third.logs("WARN").len(), third.records().len()), (0, 0));
    nvda.api.market().days("NVDA", &NVDA[2..3]);
    let fourth = nvda.sync(SATURDAY);
    assert_eq!(
        fourth.prices(),
        [("NVDA", "2024-06-07", 1208.88)],
        "it is back"
    );
    nvda.assert_true("as before");
}

#[test]
fn answer_that_is_suddenly_empty_is_asked_for_twice_and_moves_nothing() {
    let (mut nvda, first) = before_the_split();
    let bars = std::mem::take(&mut nvda.api.market().bars);
    let second = nvda.sync(SATURDAY);
    assert_eq!(nvda.requests().len(), 2, "it is not believed at once");
    assert_eq!(second.records().len(), 0);
    let (mut state, known) = (second.last_state(), first.last_state());
    assert_eq!(state["NVDA"]["missing"].take(), true);
    state["NVDA"].as_object_mut().unwrap().remove("missing");
    assert_eq!(state, known, "the state stands");
    assert_eq!(second.logs("WARN").len(), 1);
    assert!(second.logs("WARN")[0].contains("no longer has any of the synced bars"));
    let third = nvda.sync(SATURDAY);
    assert_eq!(
        (third.logs("WARN").len(), nvda.requests().len()),
        (0, 1),
        "told once"
    );
    nvda.api.market().bars = bars;
    let fourth = nvda.sync(SATURDAY);
    assert_eq!((fourth.records().len(), fourth.logs("WARN").len()), (0, 0));
    assert_eq!(fourth.last_state(), known);
}

#[test]
fn answer_that_is_empty_only_once_is_not_told() {
    let (mut nvda, first) = before_the_split();
    let empty =
        r#"{"ticker":"NVDA","queryCount":0,"resultsCount":0,"adjusted":true,"status":"OK"}"#;
    nvda.api.inject_faults(move |number, _| {
        (number == 0).then(|| Fault::changed(move |_| empty.to_owned()))
    });
    let second = nvda.sync(SATURDAY);
    assert_eq!((second.records().len(), second.logs("WARN").len()), (0, 0));
    assert_eq!(
        (second.last_state(), nvda.requests().len()),
        (first.last_state(), 2)
    );
}

#[test]
fn reread_that_is_broken_off_is_resumed_after_its_last_page() {
    for good_requests in 1..=4 {
        let (mut nvda, _) = before_the_split();
        split(&nvda);
        nvda.api.market().page_size = 1;
        nvda.break_after(good_requests);
        let second = nvda.try_sync(TUESDAY);
        assert_eq!(
            second.exit_code == Some(0),
            good_requests >= 4,
            "{good_requests}"
        );
        nvda.api.heal();
        let third = nvda.sync(TUESDAY);
        let records = second.records().len() + third.records().len();
        assert_eq!(records, 4, "nothing of it is emitted twice");
        nvda.assert_true("after both");
        let state = &nvda.connector.state.as_ref().unwrap()[0]["stream"]["stream_state"]["NVDA"];
        assert_eq!(
            (&state["until"], &state["date"]),
            (&Value::Null, &json!("2024-06-10"))
        );
        assert_eq!(nvda.sync(TUESDAY).records().len(), 0);
    }
}

#[test]
fn reread_that_is_cut_off_after_any_line_is_resumed_from_its_last_state() {
    for lines in 0..25 {
        let (mut nvda, _) = before_the_split();
        split(&nvda);
        nvda.api.market().page_size = 1;
        nvda.sync_until_line(TUESDAY, lines);
        nvda.sync(TUESDAY);
        nvda.assert_true(&format!("cut off after {lines} lines"));
        assert_eq!(nvda.sync(TUESDAY).records().len(), 0);
    }
}

#[test]
fn reread_that_is_broken_off_and_overtaken_by_another_split_ends_on_one_basis() {
    for lines in 0..25 {
        let (mut nvda, _) = before_the_split();
        split(&nvda);
        nvda.api.market().page_size = 1;
        nvda.sync_until_line(TUESDAY, lines);
        nvda.api.market().split("NVDA", date(2024, 6, 12), 2.0);
        nvda.sync("2024-06-13T12:00:00Z");
        nvda.assert_true(&format!("cut off after {lines} lines"));
    }
}

#[test]
fn backfill_that_is_cut_off_is_resumed_without_doubles() {
    for good_requests in 1..8 {
        let (mut nvda, _) = before_the_split();
        let days: Vec<_> = (1..=9)
            .map(|day| (date(2024, 5, day), 880.0 + f64::from(day)))
            .collect();
        nvda.api.market().days("NVDA", &days).page_size = 2;
        nvda.break_after(good_requests);
        let second = nvda.set("start_date", "2024-05-01").try_sync(SATURDAY);
        nvda.api.heal();
        let third = nvda.sync(SATURDAY);
        nvda.assert_true(&format!("cut off after {good_requests} requests"));
        assert_eq!(
            second.records().len() + third.records().len(),
            9,
            "{good_requests}"
        );
        assert_eq!(third.last_state()["NVDA"]["since"], "2024-05-01");
    }
}
