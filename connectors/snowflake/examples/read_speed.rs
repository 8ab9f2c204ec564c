//! Reads a model as a run does and says how fast, and how much memory it took at most.
//!
//! ```sh
//! cargo run --release -p outflow-snowflake --example account -- 18080 1000000 arrow &
//! cargo run --release -p outflow-snowflake --example read_speed -- '{"account": "myorg-test", "user": "outflow",
//!   "token": "secret-access-token-91be", "base_url": "http://127.0.0.1:18080"}' 'select * from many'
//! ```

use std::process::ExitCode;
use std::time::Instant;

use futures::StreamExt;
use outflow_sdk::ConnectorError;
use outflow_sdk::descriptor::OpenContext;
use outflow_sdk::source::{Model, ReadEvent, ReadRequest};
use outflow_snowflake::DESCRIPTOR;

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (Some(settings), Some(sql)) = (arguments.next(), arguments.next()) else {
        say("usage: read_speed SETTINGS-AS-JSON SQL");
        return ExitCode::from(2);
    };
    match measure(&settings, sql).await {
        Ok(line) => {
            say(&line);
            ExitCode::SUCCESS
        }
        Err(error) => {
            say(&format!("{}: {error}", error.code));
            ExitCode::FAILURE
        }
    }
}

async fn measure(settings: &str, sql: String) -> Result<String, ConnectorError> {
    let settings = serde_json::from_str(settings)
        .map_err(|error| ConnectorError::config("settings", format!("the settings are no JSON: {error}")))?;
    let context = OpenContext {
        root: ".".into(),
        connection: "speed".into(),
    };
    let source = (DESCRIPTOR.open)(settings, &context)?;
    let started = Instant::now();
    let request = ReadRequest {
        model: Model::Sql(sql),
        columns: Vec::new(),
        sync: "speed".into(),
        run_id: "speed".into(),
    };
    let mut reading = source.read(request).await?;
    let first = started.elapsed();
    let columns = reading.schema.fields().len();
    let mut rows = 0;
    while let Some(event) = reading.events.next().await {
        match event? {
            ReadEvent::Batch(batch) => rows += batch.num_rows(),
            ReadEvent::End(_) => break,
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    Ok(format!(
        "{rows} rows x {columns} columns in {seconds:.2} s: {:.0} rows/s, first row after {} ms, at most {} MiB",
        rows as f64 / seconds,
        first.as_millis(),
        peak_mebibytes().map_or_else(|| "?".to_owned(), |peak| peak.to_string()),
    ))
}

/// The most memory this process has had, where the system tells.
fn peak_mebibytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? / 1024)
}

#[expect(clippy::print_stdout, reason = "the result of a program for the command line")]
fn say(line: &str) {
    println!("{line}");
}
