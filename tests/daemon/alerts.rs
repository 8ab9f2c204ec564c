//! Who is told what is wrong, and how often.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::sync::{Arc, Mutex};

use outflow_sandbox::hubspot::{Fault, FaultKind};

use crate::project::{MAPPING, Project};
use crate::served::{Served, until};

/// An incoming webhook that remembers what it was sent.
struct Wall {
    url: String,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Wall {
    /// Answers the first `refused` messages with 503.
    fn start(mut refused: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/services/secret-path", listener.local_addr().unwrap());
        let seen: Arc<Mutex<Vec<String>>> = Arc::default();
        let taken = Arc::clone(&seen);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let text = request(&mut stream);
                let status = if refused > 0 { "503 Busy" } else { "200 OK" };
                refused = refused.saturating_sub(1);
                let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                // The daemon may be gone by now.
                let _ = stream.write_all(answer.as_bytes());
                if status.starts_with("200") {
                    taken.lock().unwrap().push(text);
                }
            }
        });
        Self { url, seen }
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

/// One request, head and body.
fn request(stream: &mut std::net::TcpStream) -> String {
    let mut text = String::new();
    let mut bytes = [0; 4096];
    loop {
        let read = stream.read(&mut bytes).unwrap();
        text.push_str(&String::from_utf8_lossy(&bytes[..read]));
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| {
                    line.to_ascii_lowercase()
                        .strip_prefix("content-length: ")?
                        .parse()
                        .ok()
                })
                .unwrap_or(0);
            if body.len() >= length || read == 0 {
                return text;
            }
        }
    }
}

async fn project(wall: &Wall, schedule: &str) -> (Project, Command) {
    let project = Project::new(3).await;
    let file = project.path("outflow.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    let alerts = "alerts:\n  team: { type: slack, url: \"${env:WALL}\" }\n  \
                  pager: { type: webhook, url: \"${env:WALL}\", secret: \"${env:WALL_SECRET}\", on: [failed] }\n";
    std::fs::write(file, format!("{text}{alerts}")).unwrap();
    project.write("mappings/customers.yaml", &format!("{MAPPING}{schedule}"));
    let mut command = project.command(&["serve", "--listen", "127.0.0.1:0"]);
    command.env("WALL", &wall.url).env("WALL_SECRET", "s3cret");
    (project, command)
}

#[tokio::test(flavor = "multi_thread")]
async fn trouble_is_told_once_and_so_is_its_end() {
    let wall = Wall::start(0);
    let (project, command) = project(&wall, "schedule: { every: 1s }\n").await;
    let table = std::fs::read_to_string(project.path("data/customers.csv")).unwrap();
    std::fs::remove_file(project.path("data/customers.csv")).unwrap();
    let served = Served::command(command);
    until(|| served.log(), || crate::served::history(&project).len() >= 3);
    until(|| served.log(), || wall.seen().len() == 2);
    project.write("data/customers.csv", &table);
    until(|| served.log(), || wall.seen().len() == 4);
    until(|| served.log(), || project.twin.contacts().len() == 3);
    assert_eq!(served.stop().0, Some(0));
    let seen = wall.seen();
    assert_eq!(seen.len(), 4, "{seen:#?}");
    let slack: Vec<&String> = seen
        .iter()
        .filter(|text| !text.contains("x-outflow-signature"))
        .collect();
    assert!(
        slack[0].contains("Outflow: sync customers failed. run 1:"),
        "{}",
        slack[0]
    );
    assert!(
        slack[1].contains("Outflow: sync customers has recovered."),
        "{}",
        slack[1]
    );
    let signed: Vec<&String> = seen
        .iter()
        .filter(|text| text.contains("x-outflow-signature: sha256="))
        .collect();
    assert!(
        signed[0].contains("\"trouble\":\"failed\"") && signed[0].contains("\"recovered\":false"),
        "{}",
        signed[0]
    );
    assert!(signed[1].contains("\"recovered\":true"), "{}", signed[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_was_not_taken_is_sent_after_a_restart() {
    let wall = Wall::start(2);
    let (project, command) = project(&wall, "").await;
    project.twin.inject(
        Fault::on(
            "/",
            FaultKind::Status {
                code: 401,
                body: None,
                headers: Vec::new(),
            },
        )
        .times(50),
    );
    let served = Served::command(command);
    served.post("/api/v1/syncs/customers/trigger?wait=60s").is(200);
    until(
        || served.log(),
        || served.log().contains("an alert could not be sent"),
    );
    let (_, _, log) = served.stop();
    assert!(!log.contains("secret-path"), "the address is a credential: {log}");
    assert!(wall.seen().is_empty());
    let mut command = project.command(&["serve", "--listen", "127.0.0.1:0"]);
    command.env("WALL", &wall.url).env("WALL_SECRET", "s3cret");
    let served = Served::command(command);
    until(|| served.log(), || !wall.seen().is_empty());
    assert!(
        wall.seen()[0].contains("was refused its credentials"),
        "{:?}",
        wall.seen()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_that_never_runs_is_late() {
    let wall = Wall::start(0);
    let (_project, command) = project(&wall, "schedule: manual\nlate_after: 1s\n").await;
    let served = Served::command(command);
    until(|| served.log(), || wall.seen().len() == 1);
    assert!(
        wall.seen()[0].contains("is late. No run has gone through yet"),
        "{:?}",
        wall.seen()
    );
    served.post("/api/v1/syncs/customers/trigger?wait=60s").is(200);
    until(|| served.log(), || wall.seen().len() >= 2);
    assert!(
        wall.seen()[1].contains("is up to date again"),
        "{:?}",
        wall.seen()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_message_says_whether_it_was_taken() {
    let wall = Wall::start(1);
    let (project, _) = project(&wall, "").await;
    let test = |name: &str| {
        let mut command = project.command(&["alerts", "test", name]);
        command.env("WALL", &wall.url).env("WALL_SECRET", "s3cret");
        command.output().unwrap()
    };
    let refused = test("team");
    assert_eq!(refused.status.code(), Some(5));
    assert!(String::from_utf8_lossy(&refused.stdout).contains("failed team: it answered 503"));
    assert_eq!(test("team").status.code(), Some(0));
    assert!(wall.seen()[0].contains("this is a test"), "{:?}", wall.seen());
    assert_eq!(test("nobody").status.code(), Some(2));
}
