//! Feeding: operations from the feed, read and looked at ahead of whoever sends them, so that unpacking and
//! inspecting the next ones does not keep answered requests waiting.

use std::sync::Arc;

use outflow_sdk::destination::{Binding, Operation, Rejection};
use outflow_sdk::value::Value;
use tokio::sync::mpsc;

use super::off_worker::has_workers;
use super::{Feed, FeedError};

/// Operations read in one go, bytes of their text, and how often before they are taken.
const CHUNK: usize = 256;
const CHUNK_BYTES: usize = 1 << 20;
const CHUNKS_AHEAD: usize = 2;

/// The feed of a delivery.
pub(super) struct Feeding {
    way: Way,
    /// Operations that were read and not taken.
    chunk: std::vec::IntoIter<Fed>,
}

/// An operation from the feed, and what the destination says of it before it is sent.
pub(super) struct Fed {
    pub operation: Operation,
    /// The record it means, or why it cannot be sent.
    pub identity: Result<u64, Rejection>,
}

/// The feed and who inspects what is in it. Both look at every value, so they do it one after the other.
struct Reader {
    feed: Box<dyn Feed>,
    binding: Arc<dyn Binding>,
}

enum Way {
    /// On one thread there is nobody to read ahead; simulations rely on the order.
    Here(Reader),
    Ahead(mpsc::Receiver<Chunk>),
    /// To be told when the chunk is taken.
    Failed(FeedError),
    Ended,
}

/// Operations, and what comes behind them.
struct Chunk {
    operations: Vec<Fed>,
    then: Then,
}

enum Then {
    More,
    End,
    Failed(FeedError),
}

impl Feeding {
    /// Begins to read. Call it inside a tokio runtime.
    pub(super) fn new(feed: Box<dyn Feed>, binding: Arc<dyn Binding>) -> Self {
        let reader = Reader { feed, binding };
        let way = if has_workers() {
            let (sender, chunks) = mpsc::channel(CHUNKS_AHEAD);
            tokio::task::spawn_blocking(move || read_ahead(reader, &sender));
            Way::Ahead(chunks)
        } else {
            Way::Here(reader)
        };
        Self {
            way,
            chunk: Vec::new().into_iter(),
        }
    }

    /// Whether more may come.
    pub(super) fn is_open(&self) -> bool {
        self.chunk.len() > 0 || !matches!(self.way, Way::Ended)
    }

    /// At most `count` operations; none at the end.
    ///
    /// # Errors
    /// When the feed cannot be read; what was read before comes first, and nothing comes after.
    pub(super) async fn read(&mut self, count: usize) -> Result<Vec<Fed>, FeedError> {
        if self.chunk.len() == 0 {
            let chunk = match std::mem::replace(&mut self.way, Way::Ended) {
                Way::Here(mut reader) => {
                    let chunk = reader.read(count);
                    self.way = Way::Here(reader);
                    chunk
                }
                Way::Ahead(mut chunks) => {
                    let chunk = chunks.recv().await;
                    self.way = Way::Ahead(chunks);
                    chunk.unwrap_or_else(Chunk::lost)
                }
                Way::Failed(error) => return Err(error),
                Way::Ended => return Ok(Vec::new()),
            };
            match chunk.then {
                Then::More => {}
                Then::End => self.way = Way::Ended,
                Then::Failed(error) => self.way = Way::Failed(error),
            }
            self.chunk = chunk.operations.into_iter();
        }
        Ok(self.chunk.by_ref().take(count).collect())
    }
}

impl Reader {
    fn read(&mut self, count: usize) -> Chunk {
        let mut operations = Vec::with_capacity(count);
        let mut bytes = 0;
        while operations.len() < count && bytes < CHUNK_BYTES {
            let then = match self.feed.next() {
                Some(Ok(operation)) => {
                    bytes += text_bytes(&operation);
                    operations.push(self.inspected(operation));
                    continue;
                }
                Some(Err(error)) => Then::Failed(error),
                None => Then::End,
            };
            return Chunk { operations, then };
        }
        Chunk {
            operations,
            then: Then::More,
        }
    }

    fn inspected(&self, operation: Operation) -> Fed {
        let inspected = self.binding.inspect(&operation);
        let identity = inspected.map(|()| self.binding.identity(&operation));
        Fed { operation, identity }
    }
}

impl Chunk {
    /// Whoever reads is gone without a word, as after a panic.
    fn lost() -> Self {
        Self {
            operations: Vec::new(),
            then: Then::Failed(FeedError("whoever reads them broke off".into())),
        }
    }
}

fn text_bytes(operation: &Operation) -> usize {
    let values = operation.record.iter().flatten();
    values
        .map(|value| match value {
            Value::Text(text) | Value::Json(text) => text.len(),
            Value::List(items) => items.iter().map(String::len).sum(),
            _ => 0,
        })
        .sum()
}

/// Reads until the end, or until nobody takes it any more.
fn read_ahead(mut reader: Reader, chunks: &mpsc::Sender<Chunk>) {
    loop {
        let chunk = reader.read(CHUNK);
        let is_last = !matches!(chunk.then, Then::More);
        if chunks.blocking_send(chunk).is_err() || is_last {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use std::sync::Arc;

    use compact_str::CompactString;
    use outflow_sdk::destination::Action;

    use super::*;
    use crate::tests::fake::{Rules, Twin, rejection};

    fn feeding(rows: Rows) -> Feeding {
        Feeding::new(Box::new(rows), Arc::new(Twin::new(Rules::default())))
    }

    /// So many operations, then what it ends with.
    struct Rows(u64, fn() -> Option<Result<Operation, FeedError>>);

    impl Feed for Rows {
        fn next(&mut self) -> Option<Result<Operation, FeedError>> {
            let Some(left) = self.0.checked_sub(1) else {
                return (self.1)();
            };
            self.0 = left;
            Some(Ok(Operation {
                row: left,
                key: CompactString::from(left.to_string()),
                action: Action::Write,
                remote: None,
                record: Arc::from([Some(Value::text(if left % 7 == 3 { "invalid" } else { "valid" }))]),
                pending: Vec::new(),
            }))
        }
    }

    async fn taken(mut feeding: Feeding) -> (Vec<u64>, Result<(), FeedError>) {
        let mut rows = Vec::new();
        while feeding.is_open() {
            match feeding.read(100).await {
                Ok(operations) => {
                    assert!(operations.len() <= 100);
                    for fed in operations {
                        let row = fed.operation.row;
                        let expected = if row % 7 == 3 {
                            Err(rejection("invalid_value"))
                        } else {
                            Ok(row)
                        };
                        assert_eq!(fed.identity, expected, "each is inspected");
                        rows.push(row);
                    }
                }
                Err(error) => {
                    assert!(!feeding.is_open(), "nothing comes after an error");
                    return (rows, Err(error));
                }
            }
        }
        (rows, Ok(()))
    }

    async fn everything_comes_in_order() {
        for count in [0, 1, 100, 256, 257, 3_000] {
            let expected: Vec<u64> = (0..count).rev().collect();
            let (rows, end) = taken(feeding(Rows(count, || None))).await;
            assert_eq!((rows, end.is_ok()), (expected.clone(), true));
            let fails = || Some(Err(FeedError("the disk is gone".into())));
            let (rows, end) = taken(feeding(Rows(count, fails))).await;
            assert_eq!(rows, expected, "what was read before an error comes first");
            assert!(end.unwrap_err().to_string().contains("the disk is gone"));
        }
    }

    #[tokio::test]
    async fn on_one_thread_operations_are_read_when_they_are_wanted() {
        everything_comes_in_order().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn operations_read_ahead_come_in_order_and_before_an_error() {
        everything_comes_in_order().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_reader_that_breaks_off_is_no_end() {
        let (rows, end) = taken(feeding(Rows(300, || panic!("broken")))).await;
        assert_eq!(rows.len(), 256, "the chunk it was at is lost with it");
        assert!(end.unwrap_err().to_string().contains("broke off"));
    }
}
