//! What the state of a stream of splits or dividends remembers, in one short text per ticker.
//!
//! `8*1a2b3c4d@2024-11-08+1*5e6f7a8b` stands for eight events with the sum of their checksums; the oldest of them is of
//! that day, on which there is one event with that checksum.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::{Context, Result};
use serde_json::{Map, Value};

use crate::calendar::{Date, parse_date};

/// In the state of a ticker: its events have to be emitted again.
const BACKLOG: &str = "backlog";

/// Some events of a ticker: their number, and the sum of their checksums.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct EventSum {
    /// The number.
    pub(crate) events: u32,
    checksum: u32,
}

impl EventSum {
    fn add(&mut self, checksum: u32) {
        self.events = self.events.saturating_add(1);
        self.checksum = self.checksum.wrapping_add(checksum);
    }

    fn without(self, other: EventSum) -> EventSum {
        EventSum {
            events: self.events.saturating_sub(other.events),
            checksum: self.checksum.wrapping_sub(other.checksum),
        }
    }

    fn parse(text: &str) -> Option<EventSum> {
        let (events, checksum) = text.split_once('*')?;
        Some(EventSum { events: events.parse().ok()?, checksum: u32::from_str_radix(checksum, 16).ok()? })
    }
}

impl fmt::Display for EventSum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}*{:x}", self.events, self.checksum)
    }
}

/// The events of a ticker.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct TickerEvents {
    /// All of them.
    pub(crate) all: EventSum,
    /// The oldest day, and its events.
    oldest: Option<(Date, EventSum)>,
}

impl TickerEvents {
    /// Adds an event of that day.
    pub(crate) fn add(&mut self, day: Option<Date>, checksum: u32) {
        self.all.add(checksum);
        let Some(day) = day else { return };
        let oldest = self.oldest.get_or_insert((day, EventSum::default()));
        if day < oldest.0 {
            *oldest = (day, EventSum::default());
        }
        if day == oldest.0 {
            oldest.1.add(checksum);
        }
    }

    /// The oldest day.
    pub(crate) fn oldest_day(&self) -> Option<Date> {
        self.oldest.map(|(day, _)| day)
    }

    /// The events without those of the oldest day.
    pub(crate) fn without_oldest_day(&self) -> EventSum {
        self.oldest.map_or(self.all, |(_, oldest)| self.all.without(oldest))
    }

    fn parse(text: &str) -> Option<TickerEvents> {
        let Some((all, oldest)) = text.split_once('@') else {
            let (all, oldest) = (EventSum::parse(text)?, None);
            return Some(TickerEvents { all, oldest });
        };
        let (day, sum) = oldest.split_once('+').unwrap_or((oldest, all));
        Some(TickerEvents { all: EventSum::parse(all)?, oldest: Some((parse_date(day)?, EventSum::parse(sum)?)) })
    }
}

impl fmt::Display for TickerEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.all.fmt(f)?;
        match self.oldest {
            Some((day, oldest)) if oldest == self.all => write!(f, "@{day}"),
            Some((day, oldest)) => write!(f, "@{day}+{oldest}"),
            None => Ok(()),
        }
    }
}

/// The events that were emitted, by ticker; `None` for those that have to be emitted again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct EmittedEvents(pub(super) BTreeMap<String, Option<TickerEvents>>);

impl EmittedEvents {
    /// The `stream_state` of a STATE message.
    pub(crate) fn to_json(&self) -> Value {
        let text =
            |events: &Option<TickerEvents>| events.map_or_else(|| BACKLOG.to_owned(), |events| events.to_string());
        let entries = self.0.iter();
        let entries = entries.map(|(ticker, events)| (ticker.clone(), text(events).into()));
        entries.collect::<Map<_, _>>().into()
    }

    /// Reads what [`Self::to_json`] writes.
    pub(crate) fn from_json(entries: &Map<String, Value>) -> Result<EmittedEvents> {
        let parse = |json: &Value| match json.as_str()? {
            BACKLOG => Some(None),
            text => TickerEvents::parse(text).map(Some),
        };
        let mut events = BTreeMap::new();
        for (ticker, json) in entries.iter().filter(|(_, json)| !json.is_null()) {
            let parsed = parse(json).with_context(|| {
                format!("{ticker:?} must be {BACKLOG:?} or a text such as \"2*1a2b3c4d@2024-11-08\"")
            })?;
            events.insert(ticker.clone(), parsed);
        }
        Ok(EmittedEvents(events))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_ticker_is_read_again() {
        let day = |text: &str| parse_date(text);
        let mut events = TickerEvents::default();
        for (added, text) in [
            (None, "0*0"),
            (Some((None, 5)), "1*5"),
            (Some((day("2025-02-07"), 0xa0)), "2*a5@2025-02-07+1*a0"),
            (Some((day("2024-11-08"), 0x100)), "3*1a5@2024-11-08+1*100"),
            (Some((day("2024-11-08"), 0x200)), "4*3a5@2024-11-08+2*300"),
            (Some((day("2026-01-01"), u32::MAX)), "5*3a4@2024-11-08+2*300"),
        ] {
            if let Some((day, checksum)) = added {
                events.add(day, checksum);
            }
            assert_eq!(events.to_string(), text);
            assert_eq!(TickerEvents::parse(text), Some(events), "{text}");
        }
        assert_eq!(events.without_oldest_day().to_string(), "3*a4");
        let mut only = TickerEvents::default();
        only.add(day("2024-11-08"), 7);
        assert_eq!(only.to_string(), "1*7@2024-11-08");
        assert_eq!(TickerEvents::parse("1*7@2024-11-08"), Some(only));
    }

    #[test]
    fn a_text_that_no_version_wrote_is_refused() {
        for text in ["", "1", "1*", "*7", "1*7@", "1*7@2024-13-08", "1*7@2024-11-08+", "1*xyz", "-1*7"] {
            assert_eq!(TickerEvents::parse(text), None, "{text}");
        }
    }
}
