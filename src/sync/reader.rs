//! The pages of a range of days, window by window, each filtered.

use std::collections::VecDeque;

use super::page_filter::PageFilter;
use super::source::PageSource;
use super::steps::Plan;
use super::windows::{Direction, Windows};
use crate::calendar::{Date, DateRange, day_before};
use crate::polygon::response::Page;
use crate::polygon::{ApiError, Event, Paging, Request, Ticket};
use crate::streams::{Endpoint, SeriesId};

/// A page of a read.
pub(crate) struct ReadPage {
    /// Its bars are those of the window, in order, each with its cursor.
    pub(crate) page: Page,
    /// The window that it belongs to.
    pub(crate) window: DateRange,
    /// Whether it is the window's last one.
    pub(crate) ends_window: bool,
}

/// The window that is being read.
struct OpenWindow {
    days: DateRange,
    paging: Paging,
    next: Option<Request>,
    is_first_page: bool,
    is_asked_again: bool,
    ticket: Option<Ticket>,
}

/// Reads the pages of a range of days.
pub(crate) struct PageReader {
    plan: Plan,
    series: SeriesId,
    windows: Windows,
    planned: VecDeque<(DateRange, Request, Ticket)>,
    open: Option<OpenWindow>,
    /// What was left out is counted here.
    pub(crate) filter: PageFilter,
    /// How many pages were read.
    pub(crate) pages: usize,
}

impl PageReader {
    /// Asks nothing yet. Bars after `last_cursor` are left out.
    pub(crate) fn new(
        plan: Plan,
        series: &SeriesId,
        days: DateRange,
        direction: Direction,
        last_cursor: i64,
    ) -> PageReader {
        PageReader {
            plan,
            series: series.clone(),
            windows: Windows::new(&plan, days, direction),
            planned: VecDeque::new(),
            open: None,
            filter: PageFilter::new(plan.calendar, last_cursor),
            pages: 0,
        }
    }

    /// The next page; `None` at the end.
    pub(crate) fn next(
        &mut self,
        source: &mut PageSource<'_>,
        on_event: &mut dyn FnMut(Event),
    ) -> Result<Option<ReadPage>, ApiError> {
        loop {
            let Some(mut open) = self.open.take().or_else(|| self.open_window()) else {
                return Ok(None);
            };
            let Some(request) = open.next.take() else {
                continue;
            };
            self.plan_ahead(source);
            let answer = match open.ticket.take() {
                Some(ticket) => source.wait(ticket, on_event),
                None => source.fetch(&request, on_event),
            };
            let mut page = match answer {
                Err(error) if error.is_past_the_end() && !open.is_first_page => continue,
                // A free plan refuses a window that holds nothing but today.
                Err(error)
                    if error.is_before_plan_history()
                        && self.pages > 0
                        && open.days.from >= self.plan.window.today =>
                {
                    return Ok(None);
                }
                // To the API, the last day is still today.
                Err(error)
                    if error.is_before_end_of_day()
                        && self.plan.stream.endpoint == Endpoint::Grouped =>
                {
                    return Ok(None);
                }
                answer => answer?,
            };
            self.pages += 1;
            if self.plan.stream.endpoint == Endpoint::Range {
                open.next = open.paging.next(&page)?;
                if self.is_suspicious(&page, &open) {
                    open.next = Some(request);
                    open.is_asked_again = true;
                    self.open = Some(open);
                    continue;
                }
            }
            self.filter_page(&mut page, &open)?;
            if open.next.is_some() && open.is_first_page && !source.rate_limited() {
                self.split(&mut page, &mut open);
            }
            open.is_first_page = false;
            let (window, ends_window) = (open.days, open.next.is_none());
            if !ends_window {
                self.open = Some(open);
            }
            return Ok(Some(ReadPage {
                page,
                window,
                ends_window,
            }));
        }
    }

    /// Whether a window in the middle of a history has no bars. Nobody would ask for it again, and under load the API has
    /// been seen to answer without bars that it has: it is asked once more.
    fn is_suspicious(&self, page: &Page, open: &OpenWindow) -> bool {
        let is_empty = page.bars().is_empty() && open.is_first_page && open.next.is_none();
        is_empty && self.windows.are_cut() && !open.is_asked_again
    }

    /// The request for a window.
    fn request(&self, window: DateRange) -> Request {
        request_for(&self.plan, &self.series, window)
    }

    fn open_window(&mut self) -> Option<OpenWindow> {
        let (days, request, ticket) =
            if let Some((days, request, ticket)) = self.planned.pop_front() {
                (days, request, Some(ticket))
            } else {
                let days = self.windows.next()?;
                (days, self.request(days), None)
            };
        if self.windows.direction() == Direction::Backward {
            self.filter.start_window();
        }
        Some(OpenWindow {
            days,
            paging: Paging::new(&request),
            next: Some(request),
            is_first_page: true,
            is_asked_again: false,
            ticket,
        })
    }

    /// Asks for the windows that follow, as far as there is room.
    fn plan_ahead(&mut self, source: &mut PageSource<'_>) {
        while self.windows.are_cut() && source.has_room() {
            let Some(days) = self.windows.next() else {
                return;
            };
            let request = self.request(days);
            if let Some(ticket) = source.prefetch(&request) {
                self.planned.push_back((days, request, ticket));
            }
        }
    }

    fn filter_page(&mut self, page: &mut Page, open: &OpenWindow) -> Result<(), ApiError> {
        match self.plan.stream.endpoint {
            Endpoint::Range => self.filter.ticker_page(page, open.days),
            Endpoint::Grouped => {
                self.filter.market_page(page, open.days.from);
                Ok(())
            }
        }
    }

    /// Cuts what follows a long history's first page into windows of as many days as that page covers, which can be
    /// asked for at the same time. What the page has of its last day comes again with the first of them.
    fn split(&mut self, page: &mut Page, open: &mut OpenWindow) {
        let calendar = self.plan.calendar;
        let is_splittable = !self.windows.are_cut() && self.plan.stream.timespan.is_intraday();
        let bars = page.bars();
        let (Some(first), Some(last), true) = (bars.first(), bars.last(), is_splittable) else {
            return;
        };
        let (first, last) = (calendar.date(first.cursor), calendar.date(last.cursor));
        let covered = u64::try_from((last - first).num_days()).unwrap_or(0);
        // Whole weeks have as many sessions each, so that a window does not exceed a page.
        let length = if covered >= 7 {
            covered / 7 * 7
        } else {
            covered
        };
        let rest = DateRange {
            from: last,
            ..open.days
        };
        if length == 0 || rest.len_days() <= length {
            return;
        }
        let begin = calendar.cursors(DateRange::day(last)).start;
        page.bars_mut().retain(|bar| bar.cursor < begin);
        self.filter.forget_from(begin);
        self.windows = Windows::forward(rest, length);
        open.days.to = day_before(last);
        open.next = None;
    }

    /// Makes the windows that follow longer when a window of so many bars was nearly empty.
    pub(crate) fn grow_windows_if_sparse(&mut self, bars_of_window: usize) {
        self.windows.grow_if_sparse(&self.plan, bars_of_window);
    }
}

/// The first request of a series that asks for these days.
pub(crate) fn first_request(plan: &Plan, series: &SeriesId, days: DateRange) -> Option<Request> {
    let window = Windows::new(plan, days, Direction::Forward).next()?;
    Some(request_for(plan, series, window))
}

fn request_for(plan: &Plan, series: &SeriesId, window: DateRange) -> Request {
    let adjusted = plan.basis.is_adjusted();
    match series {
        SeriesId::Ticker { name, market } => {
            Request::range(name, *market, plan.stream.timespan, window, adjusted)
        }
        SeriesId::WholeMarket => Request::grouped(window.from, adjusted),
    }
}

/// The request for the bars of one day of a series.
pub(crate) fn day_request(plan: &Plan, series: &SeriesId, day: Date) -> Request {
    request_for(plan, series, DateRange::day(day))
}
