//! Ready: the next requests, encoded while every place in flight is taken, so that a place that is given
//! back does not stand empty for as long as it takes to write a body.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::task::JoinHandle;

use super::lane::Parcel;
use super::send::{Shared, encode};

/// Most requests made ready: as many as there are places that one transaction of the state mostly gives back.
const MOST: usize = 3;

/// Requests that only wait for a place, in their order.
#[derive(Default)]
pub(super) struct Ready {
    parcels: VecDeque<JoinHandle<Parcel>>,
}

impl Ready {
    pub(super) fn has_room(&self) -> bool {
        self.parcels.len() < MOST
    }

    pub(super) fn is_empty(&self) -> bool {
        self.parcels.is_empty()
    }

    /// Begins to encode a parcel.
    pub(super) fn make(&mut self, shared: Arc<Shared>, mut parcel: Parcel) {
        self.parcels.push_back(tokio::spawn(async move {
            // Whoever sends it encodes it again, and is told the error.
            parcel.encoded = encode(&shared, &mut parcel).ok();
            parcel
        }));
    }

    /// The one that waits longest; it may still be being encoded.
    pub(super) fn next(&mut self) -> Option<JoinHandle<Parcel>> {
        self.parcels.pop_front()
    }
}
