//! The emulator `bqemulator` (PyPI) for tests: its own ports, gone with the process.
//!
//! `tests/setup/environment` installs it; `OUTFLOW_BIGQUERY_PYTHON` names another Python that has it.
//! Without it the tests fail and say so: a source that is not tried against a server is not tested.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The project of every server.
pub const PROJECT: &str = "acme";

/// A running emulator.
pub struct Server {
    /// Where its REST API listens.
    pub rest: u16,
    /// Where its Storage Read API listens.
    pub grpc: u16,
    /// Ends with its standard input, however this process ends.
    _process: Child,
}

impl Server {
    /// Starts an empty emulator.
    pub fn start() -> Self {
        let (rest, grpc) = (free_port(), free_port());
        let process = Command::new(python())
            .arg(here().join("bigquery_server.py"))
            .args([rest.to_string(), grpc.to_string(), PROJECT.to_owned()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the emulator starts");
        let server = Self {
            rest,
            grpc,
            _process: process,
        };
        let patience = Instant::now() + Duration::from_secs(90);
        while TcpStream::connect((Ipv4Addr::LOCALHOST, rest)).is_err()
            || TcpStream::connect((Ipv4Addr::LOCALHOST, grpc)).is_err()
        {
            assert!(
                Instant::now() < patience,
                "the emulator did not start within 90 s"
            );
            wait(Duration::from_millis(100));
        }
        server
    }

    /// Runs a statement; one that fails is a panic.
    pub fn sql(&self, text: &str) {
        let body = serde_json::json!({"configuration": {"query": {"query": text, "useLegacySql": false}}});
        let answer = self.post(
            &format!("/bigquery/v2/projects/{PROJECT}/jobs"),
            &body.to_string(),
        );
        assert!(
            !answer.contains("\"errorResult\"") && !answer.contains("\"error\":"),
            "{text}: {answer}"
        );
    }

    /// Makes an empty dataset.
    pub fn dataset(&self, name: &str) {
        let body = serde_json::json!({"datasetReference": {"datasetId": name, "projectId": PROJECT}});
        self.post(
            &format!("/bigquery/v2/projects/{PROJECT}/datasets"),
            &body.to_string(),
        );
    }

    /// Makes an empty table; `schema` is `name:TYPE,…`, or `name:TYPE:REPEATED`.
    pub fn table(&self, dataset: &str, table: &str, schema: &str) {
        let field = |column: &str| {
            let mut parts = column.split(':');
            let (name, kind) = (parts.next(), parts.next());
            serde_json::json!({"name": name, "type": kind, "mode": parts.next().unwrap_or("NULLABLE")})
        };
        let fields: Vec<_> = schema.split(',').map(field).collect();
        let body = serde_json::json!({
            "tableReference": {"projectId": PROJECT, "datasetId": dataset, "tableId": table},
            "schema": {"fields": fields},
        });
        let path = format!("/bigquery/v2/projects/{PROJECT}/datasets/{dataset}/tables");
        let answer = self.post(&path, &body.to_string());
        assert!(answer.starts_with("HTTP/1.1 200"), "{table}: {answer}");
    }

    /// Makes a table from JSON lines with the official client; `schema` is `name:TYPE,…`.
    #[allow(dead_code)] // not every test that includes this file loads tables
    pub fn load(&self, table: &str, schema: &str, lines: &str) {
        let mut load = Command::new(python())
            .arg(here().join("bigquery_load.py"))
            .args([&self.rest.to_string(), PROJECT, table, schema])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the official client starts");
        // The client reads all of it before it answers.
        load.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
        let done = load.wait_with_output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let rows = String::from_utf8_lossy(&done.stdout).trim().to_owned();
        assert_eq!(rows, lines.lines().count().to_string(), "rows of {table}");
    }

    fn post(&self, path: &str, body: &str) -> String {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.rest)).unwrap();
        let length = body.len();
        write!(
            stream,
            "POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

/// The Python that has the emulator and the official client.
pub fn python() -> PathBuf {
    if let Some(python) = std::env::var_os("OUTFLOW_BIGQUERY_PYTHON") {
        return python.into();
    }
    let cache = std::env::var_os("OUTFLOW_TEST_CACHE").map_or_else(
        || here().join("../../target/test-cache"),
        |cache| here().join("../..").join(cache),
    );
    let python = cache.join("bigquery/bin/python");
    assert!(
        python.exists(),
        "{} is not there: run `make setup`, which installs bqemulator",
        python.display()
    );
    python
}

/// The folder of this file.
pub fn here() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    let found = manifest
        .ancestors()
        .map(|folder| folder.join("tests/warehouse"))
        .find(|folder| folder.join("bigquery_server.py").exists());
    found.expect("tests/warehouse")
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .expect("a free port")
        .port()
}

#[expect(
    clippy::disallowed_methods,
    reason = "tests of another process wait in real time"
)]
fn wait(time: Duration) {
    std::thread::sleep(time);
}
