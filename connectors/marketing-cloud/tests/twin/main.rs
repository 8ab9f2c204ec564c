//! The connector against the twin, over real HTTP: what becomes of rows, and at what cost.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod consent;
mod driver;

use driver::{End, KEY, World, changed, effects, open, removal, row, rows, spec};
use outflow_sandbox::marketing_cloud::{Column, ColumnType, Fault, FaultKind, Options, Twin};
use outflow_sdk::destination::{Destination, Effect, Mode, Removed};
use outflow_sdk::value::{Decimal, Value};
use serde_json::json;

const EMAIL: usize = 1;
const POINTS: usize = 2;
const BORN: usize = 3;
const SEEN: usize = 4;
const PLAN: usize = 5;

const ROWSET: &str = "/rowset";
const SUBMIT: &str = "/rows";

fn all_created(ends: &[End]) {
    assert!(
        ends.iter().all(|end| effects(end) == [Effect::Created]),
        "{ends:?}"
    );
}

#[tokio::test]
async fn a_first_load_takes_a_job_for_two_and_a_half_thousand_rows() {
    let world = World::new().await;
    all_created(&world.deliver(rows(6_000)).await);
    assert_eq!((world.twin.count(KEY), world.twin.jobs()), (6_000, 3));
    // One token, asked for with the schema, is enough; and no result is read of a job without errors.
    assert_eq!(world.twin.tokens_given(), 1);
    assert!(world.paths().iter().all(|path| !path.contains("/results")));
}

#[tokio::test]
async fn a_few_rows_need_one_request() {
    let world = World::new().await;
    let born = (BORN, Value::Date(19_782));
    let seen = (SEEN, Value::Timestamp(1_720_000_000_000_000));
    let points = (POINTS, Value::Number(Decimal::parse("12.5").unwrap()));
    all_created(&world.deliver(vec![row(1, "a", &[born, seen, points])]).await);
    assert_eq!(world.paths().len(), 1);
    assert_eq!(world.value("a", "Points").as_deref(), Some("12.5"));
    assert_eq!(world.value("a", "Born").as_deref(), Some("2/29/2024 12:00:00 AM"));
    // 09:46:40 UTC, in the server's time.
    assert_eq!(world.value("a", "Seen").as_deref(), Some("7/3/2024 3:46:40 AM"));
}

#[tokio::test]
async fn bad_rows_cost_themselves_alone_in_a_job() {
    let world = World::new().await;
    world.shorten();
    let mut operations = rows(120);
    for at in [3, 49, 50, 119] {
        operations[at] = row(at as u64, &format!("c{at}"), &[(PLAN, Value::text("longer"))]);
    }
    operations[7] = row(7, "c7", &[(EMAIL, Value::text("a@b@c.tld"))]);
    operations[8] = row(8, "", &[]);
    let ends = world.deliver(operations).await;
    for (at, end) in ends.iter().enumerate() {
        match at {
            3 | 49 | 50 | 119 => assert_eq!(*end, End::Rejected("too_long".into()), "{at}"),
            7 => assert_eq!(*end, End::Rejected("invalid_email".into())),
            8 => assert_eq!(*end, End::Rejected("missing_match".into())),
            _ => assert_eq!(effects(end), [Effect::Created], "{at}"),
        }
    }
    assert_eq!((world.twin.count(KEY), world.twin.jobs()), (114, 1));
}

#[tokio::test]
async fn a_bad_row_of_a_small_request_is_found_although_nothing_says_which_it_is() {
    let world = World::new().await;
    let phone = |id: &str, text: &str| row(0, id, &[(POINTS, Value::text(text))]);
    world.twin.define(
        KEY,
        vec![
            Column::new("Id", ColumnType::Text).length(36, 0).primary(),
            Column::new("Email", ColumnType::EmailAddress),
            Column::new("Points", ColumnType::Phone),
            Column::new("Born", ColumnType::Date),
            Column::new("Seen", ColumnType::Date),
            Column::new("Plan", ColumnType::Text),
        ],
    );
    let world = world.next_run().await;
    let mut operations: Vec<_> = (0..20)
        .map(|at| phone(&format!("c{at}"), "030 1234567"))
        .collect();
    operations[13] = phone("c13", "1");
    let ends = world.deliver(operations).await;
    assert_eq!(ends[13], End::Rejected("invalid_phone".into()));
    assert_eq!(ends.iter().filter(|end| matches!(end, End::Done(..))).count(), 19);
    assert_eq!(world.twin.count(KEY), 19);
    assert!(world.paths().len() <= 11, "{}", world.paths().len());
}

#[tokio::test]
async fn a_changed_column_leaves_the_others_and_null_empties() {
    let world = World::new().await;
    let full = row(
        1,
        "a",
        &[
            (POINTS, Value::Number(Decimal::from(7))),
            (PLAN, Value::text("gold")),
            (BORN, Value::Date(0)),
        ],
    );
    let end = world.deliver(vec![full.clone()]).await.remove(0);
    let emptied = row(
        1,
        "a",
        &[
            (POINTS, Value::Null),
            (PLAN, Value::Null),
            (BORN, Value::Date(0)),
            (EMAIL, Value::text("bea@domain.tld")),
        ],
    );
    let end = &world.deliver(vec![changed(emptied, &end, &[2, 5])]).await[0];
    assert_eq!(effects(end), [Effect::Updated]);
    let values = ["Points", "Plan", "Born", "Email"].map(|column| world.value("a", column).unwrap());
    assert_eq!(values, ["", "", "1/1/1970 12:00:00 AM", "ann@domain.tld"]);
}

#[tokio::test]
async fn a_new_key_moves_the_row_and_leaves_none_behind() {
    let world = World::new().await;
    let end = world
        .deliver(vec![row(1, "old", &[(PLAN, Value::text("gold"))])])
        .await
        .remove(0);
    let world = world.next_run().await;
    let renamed = changed(row(1, "new", &[(PLAN, Value::text("gold"))]), &end, &[0]);
    let end = world.deliver(vec![renamed]).await.remove(0);
    assert_eq!(effects(&end), [Effect::Updated, Effect::Updated]);
    assert_eq!(world.twin.count(KEY), 1);
    assert_eq!(world.value("new", "Plan").as_deref(), Some("gold"));
    let End::Done(_, remote) = &end else { panic!() };
    assert_eq!(remote.as_deref(), Some("[\"new\"]"));
}

#[tokio::test]
async fn customers_who_swap_their_keys_both_stay() {
    let world = World::new().await;
    let of = |number, id: &str, plan: &str| row(number, id, &[(PLAN, Value::text(plan))]);
    let ends = world.deliver(vec![of(1, "a", "gold"), of(2, "b", "iron")]).await;
    let world = world.next_run().await;
    let swapped = vec![
        changed(of(1, "b", "gold"), &ends[0], &[0]),
        changed(of(2, "a", "iron"), &ends[1], &[0]),
    ];
    for end in world.deliver(swapped).await {
        assert_eq!(effects(&end), [Effect::Updated, Effect::Updated]);
    }
    assert_eq!(world.twin.count(KEY), 2);
    assert_eq!(world.value("a", "Plan").as_deref(), Some("iron"));
    assert_eq!(world.value("b", "Plan").as_deref(), Some("gold"));
}

#[tokio::test]
async fn a_customer_who_comes_back_under_another_number_stays() {
    let world = World::new().await;
    let ends = world.deliver(vec![row(1, "a", &[]), row(2, "b", &[])]).await;
    let world = world.next_run().await;
    let back = row(3, "A", &[(PLAN, Value::text("gold"))]);
    let gone = |at: usize| removal(Removed::Delete, &ends[at], &[]);
    let cleared = removal(Removed::Clear, &ends[0], &[1]);
    // One after the other, as the engine does with rows of one identity.
    world.deliver(vec![back]).await;
    world.deliver(vec![cleared]).await;
    let ends = world.deliver(vec![gone(0), gone(1)]).await;
    assert!(ends.iter().all(|end| effects(end) == [Effect::Removed]));
    assert_eq!(world.twin.count(KEY), 1);
    assert_eq!(world.value("a", "Plan").as_deref(), Some("gold"));
    assert_eq!(world.value("a", "Email").as_deref(), Some("ann@domain.tld"));
}

#[tokio::test]
async fn rows_leave_by_two_hundred_and_those_that_are_gone_count_as_gone() {
    let world = World::new().await;
    let ends = world.deliver(rows(300)).await;
    let world = world.next_run().await;
    let once: Vec<_> = ends
        .iter()
        .map(|end| removal(Removed::Delete, end, &[]))
        .collect();
    let ends = world.deliver(once.clone()).await;
    assert!(ends.iter().all(|end| effects(end) == [Effect::Removed]));
    assert_eq!((world.twin.count(KEY), world.paths().len()), (0, 2));
    let ends = world.deliver(once).await;
    assert!(ends.iter().all(|end| effects(end) == [Effect::Removed]));
}

#[tokio::test]
async fn a_cleared_row_stays_with_its_key_alone() {
    let world = World::new().await;
    let full = row(
        1,
        "a",
        &[
            (PLAN, Value::text("gold")),
            (POINTS, Value::Number(Decimal::from(7))),
        ],
    );
    let end = world.deliver(vec![full]).await.remove(0);
    let world = world.next_run().await;
    let ends = world
        .deliver(vec![removal(Removed::Clear, &end, &[1, 2, 5])])
        .await;
    assert_eq!(effects(&ends[0]), [Effect::Removed]);
    assert_eq!(world.twin.count(KEY), 1);
    for column in ["Email", "Points", "Plan"] {
        assert_eq!(world.value("a", column).as_deref(), Some(""), "{column}");
    }
}

#[tokio::test]
async fn a_token_that_ends_in_the_middle_costs_one_more_token_and_no_row() {
    let world = World::new().await;
    world.twin.inject(Fault::on(SUBMIT, FaultKind::TokenExpired));
    world.twin.inject(Fault::on("/status", FaultKind::TokenExpired));
    let ends = world.deliver(rows(60)).await;
    all_created(&ends);
    assert_eq!((world.twin.tokens_given(), world.twin.jobs()), (3, 1));
    let world = world.next_run().await;
    world
        .twin
        .inject(Fault::on("/Service.asmx", FaultKind::TokenExpired));
    let ends = world.deliver(vec![removal(Removed::Delete, &ends[0], &[])]).await;
    assert_eq!(effects(&ends[0]), [Effect::Removed]);
    assert_eq!((world.twin.tokens_given(), world.twin.count(KEY)), (5, 59));
}

#[tokio::test]
async fn what_goes_wrong_on_the_way_costs_no_row() {
    for (path, kind) in [
        (ROWSET, FaultKind::CutBefore),
        (ROWSET, FaultKind::CutAfter),
        (ROWSET, FaultKind::Truncated),
        (ROWSET, FaultKind::Html { code: 502 }),
        (ROWSET, FaultKind::Throttled { seconds: 1 }),
        (ROWSET, FaultKind::Blocked),
        (ROWSET, FaultKind::Storage),
        (SUBMIT, FaultKind::CutBefore),
        (SUBMIT, FaultKind::CutAfter),
        (SUBMIT, FaultKind::Truncated),
        (SUBMIT, FaultKind::Html { code: 503 }),
        (SUBMIT, FaultKind::Throttled { seconds: 1 }),
        (SUBMIT, FaultKind::Deadlock),
        (SUBMIT, FaultKind::ErrorFirst),
        (SUBMIT, FaultKind::JobLost),
        (SUBMIT, FaultKind::JobStuck),
        ("/status", FaultKind::Html { code: 500 }),
        ("/status", FaultKind::Truncated),
        ("/status", FaultKind::Throttled { seconds: 1 }),
    ] {
        let world = World::new().await;
        world.twin.inject(Fault::on(path, kind.clone()));
        let count = if path == ROWSET { 10 } else { 60 };
        let ends = world.deliver(rows(count)).await;
        assert!(
            ends.iter().all(|end| effects(end) == [Effect::Created]),
            "{path} {kind:?}"
        );
        assert_eq!(world.twin.count(KEY) as u64, count, "{path} {kind:?}");
    }
}

#[tokio::test]
async fn results_that_come_empty_under_load_are_asked_for_again() {
    let world = World::new().await;
    world
        .twin
        .inject(Fault::on("/results", FaultKind::NoItems).times(3));
    world.shorten();
    let mut operations = rows(60);
    operations[59] = row(59, "c59", &[(PLAN, Value::text("longer"))]);
    let ends = world.deliver(operations).await;
    assert_eq!(ends[59], End::Rejected("too_long".into()));
    assert_eq!(world.twin.count(KEY), 59);
    let asked = world.paths().into_iter().filter(|path| path.contains("/results"));
    assert_eq!(asked.count(), 5);
}

#[tokio::test]
async fn a_column_that_is_dropped_meanwhile_stops_the_sync() {
    for count in [10, 60] {
        let world = World::new().await;
        world.twin.drop_column(KEY, "Email");
        let ends = world.deliver(rows(count)).await;
        let stopped = End::Failed("marketing_cloud_schema_changed".into());
        assert!(ends.iter().all(|end| *end == stopped), "{ends:?}");
    }
}

#[tokio::test]
async fn a_data_extension_and_its_columns_are_created_when_the_mapping_says_so() {
    let twin = Twin::start(Options::default()).await.unwrap();
    let cloud = open(&twin);
    let options = json!({
        "data_extension": "new <one>", "create_fields": true,
        "create_data_extension": { "sendable": { "column": "Email", "subscriber": "email_address" } },
    });
    let spec = |fields: &[&str]| spec(Mode::Upsert, None, fields, options.clone());
    assert!(cloud.describe("data_extension:new <one>").await.is_err());
    cloud.bind(spec(&["Id", "Email"]), true).await.unwrap();
    let binding = cloud.bind(spec(&["Id", "Email", "Plan"]), true).await.unwrap();
    assert!(binding.problems().is_empty(), "{:?}", binding.problems());
    let fields = cloud.describe("data_extension:new <one>").await.unwrap();
    let names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
    assert_eq!(names, ["Id", "Email", "Plan"]);
    assert!(fields[0].unique && fields[0].required && !fields[2].required);
}

#[tokio::test]
async fn a_data_extension_without_a_primary_key_or_of_another_business_unit_cannot_be_bound() {
    let twin = Twin::start(Options::default()).await.unwrap();
    twin.define("keyless", vec![Column::new("Id", ColumnType::Text)]);
    let cloud = open(&twin);
    let of = |key: &str| spec(Mode::Upsert, None, &["Id"], json!({ "data_extension": key }));
    let binding = cloud.bind(of("keyless"), true).await.unwrap();
    assert_eq!(binding.problems()[0].code, "no_primary_key");
    let mut settings = driver::settings(&twin);
    settings["account_id"] = json!(7_281_235);
    let network = outflow_sdk::http::Network::new().unwrap();
    let other =
        outflow_marketing_cloud::MarketingCloud::open(settings, std::sync::Arc::new(network)).unwrap();
    let error = other.bind(of("keyless"), true).await.err().unwrap();
    assert_eq!(error.code, "unknown_data_extension");
    assert_ne!(other.account_key(), cloud.account_key());
}

#[tokio::test]
async fn wrong_credentials_say_which() {
    let twin = Twin::start(Options::default()).await.unwrap();
    let mut settings = driver::settings(&twin);
    let check = async |settings: &serde_json::Value| {
        let network = std::sync::Arc::new(outflow_sdk::http::Network::new().unwrap());
        let cloud = outflow_marketing_cloud::MarketingCloud::open(settings.clone(), network).unwrap();
        cloud
            .check()
            .await
            .map(|account| account.label)
            .map_err(|error| error.code)
    };
    assert_eq!(
        check(&settings).await,
        Ok("the package's own business unit".into())
    );
    settings["account_id"] = json!(99);
    assert_eq!(check(&settings).await, Err("marketing_cloud_account"));
    settings["client_secret"] = json!("wrong");
    assert_eq!(check(&settings).await, Err("marketing_cloud_client"));
}

#[tokio::test]
async fn an_entry_event_is_fired_once_and_refused_for_an_unknown_source() {
    let twin = Twin::start(Options::default()).await.unwrap();
    twin.define_entry_source("APIEvent-1");
    let cloud = open(&twin);
    let bind = async |key: &str| {
        let mut spec = spec(
            Mode::Append,
            None,
            &["ContactKey", "Email"],
            json!({ "event_definition_key": key }),
        );
        spec.object = "journey_event".into();
        spec.match_fields = vec!["ContactKey".into()];
        cloud.bind(spec, true).await.unwrap()
    };
    let mut event = row(1, "c1", &[]);
    event.record = event.record[..2].to_vec().into();
    for (key, expected) in [("APIEvent-1", 1), ("APIEvent-2", 1)] {
        let binding = bind(key).await;
        let encoded = binding.encode(binding.route(&event), std::slice::from_ref(&event));
        let sent = binding
            .send(&encoded.request, std::slice::from_ref(&event))
            .await
            .unwrap();
        let refused = format!("{sent:?}").contains("invalid_event");
        assert_eq!(refused, key == "APIEvent-2");
        assert_eq!(twin.events().len(), expected);
    }
    let fired = &twin.events()[0];
    assert_eq!(
        (fired.contact_key.as_str(), &fired.data),
        ("c1", &json!({ "Email": "ann@domain.tld" }))
    );
}
