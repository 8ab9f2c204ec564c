//! A daemon that is served for one test.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::client::{Answer, Request};
use crate::project::Project;

/// Longest a test waits for something to happen.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running daemon; killed when the test is over.
pub(crate) struct Served {
    child: Child,
    log: Arc<Mutex<String>>,
    address: String,
}

impl Served {
    /// Starts the daemon of a project, and waits until it serves.
    pub(crate) fn start(project: &Project, arguments: &[&str]) -> Self {
        let mut all = vec!["serve", "--listen", "127.0.0.1:0"];
        all.extend(arguments);
        Self::command(project.command(&all))
    }

    /// Starts a daemon by this command, and waits until it serves.
    pub(crate) fn command(mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::default();
        collect(child.stderr.take().unwrap(), Arc::clone(&log));
        let mut first = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut first)
            .unwrap();
        let address = first.trim_end().rsplit("http://").next().unwrap().to_owned();
        let served = Self { child, log, address };
        assert!(first.starts_with("outflow serves"), "{first}{}", served.log());
        served
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Asks for a path.
    pub(crate) fn get(&self, path: &str) -> Answer {
        Request::get(path).send(self)
    }

    /// Posts nothing to a path.
    pub(crate) fn post(&self, path: &str) -> Answer {
        Request::post(path).send(self)
    }

    /// What it has written to its log so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Sends it a signal by name.
    pub(crate) fn signal(&self, name: &str) {
        let done = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(self.child.id().to_string())
            .status()
            .unwrap();
        assert!(done.success());
    }

    /// Asks it to stop; gives its exit code and how long it took.
    pub(crate) fn stop(mut self) -> (Option<i32>, Duration, String) {
        let asked = Instant::now();
        self.signal("TERM");
        let status = self.child.wait().unwrap();
        (status.code(), asked.elapsed(), self.log())
    }

    /// Ends it as a power cut does.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn collect(mut stderr: ChildStderr, log: Arc<Mutex<String>>) {
    std::thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(read) = stderr.read(&mut bytes)
            && read > 0
        {
            log.lock()
                .unwrap()
                .push_str(&String::from_utf8_lossy(&bytes[..read]));
        }
    });
}

/// Waits until something is so, or fails with what is told.
#[track_caller]
pub(crate) fn until(what: impl Fn() -> String, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < PATIENCE, "waited in vain: {}", what());
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// The runs of a project's history, the newest first.
pub(crate) fn history(project: &Project) -> Vec<serde_json::Value> {
    let document = project.outflow(&["history", "--json"]).exits(0).json();
    document["runs"].as_array().unwrap().clone()
}
