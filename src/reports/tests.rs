#![allow(clippy::unwrap_used)]

use std::fs::File;
use std::path::Path;

use arrow_array::{Array, RecordBatch, TimestampMillisecondArray};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use tempfile::TempDir;

use super::*;
use crate::documents::time::iso;
use crate::project::{LoadOptions, load};
use crate::registry;
use crate::state::{Access, Changes, Identity, Reject, RejectClass, Tally};

/// A project without syncs, its state, and the folder it reports to.
struct World {
    folder: TempDir,
    project: Project,
    store: Arc<Store>,
    reporter: Reporter,
}

fn world(settings: &str) -> World {
    let folder = tempfile::tempdir().unwrap();
    let file = format!("sources: {{}}\ndestinations: {{}}\nreport_to: {settings}\n");
    std::fs::write(folder.path().join("outflow.yaml"), file).unwrap();
    let registry = registry::built_in();
    let loaded = load(folder.path(), LoadOptions::new(&registry, false));
    assert!(!loaded.has_errors());
    let project = loaded.project.unwrap();
    let store = Arc::new(Store::open(&project.state, Access::Write).unwrap());
    World {
        reporter: Reporter::new(Arc::clone(&store)),
        folder,
        project,
        store,
    }
}

impl World {
    /// A run of 2026-11-29 that refused so many rows, from beginning to end.
    fn run(&self, refused: u64) -> RunId {
        let id = self.begin();
        self.end(id, refused);
        id
    }

    fn begin(&self) -> RunId {
        let running = self.store.history(None, 1).unwrap();
        let number = running.first().map_or(0, |run| run.id);
        self.store
            .begin_run("customers", START_MS + number * 60_000)
            .unwrap()
    }

    fn end(&self, id: RunId, refused: u64) {
        let run = self.store.run(id).unwrap().unwrap();
        let identity = Identity {
            key: vec!["id".into()],
            account: "a".into(),
            object: "contacts".into(),
            match_fields: vec!["email".into()],
        };
        let sync = self.store.ensure_sync("customers", &identity).unwrap();
        let rejects = (0..refused)
            .map(|number| reject(number, run.started_ms + 5))
            .collect();
        let changes = Changes {
            rejects,
            ..Changes::default()
        };
        self.store.commit(sync.id, [&changes]).unwrap();
        let status = if refused > 0 {
            RunStatus::Rejects
        } else {
            RunStatus::Ok
        };
        let ended = RunRecord {
            finished_ms: Some(run.started_ms + 1_500),
            status,
            tally: Tally {
                read: refused + 2,
                updated: 2,
                rejected: refused,
                requests: 1,
                ..Tally::default()
            },
            ..run
        };
        self.store.finish_run(&ended).unwrap();
    }

    fn deliver(&self) -> Result<usize, ReportError> {
        self.reporter.deliver(self.project.report_to.as_ref().unwrap())
    }

    fn reports(&self) -> PathBuf {
        self.folder.path().join("reports")
    }

    /// The rows of a table, all files together, in the order of their names.
    fn table(&self, name: &str) -> Vec<RecordBatch> {
        let mut batches = Vec::new();
        for file in parquet_files(&self.reports().join(name)) {
            let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(file).unwrap()).unwrap();
            batches.extend(reader.build().unwrap().map(Result::unwrap));
        }
        batches
    }

    fn rows(&self, name: &str) -> usize {
        self.table(name).iter().map(RecordBatch::num_rows).sum()
    }
}

fn parquet_files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut files: Vec<PathBuf> = entries
        .flat_map(|entry| {
            let path = entry.unwrap().path();
            if path.is_dir() {
                parquet_files(&path)
            } else {
                vec![path]
            }
        })
        .collect();
    files.sort();
    files
}

/// One line for each value: its column, and what it is.
fn shown(batches: &[RecordBatch]) -> String {
    let options = FormatOptions::default().with_null("null");
    let mut lines = String::new();
    for batch in batches {
        for row in 0..batch.num_rows() {
            for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
                let value = match column.as_any().downcast_ref::<TimestampMillisecondArray>() {
                    Some(times) if times.is_valid(row) => iso(times.value(row)).unwrap(),
                    Some(_) => "null".into(),
                    None => ArrayFormatter::try_new(column, &options)
                        .unwrap()
                        .value(row)
                        .to_string(),
                };
                lines.push_str(&format!("{} = {value}\n", field.name()));
            }
        }
    }
    lines
}

/// 2026-11-29, 10:00 UTC.
const START_MS: i64 = 1_795_946_400_000;

fn reject(number: u64, seen_ms: i64) -> Reject {
    Reject {
        key: u128::from(number) + 1,
        print: 9,
        schema_print: 9,
        class: RejectClass::Permanent,
        code: "invalid_email".into(),
        field: Some("email".into()),
        message: "the e-mail address is not valid".into(),
        key_text: format!("secret-key-{number}"),
        match_text: Some(format!("person{number}@example.com")),
        attempts: 1,
        first_seen_ms: seen_ms,
        last_seen_ms: seen_ms,
        next_retry_ms: None,
    }
}

#[test]
fn a_run_and_the_rows_it_refused_are_one_file_each() {
    let world = world("{ folder: reports, partition: day }");
    let run = world.run(2);
    world.reporter.note(&world.project, run).unwrap();
    assert_eq!(world.deliver().unwrap(), 2);
    let names: Vec<String> = parquet_files(&world.reports())
        .iter()
        .map(|path| path.strip_prefix(world.reports()).unwrap().display().to_string())
        .collect();
    assert_eq!(
        names,
        [
            "outflow_row_errors/date=2026-11-29/20261129T100000Z-customers-1.parquet",
            "outflow_runs/date=2026-11-29/20261129T100000Z-customers-1.parquet",
        ]
    );
    insta::assert_snapshot!(shown(&world.table("outflow_row_errors")), @"
    run_id = 1
    sync = customers
    seen_at = 2026-11-29T10:00:00.005Z
    first_seen_at = 2026-11-29T10:00:00.005Z
    key_hash = 00000000000000000000000000000001
    class = permanent
    code = invalid_email
    field = email
    message = the e-mail address is not valid
    attempts = 1
    next_retry_at = null
    run_id = 1
    sync = customers
    seen_at = 2026-11-29T10:00:00.005Z
    first_seen_at = 2026-11-29T10:00:00.005Z
    key_hash = 00000000000000000000000000000002
    class = permanent
    code = invalid_email
    field = email
    message = the e-mail address is not valid
    attempts = 1
    next_retry_at = null
    ");
    insta::assert_snapshot!(shown(&world.table("outflow_runs")), @"
    run_id = 1
    sync = customers
    status = rejects
    started_at = 2026-11-29T10:00:00.000Z
    finished_at = 2026-11-29T10:00:01.500Z
    duration_ms = 1500
    source = null
    destination = null
    object = null
    rows_read = 4
    rows_unchanged = 0
    rows_created = 0
    rows_updated = 2
    rows_removed = 0
    rows_rejected = 2
    rows_suppressed = 0
    rows_invalid_key = 0
    rows_deferred = 0
    rows_held = 0
    requests = 1
    error_code = null
    error_message = null
    keys_asked = null
    ");
    for file in parquet_files(&world.reports()) {
        let text = String::from_utf8_lossy(&std::fs::read(file).unwrap()).into_owned();
        assert!(!text.contains("secret-key") && !text.contains("@example.com"));
    }
}

#[test]
fn what_cannot_be_delivered_waits_and_nothing_is_lost_or_told_twice() {
    let world = world("{ folder: reports }");
    // A file where the folder should be.
    std::fs::write(world.reports(), "").unwrap();
    for refused in [1, 0, 3] {
        let run = world.run(refused);
        world.reporter.note(&world.project, run).unwrap();
        let error = world.deliver().unwrap_err().to_string();
        assert!(error.contains("reports"), "{error}");
    }
    std::fs::remove_file(world.reports()).unwrap();
    assert_eq!(world.deliver().unwrap(), 6);
    assert_eq!(world.deliver().unwrap(), 0);
    assert_eq!(world.rows("outflow_runs"), 3);
    // The rows of the first run were refused again by the third; both runs tell of them.
    assert_eq!(world.rows("outflow_row_errors"), 4);
}

#[test]
fn a_crash_before_a_run_is_noted_is_made_up_for_and_one_after_it_changes_nothing() {
    let world = world("{ folder: reports }");
    let first = world.run(0);
    world.reporter.note(&world.project, first).unwrap();
    world.run(2);
    world.begin();
    world.store.close_cut_off_runs().unwrap();
    // The next process.
    let next = Reporter::new(Arc::clone(&world.store));
    next.begin(&world.project).unwrap();
    next.begin(&world.project).unwrap();
    world.deliver().unwrap();
    assert_eq!(world.rows("outflow_runs"), 3);
    let text = shown(&world.table("outflow_runs"));
    assert!(text.contains("cut_off"), "{text}");
    assert_eq!(world.rows("outflow_row_errors"), 2);
}

#[test]
fn a_run_that_cannot_be_noted_is_missing_until_the_next_one_is_even_if_it_is_the_first() {
    let world = world("{ folder: reports }");
    let waiting = world.project.state.join("reports");
    std::fs::write(&waiting, "a file where the folder should be").unwrap();
    let first = world.run(1);
    assert!(
        world.reporter.missing().unwrap().is_empty(),
        "nothing was to be noted"
    );
    world.reporter.note(&world.project, first).unwrap_err();
    assert_eq!(
        world.reporter.missing().unwrap(),
        BTreeSet::from(["customers".into()])
    );
    std::fs::remove_file(&waiting).unwrap();
    let second = world.run(0);
    world.reporter.note(&world.project, second).unwrap();
    assert!(world.reporter.missing().unwrap().is_empty());
    assert_eq!(world.deliver().unwrap(), 4);
    assert_eq!(world.rows("outflow_runs"), 2);
}

#[test]
fn runs_that_end_in_another_order_than_they_began_are_told_once_each() {
    let world = world("{ folder: reports }");
    let (long, short) = (
        world.begin(),
        world.store.begin_run("companies", START_MS).unwrap(),
    );
    let record = world.store.run(short).unwrap().unwrap();
    let ended = RunRecord {
        status: RunStatus::Ok,
        finished_ms: Some(START_MS + 1),
        ..record
    };
    world.store.finish_run(&ended).unwrap();
    world.reporter.note(&world.project, short).unwrap();
    assert_eq!(world.deliver().unwrap(), 2);
    // Nothing was ever noted before the shorter one, but the longer one was under way then.
    world.end(long, 1);
    world.reporter.note(&world.project, long).unwrap();
    let later = world.run(0);
    world.reporter.note(&world.project, later).unwrap();
    world.deliver().unwrap();
    assert_eq!(world.rows("outflow_runs"), 3);
}

#[test]
fn a_state_that_starts_anew_overwrites_no_file() {
    let world = world("{ folder: reports }");
    let run = world.run(0);
    world.reporter.note(&world.project, run).unwrap();
    world.deliver().unwrap();
    let fresh = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::open(fresh.path(), Access::Write).unwrap());
    let reporter = Reporter::new(Arc::clone(&store));
    let run = store.begin_run("customers", START_MS + 3_600_000).unwrap();
    store.close_cut_off_runs().unwrap();
    reporter.note(&world.project, run).unwrap();
    reporter
        .deliver(world.project.report_to.as_ref().unwrap())
        .unwrap();
    assert_eq!(world.rows("outflow_runs"), 2);
}

#[test]
fn what_a_killed_process_left_half_written_is_swept_away() {
    let world = world("{ folder: reports }");
    let half = world.project.state.join("reports/outflow_runs/.outflow-1.tmp");
    std::fs::create_dir_all(half.parent().unwrap()).unwrap();
    std::fs::write(&half, "PAR1").unwrap();
    world.reporter.begin(&world.project).unwrap();
    assert!(!half.exists());
}

#[test]
fn the_page_is_committed_as_the_columns_say() {
    crate::committed::assert_committed("REPORTS.md", &page());
}
