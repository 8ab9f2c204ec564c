//! Consent: All Subscribers is read where the mapping asks for it, and never written.

use outflow_sandbox::marketing_cloud::{
    Column, ColumnType, Fault, FaultKind, Options, SubscriberStatus, Twin,
};
use outflow_sdk::destination::{Destination, Effect, Mode, Removed};
use outflow_sdk::value::Value;
use serde_json::json;

use crate::driver::{End, KEY, World, changed, effects, open, removal, row, rows, spec};
use crate::{EMAIL, POINTS};

fn suppressed() -> End {
    End::Suppressed("opted_out".into())
}

const STATUSES: [(SubscriberStatus, bool); 5] = [
    (SubscriberStatus::Active, false),
    (SubscriberStatus::Bounced, false),
    (SubscriberStatus::Held, true),
    (SubscriberStatus::Unsubscribed, true),
    (SubscriberStatus::Deleted, true),
];

#[tokio::test]
async fn rows_of_people_who_opted_out_are_suppressed_and_the_others_written() {
    for (column, subscriber) in [("Id", "_SubscriberKey"), ("Email", "Email Address")] {
        let world = World::respecting(column, subscriber).await;
        let email = |at: usize| format!("person{at}@domain.tld");
        for (at, (status, _)) in STATUSES.into_iter().enumerate() {
            // Keys and addresses ignore upper and lower case.
            world
                .twin
                .put_subscriber(&format!("C{at}"), &email(at).to_uppercase(), status);
        }
        // The last one is no subscriber yet.
        let operations = (0..=STATUSES.len())
            .map(|at| row(at as u64, &format!("c{at}"), &[(EMAIL, Value::text(&email(at)))]));
        let ends = world.deliver(operations.collect()).await;
        for (at, (status, is_suppressed)) in STATUSES.into_iter().enumerate() {
            let is_there = world.value(&format!("c{at}"), "Id").is_some();
            if is_suppressed {
                assert_eq!(ends[at], suppressed(), "{status:?}");
            } else {
                assert_eq!(effects(&ends[at]), [Effect::Created], "{status:?}");
            }
            assert_eq!(is_there, !is_suppressed, "{status:?}");
            // Whatever was done, nobody's consent is another one now.
            assert_eq!(world.twin.subscriber(&format!("c{at}")).unwrap().status, status);
        }
        assert_eq!(effects(&ends[STATUSES.len()]), [Effect::Created]);
        let asked = world.paths();
        assert_eq!(asked.iter().filter(|path| path.ends_with(".asmx")).count(), 1);
        assert!(
            asked[0].ends_with(".asmx"),
            "nothing is written before: {asked:?}"
        );
    }
}

#[tokio::test]
async fn a_person_who_unsubscribes_later_keeps_their_row_as_it_was() {
    let world = World::respecting("Id", "_SubscriberKey").await;
    world
        .twin
        .put_subscriber("a", "ann@domain.tld", SubscriberStatus::Active);
    let end = world.deliver(vec![row(1, "a", &[])]).await.remove(0);
    let change = || {
        let points = outflow_sdk::value::Decimal::parse("7").unwrap();
        changed(
            row(1, "a", &[(POINTS, Value::Number(points))]),
            &end,
            &[u16::try_from(POINTS).unwrap()],
        )
    };
    world
        .twin
        .put_subscriber("a", "ann@domain.tld", SubscriberStatus::Unsubscribed);
    assert_eq!(world.deliver(vec![change()]).await, [suppressed()]);
    assert_eq!(world.value("a", "Points").as_deref(), Some(""));
    // They come back by themselves, and the change goes through as the update it is.
    world
        .twin
        .put_subscriber("a", "ann@domain.tld", SubscriberStatus::Active);
    assert_eq!(
        effects(&world.deliver(vec![change()]).await[0]),
        [Effect::Updated]
    );
    assert_eq!(world.value("a", "Points").as_deref(), Some("7"));
}

#[tokio::test]
async fn two_hundred_people_are_asked_about_in_one_request() {
    let world = World::respecting("Id", "_SubscriberKey").await;
    world
        .twin
        .put_subscriber("c399", "x@domain.tld", SubscriberStatus::Held);
    let ends = world.deliver(rows(500)).await;
    assert_eq!(ends.iter().filter(|end| **end == suppressed()).count(), 1);
    assert_eq!(world.twin.count(KEY), 499);
    let asked = world.paths();
    assert_eq!(asked.iter().filter(|path| path.ends_with(".asmx")).count(), 3);
}

#[tokio::test]
async fn nothing_is_written_while_all_subscribers_cannot_be_read() {
    let world = World::respecting("Id", "_SubscriberKey").await;
    let refusal = "<soap:Envelope xmlns:soap=\"http://schemas.xmlsoap.org/soap/envelope/\"><soap:Body>\
        <RetrieveResponseMsg><OverallStatus>Error: The user does not have permission</OverallStatus>\
        </RetrieveResponseMsg></soap:Body></soap:Envelope>";
    world.twin.inject(Fault::on(
        "Service",
        FaultKind::Status {
            code: 200,
            body: refusal.into(),
            headers: Vec::new(),
        },
    ));
    let ends = world.deliver(vec![row(1, "a", &[])]).await;
    assert_eq!(ends, [End::Failed("marketing_cloud_retrieve".into())]);
    assert_eq!(world.twin.count(KEY), 0);
    // An outage, a cut connection and half an answer pass: it is asked again.
    for kind in [
        FaultKind::Html { code: 503 },
        FaultKind::CutAfter,
        FaultKind::Truncated,
        FaultKind::TokenExpired,
    ] {
        world.twin.inject(Fault::on("Service", kind));
        let id = format!("r{}", world.twin.count(KEY));
        assert_eq!(
            effects(&world.deliver(vec![row(1, &id, &[])]).await[0]),
            [Effect::Created]
        );
    }
}

#[tokio::test]
async fn a_mapping_that_cannot_ask_says_so_before_anything_is_written() {
    let twin = Twin::start(Options::default()).await.unwrap();
    twin.define(
        "plain",
        vec![
            Column::new("Id", ColumnType::Text).length(36, 0).primary(),
            Column::new("Email", ColumnType::EmailAddress),
        ],
    );
    let codes = async || {
        let options = json!({ "data_extension": "plain", "respect_unsubscribes": true });
        let spec = spec(Mode::Upsert, None, &["Id"], options);
        let problems = open(&twin).bind(spec, false).await.unwrap().problems();
        problems
            .into_iter()
            .map(|problem| (problem.code, problem.field))
            .collect::<Vec<_>>()
    };
    assert_eq!(codes().await, [("not_sendable", None)]);
    twin.make_sendable("plain", "Email", "_EmailAddress");
    assert_eq!(codes().await, [("unmapped_subscriber", Some("Email".to_owned()))]);
    twin.make_sendable("plain", "Id", "Subscriber Key");
    assert!(codes().await.is_empty());
}

#[tokio::test]
async fn contacts_of_rows_that_leave_are_deleted_when_the_mapping_says_so_in_so_many_words() {
    let world = World::new().await;
    let ends = world.deliver(rows(4)).await;
    let gone = |at: &[usize]| {
        at.iter()
            .map(|at| removal(Removed::Delete, &ends[*at], &[]))
            .collect()
    };
    let world = world.next_run().await;
    world.deliver(gone(&[1])).await;
    assert_eq!(world.twin.count(KEY), 3);
    assert!(world.twin.deleted_contacts().is_empty(), "rows go, contacts stay");

    world.twin.make_sendable(KEY, "Id", "_SubscriberKey");
    let options = json!({ "yes_delete_contacts_everywhere": true });
    let world = World::over(world.twin, options).await;
    world
        .twin
        .inject(Fault::on("actions/delete", FaultKind::CutAfter));
    let removed = world.deliver(gone(&[0, 2])).await;
    assert!(
        removed.iter().all(|end| effects(end) == [Effect::Removed]),
        "{removed:?}"
    );
    // The answer got lost, so it was asked again, which deletes nobody else.
    assert_eq!(world.twin.deleted_contacts(), ["c0", "c2"]);
    assert_eq!(world.twin.count(KEY), 1);
}
