//! Membership of static lists.

use outflow_sandbox::hubspot::ProcessingType;
use outflow_sdk::destination::{Destination, Effect, Mode, Removed};

use crate::drive::*;

fn members(twin: &outflow_sandbox::hubspot::Twin, name: &str) -> Vec<String> {
    twin.lists()
        .into_iter()
        .find(|list| list.name == name)
        .unwrap()
        .members
}

#[tokio::test]
async fn members_join_after_their_record_exists_and_leave_when_false() {
    let twin = twin().await;
    let news = twin.define_list("News & more", ProcessingType::Manual);
    let vip = twin.define_list("VIP", ProcessingType::Snapshot);
    let fields = ["email", "firstname", "list:News & more", &format!("list:{vip}")];
    let binding = bind(&twin, spec("contacts", "email", Mode::Upsert, &fields)).await;
    let rows = vec![
        write(1, &["ann@example.com", "Ann", "true", "true"]),
        write(2, &["bob@example.com", "Bob", "true", "false"]),
    ];
    let ends = deliver(&*binding, rows).await;
    assert_eq!(ends[0].effect(), Effect::Created);
    let (ann, bob) = (ends[0].remote().to_owned(), ends[1].remote().to_owned());
    let mut both = vec![ann.clone(), bob];
    both.sort();
    let mut in_news = members(&twin, "News & more");
    in_news.sort();
    assert_eq!(in_news, both);
    assert_eq!(members(&twin, "VIP"), [ann.as_str()]);
    let change = |id: &str| format!("PUT /crm/lists/2026-03/{id}/memberships/add-and-remove");
    let upsert = "POST /crm/objects/2026-03/contacts/batch/upsert".to_owned();
    assert_eq!(calls(&twin), [upsert, change(&news), change(&vip)]);
    let leaves = changed(write(1, &["ann@example.com", "Ann", "true", ""]), &ann, &[3]);
    let ends = deliver(&*binding, vec![leaves]).await;
    assert_eq!(ends[0].effect(), Effect::Updated);
    assert!(members(&twin, "VIP").is_empty());
}

#[tokio::test]
async fn a_membership_of_a_vanished_record_is_resolved_again() {
    let twin = twin().await;
    twin.define_list("News", ProcessingType::Manual);
    let fields = ["email", "list:News"];
    let binding = bind(&twin, spec("contacts", "email", Mode::Upsert, &fields)).await;
    let id = twin
        .put_record("contacts", &[("email", "ann@example.com")])
        .unwrap();
    let stale = changed(write(1, &["ann@example.com", "true"]), "99999999", &[1]);
    let ends = deliver(&*binding, vec![stale]).await;
    assert_eq!(ends[0].remote(), id);
    assert_eq!(members(&twin, "News"), [id]);
}

#[tokio::test]
async fn clear_leaves_the_lists_too() {
    let twin = twin().await;
    twin.define_list("News", ProcessingType::Manual);
    let mut mapping = spec(
        "contacts",
        "email",
        Mode::Mirror,
        &["email", "firstname", "list:News"],
    );
    mapping.removed = Some(Removed::Clear);
    let binding = bind(&twin, mapping).await;
    let ends = deliver(&*binding, vec![write(1, &["ann@example.com", "Ann", "true"])]).await;
    let id = ends[0].remote();
    let cleared = deliver(&*binding, vec![removal(1, Removed::Clear, Some(id), &[1, 2])]).await;
    assert_eq!(cleared[0].effect(), Effect::Removed);
    assert!(members(&twin, "News").is_empty());
    assert_eq!(twin.record("contacts", id).unwrap().get("firstname"), None);
}

#[tokio::test]
async fn lists_that_take_no_members_stop_the_sync() {
    let twin = twin().await;
    twin.define_list("Everyone", ProcessingType::Dynamic);
    let mapping = spec(
        "contacts",
        "email",
        Mode::Upsert,
        &["email", "list:Everyone", "list:Nope", "list:987654"],
    );
    let binding = hubspot(&twin).bind(mapping, true).await.unwrap();
    let problems = binding.problems();
    let codes: Vec<_> = problems.iter().map(|problem| problem.code).collect();
    assert_eq!(codes, ["dynamic_list", "unknown_list", "unknown_list"]);
}
