//! Finding, describing, creating and extending a data extension.

use outflow_sdk::conformance::script::{answer, lost};
use outflow_sdk::destination::{Destination, FieldType, Mode};
use serde_json::{Value as Json, json};

use crate::world::{
    FIELDS, TOKEN, bound, bound_with, columns, envelope, field, found, header, kind, opened, retrieved,
    settings, spec, text, token,
};

fn mapped(options: Json) -> Json {
    let mut all = json!({ "data_extension": "customers" });
    all.as_object_mut()
        .unwrap()
        .extend(options.as_object().cloned().unwrap());
    all
}

fn changed(answer: &str, status: &str) -> outflow_sdk::http::HttpResponse {
    envelope(&format!(
        "<{answer}><Results><StatusCode>{status}</StatusCode><StatusMessage>of ann@secret.example</StatusMessage></Results>\
         <OverallStatus>{status}</OverallStatus></{answer}>"
    ))
}

#[tokio::test]
async fn a_data_extension_is_found_by_its_key_and_its_columns_are_in_order() {
    let (script, cloud) = opened(settings());
    script
        .then(token(TOKEN))
        .then(found("customers"))
        .then(retrieved("OK", &columns()));
    let fields = cloud.describe("data_extension:customers").await.unwrap();
    let names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
    assert_eq!(names, FIELDS);
    assert!(fields[0].unique && fields[0].required && fields[0].max_length == Some(36));
    assert_eq!(fields[1].max_length, Some(254));
    assert_eq!(fields[2].field_type, FieldType::Number);
    assert!(fields[3].required && !fields[3].unique);
    let requests = script.take_requests();
    assert_eq!(header(&requests[1], "soapaction"), Some("Retrieve"));
    assert_eq!(
        header(&requests[1], "content-type"),
        Some("text/xml; charset=utf-8")
    );
    assert!(text(&requests[1]).contains("<Property>CustomerKey</Property>"));
    assert!(text(&requests[2]).contains("<Property>DataExtension.CustomerKey</Property>"));
}

#[tokio::test]
async fn a_list_of_many_pages_is_read_to_its_end() {
    let (script, cloud) = opened(settings());
    script
        .then(token(TOKEN))
        .then(found("customers"))
        .then(retrieved("MoreDataAvailable", &field(1, "One", "Text", "")))
        .then(retrieved("OK", &field(0, "Zero", "Date", "")));
    let fields = cloud.describe("data_extension:customers").await.unwrap();
    assert_eq!(
        (fields[0].name.as_str(), fields[1].name.as_str()),
        ("Zero", "One")
    );
    let requests = script.take_requests();
    assert!(text(&requests[3]).contains("<ContinueRequest>5f-1</ContinueRequest>"));
}

#[tokio::test]
async fn a_list_without_an_end_is_given_up() {
    let (script, cloud) = opened(settings());
    script.then(token(TOKEN));
    script.always(Ok(retrieved("MoreDataAvailable", "")));
    let error = cloud.describe("data_extension:customers").await.unwrap_err();
    assert_eq!(
        (kind(&error), error.code),
        ("contract", "marketing_cloud_retrieve")
    );
}

#[tokio::test]
async fn a_key_that_is_a_name_is_answered_with_the_key() {
    let (script, cloud) = opened(settings());
    script
        .then(token(TOKEN))
        .then(retrieved("OK", ""))
        .then(found("B7-55"));
    let error = cloud
        .bind(spec(Mode::Upsert, &FIELDS, mapped(json!({}))), false)
        .await
        .err()
        .unwrap();
    assert_eq!((kind(&error), error.code), ("config", "unknown_data_extension"));
    assert_eq!(
        error.hint.as_deref(),
        Some("that is a name; its external key is `B7-55`")
    );
    script.then(retrieved("OK", "")).then(retrieved("OK", ""));
    let error = cloud
        .bind(spec(Mode::Upsert, &FIELDS, mapped(json!({}))), true)
        .await
        .err()
        .unwrap();
    assert!(error.hint.unwrap().contains("create_data_extension"));
}

#[tokio::test]
async fn what_stands_in_the_way_of_a_schema_is_passed_on() {
    for (given, expected) in [
        (answer(500, "<html>"), "transient"),
        (answer(200, "<html>"), "transient"),
        (answer(200, ""), "transient"),
        (answer(200, "<Envelope><Body>"), "transient"),
        (answer(403, "{\"errorcode\":20002}"), "auth"),
        (
            retrieved("Error: Unable to find a handler for object type: X.", ""),
            "contract",
        ),
        (envelope("<CreateResponse/>"), "transient"),
    ] {
        let (script, cloud) = opened(settings());
        script.then(token(TOKEN)).then(given.clone());
        let error = cloud
            .bind(spec(Mode::Upsert, &FIELDS, mapped(json!({}))), false)
            .await
            .err()
            .unwrap();
        assert_eq!(kind(&error), expected, "{given:?}");
    }
    let (script, cloud) = opened(settings());
    script.then(token(TOKEN)).then_fail(lost());
    let error = cloud.describe("data_extension:customers").await.unwrap_err();
    assert_eq!(kind(&error), "transient", "reading is never ambiguous");
}

#[tokio::test]
async fn mappings_of_nothing_or_of_unknown_keys_are_refused_before_anything_is_sent() {
    let (script, cloud) = opened(settings());
    for (options, code) in [
        (json!({}), "unknown_data_extension"),
        (json!({ "data_extension": " " }), "unknown_data_extension"),
        (json!({ "data_extention": "x" }), "marketing_cloud_mapping"),
        (
            json!({ "data_extension": "x", "parallel": 0 }),
            "marketing_cloud_mapping",
        ),
        (
            json!({ "data_extension": "x", "parallel": 11 }),
            "marketing_cloud_mapping",
        ),
    ] {
        let error = cloud
            .bind(spec(Mode::Upsert, &FIELDS, options.clone()), false)
            .await
            .err()
            .unwrap();
        assert_eq!((kind(&error), error.code), ("config", code), "{options}");
    }
    assert_eq!(
        cloud.describe("data_extension").await.unwrap_err().code,
        "unknown_data_extension"
    );
    assert_eq!(
        cloud.describe("contacts").await.unwrap_err().code,
        "unknown_object"
    );
    assert!(script.take_requests().is_empty());
    assert_eq!(
        cloud.describe("journey_event").await.unwrap()[0].name,
        "ContactKey"
    );
}

#[tokio::test]
async fn a_data_extension_is_created_only_by_a_run_and_only_when_it_can_be_written() {
    let options = mapped(json!({
        "create_data_extension": {
            "name": "All <customers>", "folder": 17, "sendable": { "column": "Email", "subscriber": "email_address" },
        },
    }));
    let mut spec = spec(Mode::Upsert, &FIELDS, options);
    spec.fields[2].value_type = Some(FieldType::Number);
    let (script, cloud) = opened(settings());
    script.then(token(TOKEN)).then(retrieved("OK", ""));
    let planned = cloud.bind(spec.clone(), false).await.unwrap();
    assert!(planned.problems().is_empty(), "{:?}", planned.problems());
    assert_eq!(script.take_requests().len(), 2);

    script
        .then(retrieved("OK", ""))
        .then(changed("CreateResponse", "OK"))
        .then(found("customers"))
        .then(retrieved("OK", &columns()));
    cloud.bind(spec.clone(), true).await.unwrap();
    let requests = script.take_requests();
    assert_eq!(requests.len(), 4);
    assert_eq!(header(&requests[1], "soapaction"), Some("Create"));
    let sent = text(&requests[1]);
    for part in [
        "<CustomerKey>customers</CustomerKey><Name>All &lt;customers&gt;</Name><CategoryID>17</CategoryID>",
        "<IsSendable>true</IsSendable><SendableDataExtensionField><Name>Email</Name></SendableDataExtensionField>",
        "<SendableSubscriberField><Name>Email Address</Name></SendableSubscriberField>",
        "<Field><Name>Id</Name><MaxLength>254</MaxLength><IsRequired>true</IsRequired><IsPrimaryKey>true</IsPrimaryKey><FieldType>Text</FieldType></Field>",
        "<Field><Name>Email</Name><IsRequired>false</IsRequired><IsPrimaryKey>false</IsPrimaryKey><FieldType>EmailAddress</FieldType></Field>",
        "<FieldType>Decimal</FieldType><Scale>10</Scale></Field>",
    ] {
        assert!(sent.contains(part), "{part}\n{sent}");
    }

    // The match is not mapped: a data extension made of that would have no primary key.
    let mut keyless = spec.clone();
    keyless.match_fields = vec!["Number".into()];
    script.then(retrieved("OK", ""));
    let binding = cloud.bind(keyless, true).await.unwrap();
    assert_eq!(binding.problems()[0].code, "no_primary_key");
    assert_eq!(script.take_requests().len(), 1, "nothing was created");

    script
        .then(retrieved("OK", ""))
        .then(changed("CreateResponse", "Error"));
    let error = cloud.bind(spec, true).await.err().unwrap();
    assert_eq!((kind(&error), error.code), ("config", "marketing_cloud_schema"));
    assert!(!format!("{error:?}").contains("secret"));
}

#[tokio::test]
async fn missing_columns_are_added_only_by_a_run_that_is_told_so() {
    let fields = ["Id", "Plan", "Notes"];
    let options = mapped(json!({ "create_fields": true }));
    let (script, cloud) = opened(settings());
    script.then(token(TOKEN));
    let look = || {
        script.then(found("customers")).then(retrieved("OK", &columns()));
    };
    look();
    let planned = cloud
        .bind(spec(Mode::Upsert, &fields, options.clone()), false)
        .await
        .unwrap();
    assert!(planned.problems().iter().all(|problem| problem.warning) && planned.problems().len() == 1);
    script.take_requests();
    look();
    script.then(changed("UpdateResponse", "OK"));
    let binding = cloud
        .bind(spec(Mode::Upsert, &fields, options.clone()), true)
        .await
        .unwrap();
    assert!(binding.problems().is_empty());
    let requests = script.take_requests();
    assert_eq!(header(&requests[2], "soapaction"), Some("Update"));
    let column = "<Fields><Field><Name>Notes</Name><MaxLength>4000</MaxLength><IsRequired>false</IsRequired>\
                  <IsPrimaryKey>false</IsPrimaryKey><FieldType>Text</FieldType></Field></Fields>";
    assert!(text(&requests[2]).contains(column), "{}", text(&requests[2]));
    look();
    script.then(changed("UpdateResponse", "Error"));
    let error = cloud
        .bind(spec(Mode::Upsert, &fields, options), true)
        .await
        .err()
        .unwrap();
    assert_eq!(error.code, "marketing_cloud_schema");
}

#[tokio::test]
async fn rejected_rows_wake_up_when_a_column_they_use_changes_and_not_before() {
    let print = async |columns: &str| {
        let (script, cloud) = opened(settings());
        script
            .then(token(TOKEN))
            .then(found("customers"))
            .then(retrieved("OK", columns));
        let options = mapped(json!({}));
        cloud
            .bind(spec(Mode::Upsert, &FIELDS, options), false)
            .await
            .unwrap()
            .schema_print()
    };
    let before = print(&columns()).await;
    assert_eq!(
        before,
        print(&(columns() + &field(9, "Unused", "Text", ""))).await
    );
    let wider = columns().replace("<MaxLength>20</MaxLength>", "<MaxLength>40</MaxLength>");
    assert_ne!(before, print(&wider).await);
}

#[tokio::test]
async fn one_request_writes_a_data_extension_at_a_time_unless_the_mapping_says_otherwise() {
    assert_eq!(bound().await.binding.parallel(), 1);
    let world = bound_with(Mode::Upsert, &FIELDS, json!({ "parallel": 4 })).await;
    assert_eq!(world.binding.parallel(), 4);
    assert!(world.binding.target().ends_with("data extension customers"));
}

#[tokio::test]
async fn a_key_with_a_slash_is_left_for_the_id_in_paths() {
    for (key, path) in [
        ("a/b", "/hub/v1/dataevents/5a-77/rowset"),
        ("a b&c", "/hub/v1/dataevents/key:a%20b%26c/rowset"),
    ] {
        let shown = key.replace('&', "&amp;");
        let found = retrieved(
            "OK",
            &format!("<Results><ObjectID>5a-77</ObjectID><CustomerKey>{shown}</CustomerKey></Results>"),
        );
        let (script, cloud) = opened(settings());
        script
            .then(token(TOKEN))
            .then(found)
            .then(retrieved("OK", &columns()));
        let binding = cloud
            .bind(
                spec(Mode::Upsert, &FIELDS, json!({ "data_extension": key })),
                false,
            )
            .await
            .unwrap();
        let operation = crate::world::another(1);
        let encoded = binding.encode(binding.route(&operation), &[operation]);
        assert_eq!(encoded.request.path, path);
    }
}
