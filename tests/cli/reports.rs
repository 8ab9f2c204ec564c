//! `report_to:`: the results of runs as Parquet files.

use std::fs::File;
use std::path::{Path, PathBuf};

use arrow_array::{Array, Int64Array, RecordBatch, StringArray};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::project::Project;

async fn project(rows: usize) -> Project {
    let project = Project::new(rows).await;
    let file = project.path("outflow.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(file, format!("{text}report_to: {{ folder: reports }}\n")).unwrap();
    project
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn table(project: &Project, name: &str) -> Vec<RecordBatch> {
    let read = |path| ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    files(&project.path("reports").join(name))
        .into_iter()
        .flat_map(|path| read(path).build().unwrap().map(Result::unwrap))
        .collect()
}

fn texts(batches: &[RecordBatch], column: &str) -> Vec<String> {
    batches
        .iter()
        .flat_map(|batch| {
            let array = batch.column_by_name(column).unwrap();
            let array = array.as_any().downcast_ref::<StringArray>().unwrap();
            (0..array.len())
                .map(|row| array.value(row).to_owned())
                .collect::<Vec<_>>()
        })
        .collect()
}

fn numbers(batches: &[RecordBatch], column: &str) -> Vec<i64> {
    batches
        .iter()
        .flat_map(|batch| {
            let array = batch.column_by_name(column).unwrap();
            array
                .as_any()
                .downcast_ref::<Int64Array>()
                .unwrap()
                .values()
                .to_vec()
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_run_adds_its_ledger_and_the_rows_it_refused() {
    let mut project = project(5).await;
    project.outflow(&["run"]).exits(0);
    project.set(3, 1, "nonsense");
    project.outflow(&["run"]).exits(1);
    // It sleeps: this run does not refuse it again.
    project.set(4, 3, "Rome");
    project.outflow(&["run"]).exits(1);
    let runs = table(&project, "outflow_runs");
    assert_eq!(texts(&runs, "status"), ["ok", "rejects", "rejects"]);
    assert_eq!(numbers(&runs, "run_id"), [1, 2, 3]);
    assert_eq!(numbers(&runs, "rows_read"), [5, 5, 5]);
    assert_eq!(numbers(&runs, "rows_created"), [5, 0, 0]);
    assert_eq!(numbers(&runs, "rows_rejected"), [0, 1, 1]);
    assert_eq!(texts(&runs, "destination"), ["crm", "crm", "crm"]);
    let errors = table(&project, "outflow_row_errors");
    assert_eq!(numbers(&errors, "run_id"), [2]);
    assert_eq!(texts(&errors, "code"), ["invalid_email"]);
    assert_eq!(texts(&errors, "field"), ["email"]);
    assert_eq!(texts(&errors, "key_hash")[0].len(), 32);
    for path in [
        files(&project.path("reports/outflow_runs")),
        files(&project.path("reports/outflow_row_errors")),
    ]
    .concat()
    {
        let bytes = std::fs::read(&path).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(
            !text.contains("nonsense") && !text.contains("@example.com"),
            "{}",
            path.display()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn results_that_cannot_be_written_fail_no_run_and_come_with_the_next() {
    let project = project(2).await;
    project.write("reports", "a file where the folder should be");
    let said = project.outflow(&["run"]).exits(0);
    assert!(
        said.stderr.contains("report_to") && said.stderr.contains("wait"),
        "{}",
        said.stderr
    );
    std::fs::remove_file(project.path("reports")).unwrap();
    project.outflow(&["run"]).exits(0);
    assert_eq!(numbers(&table(&project, "outflow_runs"), "run_id"), [1, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_failed_is_told_with_its_code() {
    let project = project(2).await;
    std::fs::remove_file(project.path("data/customers.csv")).unwrap();
    project.outflow(&["run"]).exits(4);
    let runs = table(&project, "outflow_runs");
    assert_eq!(texts(&runs, "status"), ["failed"]);
    let code = &texts(&runs, "error_code")[0];
    // It is explained.
    let said = project.outflow(&["code", code]).exits(0);
    assert!(said.stdout.contains("what to do:"), "{}", said.stdout);
    project.outflow(&["code", "nonsense"]).exits(2);
}
