//! Where a run's pages come from: the one pool of requests, kept busy with the first requests of the series that follow.

use std::collections::VecDeque;

use crate::polygon::response::Page;
use crate::polygon::{ApiError, Event, Fetcher, Request, Ticket};

/// The first request of a series, by the series' number in the run.
pub(crate) type FirstRequest = (usize, Request);

/// Asks for pages, and ahead for what will be needed next.
pub(crate) struct PageSource<'a> {
    fetcher: Fetcher,
    /// The first requests of the series that follow, which nobody has asked for yet.
    ahead: &'a mut dyn Iterator<Item = FirstRequest>,
    under_way: VecDeque<(usize, Request, Ticket)>,
}

impl<'a> PageSource<'a> {
    /// `ahead` are the first requests of all series, in the order in which they are read.
    pub(crate) fn new(
        fetcher: Fetcher,
        ahead: &'a mut dyn Iterator<Item = FirstRequest>,
    ) -> PageSource<'a> {
        PageSource {
            fetcher,
            ahead,
            under_way: VecDeque::new(),
        }
    }

    /// Drops what was asked ahead for series before this one and is not needed.
    pub(crate) fn begin_series(&mut self, number: usize) {
        self.under_way.retain(|(series, _, _)| *series >= number);
        self.ask_ahead();
    }

    /// Asks for a page and waits for it.
    pub(crate) fn fetch(
        &mut self,
        request: &Request,
        on_event: &mut dyn FnMut(Event),
    ) -> Result<Page, ApiError> {
        self.ask_ahead();
        match self
            .under_way
            .iter()
            .position(|(_, asked, _)| asked == request)
        {
            Some(place) => match self.under_way.remove(place) {
                Some((_, _, ticket)) => self.wait(ticket, on_event),
                None => self.fetcher.fetch(request, on_event),
            },
            None => self.fetcher.fetch(request, on_event),
        }
    }

    /// Waits for a page that was asked for ahead.
    pub(crate) fn wait(
        &mut self,
        ticket: Ticket,
        on_event: &mut dyn FnMut(Event),
    ) -> Result<Page, ApiError> {
        let page = self.fetcher.wait(ticket, on_event);
        self.ask_ahead();
        page
    }

    /// Asks for a page ahead, if there is room.
    pub(crate) fn prefetch(&mut self, request: &Request) -> Option<Ticket> {
        self.fetcher
            .has_room()
            .then(|| self.fetcher.prefetch(request))
    }

    /// Whether there is room to ask ahead.
    pub(crate) fn has_room(&self) -> bool {
        self.fetcher.has_room()
    }

    /// Whether the API has refused a request for its rate.
    pub(crate) fn rate_limited(&self) -> bool {
        self.fetcher.rate_limited()
    }

    /// How many requests a minute the API lets through, once that is known.
    pub(crate) fn limit(&self) -> Option<usize> {
        self.fetcher.limit()
    }

    fn ask_ahead(&mut self) {
        while self.fetcher.has_room() {
            let Some((series, request)) = self.ahead.next() else {
                return;
            };
            let ticket = self.fetcher.prefetch(&request);
            self.under_way.push_back((series, request, ticket));
        }
    }
}
