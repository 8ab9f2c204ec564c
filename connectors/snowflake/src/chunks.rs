//! The files of a result, fetched ahead in order: some at a time, within bounds of memory, with new links
//! when the old ones have expired.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, Stream, StreamExt};
use outflow_sdk::{ConnectorError, ErrorKind};
use tokio::task::JoinHandle;

use crate::decode::{Content, Part};
use crate::failure::{Doing, astray};
use crate::fetch::{Fetcher, NoFile};
use crate::query::Query;
use crate::result::{Files, files};
use crate::session::Session;

/// Compressed bytes that may wait to be read.
const WAITING_BYTES: u64 = 16 << 20;
/// Files fetched at a time.
const AT_A_TIME: u64 = 4;
/// Pauses before a file that did not come is asked for again.
const PAUSES: [Duration; 4] = [
    Duration::from_millis(250),
    Duration::from_secs(1),
    Duration::from_secs(3),
    Duration::from_secs(6),
];
/// Times new links are asked for while no file comes.
const NEW_LINKS: usize = 3;

/// Fetches the files of one result.
pub(crate) struct Chunks {
    session: Arc<Session>,
    fetcher: Fetcher,
    query: Query,
    query_id: String,
    /// Rows of every file, and bytes as it is stored.
    sizes: Vec<(u64, u64)>,
    /// Rows that came with the answer.
    inline_rows: u64,
    links: tokio::sync::Mutex<Links>,
    /// Files that came.
    fetched: AtomicU64,
}

struct Links {
    files: Arc<Files>,
    /// Counts renewals, so that of several files refused at once one asks for new links.
    generation: u64,
}

impl Chunks {
    pub(crate) fn new(
        session: Arc<Session>,
        fetcher: Fetcher,
        query: Query,
        query_id: String,
        inline_rows: u64,
        files: Files,
    ) -> Self {
        let sizes = files.chunks.iter().map(|chunk| {
            let stored = match chunk.compressed_size {
                0 => chunk.uncompressed_size,
                size => size,
            };
            (chunk.row_count, stored)
        });
        Self {
            session,
            fetcher,
            query,
            query_id,
            sizes: sizes.collect(),
            inline_rows,
            links: tokio::sync::Mutex::new(Links {
                files: Arc::new(files),
                generation: 0,
            }),
            fetched: AtomicU64::new(0),
        }
    }

    /// The parts in order. Dropping the stream gives up what is on its way.
    pub(crate) fn parts(self: Arc<Self>) -> impl Stream<Item = Result<Part, ConnectorError>> + Send {
        let at_a_time = self.at_a_time();
        let fetches = (0..self.sizes.len()).map(move |at| {
            let chunks = Arc::clone(&self);
            // A task of its own: it goes on while the reader is busy.
            Fetching(tokio::spawn(async move { chunks.part(at).await }))
        });
        stream::iter(fetches).map(Fetching::finished).buffered(at_a_time)
    }

    /// So many that the largest of them fit the bounds.
    fn at_a_time(&self) -> usize {
        let largest = self.sizes.iter().map(|(_, bytes)| *bytes).max().unwrap_or(0);
        let fit = WAITING_BYTES / largest.max(1);
        usize::try_from(fit.clamp(1, AT_A_TIME)).unwrap_or(1)
    }

    async fn part(&self, at: usize) -> Result<Part, ConnectorError> {
        let rows = self.sizes.get(at).map_or(0, |(rows, _)| *rows);
        let file = self.file(at).await?;
        Ok(Part {
            content: Content::File(file),
            rows,
        })
    }

    async fn file(&self, at: usize) -> Result<Bytes, ConnectorError> {
        let mut pauses = PAUSES.into_iter();
        let (mut renewals, mut fetched) = (0, self.fetched.load(Ordering::Relaxed));
        loop {
            let (files, generation) = {
                let links = self.links.lock().await;
                (Arc::clone(&links.files), links.generation)
            };
            let Some(chunk) = files.chunks.get(at) else {
                return Err(self.astray(at, "fewer files than before"));
            };
            // A link from an encrypted answer leads to an encrypted place.
            let encrypted = self.session.settings().base_url.starts_with("https://");
            if encrypted && !chunk.url.starts_with("https://") {
                return Err(self.astray(at, "a link that is not encrypted"));
            }
            match self.fetcher.get(&chunk.url, &files.headers).await {
                Ok(file) => {
                    self.fetched.fetch_add(1, Ordering::Relaxed);
                    return Ok(file);
                }
                Err(NoFile::Refused(status)) => {
                    let before = std::mem::replace(&mut fetched, self.fetched.load(Ordering::Relaxed));
                    renewals = if before == fetched { renewals + 1 } else { 1 };
                    if renewals > NEW_LINKS {
                        let reason = format!("refused (HTTP {status}), with new links as well");
                        return Err(self.lost(at, &reason));
                    }
                    self.renew(at, generation).await?;
                }
                Err(NoFile::Passing(reason)) => match pauses.next() {
                    Some(pause) => tokio::time::sleep(pause.mul_f64(rand::random_range(0.5..1.0))).await,
                    None => return Err(self.lost(at, &reason)),
                },
            }
        }
    }

    /// New links in place of those of `generation`, for the same files.
    async fn renew(&self, at: usize, generation: u64) -> Result<(), ConnectorError> {
        let mut links = self.links.lock().await;
        if links.generation != generation {
            return Ok(());
        }
        let answer = self.session.result(&self.query_id, self.doing(at)).await?;
        let renewed = answer
            .data()
            .map(files)
            .ok_or_else(|| self.astray(at, "no result any more"))?;
        let rows = renewed.chunks.iter().map(|chunk| chunk.row_count);
        if !rows.eq(self.sizes.iter().map(|(rows, _)| *rows)) {
            return Err(self.astray(at, "other files than before"));
        }
        links.files = Arc::new(renewed);
        links.generation += 1;
        Ok(())
    }

    fn doing(&self, at: usize) -> Doing<'_> {
        let before = self.sizes.iter().take(at).map(|(rows, _)| *rows);
        Doing::Querying(&self.query, self.inline_rows.saturating_add(before.sum()))
    }

    fn astray(&self, at: usize, what: &str) -> ConnectorError {
        astray(self.session.settings(), self.doing(at), what)
    }

    fn lost(&self, at: usize, reason: &str) -> ConnectorError {
        ConnectorError::new(
            ErrorKind::Source { transient: true },
            "result_lost",
            format!(
                "{}: part {} of {} of the result cannot be fetched: {reason}; nothing of this read is used",
                self.query.label,
                at + 1,
                self.sizes.len()
            ),
        )
        .with_hint(
            "run it again; if it stays so, let this machine reach the account's storage: SYSTEM$ALLOWLIST() lists \
             its addresses",
        )
        .with_correlation(Some(self.query_id.clone()))
    }
}

/// A fetch that ends when nobody waits for it any more.
struct Fetching(JoinHandle<Result<Part, ConnectorError>>);

impl Fetching {
    async fn finished(mut self) -> Result<Part, ConnectorError> {
        match (&mut self.0).await {
            Ok(fetched) => fetched,
            Err(_) => Err(ConnectorError::new(
                ErrorKind::Internal,
                "warehouse_reader",
                "a task that fetches part of a result stopped without an answer",
            )),
        }
    }
}

impl Drop for Fetching {
    fn drop(&mut self) {
        self.0.abort();
    }
}
