//! fakesnow, an emulator of Snowflake that others wrote: started for a test program, gone with it.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

/// A running emulator. It ends when this is dropped, or when this program ends.
pub struct Fakesnow {
    pub port: u16,
    token: String,
    /// Holds the pipe whose end ends the emulator.
    child: Child,
}

impl Fakesnow {
    /// Starts one with an empty database DB and a schema SHOP.
    pub fn start() -> Self {
        let program = python();
        let port = TcpListener::bind(("127.0.0.1", 0))
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        // `read` comes back when the pipe is closed: by a drop, by the end of this program, by a crash.
        let script = r#""$0" "$1" -s -p "$2" >/dev/null 2>&1 & emulator=$!; read -r _; kill "$emulator""#;
        let child = Command::new("sh")
            .args(["-c", script])
            .arg(&program)
            .arg(launcher())
            .arg(port.to_string())
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let mut started = Self {
            port,
            token: String::new(),
            child,
        };
        let login = json!({"data": {"SESSION_PARAMETERS": {}}});
        let patience = Instant::now() + Duration::from_secs(60);
        started.token = loop {
            match started.post(
                "/session/v1/login-request?databaseName=DB&schemaName=SHOP",
                &login,
            ) {
                Some(answer) => break answer["data"]["token"].as_str().unwrap().to_owned(),
                None if Instant::now() < patience => std::thread::park_timeout(Duration::from_millis(100)),
                None => panic!("{} did not start", program.display()),
            }
        };
        started.sql("CREATE DATABASE IF NOT EXISTS DB");
        started.sql("CREATE SCHEMA IF NOT EXISTS DB.SHOP");
        started
    }

    /// Runs a statement.
    pub fn sql(&self, text: &str) {
        let answer = self
            .post(
                "/queries/v1/query-request?requestId=load",
                &json!({"sqlText": text}),
            )
            .expect("the emulator answers");
        assert_eq!(answer["success"], true, "{text}: {}", answer["message"]);
    }

    /// Settings of a source there. Any credential is good.
    #[allow(dead_code, reason = "tests of whole projects write their own")]
    pub fn settings(&self) -> Json {
        json!({
            "account": "myorg-test", "user": "outflow", "token": "any", "database": "DB", "schema": "SHOP",
            "base_url": format!("http://127.0.0.1:{}", self.port),
        })
    }

    fn post(&self, path: &str, body: &Json) -> Option<Json> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        let body = body.to_string();
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nauthorization: Snowflake \
             Token=\"{}\"\r\ncontent-length: {}\r\n\r\n{body}",
            self.token,
            body.len()
        );
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok()?;
        let answer = String::from_utf8(answer).ok()?;
        let (_, body) = answer.split_once("\r\n\r\n")?;
        serde_json::from_str(body).ok()
    }
}

impl Drop for Fakesnow {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// The program that starts the emulator.
fn launcher() -> PathBuf {
    root().join("connectors/snowflake/tests/fakesnow/launch.py")
}

/// The Python that has it, where `tests/setup/environment` put it.
fn python() -> PathBuf {
    let cache = std::env::var_os("OUTFLOW_TEST_CACHE");
    let cache = cache.map_or_else(|| root().join("target/test-cache"), PathBuf::from);
    let python = cache.join("snowflake/bin/python");
    assert!(
        python.exists(),
        "{} is missing: run tests/setup/environment once",
        python.display()
    );
    python
}

fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let root = here.ancestors().find(|folder| folder.join("Cargo.lock").exists());
    root.unwrap().to_owned()
}
