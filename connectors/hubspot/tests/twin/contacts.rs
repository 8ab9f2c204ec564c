//! Contacts: first sync, changes, addresses, merges, modes, removals.

use insta::assert_snapshot;
use outflow_sandbox::hubspot::{AllFailed, EmailConflict, Options, Property, SecondaryEmail};
use outflow_sdk::destination::{Destination, Effect, Mode, Removed};
use serde_json::json;

use crate::drive::*;

const FIELDS: &[&str] = &["email", "firstname", "lifecyclestage"];

#[tokio::test]
async fn a_first_sync_creates_and_a_second_write_updates() {
    let twin = twin().await;
    let binding = bind(&twin, spec("contacts", "email", Mode::Upsert, FIELDS)).await;
    let rows = || {
        vec![
            write(1, &["Ann@Example.com", "Ann", "lead"]),
            write(2, &["bob@example.com", "Bob", ""]),
        ]
    };
    let ends = deliver(&*binding, rows()).await;
    assert_eq!(
        (ends[0].effect(), ends[1].effect()),
        (Effect::Created, Effect::Created)
    );
    let ann = twin.contact("ann@example.com").unwrap();
    assert_eq!(
        (ann.id.as_str(), ann.get("firstname")),
        (ends[0].remote(), Some("Ann"))
    );
    assert_eq!(twin.contacts().len(), 2);
    let again = deliver(&*binding, rows()).await;
    assert_eq!(again[0].effect(), Effect::Updated);
    assert_eq!(again[0].remote(), ends[0].remote());
    assert_eq!(twin.contacts().len(), 2);
}

#[tokio::test]
async fn results_are_told_apart_whether_or_not_trace_ids_come_back() {
    for echo_trace_ids in [false, true] {
        let twin = twin_with(Options {
            echo_trace_ids,
            ..Options::default()
        })
        .await;
        let binding = bind(&twin, spec("contacts", "email", Mode::Upsert, FIELDS)).await;
        let rows =
            (0..100).map(|row| write(row, &[&format!("p{row}@example.com"), &format!("P{row}"), "lead"]));
        for (row, end) in deliver(&*binding, rows.collect()).await.iter().enumerate() {
            let record = twin.record("contacts", end.remote()).unwrap();
            assert_eq!(record.get("firstname"), Some(format!("P{row}").as_str()));
        }
        assert_eq!(only_request(&twin).status, 200);
    }
}

#[tokio::test]
async fn one_changed_field_is_all_that_is_sent() {
    let twin = twin().await;
    let binding = bind(&twin, spec("contacts", "email", Mode::Upsert, FIELDS)).await;
    let id = twin
        .put_record(
            "contacts",
            &[
                ("email", "ann@example.com"),
                ("firstname", "Ann"),
                ("city", "Bonn"),
            ],
        )
        .unwrap();
    let row = changed(write(7, &["ann@example.com", "Anne", "lead"]), &id, &[1]);
    let ends = deliver(&*binding, vec![row]).await;
    assert_eq!(ends[0].effect(), Effect::Updated);
    let body = text(&only_request(&twin)).replace(&id, "ID");
    assert_snapshot!(body, @r#"{"inputs":[{"id":"ID","objectWriteTraceId":"r-7","properties":{"firstname":"Anne"}}]}"#);
    let ann = twin.record("contacts", &id).unwrap();
    assert_eq!(
        (ann.get("firstname"), ann.get("city")),
        (Some("Anne"), Some("Bonn"))
    );
}

#[tokio::test]
async fn a_new_address_changes_the_contact_and_makes_no_second_one() {
    let twin = twin().await;
    let binding = bind(&twin, spec("contacts", "email", Mode::Upsert, FIELDS)).await;
    let ends = deliver(&*binding, vec![write(1, &["old@example.com", "Ann", "lead"])]).await;
    let row = changed(
        write(1, &["new@example.com", "Ann", "lead"]),
        ends[0].remote(),
        &[0],
    );
    deliver(&*binding, vec![row]).await;
    assert_eq!(twin.contact("new@example.com").unwrap().id, ends[0].remote());
    assert_eq!(twin.contacts().len(), 1);
}

#[tokio::test]
async fn a_unique_property_finds_its_contact_whatever_its_address_is() {
    let twin = twin().await;
    twin.define_property("contacts", Property::unique("customer_no"))
        .unwrap();
    // Somebody in the CRM knows the number already, under another address.
    let known = twin
        .put_record(
            "contacts",
            &[("customer_no", "C-1"), ("email", "old@example.com")],
        )
        .unwrap();
    let fields = ["customer_no", "email", "firstname"];
    let binding = bind(&twin, spec("contacts", "customer_no", Mode::Upsert, &fields)).await;
    let rows = vec![
        write(1, &["C-1", "ann@example.com", "Ann"]),
        write(2, &["C-2", "bob@example.com", "Bob"]),
    ];
    let ends = deliver(&*binding, rows).await;
    assert_eq!(
        (ends[0].effect(), ends[0].remote()),
        (Effect::Updated, known.as_str())
    );
    assert_eq!(ends[1].effect(), Effect::Created);
    assert_snapshot!(text(&only_request(&twin)), @r#"{"inputs":[{"idProperty":"customer_no","id":"C-1","objectWriteTraceId":"r-1","properties":{"customer_no":"C-1","email":"ann@example.com","firstname":"Ann"}},{"idProperty":"customer_no","id":"C-2","objectWriteTraceId":"r-2","properties":{"customer_no":"C-2","email":"bob@example.com","firstname":"Bob"}}]}"#);
    assert_eq!(twin.contact("ann@example.com").unwrap().id, known);

    // What changes later goes to the record by its id, and goes alone: the number and the address too.
    for (row, pending, body) in [
        (
            ["C-1", "ann@example.com", "Anne"],
            2,
            json!({ "firstname": "Anne" }),
        ),
        (
            ["C-1", "anne@example.com", "Anne"],
            1,
            json!({ "email": "anne@example.com" }),
        ),
        (
            ["C-9", "anne@example.com", "Anne"],
            0,
            json!({ "customer_no": "C-9" }),
        ),
    ] {
        twin.clear_requests();
        let ends = deliver(&*binding, vec![changed(write(1, &row), &known, &[pending])]).await;
        assert_eq!(
            (ends[0].effect(), ends[0].remote()),
            (Effect::Updated, known.as_str())
        );
        let request = only_request(&twin);
        assert!(
            request.path.ends_with("/contacts/batch/update"),
            "{}",
            request.path
        );
        let input = &request.json()["inputs"][0];
        assert_eq!((&input["id"], &input["properties"]), (&json!(known), &body));
        assert_eq!(input.get("idProperty"), None, "{input}");
    }
    assert_eq!(twin.contacts().len(), 2);
    assert_eq!(
        twin.record("contacts", &known).unwrap().get("customer_no"),
        Some("C-9")
    );
}

#[tokio::test]
async fn an_address_somebody_else_has_is_that_rows_problem() {
    for email_conflict in [EmailConflict::Validation, EmailConflict::Conflict] {
        let twin = twin_with(Options {
            email_conflict,
            ..Options::default()
        })
        .await;
        let binding = bind(&twin, spec("contacts", "email", Mode::Upsert, FIELDS)).await;
        let ann = twin
            .put_record("contacts", &[("email", "ann@example.com")])
            .unwrap();
        let bob = twin
            .put_record("contacts", &[("email", "bob@example.com")])
            .unwrap();
        let rows = vec![
            changed(write(1, &["bob@example.com", "Ann", "lead"]), &ann, &[0]),
            changed(write(2, &["bob@example.com", "Bob", "lead"]), &bob, &[1]),
        ];
        let ends = deliver(&*binding, rows).await;
        assert_eq!(ends[0].code(), "value_in_use");
        assert_eq!(ends[1].effect(), Effect::Updated);
    }
}

#[tokio::test]
async fn two_spellings_of_one_address_are_one_record_and_never_share_a_request() {
    let twin = twin().await;
    let binding = bind(&twin, spec("contacts", "email", Mode::Upsert, FIELDS)).await;
    let rows = vec![
        write(1, &["ann@example.com", "Ann", ""]),
        write(2, &["ANN@example.com", "Anne", ""]),
    ];
    assert_eq!(binding.identity(&rows[0]), binding.identity(&rows[1]));
    let ends = deliver(&*binding, rows).await;
    assert_eq!(ends[0].remote(), ends[1].remote());
    assert_eq!(twin.requests().len(), 2);
}

#[tokio::test]
async fn a_merged_contact_is_found_again_by_its_address() {
    let twin = twin().await;
    let binding = bind(&twin, spec("contacts", "email", Mode::Upsert, FIELDS)).await;
    let ends = deliver(
        &*binding,
        vec![
            write(1, &["ann@example.com", "Ann", "lead"]),
            write(2, &["a.b@example.com", "A", ""]),
        ],
    )
    .await;
    let merged = twin
        .merge("contacts", ends[0].remote(), ends[1].remote())
        .unwrap();
    assert_ne!(merged, ends[0].remote());
    twin.clear_requests();
    let row = changed(
        write(1, &["ann@example.com", "Anna", "lead"]),
        ends[0].remote(),
        &[1],
    );
    let again = deliver(&*binding, vec![row]).await;
    assert_eq!(again[0].remote(), merged);
    assert_eq!(
        twin.record("contacts", &merged).unwrap().get("firstname"),
        Some("Anna")
    );
    let upsert = "POST /crm/objects/2026-03/contacts/batch/upsert";
    assert_eq!(
        calls(&twin),
        ["POST /crm/objects/2026-03/contacts/batch/update", upsert]
    );
}

#[tokio::test]
async fn a_secondary_address_leads_to_its_contact_or_is_that_rows_problem() {
    for secondary_email in [SecondaryEmail::Match, SecondaryEmail::Refuse] {
        let twin = twin_with(Options {
            secondary_email,
            ..Options::default()
        })
        .await;
        let id = twin
            .put_record("contacts", &[("email", "main@example.com")])
            .unwrap();
        twin.add_secondary_email(&id, "other@example.com").unwrap();
        let binding = bind(
            &twin,
            spec("contacts", "email", Mode::Upsert, &["email", "firstname"]),
        )
        .await;
        let ends = deliver(
            &*binding,
            vec![
                write(1, &["other@example.com", "Ann"]),
                write(2, &["new@example.com", "N"]),
            ],
        )
        .await;
        match secondary_email {
            SecondaryEmail::Match => assert_eq!(ends[0].remote(), id),
            SecondaryEmail::Refuse => assert_eq!(ends[0].code(), "value_in_use"),
        }
        assert_eq!(ends[1].effect(), Effect::Created);
    }
}

#[tokio::test]
async fn one_bad_row_of_a_batch_costs_one_row() {
    let twin = twin().await;
    let binding = bind(&twin, spec("contacts", "email", Mode::Upsert, FIELDS)).await;
    // Right by syntax, refused by HubSpot.
    let rows = vec![
        write(1, &["ann@example.com", "Ann", "lead"]),
        write(2, &["bob@example", "Bob", "lead"]),
        write(3, &["cid@example.com", "Cid", "lead"]),
    ];
    let ends = deliver(&*binding, rows).await;
    assert_eq!(ends[1].code(), "invalid_email");
    assert_eq!(
        (ends[0].effect(), ends[2].effect()),
        (Effect::Created, Effect::Created)
    );
    assert_eq!(only_request(&twin).status, 207);
    assert_eq!(twin.contacts().len(), 2);
}

#[tokio::test]
async fn a_batch_of_bad_rows_rejects_each_of_them() {
    for all_failed in [AllFailed::MultiStatus, AllFailed::BadRequest] {
        let twin = twin_with(Options {
            all_failed,
            ..Options::default()
        })
        .await;
        let binding = bind(&twin, spec("contacts", "email", Mode::Upsert, FIELDS)).await;
        let one = deliver(&*binding, vec![write(1, &["bob@example", "Bob", "lead"])]).await;
        assert_eq!(one[0].code(), "invalid_email");
    }
}

#[tokio::test]
async fn rows_that_cannot_be_valid_cost_no_request() {
    let twin = twin().await;
    let binding = bind(&twin, spec("contacts", "email", Mode::Upsert, FIELDS)).await;
    let rows = vec![
        write(1, &["", "Ann", "lead"]),
        write(2, &["no address", "Ann", "lead"]),
        write(3, &["ann@example.com", "Ann", "Lead"]),
    ];
    let ends = deliver(&*binding, rows).await;
    let codes: Vec<_> = ends.iter().map(End::code).collect();
    assert_eq!(codes, ["missing_match", "invalid_email", "invalid_option"]);
    assert_eq!(twin.request_count(), 0);
}

#[tokio::test]
async fn mode_update_looks_up_then_updates_and_creates_nothing() {
    let twin = twin().await;
    let id = twin
        .put_record("contacts", &[("email", "ann@example.com")])
        .unwrap();
    let binding = bind(&twin, spec("contacts", "email", Mode::Update, FIELDS)).await;
    let rows = vec![
        write(1, &["ANN@example.com", "Ann", "lead"]),
        write(2, &["nobody@example.com", "N", ""]),
    ];
    let ends = deliver(&*binding, rows).await;
    assert_eq!(
        (ends[0].effect(), ends[0].remote()),
        (Effect::Updated, id.as_str())
    );
    assert_eq!(ends[1].effect(), Effect::Untouched);
    assert_eq!(twin.contacts().len(), 1);
    assert_eq!(
        calls(&twin),
        [
            "POST /crm/objects/2026-03/contacts/batch/read",
            "POST /crm/objects/2026-03/contacts/batch/update"
        ]
    );
}

#[tokio::test]
async fn mode_create_leaves_existing_contacts_alone() {
    let twin = twin().await;
    let id = twin
        .put_record("contacts", &[("email", "ann@example.com"), ("firstname", "Old")])
        .unwrap();
    let binding = bind(&twin, spec("contacts", "email", Mode::Create, FIELDS)).await;
    let rows = vec![
        write(1, &["ann@example.com", "Ann", "lead"]),
        write(2, &["new@example.com", "New", "lead"]),
    ];
    let ends = deliver(&*binding, rows).await;
    assert_eq!(
        (ends[0].effect(), ends[0].remote()),
        (Effect::Untouched, id.as_str())
    );
    assert_eq!(ends[1].effect(), Effect::Created);
    assert_eq!(
        twin.record("contacts", &id).unwrap().get("firstname"),
        Some("Old")
    );
}

#[tokio::test]
async fn archive_removes_known_records_and_those_gone_already() {
    let twin = twin().await;
    let binding = bind(&twin, spec("contacts", "email", Mode::Mirror, FIELDS)).await;
    let id = twin
        .put_record("contacts", &[("email", "ann@example.com")])
        .unwrap();
    let rows = vec![
        removal(1, Removed::Archive, Some(&id), &[]),
        removal(2, Removed::Archive, Some("99999999"), &[]),
    ];
    let ends = deliver(&*binding, rows).await;
    assert_eq!(
        (ends[0].effect(), ends[1].effect()),
        (Effect::Removed, Effect::Removed)
    );
    assert!(twin.contacts().is_empty());
}

#[tokio::test]
async fn archive_finds_a_record_by_its_address_when_the_id_is_unknown() {
    let twin = twin().await;
    let binding = bind(&twin, spec("contacts", "email", Mode::Mirror, FIELDS)).await;
    twin.put_record("contacts", &[("email", "ann@example.com")])
        .unwrap();
    let by_address = |row, address: &str| {
        let mut operation = removal(row, Removed::Archive, None, &[]);
        operation.record = write(row, &[address]).record;
        operation
    };
    let rows = vec![
        by_address(1, "ann@example.com"),
        by_address(2, "nobody@example.com"),
        removal(3, Removed::Archive, None, &[]),
    ];
    let ends = deliver(&*binding, rows).await;
    assert_eq!(
        (ends[0].effect(), ends[1].effect()),
        (Effect::Removed, Effect::Removed)
    );
    assert_eq!(ends[2].code(), "missing_match");
    assert!(twin.contacts().is_empty());
}

#[tokio::test]
async fn clear_empties_the_mapped_fields_and_no_other() {
    let twin = twin().await;
    let mut mapping = spec("contacts", "email", Mode::Mirror, FIELDS);
    mapping.removed = Some(Removed::Clear);
    let binding = bind(&twin, mapping).await;
    let id = twin
        .put_record(
            "contacts",
            &[
                ("email", "ann@example.com"),
                ("firstname", "Ann"),
                ("city", "Bonn"),
            ],
        )
        .unwrap();
    let ends = deliver(&*binding, vec![removal(1, Removed::Clear, Some(&id), &[1, 2])]).await;
    assert_eq!(ends[0].effect(), Effect::Removed);
    let ann = twin.record("contacts", &id).unwrap();
    assert_eq!(
        (ann.get("firstname"), ann.get("email")),
        (None, Some("ann@example.com"))
    );
    assert_eq!(ann.get("city"), Some("Bonn"));
}

#[tokio::test]
async fn the_account_is_named_by_its_number_and_knows_its_day() {
    let twin = twin_with(Options {
        time_zone: "Europe/Berlin".into(),
        ..Options::default()
    })
    .await;
    let account = hubspot(&twin).check().await.unwrap();
    assert!(account.label.starts_with("4720001 ("), "{}", account.label);
    assert_eq!(account.time_zone.as_deref(), Some("Europe/Berlin"));
    let binding = bind(&twin, spec("contacts", "email", Mode::Upsert, FIELDS)).await;
    let by_type_id = bind(&twin, spec("0-1", "email", Mode::Upsert, FIELDS)).await;
    assert_eq!(binding.target(), "portal 4720001, contacts");
    assert_eq!(by_type_id.target(), binding.target());
}

#[tokio::test]
async fn legacy_and_new_paths_do_the_same() {
    for version in ["v3", "2026-09"] {
        let twin = twin().await;
        let hubspot = hubspot_with(&twin, json!({ "token": "pat-na1-sandbox", "version": version }));
        let binding = hubspot
            .bind(spec("contacts", "email", Mode::Upsert, FIELDS), false)
            .await
            .unwrap();
        let ends = deliver(&*binding, vec![write(1, &["ann@example.com", "Ann", "lead"])]).await;
        assert_eq!(ends[0].effect(), Effect::Created, "{version}");
    }
}
