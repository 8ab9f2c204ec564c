//! Plan: what a run is about to do, row by row, before anything is written.

use std::path::Path;

use compact_str::CompactString;
use outflow_sdk::destination::{Action, Operation, Removed};
use outflow_sdk::print::{KeyHash, Print};
use outflow_state::{Reject, StoredRow, Tally};
use serde::{Deserialize, Serialize};

use super::held::HeldValues;
use super::packed::{self, PackedValues, SharedValues};
use super::spill::Sequence;

/// What is planned for a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Planned {
    /// The destination was never told of it.
    Create,
    /// Some of its fields differ.
    Update,
    /// It left the model.
    Remove(Removed),
}

impl Planned {
    /// The word in `plan --json`.
    pub fn word(self) -> &'static str {
        match self {
            Planned::Create => "create",
            Planned::Update => "update",
            Planned::Remove(_) => "remove",
        }
    }
}

/// One row of a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedRow<V = PackedValues> {
    /// Hash of the key.
    #[serde(with = "postcard::fixint::le")]
    pub key: KeyHash,
    /// The key as people write it.
    pub key_text: CompactString,
    /// The row's print as the model has it now; `0` for removals.
    #[serde(with = "postcard::fixint::le")]
    pub print: Print,
    /// What is to be done.
    pub planned: Planned,
    /// The record's address, if known.
    pub remote: Option<CompactString>,
    /// Values by field; `None` = leave as it is.
    pub values: V,
    /// Their prints; `0` = leave as it is.
    #[serde(with = "packed::prints")]
    pub prints: Vec<Print>,
    /// Numbers of the fields to be sent.
    pub pending: Vec<u16>,
    /// What is acknowledged of each field so far; `0` = nothing.
    #[serde(with = "packed::prints")]
    pub acknowledged: Vec<Print>,
    /// The print the state has of the row; `0` when it has none or not of the whole row.
    pub stored_print: Print,
    /// Runs that tried it before, and since when, if it is an open reject.
    pub tried: Option<(u32, i64)>,
}

/// A row as whoever sends or shows it reads it; to all others its values are bytes.
pub type RowToSend = PlannedRow<SharedValues>;

impl RowToSend {
    /// The operation the destination is asked to do.
    pub fn into_operation(self, number: u64) -> Operation {
        Operation {
            row: number,
            key: self.key_text,
            action: match self.planned {
                Planned::Create | Planned::Update => Action::Write,
                Planned::Remove(rule) => Action::Remove(rule),
            },
            remote: self.remote,
            record: self.values.0,
            pending: self.pending,
        }
    }
}

/// What the state learns before anything is sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Immediate {
    /// The row is as acknowledged but its print is not: the mapping changed its shape, or the state
    /// adopts what is at the destination.
    Touch {
        /// The row as it will be stored.
        row: StoredRow,
        /// The print it had in the filter; `0` = none of the whole row.
        before: Print,
        /// Whether the state knew the row.
        known: bool,
    },
    /// The row cannot be sent.
    Fault(Reject),
    /// The row left the model and `removed: keep` forgets it.
    Forget {
        /// Hash of the key.
        key: KeyHash,
        /// The print it had in the filter.
        before: Print,
    },
}

/// The rows to send, in waves; each begins when the one before it is settled. Within a wave rows are
/// in the order of their key hashes, which is the same every time.
pub struct Waves {
    /// Known rows whose match value changed: they leave the old value before another row takes it, in
    /// several waves where these other rows are among them.
    pub renames: Vec<Sequence>,
    /// All other writes.
    pub writes: Sequence,
    /// Removals: only now is it known which records living rows describe.
    pub removals: Sequence,
}

impl Waves {
    /// No rows; files, if it comes to that, are in `folder`.
    pub fn new(folder: &Path) -> Self {
        Self {
            renames: Vec::new(),
            writes: Sequence::new(folder),
            removals: Sequence::new(folder),
        }
    }

    /// Number of rows.
    pub fn len(&self) -> u64 {
        self.renames.iter().map(Sequence::len).sum::<u64>() + self.writes.len() + self.removals.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The waves in their order.
    pub fn each(&mut self) -> impl Iterator<Item = &mut Sequence> {
        self.renames
            .iter_mut()
            .chain([&mut self.writes, &mut self.removals])
    }
}

/// A whole plan.
pub struct Plan {
    /// The rows to send.
    pub rows: Waves,
    /// What the state learns first.
    pub immediate: Sequence,
    /// Open rejects that are settled: their rows are unchanged again or gone.
    pub closed: Vec<KeyHash>,
    /// Rows that need no request: read, unchanged, rejected and suppressed before, invalid keys.
    pub tally: Tally,
    /// Records to create.
    pub create: u64,
    /// Records to update.
    pub update: u64,
    /// Records to remove.
    pub remove: u64,
    /// Removals that were refused before and sleep; they are in the tally.
    pub asleep: u64,
    /// Rows that left the model and are forgotten without a request.
    pub forgotten: u64,
    /// Records known before.
    pub known: u64,
    /// A few keys that more than one row has, for the person who must look.
    pub duplicate_keys: Vec<String>,
    /// Where the first rows without a key stand in the model.
    pub null_key_rows: Vec<u64>,
    /// Match values that rows of this plan may want, and that are not free.
    pub held: HeldValues,
}

impl Plan {
    /// Operations to send.
    pub fn operations(&self) -> u64 {
        self.rows.len()
    }
}
