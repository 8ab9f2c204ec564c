//! Which rows can be valid, which members they mean, and where they go.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::testing::{
    EMAIL, FNAME, LATITUDE, PERMISSION, SEGMENT, STATUS, TAGS, VIP, VIP_TAG, known, members, members_with,
    op, options, removal,
};

fn hash(email: &str) -> String {
    hash_of(email)
}

fn verb(layout: &Layout, operation: &Operation) -> Verb {
    Verb::of(layout.route(operation)).unwrap()
}

fn consent(word: &str) -> [(u16, Value); 1] {
    [(STATUS, Value::text(word))]
}

#[test]
fn a_members_address_is_the_md5_mailchimp_documents() {
    assert_eq!(
        hash_of(" Urist.McVankab@freddiesjokes.com "),
        "62eeb292278cc15f5817cb78f7790b08"
    );
    assert!(is_hash(&hash_of("")));
    assert!(!is_hash("62eeb292278cc15f5817cb78f7790b0"));
    assert!(!is_hash("62eeb292278cc15f5817cb78f7790b0/"));
}

#[test]
fn new_rows_go_in_batches_except_in_mode_update() {
    let row = op(1, "ann@x.test", &[]);
    for (mode, expected) in [
        (Mode::Upsert, Verb::Subscribe),
        (Mode::Mirror, Verb::Subscribe),
        (Mode::Create, Verb::Create),
        (Mode::Update, Verb::Update),
    ] {
        assert_eq!(verb(&members(mode), &row), expected);
    }
}

#[test]
fn known_rows_go_in_batches_while_their_address_is_the_same() {
    let layout = members(Mode::Upsert);
    let same = known(op(1, "ANN@x.test", &[]), &hash("ann@x.test"), &[EMAIL, FNAME]);
    assert_eq!(verb(&layout, &same), Verb::Subscribe);
    let renamed = known(op(1, "new@x.test", &[]), &hash("ann@x.test"), &[EMAIL]);
    assert_eq!(verb(&layout, &renamed), Verb::Update);
    assert!(layout.route(&renamed).max_rows == 1);
}

#[test]
fn consent_is_looked_up_before_a_request_that_cannot_tell_it() {
    for word in ["subscribed", "pending", "transactional", "true"] {
        let renamed = known(
            op(1, "new@x.test", &consent(word)),
            &hash("ann@x.test"),
            &[EMAIL, STATUS],
        );
        assert_eq!(verb(&members(Mode::Upsert), &renamed), Verb::Lookup, "{word}");
        let new = op(1, "ann@x.test", &consent(word));
        assert_eq!(verb(&members(Mode::Update), &new), Verb::Lookup, "{word}");
        assert_eq!(verb(&members(Mode::Upsert), &new), Verb::Subscribe, "{word}");
    }
    for word in ["unsubscribed", "cleaned", "false"] {
        let new = op(1, "ann@x.test", &consent(word));
        assert_eq!(verb(&members(Mode::Update), &new), Verb::Update, "{word}");
    }
    let seen = marked(&hash("ann@x.test"), Mark::Seen);
    let looked_at = known(op(1, "ann@x.test", &consent("subscribed")), &seen, &[STATUS]);
    assert_eq!(verb(&members(Mode::Upsert), &looked_at), Verb::Update);
    let archived = marked(&hash("ann@x.test"), Mark::Archived);
    let back = known(op(1, "ann@x.test", &[]), &archived, &[FNAME]);
    assert_eq!(verb(&members(Mode::Upsert), &back), Verb::Revive);
}

#[test]
fn consent_that_is_not_pending_needs_no_look() {
    let renamed = known(
        op(1, "new@x.test", &consent("subscribed")),
        &hash("ann@x.test"),
        &[EMAIL],
    );
    assert_eq!(verb(&members(Mode::Upsert), &renamed), Verb::Update);
}

#[test]
fn tags_segments_and_permissions_follow_the_member() {
    let layout = members(Mode::Upsert);
    let on = |number| (number, Value::Bool(true));
    let row = op(1, "ann@x.test", &[on(VIP_TAG), on(SEGMENT), on(PERMISSION)]);
    let hash = hash("ann@x.test");
    let at = |pending: &[u16]| verb(&layout, &known(row.clone(), &hash, pending));
    assert_eq!(at(&[FNAME, VIP_TAG, SEGMENT, PERMISSION]), Verb::Subscribe);
    assert_eq!(at(&[VIP_TAG, SEGMENT]), Verb::Tags);
    assert_eq!(at(&[SEGMENT]), Verb::Segment);
    assert_eq!(at(&[PERMISSION]), Verb::Update);
    let segment = layout.route(&known(row.clone(), &hash, &[SEGMENT]));
    assert_eq!((segment.lane, segment.max_rows), (SEGMENT, 500));
    for number in [VIP_TAG, SEGMENT, PERMISSION, TAGS] {
        assert_eq!(layout.fields[usize::from(number)].stage(), 1);
    }
    assert_eq!(layout.fields[usize::from(VIP)].stage(), 0);
}

#[test]
fn removals_have_a_request_each() {
    let layout = members(Mode::Mirror);
    let hash = hash("ann@x.test");
    for (rule, expected) in [
        (Removed::Archive, Verb::Archive),
        (Removed::Unsubscribe, Verb::Unsubscribe),
        (Removed::Delete, Verb::Delete),
        (Removed::Clear, Verb::Update),
    ] {
        assert_eq!(verb(&layout, &removal(rule, &hash, &[FNAME])), expected);
    }
    let clear = |pending: &[u16]| verb(&layout, &removal(Removed::Clear, &hash, pending));
    assert_eq!(clear(&[FNAME, VIP_TAG]), Verb::Update);
    assert_eq!(clear(&[VIP_TAG, SEGMENT]), Verb::Tags);
    // Without the address itself, only the member's hash can name it.
    assert_eq!(clear(&[SEGMENT]), Verb::SegmentLeave);
}

#[test]
fn what_says_nothing_is_settled_without_a_request() {
    let layout = members(Mode::Upsert);
    let row = op(
        1,
        "ann@x.test",
        &[(STATUS, Value::Null), (TAGS, Value::Null), (VIP, Value::Null)],
    );
    assert!(layout.is_settled_unsent(&row, STATUS));
    assert!(layout.is_settled_unsent(&row, TAGS));
    assert!(!layout.is_settled_unsent(&row, VIP));
    assert!(layout.is_settled_unsent(&row, LATITUDE));
    let mut owned = options();
    owned.owned_tags = vec!["gold".into()];
    assert!(!members_with(Mode::Upsert, owned).is_settled_unsent(&row, TAGS));
}

#[test]
fn one_member_has_one_identity_however_it_is_named() {
    let layout = members(Mode::Upsert);
    let by_email = layout.identity(&op(1, " Ann@X.test", &[]));
    let by_hash = layout.identity(&removal(Removed::Archive, &hash("ann@x.test"), &[]));
    assert_eq!(by_email, by_hash);
    assert_ne!(by_email, layout.identity(&op(1, "bob@x.test", &[])));
}

#[test]
fn bad_rows_are_named_before_they_cost_a_request() {
    let layout = members(Mode::Upsert);
    let code = |operation: &Operation| layout.inspect(operation).map_err(|rejection| rejection.code);
    assert_eq!(code(&op(1, "ann@x.test", &consent("subscribed"))), Ok(()));
    for (email, expected) in [
        ("", "missing_match"),
        ("  ", "missing_match"),
        ("ann", "invalid_email"),
        ("a b@x.test", "invalid_email"),
        ("@x.test", "invalid_email"),
    ] {
        assert_eq!(code(&op(1, email, &[])), Err(expected.into()), "{email}");
    }
    for (field, value, expected) in [
        (STATUS, Value::text("archived"), "invalid_status"),
        (VIP, Value::text("yes"), "invalid_boolean"),
        (VIP_TAG, Value::text("x"), "invalid_boolean"),
        (TAGS, Value::Bool(true), "invalid_tags"),
        (LATITUDE, Value::text("north"), "invalid_number"),
        (FNAME, Value::text(&"x".repeat(256)), "too_long"),
    ] {
        let row = op(1, "ann@x.test", &[(field, value)]);
        let rejection = layout.inspect(&row).unwrap_err();
        assert_eq!(rejection.code, expected);
        assert!(rejection.message.starts_with(rejection.field.as_deref().unwrap()));
    }
    assert_eq!(code(&removal(Removed::Archive, &hash("a@x.test"), &[])), Ok(()));
    assert_eq!(
        code(&removal(Removed::Archive, "no hash", &[])),
        Err("missing_match".into())
    );
}
