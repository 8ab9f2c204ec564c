//! The requests a delivery would send, without sending any.
//!
//! Operations are refused, routed, packed and encoded by the code of a delivery and in its order, so
//! the bytes are the same. What only an answer decides is not known before: later stages of an
//! operation, second tries, and what follows a look-up.

use outflow_sdk::destination::{Binding, Operation, Rejection, Request};

use super::lane::{Flush, Item, Lanes, Note, Parcel, Records};

/// What a delivery would send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Preview {
    /// Requests.
    pub requests: u64,
    /// Operations that would be refused before a request is spent on them.
    pub refused: u64,
}

/// Told of each request and each refused operation, in the order of a delivery.
pub trait Audience<E> {
    /// A request with its operations.
    ///
    /// # Errors
    /// Whatever keeps it from being shown; the preview then ends.
    fn request(&mut self, request: &Request, operations: &[Operation]) -> Result<(), E>;

    /// An operation that would be refused.
    ///
    /// # Errors
    /// Whatever keeps it from being shown; the preview then ends.
    fn refused(&mut self, operation: &Operation, rejection: &Rejection) -> Result<(), E>;
}

/// Packs `operations` as a delivery would when every request succeeds at once.
///
/// # Errors
/// The first of the operations that cannot be read, and what the audience says.
pub fn preview<E>(
    binding: &dyn Binding,
    operations: impl Iterator<Item = Result<Operation, E>>,
    audience: &mut impl Audience<E>,
) -> Result<Preview, E> {
    let mut packing = Packing {
        binding,
        lanes: Lanes::default(),
        records: Records::default(),
        seen: Preview::default(),
    };
    for operation in operations {
        let operation = operation?;
        if let Err(rejection) = binding.inspect(&operation) {
            packing.seen.refused += 1;
            audience.refused(&operation, &rejection)?;
            continue;
        }
        packing.admit(operation);
        packing.send(Flush::No, audience)?;
    }
    packing.send(Flush::End { idle: true }, audience)?;
    Ok(packing.seen)
}

struct Packing<'a> {
    binding: &'a dyn Binding,
    lanes: Lanes,
    records: Records,
    seen: Preview,
}

impl Packing<'_> {
    fn admit(&mut self, operation: Operation) {
        let note = Note {
            identity: self.binding.identity(&operation),
            ..Note::default()
        };
        if let Some(item) = self.records.enter((operation, note)) {
            self.route(item);
        }
    }

    fn route(&mut self, item: Item) {
        let route = self.binding.route(&item.0);
        self.lanes.push(route, item);
    }

    fn send<E>(&mut self, flush: Flush, audience: &mut impl Audience<E>) -> Result<(), E> {
        while let Some(mut parcel) = self.lanes.take(flush) {
            let encoded = self.binding.encode(parcel.route, &parcel.operations);
            // An encoder takes at least one; nothing would ever end otherwise.
            let rest = parcel.split_off(encoded.taken.max(1));
            if rest.len() > 0 {
                self.lanes.push_front(rest);
            }
            self.seen.requests += 1;
            audience.request(&encoded.request, &parcel.operations)?;
            self.settle(parcel);
        }
        Ok(())
    }

    fn settle(&mut self, parcel: Parcel) {
        for (_, note) in parcel.into_items() {
            if let Some(next) = self.records.leave(note.identity) {
                self.route(next);
            }
        }
    }
}
