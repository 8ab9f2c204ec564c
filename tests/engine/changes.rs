//! Only what changed is sent, and only once.

use serde_json::json;

use crate::bench_project::{Bench, MAPPING, properties};

const THREE: &str =
    "id,email,first,city\n1,ann@example.com,Ann,Oslo\n2,bob@example.com,Bob,\n3,cy@example.com,\"\",Rome\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_second_run_without_changes_sends_no_request() {
    let bench = Bench::new(MAPPING, THREE).await;
    let tally = bench.run_ok().await;
    assert_eq!((tally.read, tally.created), (3, 3));
    assert_eq!(bench.field("ann@example.com", "city").as_deref(), Some("Oslo"));
    let tally = bench.run_ok().await;
    assert_eq!((tally.read, tally.unchanged), (3, 3));
    assert_eq!(bench.requests(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_attribute_is_sent_alone() {
    let bench = Bench::new(MAPPING, THREE).await;
    bench.run_ok().await;
    bench.model(&THREE.replace("Oslo", "Bergen"));
    let tally = bench.run_ok().await;
    assert_eq!((tally.unchanged, tally.updated), (2, 1));
    let writes = bench.writes();
    assert_eq!(writes.len(), 1);
    assert!(writes[0].0.ends_with("/batch/update"), "{}", writes[0].0);
    assert_eq!(properties(&writes), [json!({"city": "Bergen"})]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_e_mail_updates_the_same_contact() {
    let bench = Bench::new(MAPPING, THREE).await;
    bench.run_ok().await;
    let before = bench.twin.contact("ann@example.com").unwrap().id;
    bench.model(&THREE.replace("ann@example.com", "ann@new.example.com"));
    let tally = bench.run_ok().await;
    assert_eq!((tally.updated, tally.created), (1, 0));
    assert_eq!(bench.twin.contact("ann@new.example.com").unwrap().id, before);
    assert_eq!(bench.twin.contacts().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_becomes_null_is_cleared() {
    let bench = Bench::new(MAPPING, THREE).await;
    bench.run_ok().await;
    bench.model(&THREE.replace("Ann,Oslo", "Ann,"));
    bench.run_ok().await;
    assert_eq!(properties(&bench.writes()), [json!({"city": ""})]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_puts_columns_together_and_goes_out_alone_when_one_of_them_changes() {
    let mapping = MAPPING.replace(
        "  city: city",
        "  company: { template: \"{{ first }} – {{ city }}\" }\n  jobtitle: { template: \"{{ city }} {{ first }}\" }",
    );
    let model = "id,email,first,city\n1,zoe@example.com,Zoë,Ærøskøbing\n2,li@example.com,李小龍,\n3,nobody@example.com,,\n";
    let bench = Bench::new(&mapping, model).await;
    assert_eq!(bench.run_ok().await.created, 3);
    let field = |email: &str, field: &str| bench.field(email, field).unwrap_or_default();
    assert_eq!(field("zoe@example.com", "company"), "Zoë – Ærøskøbing");
    assert_eq!(field("zoe@example.com", "jobtitle"), "Ærøskøbing Zoë");
    assert_eq!(field("li@example.com", "company"), "李小龍 –", "NULL is no text");
    assert_eq!(
        field("li@example.com", "jobtitle"),
        "李小龍",
        "and leaves no blanks behind"
    );
    assert_eq!(
        field("nobody@example.com", "jobtitle"),
        "",
        "of nothing but NULLs nothing is made"
    );
    assert_eq!((bench.run_ok().await.unchanged, bench.requests()), (3, 0));

    bench.model(&model.replace("李小龍,", "李小龍,香港 🏙"));
    let tally = bench.run_ok().await;
    assert_eq!((tally.updated, tally.unchanged), (1, 2));
    assert_eq!(
        properties(&bench.writes()),
        [json!({"company": "李小龍 – 香港 🏙", "jobtitle": "香港 🏙 李小龍"})],
        "not the e-mail and the first name"
    );
    assert_eq!(field("li@example.com", "jobtitle"), "香港 🏙 李小龍");

    // What it is made of is gone: the field is emptied as any other.
    bench.map(&mapping.replace("  firstname: first\n", ""));
    bench.run_ok().await;
    bench.model(&model.replace("Zoë,Ærøskøbing", ","));
    bench.run_ok().await;
    assert_eq!(field("zoe@example.com", "jobtitle"), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_added_to_the_mapping_is_sent_alone_and_a_removed_one_sends_nothing() {
    let bench = Bench::new(MAPPING, THREE).await;
    bench.run_ok().await;
    bench.map(&format!("{MAPPING}  company: {{ value: Acme }}\n"));
    let tally = bench.run_ok().await;
    assert_eq!(tally.updated, 3);
    assert_eq!(properties(&bench.writes()), vec![json!({"company": "Acme"}); 3]);

    bench.map(&MAPPING.replace("  city: city\n", ""));
    let tally = bench.run_ok().await;
    assert_eq!((tally.unchanged, bench.requests()), (3, 0));
    // And the state has the new shape: the filter knows every row again.
    let tally = bench.run_ok().await;
    assert_eq!((tally.unchanged, bench.requests()), (3, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cast_that_means_the_same_sends_nothing() {
    let orders = "id,email,first,city\n1,ann@example.com,Ann,10\n";
    let as_integer = MAPPING.replace("  city: city", "  city: { column: city, as: integer }");
    let bench = Bench::new(&as_integer, orders).await;
    bench.run_ok().await;
    bench.map(&MAPPING.replace("  city: city", "  city: { column: city, as: number, scale: 2 }"));
    let tally = bench.run_ok().await;
    assert_eq!((tally.unchanged, bench.requests()), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn mode_update_creates_nobody_and_mode_create_touches_nobody() {
    let update = MAPPING.replace("mode: upsert", "mode: update");
    let bench = Bench::new(&update, THREE).await;
    bench
        .twin
        .put_record("contacts", &[("email", "ann@example.com"), ("city", "Paris")])
        .unwrap();
    let tally = bench.run_ok().await;
    assert_eq!((tally.updated, tally.created, tally.unchanged), (1, 0, 2));
    assert_eq!(bench.field("ann@example.com", "city").as_deref(), Some("Oslo"));
    assert_eq!(bench.twin.contacts().len(), 1);

    let create = MAPPING.replace("mode: upsert", "mode: create");
    let bench = Bench::new(&create, THREE).await;
    bench
        .twin
        .put_record("contacts", &[("email", "ann@example.com"), ("city", "Paris")])
        .unwrap();
    let tally = bench.run_ok().await;
    assert_eq!((tally.created, tally.unchanged), (2, 1));
    assert_eq!(bench.field("ann@example.com", "city").as_deref(), Some("Paris"));
    bench.model(&THREE.replace("Bob", "Robert"));
    let tally = bench.run_ok().await;
    assert_eq!((tally.unchanged, bench.requests()), (3, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn null_keep_leaves_what_is_there() {
    let keep = MAPPING.replace("  city: city", "  city: { column: city, null: keep }");
    let bench = Bench::new(&keep, THREE).await;
    bench.run_ok().await;
    bench.model(&THREE.replace("Ann,Oslo", "Ann,"));
    let tally = bench.run_ok().await;
    assert_eq!((tally.unchanged, bench.requests()), (3, 0));
    assert_eq!(bench.field("ann@example.com", "city").as_deref(), Some("Oslo"));
    let tally = bench.run_ok().await;
    assert_eq!(tally.unchanged, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn adopting_takes_the_model_as_what_is_there() {
    let bench = Bench::new(MAPPING, THREE).await;
    bench
        .store(outflow::state::Access::Write)
        .reset("customers", true)
        .ok();
    {
        let runner = bench.runner();
        let sync = &runner.stage.project.syncs[0];
        let state = runner.stage.prepare(sync, 0).await.unwrap().state;
        runner.stage.store.set_adopt(state.id, true).unwrap();
    }
    let tally = bench.run_ok().await;
    assert_eq!((tally.unchanged, bench.requests()), (3, 0));
    assert_eq!(bench.twin.contacts().len(), 0);
    bench.model(&THREE.replace("Oslo", "Bergen"));
    let tally = bench.run_ok().await;
    assert_eq!((tally.unchanged, tally.read), (2, 3));
    assert_eq!(bench.field("ann@example.com", "city").as_deref(), Some("Bergen"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_record_id_is_found_again_after_a_merge() {
    let bench = Bench::new(MAPPING, THREE).await;
    bench.run_ok().await;
    let ann = bench.twin.contact("ann@example.com").unwrap().id;
    let other = bench
        .twin
        .put_record("contacts", &[("email", "other@example.com")])
        .unwrap();
    bench.twin.merge("contacts", &ann, &other).unwrap();
    bench.model(&THREE.replace("Oslo", "Bergen"));
    let tally = bench.run_ok().await;
    assert_eq!(tally.updated, 1);
    assert_eq!(bench.field("ann@example.com", "city").as_deref(), Some("Bergen"));
    let tally = bench.run_ok().await;
    assert_eq!((tally.unchanged, bench.requests()), (3, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn contacts_join_and_leave_static_lists() {
    use outflow_sandbox::hubspot::ProcessingType;

    let mapping = format!("{MAPPING}  \"list:Friends\": {{ column: friend, as: boolean }}\n");
    let model =
        "id,email,first,city,friend\n1,ann@example.com,Ann,Oslo,true\n2,bob@example.com,Bob,Rome,false\n";
    let bench = Bench::new("sync: x\n", model).await;
    bench.map(&mapping);
    bench.twin.define_list("Friends", ProcessingType::Manual);
    let tally = bench.run_ok().await;
    assert_eq!(tally.created, 2);
    let members = |bench: &Bench| bench.twin.lists()[0].members.len();
    assert_eq!(members(&bench), 1);
    bench.model(&model.replace("Oslo,true", "Oslo,false"));
    let tally = bench.run_ok().await;
    assert_eq!((tally.updated, members(&bench)), (1, 0));
    let tally = bench.run_ok().await;
    assert_eq!((tally.unchanged, bench.requests()), (2, 0));
}
