//! A small project in a temporary folder, its twin, and the binary to run on it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use outflow_sandbox::hubspot::{LoggedRequest, Options, Token, Twin};
use serde_json::Value;
use tempfile::TempDir;

/// The credential the twin accepts.
pub(crate) const TOKEN: &str = "pat-na1-test";

/// The mapping of the project's one sync.
pub(crate) const MAPPING: &str = "\
sync: customers
source: files
model: { table: customers }
key: id
destination: crm
object: contacts
match: email
mode: mirror
removed: archive
fields:
  email: email
  firstname: { column: first_name, null: keep }
  city: city
  lifecyclestage: stage
";

/// A project with a twin of its own.
pub(crate) struct Project {
    pub(crate) twin: Twin,
    folder: TempDir,
    rows: Vec<[String; 5]>,
}

/// What the binary said.
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Said {
    pub(crate) fn of(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// The one JSON document on stdout.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}\nstdout: {}\nstderr: {}", self.stdout, self.stderr))
    }

    /// Fails, with everything that was said, unless the exit code is `code`.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(
            self.code, code,
            "stdout: {}\nstderr: {}",
            self.stdout, self.stderr
        );
        self
    }
}

impl Project {
    /// A project with so many customers, none of them synced yet.
    pub(crate) async fn new(customers: usize) -> Self {
        let options = Options {
            tokens: vec![Token::new(TOKEN)],
            ..Options::default()
        };
        let twin = Twin::start(options).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let rows = (1..=customers)
            .map(|id| {
                [
                    id.to_string(),
                    format!("person{id}@example.com"),
                    format!("Person {id}"),
                    "Berlin".into(),
                    "lead".into(),
                ]
            })
            .collect();
        let project = Self { twin, folder, rows };
        let outflow = format!(
            "sources:\n  files: {{ type: lake, path: ./data }}\n\
             destinations:\n  crm:\n    type: hubspot\n    base_url: {}\n    token: \"${{env:CRM_TOKEN}}\"\n    limits: none\n",
            project.twin.base_url()
        );
        project.write("outflow.yaml", &outflow);
        project.write("mappings/customers.yaml", MAPPING);
        project.save();
        project
    }

    pub(crate) fn dir(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir().join(name)
    }

    /// Writes a file of the project.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Changes a column (0 id, 1 email, 2 first_name, 3 city, 4 stage) of customer `id`.
    pub(crate) fn set(&mut self, id: usize, column: usize, value: &str) {
        let id = id.to_string();
        let row = self.rows.iter_mut().find(|row| row[0] == id).unwrap();
        row[column] = value.into();
        self.save();
    }

    /// Removes a customer.
    pub(crate) fn remove(&mut self, id: usize) {
        let id = id.to_string();
        self.rows.retain(|row| row[0] != id);
        self.save();
    }

    /// Adds one more row.
    pub(crate) fn add(&mut self, row: [&str; 5]) {
        self.rows.push(row.map(str::to_owned));
        self.save();
    }

    fn save(&self) {
        let mut text = String::from("id,email,first_name,city,stage\n");
        for row in &self.rows {
            text.push_str(&row.join(","));
            text.push('\n');
        }
        self.write("data/customers.csv", &text);
    }

    /// The binary, ready to run on this project.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = binary();
        command
            .args(arguments)
            .arg("-C")
            .arg(self.dir())
            .env("CRM_TOKEN", TOKEN);
        command
    }

    /// Runs the binary on this project.
    pub(crate) fn outflow(&self, arguments: &[&str]) -> Said {
        Said::of(self.command(arguments).output().unwrap())
    }

    /// Requests that changed something since the log was cleared.
    pub(crate) fn writes(&self) -> Vec<LoggedRequest> {
        let requests = self.twin.requests();
        requests
            .into_iter()
            .filter(|request| request.method != "GET" && !request.path.ends_with("/batch/read"))
            .collect()
    }
}

/// The binary in a clean environment.
pub(crate) fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_outflow"));
    command
        .env_remove("OUTFLOW_LOG")
        .env_remove("RUST_LOG")
        .env("NO_COLOR", "1");
    command
}

/// Runs the binary in `dir`.
pub(crate) fn outflow_in(dir: &Path, arguments: &[&str]) -> Said {
    Said::of(binary().current_dir(dir).args(arguments).output().unwrap())
}

/// Keys of a JSON object, in order.
pub(crate) fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

/// Panics unless `value` has every one of `wanted`.
#[track_caller]
pub(crate) fn has_keys(value: &Value, wanted: &[&str]) {
    for key in wanted {
        assert!(value.get(key).is_some(), "`{key}` is missing in {value}");
    }
}
