//! S3 for tests: a server of its own (moto, PyPI) and what writes there as Redshift does; gone with this
//! program.
//!
//! `tests/setup/environment` installs it; `OUTFLOW_REDSHIFT_PYTHON` names another Python that has it.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, OnceLock};

use serde_json::{Value as Json, json};

/// The server that tests share; each uses a bucket of its own.
pub struct S3 {
    pub port: u16,
    pipes: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
    _process: Child,
}

pub fn s3() -> &'static S3 {
    static S3: OnceLock<S3> = OnceLock::new();
    S3.get_or_init(|| {
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/real/unload/bucket.py");
        let mut process = Command::new(python())
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the server starts");
        let input = process.stdin.take().unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let mut port = String::new();
        output.read_line(&mut port).unwrap();
        S3 {
            port: port.trim().parse().expect("the server says its port"),
            pipes: Mutex::new((input, output)),
            _process: process,
        }
    })
}

impl S3 {
    /// Has something done and gives the answer.
    pub fn ask(&self, what: &Json) -> Json {
        let mut pipes = self.pipes.lock().unwrap();
        writeln!(pipes.0, "{what}").unwrap();
        let mut answer = String::new();
        pipes.1.read_line(&mut answer).unwrap();
        serde_json::from_str(&answer).expect("the server answers")
    }

    /// Keys of a bucket.
    pub fn keys(&self, bucket: &str) -> Vec<String> {
        serde_json::from_value(self.ask(&json!({"do": "list", "bucket": bucket}))).unwrap()
    }
}

fn python() -> PathBuf {
    if let Some(python) = std::env::var_os("OUTFLOW_REDSHIFT_PYTHON") {
        return python.into();
    }
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let cache = std::env::var_os("OUTFLOW_TEST_CACHE")
        .map_or_else(|| root.join("target/test-cache"), |cache| root.join(cache));
    let python = cache.join("redshift/bin/python");
    assert!(
        python.exists(),
        "{} is not there: run `make setup`, which installs moto",
        python.display()
    );
    python
}
