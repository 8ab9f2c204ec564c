//! What waits to be sent: lanes of operations that may share a request, requests that wait for
//! another attempt, and operations that wait for an earlier one on the same record.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use foldhash::HashMap;
use outflow_sdk::destination::{Encoded, Operation, Route};
use tokio::time::Instant;

/// What the delivery remembers of an operation it holds.
#[derive(Clone, Debug, Default)]
pub(super) struct Note {
    /// The record it means.
    pub identity: u64,
    /// Requests that carried it.
    pub attempts: u32,
    /// Failed attempts since it last made progress.
    pub tries: u32,
    /// Throttled attempts since it last made progress.
    pub throttles: u32,
    /// Times its address turned out to be stale.
    pub stale: u32,
    /// Times it was routed on without anything being acknowledged.
    pub detours: u32,
    /// Routed on after an answer: no longer where the feed put it.
    pub routed_on: bool,
    /// Some attempt may have been applied.
    pub in_doubt: bool,
    /// The vendor's id of the last exchange.
    pub correlation: Option<Arc<str>>,
}

/// An operation the delivery holds.
pub(super) type Item = (Operation, Note);

/// Operations that go out together.
#[derive(Debug)]
pub(super) struct Parcel {
    pub route: Route,
    pub operations: Vec<Operation>,
    /// One for each operation.
    pub notes: Vec<Note>,
    /// The request, when the parcel was sent before and goes out unchanged.
    pub encoded: Option<Encoded>,
    /// Whether it repeats an earlier request.
    pub again: bool,
}

impl Parcel {
    pub(super) fn new(route: Route, items: impl IntoIterator<Item = Item>) -> Self {
        let (operations, notes) = items.into_iter().unzip();
        Self {
            route,
            operations,
            notes,
            encoded: None,
            again: false,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.operations.len()
    }

    pub(super) fn into_items(self) -> impl Iterator<Item = Item> {
        self.operations.into_iter().zip(self.notes)
    }

    /// Keeps the first `count` operations, gives back the others.
    pub(super) fn split_off(&mut self, count: usize) -> Parcel {
        Parcel {
            route: self.route,
            operations: self.operations.split_off(count.min(self.operations.len())),
            notes: self.notes.split_off(count.min(self.notes.len())),
            encoded: None,
            again: self.again,
        }
    }
}

struct Lane {
    route: Route,
    items: VecDeque<Item>,
    /// How many of them were not routed on after an answer.
    fresh: usize,
}

impl Lane {
    fn rows(&self) -> usize {
        self.route.max_rows.max(1)
    }

    fn take(&mut self) -> Parcel {
        let count = self.rows().min(self.items.len());
        let parcel = Parcel::new(self.route, self.items.drain(..count));
        self.fresh -= parcel.notes.iter().filter(|note| !note.routed_on).count();
        parcel
    }
}

/// When a lane that is not full may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flush {
    /// It waits for more.
    No,
    /// The feed is at its end: lanes it fed send; the others once no answer can add to them.
    End {
        /// No request is out.
        idle: bool,
    },
    /// No more operations may be held: the fullest lane sends.
    Crammed,
}

/// Everything that waits to be sent.
#[derive(Default)]
pub(super) struct Lanes {
    lanes: Vec<Lane>,
    ready: VecDeque<Parcel>,
    later: BTreeMap<(Instant, u64), Parcel>,
    sequence: u64,
}

impl Lanes {
    pub(super) fn push(&mut self, route: Route, item: Item) {
        let lane = match self.lanes.iter().position(|lane| lane.route == route) {
            Some(at) => self.lanes.get_mut(at),
            None => {
                self.lanes.push(Lane {
                    route,
                    items: VecDeque::new(),
                    fresh: 0,
                });
                self.lanes.last_mut()
            }
        };
        if let Some(lane) = lane {
            lane.fresh += usize::from(!item.1.routed_on);
            lane.items.push_back(item);
        }
    }

    /// What did not fit into a request goes back to where it came from.
    pub(super) fn push_front(&mut self, parcel: Parcel) {
        if parcel.again {
            self.ready.push_front(parcel);
            return;
        }
        let route = parcel.route;
        if let Some(lane) = self.lanes.iter_mut().find(|lane| lane.route == route) {
            for item in parcel.into_items().collect::<Vec<_>>().into_iter().rev() {
                lane.fresh += usize::from(!item.1.routed_on);
                lane.items.push_front(item);
            }
        }
    }

    /// A parcel that goes out whole, not before `at`.
    pub(super) fn push_parcel(&mut self, parcel: Parcel, at: Instant, now: Instant) {
        if at <= now {
            self.ready.push_back(parcel);
        } else {
            self.sequence += 1;
            self.later.insert((at, self.sequence), parcel);
        }
    }

    /// Makes parcels whose time has come ready; when the next one's comes.
    pub(super) fn wake(&mut self, now: Instant) -> Option<Instant> {
        while let Some(entry) = self.later.first_entry() {
            let at = entry.key().0;
            if at > now {
                return Some(at);
            }
            self.ready.push_back(entry.remove());
        }
        None
    }

    /// Whether a full request is waiting.
    pub(super) fn full(&self) -> bool {
        !self.ready.is_empty() || self.lanes.iter().any(|lane| lane.items.len() >= lane.rows())
    }

    fn next_lane(&self, flush: Flush) -> Option<usize> {
        // Later lanes first: they finish what earlier ones began.
        if let Some(at) = self
            .lanes
            .iter()
            .rposition(|lane| lane.items.len() >= lane.rows())
        {
            return Some(at);
        }
        match flush {
            Flush::No => None,
            Flush::Crammed => {
                let fullest = (0..).zip(&self.lanes).max_by_key(|(_, lane)| lane.items.len())?;
                (!fullest.1.items.is_empty()).then_some(fullest.0)
            }
            Flush::End { idle } => {
                let fed = self.lanes.iter().position(|lane| lane.fresh > 0);
                let any = || self.lanes.iter().position(|lane| !lane.items.is_empty());
                fed.or_else(|| if idle { any() } else { None })
            }
        }
    }

    /// Whether [`Lanes::take`] would give something.
    pub(super) fn sendable(&self, flush: Flush) -> bool {
        !self.ready.is_empty() || self.next_lane(flush).is_some()
    }

    /// The next request's operations.
    pub(super) fn take(&mut self, flush: Flush) -> Option<Parcel> {
        if let Some(parcel) = self.ready.pop_front() {
            return Some(parcel);
        }
        let at = self.next_lane(flush)?;
        self.lanes.get_mut(at).map(Lane::take)
    }

    /// Everything, in no order.
    pub(super) fn drain(&mut self) -> Vec<Item> {
        let mut items: Vec<Item> = Vec::new();
        for parcel in self.ready.drain(..) {
            items.extend(parcel.into_items());
        }
        for parcel in std::mem::take(&mut self.later).into_values() {
            items.extend(parcel.into_items());
        }
        for lane in self.lanes.drain(..) {
            items.extend(lane.items);
        }
        items
    }
}

/// One operation on each record at a time: the records with an operation under way, and the
/// operations that wait for it to be settled.
#[derive(Default)]
pub(super) struct Records {
    active: HashMap<u64, VecDeque<Item>>,
}

impl Records {
    /// The item, if nothing on its record is under way (then it is now); else it waits.
    pub(super) fn enter(&mut self, item: Item) -> Option<Item> {
        match self.active.get_mut(&item.1.identity) {
            Some(waiting) => {
                waiting.push_back(item);
                None
            }
            None => {
                self.active.insert(item.1.identity, VecDeque::new());
                Some(item)
            }
        }
    }

    /// The operation under way is settled; the one that waited for it longest.
    pub(super) fn leave(&mut self, identity: u64) -> Option<Item> {
        let next = self.active.get_mut(&identity)?.pop_front();
        if next.is_none() {
            self.active.remove(&identity);
        }
        next
    }

    /// Everything that waits, in no order.
    pub(super) fn drain(&mut self) -> Vec<Item> {
        std::mem::take(&mut self.active).into_values().flatten().collect()
    }
}
