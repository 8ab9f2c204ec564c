//! The connector against the twin, over real HTTP: what becomes of members, and at what cost.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod driver;

use std::sync::Arc;

use driver::{End, FIELDS, World, changed, effects, options, removal, row, settings, spec};
use outflow_mailchimp::Mailchimp;
use outflow_sandbox::mailchimp::{AUDIENCE, Fault, FaultKind, MergeField, MergeType, Options, Status, Twin};
use outflow_sdk::CompactString;
use outflow_sdk::destination::{Destination, Effect, Mode, Removed};
use outflow_sdk::http::Network;
use outflow_sdk::value::{Decimal, Value};
use serde_json::json;

const FNAME: usize = 1;
const LTV: usize = 2;
const STATUS: usize = 3;
const TAGS: usize = 4;
const VIP: usize = 5;
const TRAVEL: usize = 6;
const GOLD: usize = 7;

const ANN: &str = "ann@domain.tld";

fn consent(word: &str) -> [(usize, Value); 1] {
    [(STATUS, Value::text(word))]
}

fn done(end: &End, expected: &[Effect]) {
    assert_eq!(effects(end), expected);
}

fn suppressed(code: &str) -> End {
    End::Suppressed(code.into())
}

#[tokio::test]
async fn a_first_load_takes_a_request_for_five_hundred_rows() {
    let world = World::new(Mode::Upsert, json!({})).await;
    let rows = (0..1_200)
        .map(|number| {
            row(
                number,
                &format!("person{number}@domain.tld"),
                &[
                    (LTV, Value::Number(Decimal::from(7))),
                    (VIP, Value::Bool(false)),
                    (TRAVEL, Value::Bool(true)),
                ],
            )
        })
        .collect();
    let ends = world.deliver(rows).await;
    assert!(ends.iter().all(|end| effects(end) == [Effect::Created]));
    assert_eq!(world.twin.request_count(), 3);
    assert_eq!(world.twin.count(AUDIENCE, Status::Transactional), 1_200);
    let member = world.twin.member(AUDIENCE, "person7@domain.tld").unwrap();
    assert_eq!(member.merge_fields.get("LTV"), Some(&json!(7)));
    assert!(member.interests.contains(&world.interest));
}

#[tokio::test]
async fn bad_rows_of_a_batch_cost_themselves_alone() {
    let world = World::new(Mode::Upsert, json!({})).await;
    world
        .twin
        .put_member(AUDIENCE, "gone@domain.tld", Status::Subscribed, &[])
        .unwrap();
    world.twin.forget(AUDIENCE, "gone@domain.tld").unwrap();
    let ends = world
        .deliver(vec![
            row(1, ANN, &[]),
            row(2, "fake@example.com", &[]),
            row(3, "gone@domain.tld", &[]),
            row(4, "no address", &[]),
            row(5, "number@domain.tld", &[(LTV, Value::text("AAAAA"))]),
            row(6, "bob@domain.tld", &[(FNAME, Value::Null)]),
        ])
        .await;
    done(&ends[0], &[Effect::Created]);
    assert_eq!(ends[1], End::Rejected("fake_email".into()));
    assert_eq!(ends[2], suppressed("forgotten"));
    assert_eq!(ends[3], End::Rejected("invalid_email".into()));
    assert_eq!(ends[4], End::Rejected("invalid_number".into()));
    done(&ends[5], &[Effect::Created]);
    assert_eq!(world.twin.request_count(), 1);
}

#[tokio::test]
async fn a_changed_field_leaves_the_others_and_null_empties() {
    let world = World::new(Mode::Upsert, json!({})).await;
    let first = row(1, ANN, &[(LTV, Value::Number(Decimal::from(7)))]);
    let end = world.deliver(vec![first]).await.remove(0);
    world
        .twin
        .put_member(AUDIENCE, ANN, Status::Subscribed, &[("LNAME", json!("Smith"))])
        .unwrap();
    let second = changed(row(1, ANN, &[(LTV, Value::Null)]), &end, &[2]);
    done(&world.deliver(vec![second]).await[0], &[Effect::Updated]);
    let member = world.twin.member(AUDIENCE, ANN).unwrap();
    assert_eq!(
        (member.get("FNAME"), member.get("LNAME")),
        (Some("Ann"), Some("Smith"))
    );
    assert!(
        !member.merge_fields.contains_key("LTV"),
        "{:?}",
        member.merge_fields
    );
    assert_eq!(member.status, Status::Subscribed, "consent given elsewhere stays");
}

#[tokio::test]
async fn an_audience_and_its_merge_fields_are_asked_for_at_once() {
    let options = Options {
        latency: std::time::Duration::from_millis(200),
        ..Options::default()
    };
    let twin = Twin::start(options).await.unwrap();
    let network = std::sync::Arc::new(outflow_sdk::http::Network::new().unwrap());
    let mailchimp = outflow_mailchimp::Mailchimp::open(driver::settings(&twin), network).unwrap();
    let bind = async |audience: &str| {
        let options = json!({ "audience": audience, "status_if_new": "transactional" });
        let spec = driver::spec(Mode::Upsert, None, &["email_address", "FNAME"], options);
        let binding = mailchimp.bind(spec, false).await.unwrap();
        assert!(binding.problems().is_empty(), "{:?}", binding.problems());
        let asked = (twin.request_count(), twin.most_in_flight());
        twin.clear_requests();
        asked
    };
    assert_eq!(bind(AUDIENCE).await, (2, 2));
    // By its name it has to be found first.
    assert_eq!(bind("Sandbox").await, (2, 1));
    // A name that looks like an id.
    let other = twin.define_audience("abcdef0123");
    assert_ne!(other, "abcdef0123");
    assert_eq!(bind("abcdef0123").await.0, 4);
}

#[tokio::test]
async fn a_new_address_changes_the_same_member() {
    let world = World::new(Mode::Upsert, json!({})).await;
    let end = world.deliver(vec![row(1, ANN, &[])]).await.remove(0);
    let before = world.twin.member(AUDIENCE, ANN).unwrap();
    let renamed = changed(row(1, "new@domain.tld", &[]), &end, &[0]);
    let end = world.deliver(vec![renamed]).await.remove(0);
    done(&end, &[Effect::Updated]);
    let after = world.twin.member(AUDIENCE, "new@domain.tld").unwrap();
    assert_eq!(before.contact_id, after.contact_id);
    assert_eq!(world.twin.members(AUDIENCE).len(), 1);
    // And the next change finds it under its new address, in a batch.
    let again = changed(
        row(1, "new@domain.tld", &[(VIP, Value::Bool(true))]),
        &end,
        &[1, 5],
    );
    done(
        &world.deliver(vec![again]).await[0],
        &[Effect::Updated, Effect::Updated],
    );
    assert!(
        world
            .twin
            .member(AUDIENCE, "new@domain.tld")
            .unwrap()
            .tags
            .contains("VIP")
    );
}

#[tokio::test]
async fn an_address_somebody_else_has_is_refused_and_changes_nobody() {
    let world = World::new(Mode::Upsert, json!({})).await;
    let ends = world
        .deliver(vec![row(1, ANN, &[]), row(2, "bob@domain.tld", &[])])
        .await;
    let renamed = changed(row(1, "bob@domain.tld", &[]), &ends[0], &[0]);
    assert_eq!(
        world.deliver(vec![renamed]).await,
        [End::Rejected("value_in_use".into())]
    );
    assert_eq!(world.twin.members(AUDIENCE).len(), 2);
}

#[tokio::test]
async fn a_member_deleted_behind_our_back_is_created_anew_if_that_is_allowed() {
    let world = World::new(Mode::Upsert, json!({})).await;
    let end = world.deliver(vec![row(1, ANN, &[])]).await.remove(0);
    world.twin.forget(AUDIENCE, ANN).unwrap();
    let tagged = changed(row(1, ANN, &[(VIP, Value::Bool(true))]), &end, &[5]);
    assert_eq!(world.deliver(vec![tagged]).await, [suppressed("forgotten")]);
    let renamed = changed(row(1, "new@domain.tld", &[]), &end, &[0]);
    done(&world.deliver(vec![renamed]).await[0], &[Effect::Created]);
}

/// Who was what before, and what the row asks for.
#[tokio::test]
async fn nobody_who_opted_out_is_ever_subscribed_again() {
    for wanted in ["subscribed", "pending", "transactional"] {
        for renamed in [false, true] {
            let world = World::new(Mode::Upsert, json!({})).await;
            let put = |email: &str, status| world.twin.put_member(AUDIENCE, email, status, &[]).unwrap();
            put("self@domain.tld", Status::Subscribed);
            world.twin.unsubscribe(AUDIENCE, "self@domain.tld").unwrap();
            put("admin@domain.tld", Status::Unsubscribed);
            put("bounced@domain.tld", Status::Subscribed);
            world.twin.clean(AUDIENCE, "bounced@domain.tld").unwrap();
            let emails = ["self@domain.tld", "admin@domain.tld", "bounced@domain.tld"];
            let rows = emails.into_iter().map(|email| {
                let member = world.twin.member(AUDIENCE, email).unwrap();
                let known = End::Done(Vec::new(), Some(CompactString::from(member.id.as_str())));
                let (email, pending): (String, &[u16]) = if renamed {
                    (format!("new-{email}"), &[0, 3])
                } else {
                    (email.to_owned(), &[1, 3])
                };
                changed(row(1, &email, &consent(wanted)), &known, pending)
            });
            let ends = world.deliver(rows.collect()).await;
            assert_eq!(
                ends,
                vec![suppressed("opted_out"); 3],
                "{wanted}, renamed: {renamed}"
            );
            for email in emails {
                let status = world.twin.member(AUDIENCE, email).unwrap().status;
                assert!(
                    matches!(status, Status::Unsubscribed | Status::Cleaned),
                    "{email}: {status:?}"
                );
            }
        }
    }
}

#[tokio::test]
async fn consent_follows_its_column_where_that_is_allowed() {
    let world = World::new(Mode::Upsert, json!({})).await;
    world
        .twin
        .put_member(AUDIENCE, ANN, Status::Transactional, &[])
        .unwrap();
    let rows = vec![
        row(1, ANN, &consent("subscribed")),
        row(2, "new@domain.tld", &consent("pending")),
        row(3, "out@domain.tld", &consent("unsubscribed")),
        row(4, "silent@domain.tld", &[(STATUS, Value::Null)]),
    ];
    let ends = world.deliver(rows).await;
    done(&ends[0], &[Effect::Updated]);
    for end in &ends[1..] {
        done(end, &[Effect::Created]);
    }
    let status = |email: &str| world.twin.member(AUDIENCE, email).unwrap().status;
    assert_eq!(status(ANN), Status::Subscribed);
    assert_eq!(status("new@domain.tld"), Status::Pending);
    assert_eq!(status("out@domain.tld"), Status::Unsubscribed);
    assert_eq!(status("silent@domain.tld"), Status::Transactional);
    assert_eq!(
        world.twin.request_count(),
        2,
        "one batch, and one change of consent"
    );
    let leaves = changed(row(1, ANN, &consent("unsubscribed")), &ends[0], &[3]);
    done(&world.deliver(vec![leaves]).await[0], &[Effect::Updated]);
    assert_eq!(status(ANN), Status::Unsubscribed);
}

#[tokio::test]
async fn a_field_update_of_someone_who_left_is_an_update() {
    let world = World::new(Mode::Upsert, json!({})).await;
    let end = world
        .deliver(vec![row(1, ANN, &consent("subscribed"))])
        .await
        .remove(0);
    world.twin.unsubscribe(AUDIENCE, ANN).unwrap();
    let mut changed_row = changed(row(1, ANN, &consent("subscribed")), &end, &[1]);
    changed_row.record = {
        let mut record = changed_row.record.to_vec();
        record[FNAME] = Some(Value::text("Anne"));
        record.into()
    };
    done(&world.deliver(vec![changed_row]).await[0], &[Effect::Updated]);
    let member = world.twin.member(AUDIENCE, ANN).unwrap();
    assert_eq!(
        (member.get("FNAME"), member.status),
        (Some("Anne"), Status::Unsubscribed)
    );
}

#[tokio::test]
async fn only_our_tags_are_removed() {
    let world = World::new(Mode::Upsert, json!({ "owned_tags": ["Gold", "Silver"] })).await;
    let tags = |names: &[&str]| Value::List(names.iter().map(|name| (*name).to_owned()).collect());
    let first = row(
        1,
        ANN,
        &[(TAGS, tags(&["gold", "theirs"])), (VIP, Value::Bool(true))],
    );
    let end = world.deliver(vec![first]).await.remove(0);
    done(&end, &[Effect::Created, Effect::Updated]);
    let held = |world: &World| world.twin.member(AUDIENCE, ANN).unwrap().tags;
    assert_eq!(held(&world).len(), 3, "{:?}", held(&world));
    let second = row(1, ANN, &[(TAGS, tags(&["Silver"])), (VIP, Value::Bool(false))]);
    done(
        &world.deliver(vec![changed(second, &end, &[4, 5])]).await[0],
        &[Effect::Updated],
    );
    let left: Vec<String> = held(&world).into_iter().map(|tag| tag.to_lowercase()).collect();
    assert!(
        left.contains(&"silver".into()) && left.contains(&"theirs".into()),
        "{left:?}"
    );
    assert_eq!(left.len(), 2, "{left:?}");
}

#[tokio::test]
async fn a_tag_someone_has_before_we_know_them_is_taken_off() {
    let world = World::new(Mode::Upsert, json!({})).await;
    let tagged = row(1, ANN, &[(VIP, Value::Bool(true))]);
    world.deliver(vec![tagged, row(2, "bob@domain.tld", &[])]).await;
    world.twin.clear_requests();
    let off = |number, email: &str| row(number, email, &[(VIP, Value::Bool(false))]);
    let ends = world.deliver(vec![off(1, ANN), off(2, "bob@domain.tld")]).await;
    assert!(ends.iter().all(|end| matches!(end, End::Done(..))), "{ends:?}");
    assert!(world.twin.member(AUDIENCE, ANN).unwrap().tags.is_empty());
    let paths: Vec<String> = world
        .twin
        .requests()
        .iter()
        .map(|request| request.path.clone())
        .collect();
    assert_eq!(
        paths.iter().filter(|path| path.ends_with("/tags")).count(),
        1,
        "{paths:?}"
    );
}

#[tokio::test]
async fn a_segment_takes_many_members_in_one_request() {
    let world = World::new(Mode::Upsert, json!({})).await;
    let member = |number: u64, is_in| {
        row(
            number,
            &format!("person{number}@domain.tld"),
            &[(GOLD, Value::Bool(is_in))],
        )
    };
    let rows: Vec<_> = (0..20).map(|number| member(number, number % 2 == 0)).collect();
    let ends = world.deliver(rows).await;
    assert!(
        ends.iter()
            .all(|end| effects(end) == [Effect::Created, Effect::Updated]),
        "{ends:?}"
    );
    // To Mailchimp, a static segment is a tag.
    let in_it = world
        .twin
        .members(AUDIENCE)
        .iter()
        .filter(|member| member.tags.contains("Gold"))
        .count();
    assert_eq!(in_it, 10);
    let leaves = changed(member(0, false), &ends[0], &[7]);
    done(&world.deliver(vec![leaves]).await[0], &[Effect::Updated]);
    assert!(
        !world
            .twin
            .member(AUDIENCE, "person0@domain.tld")
            .unwrap()
            .tags
            .contains("Gold")
    );
}

#[tokio::test]
async fn mode_update_creates_nobody_and_mode_create_changes_nobody() {
    let update = World::new(Mode::Update, json!({})).await;
    update
        .twin
        .put_member(AUDIENCE, ANN, Status::Subscribed, &[])
        .unwrap();
    let rows = || vec![row(1, ANN, &consent("subscribed")), row(2, "bob@domain.tld", &[])];
    let ends = update.deliver(rows()).await;
    done(&ends[0], &[Effect::Updated]);
    done(&ends[1], &[Effect::Untouched]);
    assert_eq!(update.twin.members(AUDIENCE).len(), 1);
    assert_eq!(
        update.twin.member(AUDIENCE, ANN).unwrap().get("FNAME"),
        Some("Ann")
    );

    let create = World::new(Mode::Create, json!({})).await;
    create
        .twin
        .put_member(AUDIENCE, ANN, Status::Transactional, &[("FNAME", json!("Old"))])
        .unwrap();
    let ends = create.deliver(rows()).await;
    done(&ends[0], &[Effect::Untouched]);
    done(&ends[1], &[Effect::Created]);
    let ann = create.twin.member(AUDIENCE, ANN).unwrap();
    assert_eq!(
        (ann.get("FNAME"), ann.status),
        (Some("Old"), Status::Transactional)
    );
}

#[tokio::test]
async fn removals_do_what_they_say_and_are_done_when_repeated() {
    for (rule, expected) in [
        (Removed::Archive, Some(Status::Archived)),
        (Removed::Unsubscribe, Some(Status::Unsubscribed)),
        (Removed::Delete, None),
    ] {
        let world = World::new(Mode::Mirror, json!({})).await;
        let end = world.deliver(vec![row(1, ANN, &[])]).await.remove(0);
        for _ in 0..2 {
            let gone = removal(rule, &end, &[]);
            done(&world.deliver(vec![gone]).await[0], &[Effect::Removed]);
            let status = world.twin.member(AUDIENCE, ANN).map(|member| member.status);
            let is_gone =
                expected.is_none() && status.is_none_or(|status| !matches!(status, Status::Transactional));
            assert!(status == expected || is_gone, "{rule:?}: {status:?}");
        }
    }
}

#[tokio::test]
async fn clearing_keeps_the_person_and_empties_the_rest() {
    let world = World::new(Mode::Mirror, json!({})).await;
    let full = row(
        1,
        ANN,
        &[
            (LTV, Value::Number(Decimal::from(7))),
            (VIP, Value::Bool(true)),
            (TRAVEL, Value::Bool(true)),
            (GOLD, Value::Bool(true)),
        ],
    );
    let end = world.deliver(vec![full]).await.remove(0);
    let clear = removal(Removed::Clear, &end, &[0, 1, 2, 5, 6, 7]);
    let ends = world.deliver(vec![clear]).await;
    assert_eq!(effects(&ends[0]), [Effect::Removed; 3]);
    let member = world.twin.member(AUDIENCE, ANN).unwrap();
    assert_eq!(member.status, Status::Transactional);
    assert!(
        member.merge_fields.is_empty() && member.tags.is_empty() && member.interests.is_empty(),
        "{member:?}"
    );
}

#[tokio::test]
async fn an_archived_member_is_left_alone_or_brought_back() {
    let archived = |world: &World| world.twin.member(AUDIENCE, ANN).unwrap().status == Status::Archived;
    for (revives, expected) in [
        (false, suppressed("archived")),
        (true, End::Done(Vec::new(), None)),
    ] {
        let world = World::new(Mode::Mirror, json!({ "revive_archived": revives })).await;
        let end = world.deliver(vec![row(1, ANN, &[])]).await.remove(0);
        world.deliver(vec![removal(Removed::Archive, &end, &[])]).await;
        assert!(archived(&world));
        let ends = world.deliver(vec![row(1, ANN, &[])]).await;
        assert_eq!(archived(&world), !revives);
        if revives {
            done(&ends[0], &[Effect::Updated]);
        } else {
            assert_eq!(ends, [expected]);
        }
    }
}

#[tokio::test]
async fn lost_and_odd_answers_neither_lose_nor_double_anybody() {
    for kind in [
        FaultKind::CutBefore,
        FaultKind::CutAfter,
        FaultKind::Truncated,
        FaultKind::EmptyOk,
        FaultKind::OmitLast,
        FaultKind::Connections429,
        FaultKind::Edge429,
        FaultKind::Edge403,
        FaultKind::Blocked503,
        FaultKind::Internal500,
        FaultKind::Html { code: 502 },
        FaultKind::Html { code: 504 },
    ] {
        let world = World::new(Mode::Upsert, json!({})).await;
        world.twin.inject(Fault::next(kind.clone()));
        let rows = (0..5)
            .map(|number| row(number, &format!("person{number}@domain.tld"), &[]))
            .collect();
        let ends = world.deliver(rows).await;
        assert!(
            ends.iter().all(|end| matches!(end, End::Done(..))),
            "{kind:?}: {ends:?}"
        );
        assert_eq!(world.twin.members(AUDIENCE).len(), 5, "{kind:?}");
    }
}

#[tokio::test]
async fn a_lost_answer_to_a_rename_is_settled_by_the_next_attempt() {
    let world = World::new(Mode::Upsert, json!({})).await;
    let end = world.deliver(vec![row(1, ANN, &[])]).await.remove(0);
    world.twin.inject(Fault::next(FaultKind::CutAfter));
    let renamed = changed(row(1, "new@domain.tld", &[]), &end, &[0, 1]);
    assert!(matches!(world.deliver(vec![renamed]).await[0], End::Done(..)));
    assert_eq!(world.twin.members(AUDIENCE).len(), 1);
}

#[tokio::test]
async fn accounts_that_are_turned_off_stop_the_connection() {
    for (kind, code) in [
        (FaultKind::UserDisabled403, "mailchimp_disabled"),
        (FaultKind::MethodDisabled503, "mailchimp_compliance"),
    ] {
        let world = World::new(Mode::Upsert, json!({})).await;
        world.twin.inject(Fault::next(kind));
        assert_eq!(
            world.deliver(vec![row(1, ANN, &[])]).await,
            [End::Failed(code.into())]
        );
    }
}

#[tokio::test]
async fn fields_an_audience_requires_and_nobody_mapped_stop_nothing() {
    let world = World::new(Mode::Upsert, json!({})).await;
    world.twin.require(AUDIENCE, "ADDRESS", true).unwrap();
    done(
        &world.deliver(vec![row(1, ANN, &[])]).await[0],
        &[Effect::Created],
    );
}

#[tokio::test]
async fn an_audience_is_found_by_name_and_its_fields_are_described() {
    let twin = Twin::start(Options::default()).await.unwrap();
    let other = twin.define_audience("Other news");
    for number in 0..15 {
        let field = MergeField::new(&format!("F{number}"), "Field", MergeType::Text);
        twin.define_merge_field(&other, field).unwrap();
    }
    let mailchimp = Mailchimp::open(settings(&twin), Arc::new(Network::new().unwrap())).unwrap();
    assert!(!mailchimp.check().await.unwrap().label.is_empty());
    let fields = mailchimp.describe("members:other NEWS").await.unwrap();
    assert!(
        fields.iter().any(|field| field.name == "F14"),
        "more than a page of ten"
    );
    let mut named = options();
    named["audience"] = json!("Other news");
    let binding = mailchimp
        .bind(spec(Mode::Upsert, None, &["email_address", "F14"], named), false)
        .await
        .unwrap();
    assert_eq!(binding.target(), format!("audience {other}"));
    assert!(binding.problems().is_empty(), "{:?}", binding.problems());
    assert_eq!(FIELDS[0], "email_address");
}
