#![allow(clippy::unwrap_used)]

use outflow_sdk::destination::{FieldType, Mode};

use super::*;
use crate::config::{NewExtension, Sendable, SubscriberField};
use crate::testing::{column, composite, extension, spec};
use crate::values::Kind;

const ALL: [&str; 3] = ["Id", "Email", "Plan"];

fn codes(spec: &ObjectSpec, options: &MappingOptions, extension: &Extension) -> Vec<&'static str> {
    problems(spec, options, extension)
        .iter()
        .map(|problem| problem.code)
        .collect()
}

fn found(spec: &ObjectSpec) -> Vec<&'static str> {
    codes(spec, &MappingOptions::default(), &extension())
}

#[test]
fn a_mapping_that_fits_has_no_problems_whatever_the_case_of_its_names() {
    assert!(found(&spec(Mode::Upsert, &ALL)).is_empty());
    assert!(found(&spec(Mode::Upsert, &["id", "EMAIL", "plan"])).is_empty());
}

#[test]
fn rows_cannot_be_upserted_without_a_primary_key() {
    let mut extension = extension();
    extension
        .columns
        .iter_mut()
        .for_each(|column| column.primary = false);
    let codes = codes(&spec(Mode::Upsert, &ALL), &MappingOptions::default(), &extension);
    assert_eq!(codes, ["no_primary_key"]);
}

#[test]
fn the_match_is_the_primary_key_and_all_of_it() {
    let mut wrong = spec(Mode::Upsert, &ALL);
    wrong.match_fields = vec!["Email".into()];
    assert_eq!(found(&wrong), ["match_is_not_the_primary_key"]);
    wrong.match_fields = vec!["Id".into(), "Email".into()];
    assert_eq!(found(&wrong), ["match_is_not_the_primary_key"]);

    let orders = Extension {
        key: "orders".into(),
        id: None,
        columns: composite().columns,
        sendable: None,
    };
    let mut part = spec(Mode::Upsert, &["Shop", "Number"]);
    part.match_fields = vec!["Shop".into()];
    let problems = problems(&part, &MappingOptions::default(), &orders);
    assert_eq!(problems[0].hint.as_deref(), Some("write `match: [Shop, Number]`"));
    part.match_fields = vec!["number".into(), "shop".into()];
    assert!(codes(&part, &MappingOptions::default(), &orders).is_empty());
}

#[test]
fn what_every_new_row_needs_must_be_mapped_unless_it_has_a_default() {
    assert_eq!(found(&spec(Mode::Upsert, &["Id", "Email"])), ["missing_required"]);
    let mut extension = extension();
    extension
        .columns
        .iter_mut()
        .for_each(|column| column.has_default = true);
    let spec = spec(Mode::Upsert, &["Id", "Email"]);
    assert!(codes(&spec, &MappingOptions::default(), &extension).is_empty());
}

#[test]
fn a_column_that_is_not_there_is_named_with_the_nearest_or_created() {
    let wrong = spec(Mode::Upsert, &["Id", "Plan", "E-mail"]);
    let problems = problems(&wrong, &MappingOptions::default(), &extension());
    assert_eq!(problems[0].code, "unknown_field");
    assert_eq!(problems[0].hint.as_deref(), Some("did you mean `Email`?"));
    let creating = MappingOptions {
        create_fields: true,
        ..MappingOptions::default()
    };
    let problems = super::problems(&wrong, &creating, &extension());
    assert!(problems.len() == 1 && problems[0].warning, "{problems:?}");
    let far = spec(Mode::Upsert, &["Id", "Plan", "zzz"]);
    let problems = super::problems(&far, &MappingOptions::default(), &extension());
    assert!(problems[0].hint.as_deref().unwrap().contains("create_fields"));
}

#[test]
fn two_fields_cannot_be_one_column() {
    let twice = spec(Mode::Upsert, &["Id", "Plan", "Email", "email"]);
    assert_eq!(found(&twice), ["duplicate_field"]);
}

#[test]
fn a_value_that_can_never_fit_is_found_before_the_first_row() {
    let mut wrong = spec(Mode::Upsert, &["Id", "Plan", "Born", "Vip", "Points"]);
    for (field, kind) in
        wrong
            .fields
            .iter_mut()
            .skip(2)
            .zip([FieldType::Bool, FieldType::Date, FieldType::Timestamp])
    {
        field.value_type = Some(kind);
    }
    assert_eq!(found(&wrong), ["type_mismatch"; 3]);
}

#[test]
fn clearing_needs_columns_that_can_be_empty() {
    let mut clearing = spec(Mode::Mirror, &ALL);
    clearing.removed = Some(Removed::Clear);
    assert_eq!(found(&clearing), ["cannot_clear_required"]);
    let mut extension = extension();
    extension.columns.retain(|column| column.name != "Plan");
    clearing.fields.truncate(2);
    assert!(codes(&clearing, &MappingOptions::default(), &extension).is_empty());
    clearing.fields.truncate(1);
    let codes = codes(&clearing, &MappingOptions::default(), &extension);
    assert_eq!(codes, ["nothing_to_write"]);
}

#[test]
fn the_column_that_leads_to_the_subscriber_must_be_mapped() {
    let options = |column: &str| MappingOptions {
        create_data_extension: Some(NewExtension {
            name: None,
            folder: None,
            sendable: Some(Sendable {
                column: column.into(),
                subscriber: SubscriberField::EmailAddress,
            }),
        }),
        ..MappingOptions::default()
    };
    let spec = spec(Mode::Upsert, &ALL);
    assert_eq!(
        codes(&spec, &options("Mail"), &extension()),
        ["unknown_sendable_column"]
    );
    assert!(codes(&spec, &options("Email"), &extension()).is_empty());
}

#[test]
fn text_columns_take_everything() {
    let column = column("Any", Kind::Text(None));
    for kind in [
        FieldType::Number,
        FieldType::Date,
        FieldType::Choices,
        FieldType::Bool,
    ] {
        assert!(column.kind.takes(kind));
    }
}
