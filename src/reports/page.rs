//! The page about the tables, from their columns.

use super::columns::{Table, There};

const INTRODUCTION: &str = "# Results as tables\n\n\
With `report_to: { folder: ./reports }` in `outflow.yaml` every run, by `outflow run` or `outflow serve`, adds one \
Parquet file to each of two folders, for Looker, Tableau, DuckDB, a notebook or a warehouse. This page is generated from \
the columns in the code: renew it with `OUTFLOW_BLESS=1 cargo test --workspace --lib committed`.\n\n\
```sh\n\
duckdb -c \"select sync, status, count(*), sum(rows_updated) from 'reports/outflow_runs/**/*.parquet' group by all\"\n\
duckdb -c \"select code, field, count(*) from 'reports/outflow_row_errors/**/*.parquet' group by all order by 3 desc\"\n\
```\n\n\
A file appears whole or not at all. With `partition: day` the files lie in folders `date=2026-11-29`, the day the run \
started, UTC. Columns keep their names and types; new ones may come. Give each project a folder of its own.\n\n\
Neither table holds a key, a match value or any other value of a contact: a row is known by a keyed hash, and \
`outflow rejects` tells its key to whoever may see it.\n\n\
A run does not fail because its results cannot be written. They wait in the state's folder, the log says so, those who are \
told of `unreported` (see `alerts:`) are told, and the next run writes them too. Runs from before `report_to:` was there \
are in `outflow history` alone.\n";

const WAREHOUSES: &str = "\n## In a warehouse\n\n\
Outflow writes files, not warehouse tables: its sources are read with a role that may not write. A warehouse reads the \
folder once it lies in object storage. Copy it there by any means that keeps names, for example \
`aws s3 sync reports s3://BUCKET/outflow` after each run; then (the tests read the files with DuckDB; these statements are \
written from the warehouses' documentation):\n\n\
Amazon Redshift Spectrum:\n\n\
```sql\n\
create external schema outflow from data catalog database 'outflow' iam_role 'arn:aws:iam::…:role/…'\n\
    create external database if not exists;\n\
SPECTRUM\
```\n\n\
Google BigQuery:\n\n\
```sql\n\
create external table outflow.outflow_runs\n\
    options (format = 'PARQUET', uris = ['gs://BUCKET/outflow/outflow_runs/*.parquet']);\n\
```\n\n\
Snowflake:\n\n\
```sql\n\
create stage outflow url = 's3://BUCKET/outflow/' storage_integration = …;\n\
create file format outflow_parquet type = parquet;\n\
create external table outflow_runs using template (\n\
    select array_agg(object_construct(*)) from table(infer_schema(\n\
        location => '@outflow/outflow_runs/', file_format => 'outflow_parquet')))\n\
    location = @outflow/outflow_runs/ file_format = outflow_parquet auto_refresh = false;\n\
```\n\n\
`outflow_row_errors` is made the same way.\n";

/// The page, in Markdown.
pub fn page() -> String {
    let mut page = String::from(INTRODUCTION);
    for table in Table::ALL {
        let about = match table {
            Table::Runs => "One row for each run that ended, however it ended.",
            Table::RowErrors => {
                "One row for each row of a model that the run refused, or that the destination refused. Rows that sleep \
                 since an earlier run are in that run's file. Rows without a key of their own are counted in \
                 `outflow_runs` alone."
            }
        };
        page.push_str(&format!(
            "\n## `{}`\n\n{about}\n\n| Column | Type | Null | Meaning |\n|---|---|---|---|\n",
            table.name()
        ));
        for column in table.columns() {
            let null = match column.there {
                There::Always => "never",
                There::Sometimes => "may be",
            };
            page.push_str(&format!(
                "| `{}` | {} | {null} | {} |\n",
                column.name,
                column.kind.word(),
                column.meaning
            ));
        }
    }
    page.push_str(&WAREHOUSES.replace("SPECTRUM", &spectrum()));
    page
}

/// The statement that makes the first table known to Redshift.
fn spectrum() -> String {
    let columns: Vec<String> = Table::Runs
        .columns()
        .iter()
        .map(|column| format!("    {} {}", column.name, column.kind.redshift()))
        .collect();
    format!(
        "create external table outflow.outflow_runs (\n{}\n) stored as parquet location 's3://BUCKET/outflow/outflow_runs/';\n",
        columns.join(",\n")
    )
}
