//! Parts of a result in, batches out, and a count that must be right.

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_ipc::reader::StreamDecoder;
use arrow_schema::SchemaRef;
use bytes::Bytes;
use outflow_sdk::{ConnectorError, ErrorKind};

use crate::batch::{BATCH_ROWS, Batcher, form, unreadable};
use crate::convert;
use crate::fetch::unpack;
use crate::kind::Typed;
use crate::rowset::{self, Stop, Taken};

/// How a result's rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Arrow,
    Json,
}

/// Part of a result.
pub(crate) struct Part {
    pub(crate) content: Content,
    /// Rows the server counted in it.
    pub(crate) rows: u64,
}

/// What of it is at hand.
pub(crate) enum Content {
    /// The rows that came with the answer: an Arrow stream, or a JSON array of rows.
    Inline(Vec<u8>),
    /// A file: an Arrow stream, or rows in JSON one after the other; mostly compressed.
    File(Bytes),
}

/// Reads the parts of one result in order.
pub(crate) struct Decoder {
    label: String,
    columns: Vec<Typed>,
    format: Format,
    batcher: Batcher,
    /// Rows of all parts so far.
    rows: u64,
}

impl Decoder {
    /// A decoder of results with these columns; `label` is what messages call the model.
    pub(crate) fn new(label: &str, columns: Vec<Typed>, format: Format) -> Self {
        Self {
            label: label.to_owned(),
            batcher: Batcher::new(label, &columns),
            columns,
            format,
            rows: 0,
        }
    }

    /// Schema of the batches.
    pub(crate) fn schema(&self) -> &SchemaRef {
        self.batcher.schema()
    }

    /// Rows so far.
    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// Reads one part and hands its batches on.
    ///
    /// # Errors
    /// `Stop::Failed` when it is damaged, has another number of rows than the server counted, or a value
    /// that is none of its type.
    pub(crate) fn part(
        &mut self,
        part: Part,
        take: &mut dyn FnMut(RecordBatch) -> Taken,
    ) -> Result<(), Stop> {
        // A part without rows may have no content either.
        if part.rows == 0 {
            return Ok(());
        }
        let before = self.rows;
        match self.format {
            Format::Arrow => {
                let stream = match part.content {
                    Content::Inline(stream) => stream,
                    Content::File(file) => self.unpacked(&file, Vec::new())?,
                };
                self.arrow(stream, take)?;
            }
            Format::Json => {
                let json = match part.content {
                    Content::Inline(json) => json,
                    Content::File(file) => {
                        let mut json = self.unpacked(&file, vec![b'['])?;
                        json.push(b']');
                        json
                    }
                };
                match rowset::read(&json, &mut self.batcher, take) {
                    Err(Stop::Malformed) => return Err(self.astray("rows that do not read as JSON")),
                    other => other?,
                }
                self.rows = self.batcher.total_rows();
            }
        }
        if self.rows - before == part.rows {
            Ok(())
        } else {
            Err(self.astray("another number of rows than the server counted"))
        }
    }

    /// Hands on what is left when every part was read.
    pub(crate) fn rest(&mut self, take: &mut dyn FnMut(RecordBatch) -> Taken) -> Result<(), Stop> {
        match self.batcher.rest().map_err(Stop::Failed)? {
            None => Ok(()),
            Some(batch) => match take(batch) {
                Taken::Continue(()) => Ok(()),
                Taken::Break(()) => Err(Stop::Unwanted),
            },
        }
    }

    /// Every batch of one part.
    ///
    /// # Errors
    /// As [`Decoder::part`].
    pub(crate) fn whole(&mut self, part: Part) -> Result<Vec<RecordBatch>, ConnectorError> {
        let mut batches = Vec::new();
        let mut take = |batch| {
            batches.push(batch);
            Taken::Continue(())
        };
        let read = self.part(part, &mut take).and_then(|()| self.rest(&mut take));
        match read {
            Err(Stop::Failed(error)) => Err(error),
            _ => Ok(batches),
        }
    }

    fn unpacked(&self, file: &[u8], mut out: Vec<u8>) -> Result<Vec<u8>, Stop> {
        match unpack(file, &mut out) {
            Ok(()) => Ok(out),
            Err(_) => Err(Stop::Failed(
                ConnectorError::new(
                    ErrorKind::Source { transient: true },
                    "result_damaged",
                    format!(
                        "{}: a file of the result is damaged or cut short; nothing of this read is used",
                        self.label
                    ),
                )
                .with_hint("run it again; if it stays so, is there a proxy that changes answers?"),
            )),
        }
    }

    fn arrow(&mut self, stream: Vec<u8>, take: &mut dyn FnMut(RecordBatch) -> Taken) -> Result<(), Stop> {
        let mut buffer = Buffer::from_vec(stream);
        let mut decoder = StreamDecoder::new();
        while !buffer.is_empty() {
            let batch = decoder
                .decode(&mut buffer)
                .map_err(|_| self.astray("rows that do not read as Arrow"))?;
            if let Some(batch) = batch {
                self.batch(&batch, take)?;
            }
        }
        decoder
            .finish()
            .map_err(|_| self.astray("an Arrow stream that stops in the middle"))
    }

    fn batch(&mut self, batch: &RecordBatch, take: &mut dyn FnMut(RecordBatch) -> Taken) -> Result<(), Stop> {
        if batch.num_columns() != self.columns.len() {
            return Err(self.astray("another number of columns than it announced"));
        }
        let mut start = 0;
        while start < batch.num_rows() {
            let rows = BATCH_ROWS.min(batch.num_rows() - start);
            let converted = self.converted(&batch.slice(start, rows))?;
            self.rows += rows as u64;
            start += rows;
            if take(converted).is_break() {
                return Err(Stop::Unwanted);
            }
        }
        Ok(())
    }

    fn converted(&self, slice: &RecordBatch) -> Result<RecordBatch, Stop> {
        let mut arrays = Vec::with_capacity(self.columns.len());
        for (column, array) in self.columns.iter().zip(slice.columns()) {
            let converted = convert::column(column.kind, array).map_err(|(row, unfit)| {
                let row = self.rows + row as u64 + 1;
                let error = unreadable(&self.label, &column.name, row, unfit);
                Stop::Failed(match unfit {
                    crate::cell::Unfit::AnotherType => ConnectorError::source(
                        "unsupported_type",
                        format!(
                            "{}: column '{}' of type {} comes in a form that is not known ({})",
                            self.label,
                            column.name,
                            column.type_name,
                            array.data_type()
                        ),
                    )
                    .with_hint("turn it into text in a `sql:` model: column::varchar as column"),
                    _ => error,
                })
            })?;
            arrays.push(converted);
        }
        form(self.schema(), arrays, slice.num_rows()).map_err(Stop::Failed)
    }

    fn astray(&self, what: &str) -> Stop {
        Stop::Failed(
            ConnectorError::new(
                ErrorKind::Contract,
                "unexpected_answer",
                format!(
                    "{}: the result has {what}; nothing of this read is used",
                    self.label
                ),
            )
            .with_hint("is there a proxy that changes answers? If not, report this"),
        )
    }
}
