//! Companies and custom objects, and matches other than the address.

use outflow_sandbox::hubspot::Property;
use outflow_sdk::destination::{Destination, Effect, Mode};

use crate::drive::*;

#[tokio::test]
async fn companies_are_matched_by_a_unique_property() {
    let twin = twin().await;
    twin.define_property("companies", Property::unique("company_no"))
        .unwrap();
    let binding = bind(
        &twin,
        spec("companies", "company_no", Mode::Upsert, &["company_no", "name"]),
    )
    .await;
    let ends = deliver(
        &*binding,
        vec![write(1, &["C-1", "Acme"]), write(2, &["C-2", "Bolt"])],
    )
    .await;
    assert_eq!(
        (ends[0].effect(), ends[1].effect()),
        (Effect::Created, Effect::Created)
    );
    let renamed = changed(write(1, &["C-9", "Acme"]), ends[0].remote(), &[0]);
    deliver(&*binding, vec![renamed]).await;
    assert_eq!(
        twin.record("companies", ends[0].remote())
            .unwrap()
            .get("company_no"),
        Some("C-9")
    );
    assert_eq!(twin.count("companies"), 2);
}

#[tokio::test]
async fn companies_matched_by_domain_are_explained() {
    let twin = twin().await;
    let mapping = spec("companies", "domain", Mode::Upsert, &["domain", "name"]);
    let problems = hubspot(&twin).bind(mapping, true).await.unwrap().problems();
    assert_eq!(problems[0].code, "match_not_unique");
    assert!(problems[0].hint.as_deref().unwrap().contains("unique values"));
}

#[tokio::test]
async fn custom_objects_work_by_type_id_and_by_full_name() {
    let twin = twin().await;
    let properties = vec![
        Property::unique("plan_id"),
        Property::text("title"),
        Property::number("price"),
    ];
    let type_id = twin.define_object_type("plan", properties, &["title"]).unwrap();
    let by_id = bind(
        &twin,
        spec(&type_id, "plan_id", Mode::Upsert, &["plan_id", "title", "price"]),
    )
    .await;
    let ends = deliver(&*by_id, vec![write(1, &["P1", "Basic", "9.50"])]).await;
    assert_eq!(ends[0].effect(), Effect::Created);
    let by_name = bind(
        &twin,
        spec(
            "p4720001_plan",
            "plan_id",
            Mode::Upsert,
            &["plan_id", "title", "price"],
        ),
    )
    .await;
    assert_eq!(by_name.target(), by_id.target());
    let again = deliver(&*by_name, vec![write(1, &["P1", "Pro", "10"])]).await;
    assert_eq!(
        (again[0].effect(), again[0].remote()),
        (Effect::Updated, ends[0].remote())
    );
    let record = twin.record(&type_id, ends[0].remote()).unwrap();
    assert_eq!(
        (record.get("title"), record.get("price")),
        (Some("Pro"), Some("10"))
    );
    let untitled = spec(&type_id, "plan_id", Mode::Upsert, &["plan_id", "price"]);
    let problems = hubspot(&twin).bind(untitled, true).await.unwrap().problems();
    assert!(
        problems.iter().any(|problem| problem.message.contains("`title`")),
        "{problems:?}"
    );
}

#[tokio::test]
async fn records_can_be_updated_by_their_own_id() {
    let twin = twin().await;
    let id = twin.put_record("companies", &[("name", "Acme")]).unwrap();
    let mapping = spec(
        "companies",
        "hs_object_id",
        Mode::Update,
        &["hs_object_id", "city"],
    );
    let binding = bind(&twin, mapping).await;
    let ends = deliver(
        &*binding,
        vec![write(1, &[&id, "Bonn"]), write(2, &["99999999", "Ulm"])],
    )
    .await;
    assert_eq!(
        (ends[0].effect(), ends[1].effect()),
        (Effect::Updated, Effect::Untouched)
    );
    assert_eq!(twin.record("companies", &id).unwrap().get("city"), Some("Bonn"));
}

#[tokio::test]
async fn an_unknown_object_is_a_config_error() {
    let twin = twin().await;
    let mapping = spec("p1_nothing", "id", Mode::Upsert, &["id"]);
    let error = hubspot(&twin).bind(mapping, false).await.err().unwrap();
    assert_eq!(
        (error.code, error.kind),
        ("unknown_object", outflow_sdk::ErrorKind::Config)
    );
}
