//! Rows that are refused.

use outflow::state::{Access, RejectClass};
use outflow_sandbox::hubspot::{Fault, FaultKind};

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

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_refused_as_a_whole_is_split_until_the_row_is_found() {
    let bench = Bench::new(MAPPING, MODEL).await;
    bench.twin.inject(Fault::on(
        "/batch/upsert",
        FaultKind::Status {
            code: 400,
            body: Some("{\"status\":\"error\",\"category\":\"VALIDATION_ERROR\",\"message\":\"no\"}".into()),
            headers: Vec::new(),
        },
    ));
    let report = bench.run().await;
    assert_eq!(
        (report.tally.created, report.tally.rejected),
        (2, 1),
        "only the row with the bad address"
    );
    assert!(bench.writes().len() >= 3, "whole, then halves");
}
