//! Answers about one member, and about a segment.

#![allow(clippy::unwrap_used, clippy::panic)]

use outflow_sdk::conformance::script::answer;
use outflow_sdk::destination::Mode;
use outflow_sdk::value::Value;
use serde_json::{Value as Json, json};

use super::*;
use crate::testing::{EMAIL, FNAME, SEGMENT, STATUS, VIP_TAG, known, members, op, removal};

const ANN: &str = "ann@x.test";

fn row(word: &str) -> Operation {
    op(1, ANN, &[(STATUS, Value::text(word))])
}

fn outcome(verb: Verb, operation: &Operation, status: u16, body: &str) -> Result<Outcome, ErrorKind> {
    let layout = members(Mode::Upsert);
    settle(verb, &layout, operation, &answer(status, body.to_owned())).map_err(|error| error.kind)
}

fn member(email: &str, status: &str) -> String {
    json!({ "id": hash_of(email), "email_address": email, "status": status,
        "merge_fields": { "FNAME": "Ann", "LTV": "" } })
    .to_string()
}

fn problem(title: &str, detail: &str) -> String {
    json!({ "title": title, "status": 400, "detail": detail, "instance": "a-b" }).to_string()
}

fn applied(effect: Effect, email: &str) -> Outcome {
    Outcome::Applied {
        effect,
        remote: Some(hash_of(email).into()),
    }
}

const GONE: &str = r#"{"title":"Resource Not Found","detail":"The requested resource could not be found."}"#;

#[test]
fn a_renamed_member_is_known_by_its_new_address() {
    let renamed = known(op(1, "new@x.test", &[]), &hash_of(ANN), &[EMAIL]);
    assert_eq!(
        outcome(Verb::Update, &renamed, 200, &member("new@x.test", "subscribed")),
        Ok(applied(Effect::Updated, "new@x.test"))
    );
}

#[test]
fn an_address_another_member_has_is_refused() {
    let renamed = known(op(1, "new@x.test", &[]), &hash_of(ANN), &[EMAIL]);
    let body = problem("Member Exists", "new@x.test is already a list member. Use PUT …");
    let Ok(Outcome::Rejected(rejection)) = outcome(Verb::Update, &renamed, 400, &body) else {
        panic!();
    };
    assert_eq!(rejection.code, "value_in_use");
}

#[test]
fn a_look_lets_consent_change_only_for_those_who_have_not_opted_out() {
    let seen = |word: &str| Outcome::Resolved {
        remote: format!("{}{word}", hash_of(ANN)).into(),
    };
    let look = |status: &str| outcome(Verb::Lookup, &row("subscribed"), 200, &member(ANN, status)).unwrap();
    for status in ["subscribed", "transactional", "pending"] {
        assert_eq!(look(status), seen("+"), "{status}");
    }
    for status in ["unsubscribed", "cleaned", "archived"] {
        assert!(matches!(look(status), Outcome::Suppressed(_)), "{status}");
    }
    for body in ["", "{}", "[]", "<html>", r#"{"id":5}"#] {
        assert_eq!(
            outcome(Verb::Lookup, &row("subscribed"), 200, body),
            Err(ErrorKind::Ambiguous),
            "{body}"
        );
    }
    let blind = json!({ "id": hash_of(ANN) }).to_string();
    assert_eq!(
        outcome(Verb::Lookup, &row("subscribed"), 200, &blind),
        Ok(Outcome::InDoubt)
    );
}

#[test]
fn consent_is_acknowledged_only_as_the_answer_shows_it() {
    let asked = known(row("subscribed"), &format!("{}+", hash_of(ANN)), &[STATUS]);
    let update = |status: &str| outcome(Verb::Update, &asked, 200, &member(ANN, status)).unwrap();
    assert_eq!(update("subscribed"), applied(Effect::Updated, ANN));
    assert_eq!(update("unsubscribed"), Outcome::InDoubt);
    let leaving = removal(Removed::Unsubscribe, &hash_of(ANN), &[]);
    let unsubscribe = |status: &str| outcome(Verb::Unsubscribe, &leaving, 200, &member(ANN, status)).unwrap();
    assert_eq!(unsubscribe("unsubscribed"), applied(Effect::Removed, ANN));
    assert_eq!(unsubscribe("cleaned"), applied(Effect::Removed, ANN));
    assert_eq!(unsubscribe("subscribed"), Outcome::InDoubt);
    let back = known(op(1, ANN, &[]), &format!("{}~", hash_of(ANN)), &[FNAME]);
    let revive = |status: &str| outcome(Verb::Revive, &back, 200, &member(ANN, status)).unwrap();
    assert_eq!(revive("transactional"), applied(Effect::Updated, ANN));
    assert_eq!(revive("archived"), Outcome::InDoubt);
}

#[test]
fn compliance_refuses_one_member_as_it_does_in_a_batch() {
    let asked = known(row("subscribed"), &format!("{}+", hash_of(ANN)), &[STATUS]);
    for (title, code) in [
        ("Member In Compliance State", "compliance"),
        ("Forgotten Email Not Subscribed", "forgotten"),
    ] {
        let Ok(Outcome::Suppressed(rejection)) = outcome(Verb::Update, &asked, 400, &problem(title, "x"))
        else {
            panic!("{title}");
        };
        assert_eq!(rejection.code, code);
    }
}

#[test]
fn a_member_that_is_gone_is_found_again_or_left_alone() {
    let stored = known(op(1, ANN, &[]), &hash_of(ANN), &[FNAME]);
    let unknown = op(1, ANN, &[]);
    for verb in [Verb::Update, Verb::Lookup, Verb::Tags] {
        assert_eq!(
            outcome(verb, &stored, 404, GONE),
            Ok(Outcome::StaleRemote),
            "{verb:?}"
        );
    }
    let untouched = Outcome::Applied {
        effect: Effect::Untouched,
        remote: None,
    };
    for verb in [Verb::Update, Verb::Lookup] {
        assert_eq!(
            outcome(verb, &unknown, 404, GONE),
            Ok(untouched.clone()),
            "{verb:?}"
        );
    }
    for verb in [Verb::Revive, Verb::Update] {
        let other = outcome(verb, &stored, 404, "<html>Not Found</html>");
        assert_eq!(other, Err(ErrorKind::Config), "{verb:?}");
    }
}

#[test]
fn removing_who_is_gone_is_done() {
    for (verb, rule) in [
        (Verb::Archive, Removed::Archive),
        (Verb::Delete, Removed::Delete),
        (Verb::Unsubscribe, Removed::Unsubscribe),
        (Verb::Update, Removed::Clear),
        (Verb::Tags, Removed::Clear),
        (Verb::SegmentLeave, Removed::Clear),
    ] {
        let operation = removal(rule, &hash_of(ANN), &[]);
        let done = Ok(applied(Effect::Removed, ANN));
        assert_eq!(outcome(verb, &operation, 404, GONE), done, "{verb:?}");
        if verb.is_silent() {
            assert_eq!(outcome(verb, &operation, 204, ""), done, "{verb:?}");
            assert_eq!(outcome(verb, &operation, 200, "{}"), Err(ErrorKind::Ambiguous));
        }
    }
    let archive = removal(Removed::Archive, &hash_of(ANN), &[]);
    let twice = problem(
        "Method Not Allowed",
        "This list member cannot be removed. Can not archive a contact that is bounced, pending or archived",
    );
    assert_eq!(
        outcome(Verb::Archive, &archive, 405, &twice),
        Ok(applied(Effect::Removed, ANN))
    );
    assert_eq!(
        outcome(Verb::Delete, &archive, 405, &twice),
        Err(ErrorKind::Contract)
    );
}

#[test]
fn tags_are_set_when_mailchimp_says_nothing() {
    let tagged = known(
        op(1, ANN, &[(VIP_TAG, Value::Bool(true))]),
        &hash_of(ANN),
        &[VIP_TAG],
    );
    assert_eq!(
        outcome(Verb::Tags, &tagged, 204, ""),
        Ok(applied(Effect::Updated, ANN))
    );
}

#[test]
fn a_field_the_audience_lost_stops_the_sync() {
    let stored = known(op(1, ANN, &[]), &hash_of(ANN), &[FNAME]);
    let body = json!({ "id": hash_of(ANN), "status": "subscribed", "merge_fields": { "FNAME": "Ann" } });
    assert_eq!(
        outcome(Verb::Update, &stored, 200, &body.to_string()),
        Err(ErrorKind::Config)
    );
}

#[test]
fn a_refusal_that_is_not_mailchimps_is_no_rows_fault() {
    let stored = known(op(1, ANN, &[]), &hash_of(ANN), &[FNAME]);
    assert_eq!(
        outcome(Verb::Update, &stored, 400, "<html>proxy</html>"),
        Err(ErrorKind::Contract)
    );
    assert_eq!(outcome(Verb::Update, &stored, 401, "{}"), Err(ErrorKind::Auth));
}

fn segment(status: u16, body: &Json) -> Result<Vec<Outcome>, ErrorKind> {
    let member = |row, email: &str, is_in| {
        known(
            op(row, email, &[(SEGMENT, Value::Bool(is_in))]),
            &hash_of(email),
            &[SEGMENT],
        )
    };
    let rows = [member(1, ANN, true), member(2, "bob@x.test", false)];
    let response = answer(status, body.to_string());
    settle_segment(&members(Mode::Upsert), SEGMENT, &rows, &response).map_err(|error| error.kind)
}

#[test]
fn who_is_in_the_segment_already_counts_and_refused_additions_are_named() {
    let both = [
        applied(Effect::Updated, ANN),
        applied(Effect::Updated, "bob@x.test"),
    ];
    let body = json!({ "members_added": [], "members_removed": [], "errors": [], "total_added": 0, "total_removed": 0 });
    assert_eq!(segment(200, &body).unwrap(), both);
    let body = json!({ "total_added": 0, "errors": [
        { "email_addresses": ["ANN@x.test", "bob@x.test"], "error": "ann@x.test …" }] });
    let outcomes = segment(200, &body).unwrap();
    let Some(Outcome::Rejected(rejection)) = outcomes.first() else {
        panic!("{outcomes:?}");
    };
    assert_eq!(
        (rejection.code.as_str(), rejection.field.as_deref()),
        ("segment_refused", Some("segment:Gold"))
    );
    assert_eq!(outcomes[1], both[1], "leaving a segment one is not in is done");
}

#[test]
fn a_segment_that_does_not_answer_as_documented_says_nothing() {
    for body in [json!({}), json!([]), json!(null), json!({ "errors": [] })] {
        assert_eq!(segment(200, &body), Err(ErrorKind::Ambiguous), "{body}");
    }
    let gone: Json = serde_json::from_str(GONE).unwrap();
    assert_eq!(segment(404, &gone), Err(ErrorKind::Config));
}
