//! Rows that are refused.

use outflow::state::{Access, RejectClass};
use outflow_sandbox::hubspot::{AllFailed, Fault, FaultKind, Options};

use crate::bench_project::{Bench, MAPPING};

const MODEL: &str =
    "id,email,first,city\n1,ann@example.com,Ann,Oslo\n2,not an address,Bob,Rome\n3,cy@example.com,Cy,Rome\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_row_costs_one_row_sleeps_and_wakes_when_its_value_changes() {
    let bench = Bench::new(MAPPING, MODEL).await;
    let report = bench.run().await;
    assert_eq!((report.tally.created, report.tally.rejected), (2, 1));
    assert_eq!(report.exit() as u8, 1);
    let rejects = bench
        .store(Access::Read)
        .rejects(Some("customers"), None, 10)
        .unwrap();
    assert_eq!(rejects.len(), 1);
    assert_eq!(rejects[0].reject.key_text, "2");
    assert_eq!(rejects[0].reject.class, RejectClass::Permanent);
    assert!(
        !rejects[0].reject.message.contains("not an address"),
        "values are not repeated in reasons"
    );

    let report = bench.run().await;
    assert_eq!(
        (report.tally.rejected, report.tally.unchanged, bench.requests()),
        (1, 2, 0),
        "it sleeps"
    );
    assert_eq!(report.exit() as u8, 1, "and is not hidden");

    bench.model(&MODEL.replace("not an address", "bob@example.com"));
    let report = bench.run().await;
    assert_eq!((report.tally.created, report.tally.rejected), (1, 0));
    assert_eq!(report.exit() as u8, 0);
    assert!(
        bench
            .store(Access::Read)
            .rejects(None, None, 10)
            .unwrap()
            .is_empty()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_option_is_refused_before_a_request_and_wakes_with_the_mapping() {
    let mapping = MAPPING.replace("  city: city", "  lifecyclestage: city");
    let bench = Bench::new(&mapping, "id,email,first,city\n1,ann@example.com,Ann,nonsense\n").await;
    let report = bench.run().await;
    assert_eq!((report.tally.rejected, report.tally.created), (1, 0));
    assert!(bench.writes().is_empty());
    bench.map(&MAPPING.replace("  city: city", "  lifecyclestage: { value: lead }"));
    let report = bench.run().await;
    assert_eq!((report.tally.rejected, report.tally.created), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reject_wakes_when_someone_asks() {
    let bench = Bench::new(MAPPING, MODEL).await;
    bench.run().await;
    {
        let store = bench.store(Access::Write);
        let state = store.sync("customers").unwrap().unwrap();
        let now = i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap();
        assert_eq!(store.retry(state.id, None, now).unwrap(), 1);
    }
    let report = bench.run().await;
    assert_eq!(report.tally.rejected, 1);
    let rejects = bench.store(Access::Read).rejects(None, None, 10).unwrap();
    assert_eq!(
        rejects[0].reject.attempts, 2,
        "it was tried again, and sleeps again"
    );
    bench.run().await;
    assert_eq!(
        bench.store(Access::Read).rejects(None, None, 10).unwrap()[0]
            .reject
            .attempts,
        2
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_cannot_be_cast_rejects_its_row_only() {
    let mapping = MAPPING.replace("  city: city", "  city: { column: city, as: integer }");
    let bench = Bench::new(
        &mapping,
        "id,email,first,city\n1,a@example.com,A,12\n2,b@example.com,B,twelve\n",
    )
    .await;
    let report = bench.run().await;
    assert_eq!((report.tally.created, report.tally.rejected), (1, 1));
    let rejects = bench.store(Access::Read).rejects(None, None, 10).unwrap();
    assert_eq!(
        (
            rejects[0].reject.code.as_str(),
            rejects[0].reject.field.as_deref()
        ),
        ("cannot_cast", Some("city"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_without_a_value_that_may_not_be_missing_waits_for_it_alone() {
    let mapping = MAPPING.replace("  city: city", "  city: { column: city, null: fail }");
    let model = "id,email,first,city\n1,ann@example.com,Ann,Oslo\n2,bob@example.com,Bob,\n";
    let bench = Bench::new(&mapping, model).await;
    for attempt in ["at first", "and again"] {
        let report = bench.run().await;
        assert_eq!(
            (report.tally.rejected, report.exit() as u8),
            (1, 1),
            "{attempt}: {:?}",
            report.tally
        );
        assert!(
            bench.twin.contact("bob@example.com").is_none(),
            "{attempt}: it is not sent"
        );
        assert_eq!(
            bench.field("ann@example.com", "city").as_deref(),
            Some("Oslo"),
            "{attempt}: others are"
        );
        let rejects = bench.store(Access::Read).rejects(None, None, 10).unwrap();
        assert_eq!(rejects.len(), 1, "{attempt}");
        let reject = &rejects[0].reject;
        assert_eq!(
            (reject.key_text.as_str(), reject.code.as_str(), reject.class),
            ("2", "null_value", RejectClass::Permanent),
            "{attempt}"
        );
        assert_eq!(reject.field.as_deref(), Some("city"), "{attempt}");
    }
    assert_eq!(bench.requests(), 0, "the second time there was nothing to send");

    bench.model(&model.replace("Bob,", "Bob,Rome"));
    let tally = bench.run_ok().await;
    assert_eq!((tally.created, tally.unchanged, tally.rejected), (1, 1, 0));
    assert_eq!(bench.field("bob@example.com", "city").as_deref(), Some("Rome"));

    // A value that is taken away is refused as well, and what is there stays.
    bench.model(model);
    let report = bench.run().await;
    assert_eq!((report.tally.rejected, bench.writes().len()), (1, 0));
    assert_eq!(bench.field("bob@example.com", "city").as_deref(), Some("Rome"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_value_stays_at_the_destination_while_the_new_one_is_refused() {
    let model = "id,email,first,city\n1,ann@example.com,Ann,lead\n";
    let mapping = MAPPING.replace("  city: city", "  lifecyclestage: city");
    let bench = Bench::new(&mapping, model).await;
    bench.run_ok().await;
    bench.model(&model.replace("lead", "nonsense"));
    let report = bench.run().await;
    assert_eq!(report.tally.rejected, 1);
    assert_eq!(
        bench.field("ann@example.com", "lifecyclestage").as_deref(),
        Some("lead")
    );
    bench.model(model);
    let report = bench.run().await;
    assert_eq!(
        (report.tally.unchanged, report.exit() as u8),
        (1, 0),
        "as acknowledged again: the reject is closed"
    );
    assert!(
        bench
            .store(Access::Read)
            .rejects(None, None, 10)
            .unwrap()
            .is_empty()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn no_contact_value_stays_in_the_state() {
    let bench = Bench::new(MAPPING, MODEL).await;
    bench.run().await;
    bench.model(&MODEL.replace("not an address", "bob@example.com"));
    bench.run().await;
    for entry in std::fs::read_dir(bench.root().join(".outflow")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            for value in ["ann@example.com", "Oslo", "not an address"] {
                let found = bytes
                    .windows(value.len())
                    .any(|window| window == value.as_bytes());
                assert!(!found, "{value} in {}", path.display());
            }
        }
    }
}

/// Four rows of which the second has an address that only HubSpot knows to be wrong.
const UNKNOWN_DOMAIN: &str = "id,email,first,city\n1,ann@example.com,Ann,Oslo\n2,bob@example.con,Bob,Rome\n\
     3,cy@example.com,Cy,Rome\n4,di@example.com,Di,Oslo\n";

/// Whom the destination has, and that Bob alone is refused, and why.
fn only_bob_is_refused(bench: &Bench, others: &[&str]) {
    let mut there: Vec<String> = bench
        .twin
        .contacts()
        .iter()
        .filter_map(|contact| contact.get("firstname").map(str::to_owned))
        .collect();
    there.sort();
    assert_eq!(there, others);
    let rejects = bench.store(Access::Read).rejects(None, None, 10).unwrap();
    let told: Vec<_> = rejects
        .iter()
        .map(|open| {
            let reject = &open.reject;
            (
                reject.key_text.as_str(),
                reject.code.as_str(),
                reject.field.as_deref(),
            )
        })
        .collect();
    assert_eq!(told, [("2", "invalid_email", Some("email"))]);
    assert!(
        !rejects[0].reject.message.contains("example.con"),
        "values are not repeated in reasons"
    );
}

/// The keys in each write of the last run, fewest first.
fn batches(bench: &Bench) -> Vec<Vec<String>> {
    let mut batches: Vec<Vec<String>> = bench
        .writes()
        .iter()
        .map(|(_, body)| {
            let inputs = body["inputs"].as_array().unwrap();
            inputs
                .iter()
                .map(|input| input["id"].as_str().unwrap().to_owned())
                .collect()
        })
        .collect();
    batches.sort_by_key(Vec::len);
    batches
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_a_batch_names_as_refused_costs_no_further_request() {
    let bench = Bench::new(MAPPING, UNKNOWN_DOMAIN).await;
    let report = bench.run().await;
    assert_eq!((report.tally.created, report.tally.rejected), (3, 1));
    let sent = batches(&bench);
    assert_eq!(sent.len(), 1, "{sent:?}");
    assert_eq!(sent[0].len(), 4, "the row was sent: nobody here could know");
    only_bob_is_refused(&bench, &["Ann", "Cy", "Di"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_refused_as_a_whole_is_split_until_the_row_is_found() {
    let two = "id,email,first,city\n1,ann@example.com,Ann,Oslo\n2,bob@example.con,Bob,Rome\n";
    let bench = Bench::with(MAPPING, two, refusing_whole_batches()).await;
    let nameless = "{\"status\":\"error\",\"category\":\"VALIDATION_ERROR\",\"message\":\"no\"}";
    let refused = FaultKind::Status {
        code: 400,
        body: Some(nameless.into()),
        headers: Vec::new(),
    };
    bench.twin.inject(Fault::on("/batch/upsert", refused));
    let report = bench.run().await;
    assert_eq!((report.tally.created, report.tally.rejected), (1, 1));
    let sent = batches(&bench);
    assert_eq!(sizes(&sent), [1, 1, 2], "{sent:?}");
    only_bob_is_refused(&bench, &["Ann"]);
    assert_eq!(
        refused_requests(&bench),
        2,
        "the whole, and Bob by the destination's own judgement"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_of_bad_rows_alone_is_split_down_to_each_of_them() {
    let bad = "id,email,first,city\n1,a@example.con,Ann,Oslo\n2,b@example.con,Bob,Rome\n\
         3,c@example.con,Cy,Rome\n4,d@example.con,Di,Oslo\n";
    let bench = Bench::with(MAPPING, bad, refusing_whole_batches()).await;
    let report = bench.run().await;
    assert_eq!((report.tally.created, report.tally.rejected), (0, 4));
    let sent = batches(&bench);
    assert_eq!(sizes(&sent), [1, 1, 1, 1, 2, 2, 4], "{sent:?}");
    assert_eq!(refused_requests(&bench), 7);
    let rejects = bench.store(Access::Read).rejects(None, None, 10).unwrap();
    let mut told: Vec<(&str, &str)> = rejects
        .iter()
        .map(|open| (open.reject.key_text.as_str(), open.reject.code.as_str()))
        .collect();
    told.sort_unstable();
    assert_eq!(told, ["1", "2", "3", "4"].map(|key| (key, "invalid_email")));
}

/// An account that answers 400 without naming rows when it can write none of a batch.
fn refusing_whole_batches() -> Options {
    Options {
        all_failed: AllFailed::BadRequest,
        ..Options::default()
    }
}

fn sizes(batches: &[Vec<String>]) -> Vec<usize> {
    batches.iter().map(Vec::len).collect()
}

/// Requests of the last run that were answered with 400.
fn refused_requests(bench: &Bench) -> usize {
    let requests = bench.twin.requests();
    requests.iter().filter(|request| request.status == 400).count()
}
