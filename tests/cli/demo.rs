//! `outflow demo` and `outflow sandbox`, as a newcomer meets them.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Stdio;

use crate::project::{binary, outflow_in};
use crate::signals::terminate;

#[test]
fn the_demo_tells_its_story_to_the_end_and_leaves_a_project_that_works() {
    let folder = tempfile::tempdir().unwrap();
    let said = outflow_in(folder.path(), &["demo"]).exits(0);
    for part in [
        "1. First sync",
        "3,000",
        "city (changed) → Reykjavík",
        "CITY (changed) → Reykjavík",
        "City (changed) → Reykjavík",
        "0 requests",
        "What a marketer sees",
        "new.address.42@mail.demo",
        "status = unsubscribed",
        "outflow sandbox -C outflow-demo",
    ] {
        assert!(
            said.stdout.contains(part),
            "`{part}` is missing in {}",
            said.stdout
        );
    }
    let demo = folder.path().join("outflow-demo");
    outflow_in(&demo, &["check", "--offline"]).exits(0);
    let status = outflow_in(&demo, &["status", "--json"]).exits(0).json();
    let rejects: Vec<(&str, u64)> = status["syncs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|sync| (sync["sync"].as_str().unwrap(), sync["rejects"].as_u64().unwrap()))
        .collect();
    assert_eq!(
        rejects,
        [
            ("companies", 0),
            ("customers_hubspot", 2),
            ("customers_mailchimp", 2),
            ("customers_marketing_cloud", 1)
        ]
    );
    the_twins_still_have_everything(&demo);
    // It may be repeated in its folder.
    outflow_in(folder.path(), &["demo"]).exits(0);
}

/// `outflow sandbox` serves what the demo left: nothing is to be sent, and the page shows a customer of
/// the story in each twin.
fn the_twins_still_have_everything(demo: &Path) {
    let mut sandbox = binary()
        .current_dir(demo)
        .arg("sandbox")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(sandbox.stdout.take().unwrap()).lines();
    let mut page = None;
    for line in lines.map(Result::unwrap) {
        if let Some((_, url)) = line.split_once("on one page: ") {
            page = Some(url.to_owned());
        }
        if line.starts_with("Ctrl-C") {
            break;
        }
    }
    outflow_in(demo, &["check"]).exits(0);
    let run = outflow_in(demo, &["run", "--json"]).exits(1).json();
    for sync in run["syncs"].as_array().unwrap() {
        assert_eq!(sync["requests"], 0, "{sync}");
    }
    let fields = outflow_in(demo, &["fields", "customers_mailchimp", "--json"])
        .exits(0)
        .stdout;
    assert!(
        fields.contains("LAST_ORDER") && fields.contains("STAGE"),
        "{fields}"
    );
    let shown = get(&page.unwrap(), "/?q=new.address.42");
    for part in ["1 contact<", "1 member<", "1 row<"] {
        assert!(shown.contains(part), "{part} is missing in {shown}");
    }
    terminate(&sandbox);
    assert_eq!(sandbox.wait().unwrap().code(), Some(0));
}

/// The answer to a request to `http://HOST:PORT`.
fn get(url: &str, path: &str) -> String {
    let address = url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn the_demo_leaves_a_folder_alone_that_it_did_not_make() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("data")).unwrap();
    std::fs::write(folder.path().join("data/mine.csv"), "id\n1\n").unwrap();
    let said = outflow_in(folder.path(), &["demo", "."]).exits(2);
    assert!(said.stderr.contains("left alone"), "{}", said.stderr);
    assert!(folder.path().join("data/mine.csv").exists());
}
