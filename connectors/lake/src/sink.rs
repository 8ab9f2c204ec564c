//! Where readers push their batches, and how they are stopped.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use outflow_sdk::ConnectorError;

/// Why a reader stopped before the end.
#[derive(Debug)]
pub(crate) enum Halt {
    /// Nobody wants the rest.
    Cancelled,
    /// It cannot go on.
    Failed(ConnectorError),
}

impl From<ConnectorError> for Halt {
    fn from(error: ConnectorError) -> Self {
        Halt::Failed(error)
    }
}

/// What a reader's step gives.
pub(crate) type Flow<T = ()> = Result<T, Halt>;

/// Takes what a reader finds: its schema once, then its batches.
pub(crate) trait Sink {
    /// The schema of all batches that follow.
    fn schema(&mut self, schema: &SchemaRef) -> Flow;
    /// Some rows.
    fn batch(&mut self, batch: RecordBatch) -> Flow;
}

/// What a reader that saw the true end has read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Rows pushed.
    pub(crate) rows: u64,
    /// Bytes of the file that were read, where that is known.
    pub(crate) bytes: Option<u64>,
}

/// A flag shared by a reader and whoever may lose interest in it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cancel(Arc<AtomicBool>);

impl Cancel {
    pub(crate) fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn check(&self) -> Flow {
        if self.is_cancelled() {
            Err(Halt::Cancelled)
        } else {
            Ok(())
        }
    }
}

/// How far a reader looks before it decides on types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// All rows: types are certain.
    Whole,
    /// The first rows only, for a description.
    Sample(u64),
}

impl Look {
    /// Rows to look at.
    pub(crate) fn rows(self) -> u64 {
        match self {
            Look::Whole => u64::MAX,
            Look::Sample(rows) => rows,
        }
    }
}
