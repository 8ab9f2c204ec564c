//! What the pages show, and what their forms do.

use std::io::{BufRead, BufReader};
use std::time::Duration;

use outflow_sandbox::hubspot::{Fault, FaultKind, Property};
use serde_json::Value;

use crate::client::{Answer, Request};
use crate::project::{MAPPING, Project};
use crate::served::{Served, history, until};

/// The seal that a page gives its forms.
#[track_caller]
pub(crate) fn seal(page: &Answer) -> String {
    let (_, rest) = page
        .body
        .split_once("name=\"seal\" value=\"")
        .unwrap_or_else(|| panic!("no form in {}", page.body));
    rest.split('"').next().unwrap().to_owned()
}

/// A form as a browser sends it.
pub(crate) fn form(path: &str, fields: &[(&str, &str)]) -> Request {
    let encoded = |text: &str| -> String {
        text.bytes()
            .map(|byte| match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
                _ => format!("%{byte:02X}"),
            })
            .collect()
    };
    let pairs = fields
        .iter()
        .map(|(name, value)| format!("{name}={}", encoded(value)));
    Request::post(path)
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body(pairs.collect::<Vec<_>>().join("&"))
}

/// Where an answer leads to.
#[track_caller]
pub(crate) fn leads_to(answer: &Answer) -> String {
    assert_eq!(answer.status, 303, "{}\n{}", answer.headers, answer.body);
    header(answer, "location")
}

/// A header of an answer.
#[track_caller]
pub(crate) fn header(answer: &Answer, name: &str) -> String {
    let mut lines = answer.headers.lines().filter_map(|line| line.split_once(": "));
    let found = lines.find(|(known, _)| known.eq_ignore_ascii_case(name));
    found
        .unwrap_or_else(|| panic!("no {name} in {}", answer.headers))
        .1
        .to_owned()
}

fn run(served: &Served) {
    served.post("/api/v1/syncs/customers/trigger?wait=true").is(200);
}

/// What a page says, without its marks.
fn words(page: &Answer) -> String {
    let mut text = String::new();
    let mut inside = false;
    for char in page.body.chars() {
        match char {
            '<' => inside = true,
            '>' => {
                inside = false;
                text.push(' ');
            }
            _ if !inside => text.push(char),
            _ => {}
        }
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn says(page: &Answer, expected: &[&str]) {
    let words = words(page);
    for one in expected {
        assert!(words.contains(one), "`{one}` is not in: {words}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_tells_what_the_state_knows() {
    let mut project = Project::new(12).await;
    project.add(["13", "not an address", "Person 13", "Rome", "lead"]);
    let served = Served::start(&project, &[]);
    says(
        &served.get("/").is(200),
        &[
            "customers",
            "Not run yet",
            "Fresh as of never",
            "Last run none yet",
        ],
    );
    says(
        &served.get("/syncs/customers").is(200),
        &["No run yet", "column city", "not seen yet", "Run now"],
    );
    run(&served);
    project.set(2, 3, "Oslo");
    run(&served);

    says(
        &served.get("/").is(200),
        &[
            "Nothing needs a look. 1 row is refused",
            "customers Fresh",
            "Last run Done, with rejects",
            "Rows 12",
            "Rejects 1",
        ],
    );
    let sync = served.get("/syncs/customers").is(200);
    says(
        &sync,
        &[
            "Records changed now 1, at most 13",
            "Age of the data",
            "in 1 record, run 2",
            "in 12 records, run 1",
            "Defined in mappings&#x2f;customers.yaml",
        ],
    );
    assert!(sync.body.contains("<svg "), "{}", sync.body);
    says(
        &served.get("/runs/1").is(200),
        &[
            "Created new records at the destination 12",
            "Accounted for 13",
            "Balanced: 13 rows read, and each is in one line",
            "Fields that changed",
            "invalid_email refused 1",
        ],
    );
    says(
        &served.get("/runs/2").is(200),
        &["Updated records that got new values 1", "city 1"],
    );
    says(
        &served.get("/syncs/customers/rejects").is(200),
        &[
            "1 row of customers",
            "13 not an address",
            "Correct what feeds email",
            "when it changes",
        ],
    );
    says(
        &served.get("/fields").is(200),
        &[
            "crm, contacts",
            "City",
            "column city sync customers",
            "in 1 record, run 2",
        ],
    );
    for (path, message) in [
        ("/syncs/nobody", "no sync has this name"),
        ("/syncs/nobody/rejects", "no sync has this name"),
        ("/runs/99", "No run has this number"),
        ("/runs/x", "No run has this number"),
    ] {
        says(
            &served.get(path).is(404),
            &["Nothing here", message, "To the overview"],
        );
    }
    assert_eq!(served.stop().0, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_slowest_requests_of_a_run_are_named() {
    let project = Project::new(3).await;
    let served = Served::start(&project, &[]);
    let unavailable = FaultKind::Status {
        code: 503,
        body: None,
        headers: Vec::new(),
    };
    let slow = FaultKind::Latency {
        time: Duration::from_millis(1_500),
    };
    project.twin.inject(Fault::on("/batch/upsert", unavailable));
    project.twin.inject(Fault::on("/batch/upsert", slow));
    run(&served);
    let told = served.get("/api/v1/runs/1").is(200).json();
    let slowest = told["slowest_requests"].as_array().unwrap();
    assert_eq!(slowest.len() as u64, told["requests"].as_u64().unwrap(), "{told}");
    let [slow, refused] = &slowest[..] else {
        panic!("{told}")
    };
    assert_eq!(
        (&slow["route"], &slow["rows"], &slow["retry"], &slow["code"]),
        (&"upsert".into(), &3.into(), &true.into(), &Value::Null)
    );
    assert!(
        (1_500..10_000).contains(&slow["duration_ms"].as_u64().unwrap()),
        "{slow}"
    );
    assert_eq!((&refused["rows"], &refused["retry"]), (&3.into(), &false.into()));
    let (code, id) = (
        refused["code"].as_str().unwrap(),
        slow["correlation"].as_str().unwrap(),
    );
    let page = served.get("/runs/1").is(200);
    says(
        &page,
        &[
            "Slowest requests",
            "upsert sent again",
            &format!("answered {id}"),
            code,
        ],
    );
    assert!(!page.body.contains('@'), "{}", page.body);
    run(&served);
    let told = served.get("/api/v1/runs/2").is(200).json();
    assert_eq!(told["slowest_requests"], Value::Array(Vec::new()));
    assert!(!words(&served.get("/runs/2").is(200)).contains("Slowest requests"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_wrote_is_text_and_no_markup() {
    const HOSTILE: &str = "<img src=x onerror=alert(1)>";
    let mut project = Project::new(1).await;
    project.add([HOSTILE, "<script>alert(2)</script>", "Person 2", "Rome", "lead"]);
    let label = "<svg onload=alert(3)>Home & town";
    let property = Property::text("hometown").labelled(label);
    project.twin.define_property("contacts", property).unwrap();
    project.write(
        "mappings/customers.yaml",
        &format!("{MAPPING}  hometown: {{ template: \"<u>{{{{ city }}}}</u>\" }}\n"),
    );
    let served = Served::start(&project, &[]);
    run(&served);
    let rejects = served.get("/syncs/customers/rejects").is(200);
    let seal = seal(&rejects);
    let contact = form(
        "/contact",
        &[("seal", &seal), ("sync", "\"><script>"), ("who", HOSTILE)],
    );
    let pages = [
        served.get("/"),
        served.get("/syncs/customers"),
        served.get("/fields"),
        form("/contact", &[("seal", &seal), ("who", HOSTILE)]).send(&served),
        contact.send(&served),
        served.get("/runs/1"),
        rejects,
    ];
    for page in &pages {
        for raw in ["<img src=x", "<script>", "<svg onload", "<u>"] {
            assert!(!page.body.contains(raw), "{raw} in {}", page.body);
        }
        assert_eq!(page.status, 200, "{}", page.body);
    }
    let shown = |page: usize, text: &str| assert!(pages[page].body.contains(text), "{}", pages[page].body);
    shown(2, "&lt;svg onload=alert(3)&gt;Home &amp; town");
    shown(3, "&lt;img src=x onerror=alert(1)&gt;");
    shown(6, "&lt;script&gt;alert(2)&lt;&#x2f;script&gt;");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contact_is_found_by_key_and_by_address_and_nothing_of_it_is_logged() {
    let mut project = Project::new(3).await;
    project.add(["4", "not an address", "Person 4", "Rome", "lead"]);
    // Without removals the state keeps no key in clear.
    project.write(
        "mappings/customers.yaml",
        &MAPPING.replace("mode: mirror\nremoved: archive\n", ""),
    );
    let served = Served::start(&project, &[]);
    run(&served);
    let empty = served.get("/contact").is(200);
    let seal = seal(&empty);
    let ask = |who: &str, sync: &str| {
        let fields = [("seal", seal.as_str()), ("who", who), ("sync", sync)];
        form("/contact", &fields).send(&served).is(200)
    };
    for who in ["2", " person2@example.com ", "Person2@Example.com"] {
        says(
            &ask(who, ""),
            &[
                "customers → crm",
                "sent and acknowledged in the last run (1)",
                "Record at the destination",
                "firstname",
            ],
        );
    }
    let refused = ask("not an address", "customers");
    says(
        &refused,
        &["refused in the last run (1)", "Correct what feeds email"],
    );
    assert!(
        !refused.body.contains("person"),
        "of nobody else: {}",
        refused.body
    );
    says(
        &ask("nobody@example.com", ""),
        &["No destination has acknowledged or refused"],
    );
    says(&ask("nobody@example.com", "customers"), &["not known"]);
    assert!(
        !words(&ask("", "")).contains("No destination"),
        "nothing was asked"
    );
    let (_, _, log) = served.stop();
    assert!(!log.contains('@') && !log.contains("not an address"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn buttons_run_pause_resume_cancel_and_retry() {
    let mut project = Project::new(2).await;
    project.add(["3", "not an address", "Person 3", "Rome", "lead"]);
    let served = Served::start(&project, &[]);
    let seal = seal(&served.get("/syncs/customers").is(200));
    let press = |path: &str| form(path, &[("seal", &seal)]).send(&served);
    let after = leads_to(&press("/syncs/customers/run"));
    assert_eq!(after, "/syncs/customers?done=run");
    says(&served.get(&after).is(200), &["It runs as soon as it may."]);
    until(
        || served.log(),
        || served.get("/api/v1/syncs/customers").json()["status"] == "rejects",
    );
    let after = leads_to(&press("/syncs/customers/rejects/retry"));
    says(&served.get(&after).is(200), &["The next run tries 1 row again."]);

    leads_to(&press("/syncs/customers/pause"));
    says(
        &served.get("/syncs/customers").is(200),
        &["Paused", "paused by local", "Resume"],
    );
    says(
        &press("/syncs/customers/run").is(409),
        &["Not now", "the sync is paused"],
    );
    leads_to(&press("/syncs/customers/resume"));
    says(
        &press("/syncs/customers/cancel").is(409),
        &["neither runs nor waits"],
    );
    says(&press("/syncs/nobody/pause").is(404), &["no sync has this name"]);
    press("/syncs/customers/explode").is(404);
    assert_eq!(served.get("/syncs/customers/run").status, 405);
    assert_eq!(history(&project).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_is_told_while_a_run_goes_on() {
    let project = Project::new(6_000).await;
    let served = Served::start(&project, &[]);
    served.get("/syncs/customers").is(200);
    project.twin.set_latency(Duration::from_millis(400));
    let mut events = BufReader::new(Request::get("/live").open(&served))
        .lines()
        .map_while(Result::ok);
    served.post("/api/v1/syncs/customers/trigger").is(202);
    let sending = events
        .find(|line| line.contains("\"phase\":\"sending\""))
        .unwrap();
    assert!(sending.contains("\"planned\":6000"), "{sending}");
    let page = served.get("/syncs/customers").is(200);
    says(&page, &["Running", "sending, ", "of 6,000", "Cancel the run"]);
    says(&served.get("/runs/1").is(200), &["The run goes on"]);
    let seal = seal(&page);
    leads_to(&form("/syncs/customers/cancel", &[("seal", &seal)]).send(&served));
    events.find(|line| line == "event: ended").unwrap();
    says(&served.get("/syncs/customers").is(200), &["Cancelled"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_that_failed_says_why_on_its_pages() {
    let project = Project::new(2).await;
    let served = Served::start(&project, &[]);
    project.twin.expire_token(crate::project::TOKEN);
    run(&served);
    says(
        &served.get("/").is(200),
        &["1 of 1 sync needs a look", "No access"],
    );
    let sync = served.get("/syncs/customers").is(200);
    says(&sync, &["No access", "hubspot_"]);
    assert!(!sync.body.contains(crate::project::TOKEN));
    says(&served.get("/runs/1").is(200), &["Failed", "hubspot_"]);
}
