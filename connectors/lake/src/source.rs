//! The source itself: one thread a read, a short channel, and a receipt at the true end.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use async_trait::async_trait;
use futures::stream;
use outflow_sdk::descriptor::OpenContext;
use outflow_sdk::keys::Keys;
use outflow_sdk::source::{Advice, Column, Model, ReadEvent, ReadReceipt, ReadRequest, Reading, Source};
use outflow_sdk::{ConnectorError, ErrorKind};
use tokio::sync::mpsc;

use crate::catalogue::{Catalogue, Place};
use crate::config::{CsvSettings, LakeSettings};
use crate::engine::{Engine, Purpose};
use crate::messages;
use crate::narrow::{Remembered, Scope};
use crate::open::FileTable;
use crate::projection::Columns;
use crate::sink::{Cancel, Flow, Halt, Look, Sink, Tally};
use crate::sqlite::{self, Query};

/// Batches that may wait for the other end.
const BATCHES_WAITING: usize = 3;
/// Rows looked at for a description.
const DESCRIBED_ROWS: u64 = 10_000;

/// Local files as a source.
#[derive(Clone, Debug)]
pub struct Lake {
    settings: Arc<Settings>,
}

#[derive(Debug)]
struct Settings {
    path: PathBuf,
    root: PathBuf,
    csv: CsvSettings,
    remembered: Remembered,
}

impl Lake {
    /// A lake at the settings' path.
    ///
    /// # Errors
    /// `Config` when the CSV settings make no sense. The path is looked at when it is read.
    pub fn new(settings: LakeSettings, context: &OpenContext) -> Result<Self, ConnectorError> {
        settings.csv.delimiter_byte()?;
        if settings.path.to_string_lossy().contains("://") {
            return Err(ConnectorError::config(
                "lake_remote_path",
                format!(
                    "source '{}': `path` is a URL; a lake reads local files",
                    context.connection
                ),
            )
            .with_hint("mount or copy the files, and write a path"));
        }
        // Without the "./" many paths begin with, messages read better.
        let path: PathBuf = settings.path.components().collect();
        let path = if path == Path::new(".") {
            context.root.clone()
        } else {
            context.root.join(path)
        };
        Ok(Self {
            settings: Arc::new(Settings {
                path,
                root: context.root.clone(),
                csv: settings.csv,
                remembered: Remembered::default(),
            }),
        })
    }

    /// Runs `work` where it may block; it is cancelled when the caller goes away.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Settings, &Cancel) -> Flow<T> + Send + 'static,
    ) -> Result<T, ConnectorError> {
        let settings = Arc::clone(&self.settings);
        let guard = CancelOnDrop::default();
        let cancel = guard.0.clone();
        match tokio::task::spawn_blocking(move || work(&settings, &cancel)).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(Halt::Failed(error))) => Err(error),
            Ok(Err(Halt::Cancelled)) | Err(_) => Err(reader_died()),
        }
    }
}

#[async_trait]
impl Source for Lake {
    async fn check(&self) -> Result<Vec<Advice>, ConnectorError> {
        self.blocking(|settings, cancel| {
            let mut catalogue = settings.catalogue()?;
            if let Some(error) = catalogue.broken.first() {
                return Err(error.clone().into());
            }
            let unreadable = catalogue.take_unreadable_tables()?;
            let mut advice = advice(&catalogue);
            advice.extend(unreadable.into_iter().map(|error| Advice {
                code: error.code,
                message: error.message,
            }));
            for error in settings.unreadable_files(&catalogue, cancel)? {
                if settings.path.is_file() {
                    return Err(error.into());
                }
                advice.push(Advice {
                    code: error.code,
                    message: error.message,
                });
            }
            Ok(advice)
        })
        .await
    }

    async fn describe(&self, model: &Model) -> Result<Vec<Column>, ConnectorError> {
        let model = model.clone();
        self.blocking(move |settings, cancel| {
            let mut columns = Vec::new();
            let scope = settings.scope(Look::Sample(DESCRIBED_ROWS), None);
            settings.run(&model, &[], scope, cancel, Purpose::Describe(&mut columns))?;
            Ok(columns)
        })
        .await
    }

    async fn read(&self, request: ReadRequest) -> Result<Reading, ConnectorError> {
        self.start(request, None).await
    }

    /// SQLite reads the rows with these keys alone; a file is read whole.
    async fn read_keys(&self, request: ReadRequest, keys: Keys) -> Result<Reading, ConnectorError> {
        self.start(request, Some(keys)).await
    }
}

impl Lake {
    async fn start(&self, request: ReadRequest, keys: Option<Keys>) -> Result<Reading, ConnectorError> {
        let (sender, mut receiver) = mpsc::channel(BATCHES_WAITING);
        let guard = CancelOnDrop::default();
        let cancel = guard.0.clone();
        let settings = Arc::clone(&self.settings);
        let work = move || {
            let mut sink = Channel(&sender);
            let purpose = Purpose::Read(&mut sink);
            let scope = settings.scope(Look::Whole, keys.as_ref());
            let last = match settings.run(&request.model, &request.columns, scope, &cancel, purpose) {
                Ok(tally) => Message::End(tally),
                Err(Halt::Failed(error)) => Message::Failed(error),
                Err(Halt::Cancelled) => return,
            };
            // If nobody listens any more, nobody needs the end.
            let _ = sender.blocking_send(last);
        };
        std::thread::Builder::new()
            .name("lake-read".into())
            .spawn(work)
            .map_err(|error| {
                ConnectorError::new(
                    ErrorKind::Source { transient: true },
                    "no_thread",
                    format!("no thread can be started to read files: {error}"),
                )
            })?;
        match receiver.recv().await {
            Some(Message::Schema(schema)) => Ok(Reading {
                schema,
                events: Box::pin(stream::unfold(Some((receiver, guard)), next_event)),
            }),
            Some(Message::Failed(error)) => Err(error),
            _ => Err(reader_died()),
        }
    }
}

type State = Option<(mpsc::Receiver<Message>, CancelOnDrop)>;

async fn next_event(state: State) -> Option<(Result<ReadEvent, ConnectorError>, State)> {
    let (mut receiver, guard) = state?;
    Some(match receiver.recv().await {
        Some(Message::Batch(batch)) => (Ok(ReadEvent::Batch(batch)), Some((receiver, guard))),
        Some(Message::End(tally)) => {
            let receipt = ReadReceipt {
                rows: tally.rows,
                complete: true,
                query_id: None,
                bytes_scanned: tally.bytes,
            };
            (Ok(ReadEvent::End(receipt)), None)
        }
        Some(Message::Failed(error)) => (Err(error), None),
        Some(Message::Schema(_)) | None => (Err(reader_died()), None),
    })
}

impl Settings {
    fn catalogue(&self) -> Result<Catalogue, ConnectorError> {
        Catalogue::open(&self.path, &self.root)
    }

    fn scope<'a>(&'a self, look: Look, keys: Option<&'a Keys>) -> Scope<'a> {
        Scope {
            look,
            keys,
            remembered: &self.remembered,
        }
    }

    /// Why those files cannot be read whose first bytes already tell.
    fn unreadable_files(&self, catalogue: &Catalogue, cancel: &Cancel) -> Result<Vec<ConnectorError>, Halt> {
        let mut errors = Vec::new();
        for table in &catalogue.tables {
            if let Place::File { file, format } = &table.place {
                let columns = Columns::Wanted(&[]);
                match FileTable::open(file, *format, &self.csv, columns, Look::Sample(1), cancel) {
                    Err(Halt::Failed(error)) => errors.push(error),
                    Err(Halt::Cancelled) => return Err(Halt::Cancelled),
                    Ok(_) => {}
                }
            }
        }
        Ok(errors)
    }

    fn run(
        &self,
        model: &Model,
        wanted: &[String],
        scope: Scope<'_>,
        cancel: &Cancel,
        purpose: Purpose<'_>,
    ) -> Flow<Tally> {
        let catalogue = self.catalogue()?;
        match model {
            Model::Table(name) => self.table(&catalogue, name, wanted, scope, cancel, purpose),
            Model::Sql(sql) => Engine {
                catalogue: &catalogue,
                csv: &self.csv,
                scope,
                cancel,
            }
            .run(sql, wanted, purpose),
        }
    }

    fn table(
        &self,
        catalogue: &Catalogue,
        name: &str,
        wanted: &[String],
        scope: Scope<'_>,
        cancel: &Cancel,
        purpose: Purpose<'_>,
    ) -> Flow<Tally> {
        match &catalogue.find(name)?.place {
            Place::File { file, format } => {
                let table = FileTable::open(
                    file,
                    *format,
                    &self.csv,
                    Columns::Wanted(wanted),
                    scope.look,
                    cancel,
                )?;
                match purpose {
                    Purpose::Describe(columns) => {
                        *columns = table.columns();
                        Ok(Tally::default())
                    }
                    Purpose::Read(sink) => table.stream(cancel, sink),
                }
            }
            Place::Database { database, table } => {
                let label = format!("{} table '{table}'", database.file.label);
                let failed = |error: rusqlite::Error| messages::sqlite_halt(&label, &error, cancel);
                let before = database.file.stamp()?;
                let mut connection = sqlite::connect(&database.file)?;
                sqlite::bound(&mut connection, cancel).map_err(failed)?;
                connection.execute_batch("BEGIN").map_err(failed)?;
                let query = Query::table(&connection, &label, table, wanted, scope, cancel)?;
                match purpose {
                    Purpose::Describe(columns) => {
                        *columns = query.columns();
                        Ok(Tally::default())
                    }
                    Purpose::Read(sink) => {
                        let tally = query.stream(sink)?;
                        // Writers do not disturb a snapshot; another file in its place does.
                        database.file.same_file_as(before)?;
                        Ok(tally)
                    }
                }
            }
        }
    }
}

fn advice(catalogue: &Catalogue) -> Vec<Advice> {
    let label = catalogue.label();
    let mut advice = Vec::new();
    if catalogue.tables.is_empty() {
        advice.push(Advice {
            code: "no_tables",
            message: format!("{label}: holds no CSV, Parquet, JSON lines or SQLite tables"),
        });
    } else {
        let names: Vec<&str> = catalogue
            .tables
            .iter()
            .map(|table| {
                if catalogue.is_unique(&table.name) {
                    table.name.as_str()
                } else {
                    table.full_name.as_str()
                }
            })
            .collect();
        advice.push(Advice {
            code: "tables",
            message: format!("{label}: {}", names.join(", ")),
        });
    }
    if !catalogue.ignored.is_empty() {
        advice.push(Advice {
            code: "ignored_files",
            message: format!(
                "{label}: no tables by their names: {}",
                catalogue.ignored.join(", ")
            ),
        });
    }
    advice
}

/// Cancels the reader when whoever reads goes away.
#[derive(Default)]
struct CancelOnDrop(Cancel);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

enum Message {
    Schema(SchemaRef),
    Batch(RecordBatch),
    End(Tally),
    Failed(ConnectorError),
}

struct Channel<'a>(&'a mpsc::Sender<Message>);

impl Sink for Channel<'_> {
    fn schema(&mut self, schema: &SchemaRef) -> Flow {
        self.0
            .blocking_send(Message::Schema(Arc::clone(schema)))
            .map_err(|_| Halt::Cancelled)
    }

    fn batch(&mut self, batch: RecordBatch) -> Flow {
        self.0
            .blocking_send(Message::Batch(batch))
            .map_err(|_| Halt::Cancelled)
    }
}

fn reader_died() -> ConnectorError {
    ConnectorError::new(
        ErrorKind::Internal,
        "lake_reader",
        "the thread that reads the files stopped without an answer",
    )
}
