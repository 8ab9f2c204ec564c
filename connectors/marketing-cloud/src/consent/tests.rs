#![allow(clippy::unwrap_used, clippy::panic)]

use outflow_sdk::value::Value;

use super::*;
use crate::capabilities::{CONSENT, DELETE, ROWS};
use crate::testing::{EMAIL, ID, NAME, known, layout, row};

fn by(by: SubscriberField) -> Layout {
    let field = if by == SubscriberField::SubscriberKey {
        ID
    } else {
        EMAIL
    };
    Layout {
        relation: Some(Relation { field, by }),
        ..layout()
    }
}

fn subscriber(key: &str, email: &str, status: &str) -> Element {
    let leaf = |name: &str, text: &str| Element {
        name: name.into(),
        text: text.into(),
        ..Element::default()
    };
    Element {
        name: "Results".into(),
        children: vec![
            leaf("SubscriberKey", key),
            leaf("EmailAddress", email),
            leaf("Status", status),
        ],
        ..Element::default()
    }
}

fn body(layout: &Layout, operations: &[Operation]) -> String {
    let encoded = layout.encode(CONSENT, operations);
    assert_eq!(encoded.taken, operations.len());
    String::from_utf8(encoded.request.body.to_vec()).unwrap()
}

#[test]
fn a_row_is_looked_up_once_and_then_written_as_it_would_have_been() {
    let layout = by(SubscriberField::SubscriberKey);
    let new = row(1, "a", &[]);
    let there = known(row(2, "b", &[]), "[\"b\"]", &[NAME]);
    let renamed = known(row(3, "new", &[]), "[\"old\"]", &[ID]);
    let halfway = known(row(4, "new", &[]), "+[\"old\"]", &[ID]);
    assert_eq!(layout.route(&halfway), DELETE);
    for operation in [new, there, renamed] {
        assert_eq!(layout.route(&operation), CONSENT);
        let outcome = layout.consent(std::slice::from_ref(&operation), &[]).remove(0);
        let Outcome::Resolved { remote } = outcome else {
            panic!("{outcome:?}");
        };
        let looked_up = Operation {
            remote: Some(remote),
            ..operation.clone()
        };
        assert_eq!(layout.route(&looked_up), ROWS);
        assert_eq!(layout.applied(ROWS, &looked_up), layout.applied(ROWS, &operation));
        let bodies =
            [&looked_up, &operation].map(|one| layout.encode(ROWS, std::slice::from_ref(one)).request.body);
        assert_eq!(bodies[0], bodies[1]);
        assert_eq!(layout.identity(&looked_up), layout.identity(&operation));
        assert_eq!(layout.given_up(&looked_up), layout.given_up(&operation));
        let remote = looked_up.remote.unwrap();
        if let Some(before) = &operation.remote {
            assert_eq!(layout.record_of(&remote), layout.record_of(before));
        }
    }
}

#[test]
fn without_the_option_nothing_is_looked_up() {
    assert_eq!(layout().route(&row(1, "a", &[])), ROWS);
}

#[test]
fn one_request_asks_for_every_person_once() {
    let email = |text| [(EMAIL, Value::text(text))];
    let rows = [
        row(1, "1", &email("b@x.example")),
        row(2, "2", &email("a@x.example")),
        row(3, "3", &[]),
        row(4, "4", &email("b@x.example")),
    ];
    let asked = body(&by(SubscriberField::EmailAddress), &rows);
    assert!(asked.contains(
        "<Property>EmailAddress</Property><SimpleOperator>IN</SimpleOperator>\
         <Value>a@x.example</Value><Value>b@x.example</Value>"
    ));
    // A list of one is asked for as what it is.
    let asked = body(&by(SubscriberField::SubscriberKey), &rows[..1]);
    assert!(asked.contains("<SimpleOperator>equals</SimpleOperator><Value>1</Value>"));
}

#[test]
fn only_those_who_are_not_to_be_mailed_are_suppressed() {
    let layout = by(SubscriberField::SubscriberKey);
    for (status, suppressed) in [
        ("Active", false),
        ("Bounced", false),
        ("Unsubscribed", true),
        ("unsubscribed ", true),
        ("Held", true),
        ("Deleted", true),
        ("", false),
    ] {
        let rows = [row(1, "Ann", &[]), row(2, "bob", &[])];
        let outcomes = layout.consent(&rows, &[subscriber("ANN", "secret@x.example", status)]);
        let Outcome::Resolved { .. } = outcomes[1] else {
            panic!("{status}: the other row is not concerned");
        };
        match &outcomes[0] {
            Outcome::Suppressed(rejection) => {
                assert!(suppressed, "{status}");
                assert_eq!(
                    (rejection.code.as_str(), rejection.field.as_deref()),
                    ("opted_out", Some("Id"))
                );
                assert!(!rejection.message.contains("secret"));
            }
            other => assert!(!suppressed, "{status}: {other:?}"),
        }
    }
}

#[test]
fn one_of_several_with_an_address_speaks_for_all() {
    let layout = by(SubscriberField::EmailAddress);
    let rows = [row(1, "1", &[(EMAIL, Value::text("a@x.example"))])];
    let found = [
        subscriber("1", "a@x.example", "Unsubscribed"),
        subscriber("2", "A@x.example", "Active"),
    ];
    assert!(matches!(layout.consent(&rows, &found)[0], Outcome::Suppressed(_)));
}
