//! `outflow demo` and `outflow sandbox`, as a newcomer meets them.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
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
    what_it_recommends_works(folder.path(), &said.stdout);
    every_other_verb_tells_of_it(&demo);
    the_twins_still_have_everything(&demo);
    // It may be repeated in its folder.
    outflow_in(folder.path(), &["demo"]).exits(0);
}

/// The commands of its last lines, as they stand. `run` comes with the twins, and exits 1 for the refused rows.
fn what_it_recommends_works(folder: &Path, told: &str) {
    let (_, last) = told.split_once("Then, in another terminal:").unwrap();
    let commands = last
        .lines()
        .filter_map(|line| line.trim().strip_prefix("outflow "));
    let commands: Vec<Vec<&str>> = commands
        .map(|line| line.split('#').next().unwrap().split_whitespace().collect())
        .collect();
    let verbs: Vec<&str> = commands.iter().map(|command| command[0]).collect();
    assert_eq!(verbs, ["status", "rejects", "explain", "run"]);
    for (command, parts) in commands.iter().zip([
        ["customers_mailchimp", "2,999"],
        ["not-an-address", "invalid_option"],
        ["customers_mailchimp 42", "nothing has changed since run"],
    ]) {
        let shown = outflow_in(folder, command).exits(0).stdout;
        for part in parts {
            assert!(
                shown.contains(part),
                "{command:?}: `{part}` is missing in {shown}"
            );
        }
    }
}

/// Without the twins, which have stopped: what the state and the files hold.
fn every_other_verb_tells_of_it(demo: &Path) {
    let document = |arguments: &[&str]| {
        let arguments = [arguments, &["--json"]].concat();
        outflow_in(demo, &arguments).exits(0).json()
    };
    let history = document(&["history"]);
    let runs = history["runs"].as_array().unwrap();
    let of_hubspot: Vec<_> = runs
        .iter()
        .filter(|run| run["sync"] == "customers_hubspot")
        .collect();
    assert_eq!(of_hubspot.len(), 3, "{history}");
    let (third, first) = (of_hubspot[0], of_hubspot[2]);
    assert_eq!(
        (&third["requests"], &first["created"]),
        (&0.into(), &3_000.into())
    );

    let rejects = document(&["rejects", "list", "customers_hubspot"]);
    let rejects = rejects["rejects"].as_array().unwrap();
    let mut refused: Vec<(&str, &str)> = rejects
        .iter()
        .map(|one| (one["key"].as_str().unwrap(), one["code"].as_str().unwrap()))
        .collect();
    refused.sort_unstable();
    assert_eq!(refused, [("1024", "invalid_option"), ("256", "invalid_email")]);
    let shown = document(&["rejects", "show", "customers_hubspot", "1024"]);
    assert_eq!(shown["reject"]["field"], "lifecyclestage");
    assert_eq!(shown["known"], true, "its old values are there still: {shown}");

    let renamed = document(&["explain", "customers_mailchimp", "42"]);
    assert!(renamed["row"]["fields"]["email_address"].is_string(), "{renamed}");
    let state = document(&["state", "show"]);
    let syncs = state["syncs"].as_array().unwrap();
    let rows: Vec<_> = syncs.iter().map(|sync| (&sync["sync"], &sync["rows"])).collect();
    assert_eq!(rows.len(), 4, "{state}");
    assert!(
        rows.contains(&(&"customers_hubspot".into(), &2_999.into())),
        "{rows:?}"
    );

    let schema = outflow_in(demo, &["schema", "mapping"]).exits(0).json();
    assert!(schema["properties"]["sync"].is_object());
    let code = outflow_in(demo, &["code", "invalid_option"]).exits(0).stdout;
    assert!(code.contains("what to do:"), "{code}");
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
    let plan = outflow_in(demo, &["plan"]).exits(0).stdout;
    assert_eq!(plan.matches("nothing to send").count(), 4, "{plan}");
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

#[test]
fn the_demo_goes_on_with_other_ports_where_the_usual_ones_are_taken() {
    // The first port of the first set and the second of the next: its twins start in part, and stop again.
    let taken = [4_710, 4_721];
    // One that cannot be had is taken by another program, which is as good.
    let held: Vec<TcpListener> = taken
        .iter()
        .filter_map(|port| TcpListener::bind(("127.0.0.1", *port)).ok())
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let said = outflow_in(folder.path(), &["demo"]).exits(0);
    drop(held);
    let demo = folder.path().join("outflow-demo");
    let settings = std::fs::read_to_string(demo.join("sandbox/sandbox.json")).unwrap();
    let settings: serde_json::Value = serde_json::from_str(&settings).unwrap();
    let first = settings["port"].as_u64().unwrap();
    assert!(first != 4_710 && first != 4_720, "{first} is taken");
    let project = std::fs::read_to_string(demo.join("outflow.yaml")).unwrap();
    for port in first..first + 3 {
        let address = format!("http://127.0.0.1:{port}");
        assert!(
            said.stdout.contains(&address),
            "{address} is not in {}",
            said.stdout
        );
        assert!(project.contains(&format!("base_url: {address}\n")), "{project}");
    }
    the_twins_still_have_everything(&demo);
}
