//! The bytes that go out.

#![allow(clippy::unwrap_used)]

use insta::assert_snapshot;
use outflow_sdk::destination::{Mode, Removed};

use super::*;
use crate::config::MappingOptions;
use crate::layout::{hash_of, marked};
use crate::target::BoundField;
use crate::testing::{
    EMAIL, FNAME, INTEREST, LATITUDE, LONGITUDE, LTV, PERMISSION, SEGMENT, STATUS, TAGS, VIP, VIP_TAG,
    interest, known, members, members_with, number, op, options, removal,
};

fn sent(layout: &Layout, operation: Operation) -> (String, String, Vec<u16>) {
    let encoded = layout.encode(layout.route(&operation), std::slice::from_ref(&operation));
    let request = &encoded.request;
    (
        format!("{} {}", request.method, request.path),
        String::from_utf8(request.body.to_vec()).unwrap(),
        encoded.fields.first().cloned().unwrap(),
    )
}

#[test]
fn a_new_row_goes_out_whole_with_consent_for_new_members_only() {
    let row = op(
        1,
        "Ann@x.test",
        &[
            (LTV, number("15.50")),
            (INTEREST, Value::Bool(true)),
            (VIP, Value::Null),
        ],
    );
    let (path, body, fields) = sent(&members(Mode::Upsert), row);
    assert_snapshot!(path, @"POST /3.0/lists/abc?skip_merge_validation=true");
    assert_snapshot!(body, @r#"{"members":[{"email_address":"Ann@x.test","status_if_new":"transactional","vip":false,"merge_fields":{"FNAME":"Ann","LTV":15.5},"interests":{"9143cf3bd1":true}}],"update_existing":true}"#);
    assert_eq!(fields, [EMAIL, FNAME, LTV, INTEREST, VIP]);
}

#[test]
fn no_batch_carries_a_status_that_could_subscribe_someone() {
    for word in ["subscribed", "pending", "transactional"] {
        let row = op(1, "ann@x.test", &[(STATUS, Value::text(word))]);
        let (_, body, fields) = sent(&members(Mode::Upsert), row);
        assert!(!body.contains("\"status\":"), "{body}");
        assert!(body.contains(&format!("\"status_if_new\":\"{word}\"")), "{body}");
        assert!(fields.contains(&STATUS));
    }
    let row = op(1, "ann@x.test", &[(STATUS, Value::Bool(false))]);
    let (_, body, _) = sent(&members(Mode::Upsert), row);
    assert!(
        body.contains("\"status_if_new\":\"unsubscribed\",\"status\":\"unsubscribed\""),
        "{body}"
    );
}

#[test]
fn an_unmapped_or_empty_consent_is_never_sent_to_members_that_exist() {
    let row = op(1, "ann@x.test", &[(STATUS, Value::Null)]);
    let hash = hash_of("ann@x.test");
    for pending in [vec![FNAME], vec![STATUS]] {
        let (_, body, fields) = sent(&members(Mode::Update), known(row.clone(), &hash, &pending));
        assert!(!body.contains("status"), "{body}");
        assert_eq!(fields, pending);
    }
}

#[test]
fn a_changed_row_sends_the_changed_field_alone() {
    let row = known(
        op(1, "ann@x.test", &[(LTV, Value::Null)]),
        &hash_of("ann@x.test"),
        &[LTV],
    );
    let (_, body, fields) = sent(&members(Mode::Upsert), row);
    assert_snapshot!(body, @r#"{"members":[{"email_address":"ann@x.test","status_if_new":"transactional","merge_fields":{"LTV":""}}],"update_existing":true}"#);
    assert_eq!(fields, [LTV]);
}

#[test]
fn a_new_address_goes_to_the_old_member() {
    let row = known(op(1, "new@x.test", &[]), &hash_of("ann@x.test"), &[EMAIL, FNAME]);
    let (path, body, fields) = sent(&members(Mode::Upsert), row);
    assert_eq!(
        path,
        format!(
            "PATCH /3.0/lists/abc/members/{}?skip_merge_validation=true",
            hash_of("ann@x.test")
        )
    );
    assert_snapshot!(body, @r#"{"email_address":"new@x.test","merge_fields":{"FNAME":"Ann"}}"#);
    assert_eq!(fields, [EMAIL, FNAME]);
}

#[test]
fn after_a_look_the_status_goes_to_that_member_alone() {
    let seen = marked(&hash_of("ann@x.test"), Mark::Seen);
    let row = known(
        op(1, "ann@x.test", &[(STATUS, Value::text("subscribed"))]),
        &seen,
        &[FNAME, STATUS],
    );
    let (path, body, fields) = sent(&members(Mode::Upsert), row);
    assert!(
        path.contains(&format!("/members/{}?", hash_of("ann@x.test"))),
        "{path}"
    );
    assert_snapshot!(body, @r#"{"status":"subscribed","merge_fields":{"FNAME":"Ann"}}"#);
    assert_eq!(fields, [FNAME, STATUS]);
}

#[test]
fn a_request_without_a_look_does_not_subscribe_whatever_it_is_asked() {
    let layout = members(Mode::Upsert);
    let row = known(
        op(1, "ann@x.test", &[(STATUS, Value::text("subscribed"))]),
        &hash_of("ann@x.test"),
        &[FNAME, STATUS],
    );
    let encoded = layout.encode(Verb::Update.route(), &[row]);
    assert_snapshot!(String::from_utf8_lossy(&encoded.request.body), @r#"{"merge_fields":{"FNAME":"Ann"}}"#);
    assert_eq!(encoded.fields, [[FNAME]]);
}

#[test]
fn an_archived_member_comes_back_whole() {
    let archived = marked(&hash_of("ann@x.test"), Mark::Archived);
    let row = known(op(1, "ann@x.test", &[]), &archived, &[FNAME]);
    let (path, body, _) = sent(&members(Mode::Upsert), row);
    assert_snapshot!(path, @"POST /3.0/lists/abc/members?skip_merge_validation=true");
    assert_snapshot!(body, @r#"{"email_address":"ann@x.test","status":"transactional","merge_fields":{"FNAME":"Ann"}}"#);
}

#[test]
fn mode_create_does_not_touch_members_that_exist() {
    let (_, body, _) = sent(&members(Mode::Create), op(1, "ann@x.test", &[]));
    assert!(body.ends_with("\"update_existing\":false}"), "{body}");
}

#[test]
fn permissions_and_coordinates_go_out_as_objects() {
    let row = op(
        1,
        "ann@x.test",
        &[
            (LATITUDE, number("52.52")),
            (LONGITUDE, number("13.405")),
            (PERMISSION, Value::Bool(true)),
        ],
    );
    let layout = members(Mode::Update);
    let hash = hash_of("ann@x.test");
    let (_, body, fields) = sent(&layout, known(row.clone(), &hash, &[PERMISSION, LATITUDE]));
    assert_snapshot!(body, @r#"{"location":{"latitude":52.52,"longitude":13.405},"marketing_permissions":[{"marketing_permission_id":"a1b2c3d4e5","enabled":true}]}"#);
    assert_eq!(fields, [PERMISSION, LATITUDE]);
    let (_, body, fields) = sent(&members(Mode::Upsert), row);
    assert!(
        !body.contains("marketing_permissions"),
        "a batch cannot carry them: {body}"
    );
    assert!(!fields.contains(&PERMISSION));
}

#[test]
fn an_interest_list_switches_the_others_off() {
    let fields = vec![
        BoundField::new("email_address", Kind::Email),
        BoundField::new(
            "interests",
            Kind::Interests(vec![interest("aa", "Travel"), interest("bb", "Food")]),
        ),
    ];
    let layout = Layout::new(
        "/3.0/lists/abc".into(),
        Mode::Update,
        fields,
        MappingOptions::default(),
    );
    let mut row = op(1, "ann@x.test", &[]);
    row.record = vec![Some(Value::text("ann@x.test")), Some(Value::text("topics/food"))].into();
    row.pending = vec![0, 1];
    let (_, body, _) = sent(&layout, row);
    assert_snapshot!(body, @r#"{"email_address":"ann@x.test","interests":{"aa":false,"bb":true}}"#);
}

#[test]
fn tags_are_added_and_only_owned_ones_removed() {
    let mut owned = options();
    owned.owned_tags = vec!["Gold".into(), "silver".into(), "vip".into()];
    let layout = members_with(Mode::Upsert, owned);
    let row = op(
        1,
        "ann@x.test",
        &[
            (
                TAGS,
                Value::List(vec!["gold".into(), "New".into(), "new".into(), "VIP".into()]),
            ),
            (VIP_TAG, Value::Bool(false)),
        ],
    );
    let (path, body, fields) = sent(&layout, known(row, &hash_of("ann@x.test"), &[TAGS, VIP_TAG]));
    assert!(path.ends_with("/tags"), "{path}");
    assert_snapshot!(body, @r#"{"tags":[{"name":"VIP","status":"inactive"},{"name":"gold","status":"active"},{"name":"New","status":"active"},{"name":"silver","status":"inactive"}],"is_syncing":true}"#);
    assert_eq!(fields, [TAGS, VIP_TAG]);
}

#[test]
fn tags_start_automations_only_when_the_mapping_says_so() {
    let mut loud = options();
    loud.tag_automations = true;
    let row = known(
        op(1, "ann@x.test", &[(VIP_TAG, Value::Bool(true))]),
        &hash_of("ann@x.test"),
        &[VIP_TAG],
    );
    let (_, body, _) = sent(&members_with(Mode::Upsert, loud), row);
    assert!(body.ends_with("\"is_syncing\":false}"), "{body}");
}

#[test]
fn a_new_row_claims_the_absence_of_tags_but_never_their_presence() {
    let layout = members(Mode::Upsert);
    let without = op(1, "ann@x.test", &[(VIP_TAG, Value::Bool(false))]);
    assert!(sent(&layout, without).2.contains(&VIP_TAG));
    let with = op(1, "ann@x.test", &[(VIP_TAG, Value::Bool(true))]);
    let (_, body, fields) = sent(&layout, with);
    assert!(!fields.contains(&VIP_TAG) && !body.contains("tags"), "{body}");
}

#[test]
fn a_segment_changes_for_many_members_at_once() {
    let layout = members(Mode::Upsert);
    let member = |row, email: &str, is_in| {
        known(
            op(row, email, &[(SEGMENT, Value::Bool(is_in))]),
            &hash_of(email),
            &[SEGMENT],
        )
    };
    let rows = [
        member(1, "ann@x.test", true),
        member(2, "bob@x.test", false),
        member(3, "ANN@x.test", false),
    ];
    let encoded = layout.encode(layout.route(&rows[0]), &rows);
    assert_eq!(encoded.taken, 2, "one address is named once");
    assert_eq!(encoded.request.path, "/3.0/lists/abc/segments/77");
    assert_snapshot!(String::from_utf8_lossy(&encoded.request.body), @r#"{"members_to_add":["ann@x.test"],"members_to_remove":["bob@x.test"]}"#);
}

#[test]
fn one_address_goes_into_a_batch_once() {
    let layout = members(Mode::Upsert);
    let rows = [
        op(1, "ann@x.test", &[]),
        op(2, "bob@x.test", &[]),
        op(3, "Ann@X.test", &[]),
    ];
    let encoded = layout.encode(Verb::Subscribe.route(), &rows);
    assert_eq!((encoded.taken, encoded.fields.len()), (2, 2));
}

#[test]
fn removals_touch_the_member_and_nothing_else() {
    let layout = members(Mode::Mirror);
    let hash = hash_of("ann@x.test");
    for (rule, method, tail, body) in [
        (Removed::Archive, "DELETE", "", ""),
        (Removed::Delete, "POST", "/actions/delete-permanent", ""),
        (
            Removed::Unsubscribe,
            "PATCH",
            "?skip_merge_validation=true",
            r#"{"status":"unsubscribed"}"#,
        ),
    ] {
        let (path, sent_body, fields) = sent(&layout, removal(rule, &hash, &[]));
        assert_eq!(path, format!("{method} /3.0/lists/abc/members/{hash}{tail}"));
        assert_eq!((sent_body.as_str(), fields.len()), (body, 0));
    }
}

#[test]
fn clearing_empties_what_was_mapped_and_keeps_address_and_consent() {
    let layout = members(Mode::Mirror);
    let all: Vec<u16> = (0..12).collect();
    let clearing = removal(Removed::Clear, &hash_of("ann@x.test"), &all);
    let (_, body, fields) = sent(&layout, clearing);
    assert_snapshot!(body, @r#"{"vip":false,"location":{"latitude":0,"longitude":0},"merge_fields":{"FNAME":"","LTV":""},"interests":{"9143cf3bd1":false},"marketing_permissions":[{"marketing_permission_id":"a1b2c3d4e5","enabled":false}]}"#);
    // `tags` without `owned_tags` has nothing of its own to remove.
    assert_eq!(
        fields,
        [
            EMAIL, FNAME, LTV, STATUS, TAGS, INTEREST, PERMISSION, VIP, LATITUDE, LONGITUDE
        ]
    );
    let rest = removal(Removed::Clear, &hash_of("ann@x.test"), &[VIP_TAG, SEGMENT]);
    let (_, body, fields) = sent(&layout, rest);
    assert_snapshot!(body, @r#"{"tags":[{"name":"VIP","status":"inactive"}],"is_syncing":true}"#);
    assert_eq!(fields, [VIP_TAG]);
}

#[test]
fn a_look_asks_for_nothing_but_the_status() {
    let row = op(1, "ann@x.test", &[(STATUS, Value::text("subscribed"))]);
    let (path, body, fields) = sent(&members(Mode::Update), row);
    assert_eq!(
        path,
        format!(
            "GET /3.0/lists/abc/members/{}?fields=id,status",
            hash_of("ann@x.test")
        )
    );
    assert!(body.is_empty() && fields.is_empty());
}
