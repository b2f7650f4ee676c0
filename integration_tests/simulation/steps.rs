//! What a history is made of: how it begins, and one step after the other, as data, so that steps can be left out.

use super::days::{Day, HOUR};
use super::faults::Fault;
use super::market::Plan;

/// How a history begins.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The seed of the market's bars.
    pub seed: u64,
    /// Places in the table of streams.
    pub streams: Vec<usize>,
    pub tickers: Vec<&'static str>,
    /// How many of them are read at first.
    pub selected: usize,
    pub plan: Plan,
    pub page_size: usize,
    /// When it begins.
    pub now: i64,
    /// `start_date`, in days before the history begins; `None` for the default.
    pub start: Option<Day>,
    /// How many days of dense bars there are before, and over how many days sparse ones before those.
    pub dense: Day,
    pub sparse: Day,
    /// The average distance of sparse bars, in days.
    pub every: Day,
    pub has_unusable_rows: bool,
    /// Whether each successful sync is followed by one that begins anew.
    pub is_full_refresh: bool,
}

/// A bar that is there: counted from the first or the last, or by its place in a thousand.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pick {
    First(usize),
    Last(usize),
    Any(usize),
}

/// A field of a bar.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Field {
    Open,
    Close,
    Volume,
    Vwap,
    Trades,
}

/// From when on the API knows a split.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum KnownFrom {
    Now,
    /// Eight o'clock on the evening before its first day.
    Evening,
    /// The midnight that begins its first day.
    Midnight,
}

/// How a run is killed, and what becomes of what it wrote.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Kill {
    /// After how many thousandths of its lines.
    pub after: usize,
    /// How many STATEs before its last one the platform goes back.
    pub back: usize,
    /// Whether the destination keeps the rows after its last STATE.
    pub keeps_rest: bool,
}

/// One thing that happens.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Minutes pass.
    Wait(i64),
    /// The clock moves to the market's next day, to this many minutes after midnight.
    NextDay(i64),
    Correct {
        ticker: usize,
        pick: Pick,
        field: Field,
        by: u32,
    },
    /// The last correction is taken back.
    TakeBack,
    /// Volumes of the last session settle.
    Settle {
        ticker: usize,
    },
    /// Bars that were hidden come late.
    Late {
        ticker: usize,
        pick: Pick,
        count: usize,
    },
    Remove {
        ticker: usize,
        pick: Pick,
        count: usize,
    },
    /// A split whose first day is this many days after today.
    Split {
        ticker: usize,
        in_days: Day,
        ratio: f64,
        known: KnownFrom,
    },
    /// The last split turns out to have been none.
    Unsplit {
        ticker: usize,
    },
    /// The last split moves back by this many days.
    Redate {
        ticker: usize,
        days: Day,
    },
    /// No more bars.
    Delist {
        ticker: usize,
    },
    /// The next responses for a past day of the whole market are empty or have a third of its rows. Those of splits and
    /// dividends have a third of the tickers.
    BadDay {
        days_ago: Day,
        is_empty: bool,
        requests: u32,
    },
    /// The plan becomes one with two years of history, without today.
    Lapse,
    /// The clock was this many days ahead, and is set back.
    SetBack(Day),
    Start(Option<Day>),
    End(Option<Day>),
    ToggleAdjusted,
    AddTicker(usize),
    RemoveTicker(usize),
    Sync {
        faults: Vec<(usize, Fault)>,
        kill: Option<Kill>,
    },
}

impl Step {
    pub fn is_sync(&self) -> bool {
        matches!(self, Step::Sync { .. })
    }

    /// A sync in which nothing goes wrong.
    pub fn sync() -> Step {
        Step::Sync { faults: Vec::new(), kill: None }
    }
}

/// The longest ordinary pause, in minutes.
pub const MAX_PAUSE: i64 = 40 * HOUR / 60_000;

impl Step {
    /// The same with less going wrong.
    pub fn simpler(&self) -> Vec<Step> {
        match self {
            Step::Sync { faults, kill } => {
                let mut simpler = Vec::new();
                if kill.is_some() {
                    simpler.push(Step::Sync { faults: faults.clone(), kill: None });
                }
                if !faults.is_empty() {
                    simpler.push(Step::Sync { faults: Vec::new(), kill: *kill });
                }
                simpler
            }
            _ => Vec::new(),
        }
    }
}

impl Setup {
    /// The same with less to it.
    pub fn simpler(&self) -> Vec<Setup> {
        let mut simpler = Vec::new();
        let mut try_with = |change: &dyn Fn(&mut Setup)| {
            let mut setup = self.clone();
            change(&mut setup);
            simpler.push(setup);
        };
        for place in 0..self.streams.len().min(2) {
            if self.streams.len() > 1 {
                try_with(&|setup| setup.streams = vec![self.streams[place]]);
            }
        }
        if self.plan.years.is_some() {
            try_with(&|setup| setup.plan.years = None);
        }
        if self.plan.refuses_earlier {
            try_with(&|setup| setup.plan.refuses_earlier = false);
        }
        if self.is_full_refresh {
            try_with(&|setup| setup.is_full_refresh = false);
        }
        if self.page_size < 50_000 {
            try_with(&|setup| setup.page_size = 50_000);
        }
        if self.selected > 1 {
            try_with(&|setup| setup.selected = 1);
        }
        if self.sparse > 0 {
            try_with(&|setup| setup.sparse = 0);
        }
        if self.dense > 3 {
            try_with(&|setup| setup.dense = 3);
        }
        simpler
    }

    /// How it begins, for people.
    pub fn tell(&self) -> String {
        let Setup { tickers, selected, plan, page_size, .. } = self;
        let years = plan.years.map_or("all years".to_owned(), |years| format!("{years} years"));
        let earlier = if plan.refuses_earlier { "refuses" } else { "leaves out" };
        let mode = if self.is_full_refresh { "full refresh" } else { "incremental" };
        let today = if plan.shows_today { "" } else { "not " };
        format!(
            "{mode}; tickers {:?} of {tickers:?}; the plan shows {years}, {earlier} what is earlier, and does {today}show today; {page_size} bars a page; start_date {:?} days before",
            &tickers[..*selected],
            self.start
        )
    }
}
