//! `fields:`: columns, constants, templates.

use outflow_sdk::value::Value;

use super::{Folder, MAPPING, PROJECT, of_mapping, rendered};
use crate::{FieldMapping, FieldSource, NullPolicy};
use outflow_sdk::cast::Cast;

fn field(entry: &str) -> FieldMapping {
    let mapping = format!("{MAPPING}  f: {entry}\n");
    let loaded = Folder::new(&[("outflow.yaml", PROJECT), ("mappings/m.yaml", &mapping)]).load(false);
    assert_eq!(rendered(&loaded), "");
    loaded.project.unwrap().syncs[0].fields.last().unwrap().clone()
}

fn wrong(entry: &str) -> String {
    of_mapping(&format!("{MAPPING}  f: {entry}\n"))
}

fn constant(entry: &str) -> Value {
    match field(entry).source {
        FieldSource::Constant(value) => value,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_field_is_a_column() {
    let short = field("NO");
    assert_eq!(short.source, FieldSource::Column("NO".into()));
    assert_eq!(short.null, NullPolicy::Clear);
    let long = field("{ column: ltv, as: number, scale: 2, null: fail }");
    assert_eq!(
        (long.cast, long.scale, long.null),
        (Some(Cast::Number), Some(2), NullPolicy::Fail)
    );
}

#[test]
fn fields_keep_the_order_of_the_file() {
    let mapping = format!("{MAPPING}  zeta: z\n  alpha: a\n");
    let loaded = Folder::new(&[("outflow.yaml", PROJECT), ("mappings/m.yaml", &mapping)]).load(false);
    let project = loaded.project.unwrap();
    let names: Vec<_> = project.syncs[0]
        .fields
        .iter()
        .map(|field| field.field.as_str())
        .collect();
    assert_eq!(names, ["email", "firstname", "zeta", "alpha"]);
}

#[test]
fn a_constant_is_what_it_looks_like() {
    assert_eq!(constant("{ value: warehouse }"), Value::text("warehouse"));
    assert_eq!(constant("{ value: NO }"), Value::text("NO"));
    assert_eq!(constant("{ value: true }"), Value::Bool(true));
    assert_eq!(constant("{ value: \"5\" }"), Value::text("5"));
    assert_eq!(
        constant("{ value: 12345678901234567890.10 }").to_string(),
        "12345678901234567890.1"
    );
    assert_eq!(constant("{ value: 2026-11-02, as: date }"), Value::Date(20_759));
}

#[test]
fn a_template_names_its_columns() {
    let FieldSource::Template { columns, .. } =
        field("{ template: \"{{ b|upper }} {{ a.x }} {{ range(2) }}\" }").source
    else {
        panic!("no template");
    };
    assert_eq!(columns, ["a", "b"]);
}

#[test]
fn a_field_is_one_thing() {
    insta::assert_snapshot!(wrong("{ column: a, value: b }"), @"
    mappings/m.yaml:12:3: error[bad_field]: `fields.f` needs exactly one of `column`, `value` and `template`
     12 |   f: { column: a, value: b }
        |   ^
    ");
    insta::assert_snapshot!(wrong("{ as: number }"), @"
    mappings/m.yaml:12:3: error[bad_field]: `fields.f` needs exactly one of `column`, `value` and `template`
     12 |   f: { as: number }
        |   ^
    ");
    insta::assert_snapshot!(wrong("[a, b]"), @"
    mappings/m.yaml:12:3: error[wrong_type]: `fields.f` must be text or a map of keys, not a list
     12 |   f: [a, b]
        |   ^
    ");
    insta::assert_snapshot!(wrong(""), @"
    mappings/m.yaml:12:3: error[no_value]: `fields.f` has no value
     12 |   f:
        |   ^
       hint: give it a value or remove the key
    ");
    insta::assert_snapshot!(wrong("\"\""), @r#"
    mappings/m.yaml:12:6: error[too_short]: `fields.f` must not be empty
     12 |   f: ""
        |      ^^
    "#);
}

#[test]
fn keys_that_do_nothing_are_refused() {
    insta::assert_snapshot!(wrong("{ column: a, scale: 2 }"), @"
    mappings/m.yaml:12:26: error[misplaced_key]: `scale` belongs to `as: number`
     12 |   f: { column: a, scale: 2 }
        |                          ^
    ");
    insta::assert_snapshot!(wrong("{ column: a, as: number, scale: 99 }"), @"
    mappings/m.yaml:12:38: error[out_of_range]: `fields.f.scale` must be at most 38
     12 |   f: { column: a, as: number, scale: 99 }
        |                                      ^^
    ");
    insta::assert_snapshot!(wrong("{ template: \"{{ a }}\", as: number }"), @r#"
    mappings/m.yaml:12:33: error[misplaced_key]: `as` does not go with `template`
     12 |   f: { template: "{{ a }}", as: number }
        |                                 ^^^^^^
       hint: a template gives text; the destination reads it as its own type
    "#);
    insta::assert_snapshot!(wrong("{ value: a, null: keep }"), @"
    mappings/m.yaml:12:24: error[misplaced_key]: `null` does not go with `value`: a constant is never NULL
     12 |   f: { value: a, null: keep }
        |                        ^^^^
    ");
}

#[test]
fn an_unclear_constant_is_refused() {
    insta::assert_snapshot!(wrong("{ value: 007 }"), @"
    mappings/m.yaml:12:15: error[bad_constant]: the constant `007` could be a number or text with leading zeros
     12 |   f: { value: 007 }
        |               ^^^
       hint: put quotes around it to make it text
    ");
    insta::assert_snapshot!(wrong("{ value: tomorrow, as: date }"), @"
    mappings/m.yaml:12:15: error[bad_constant]: the constant `tomorrow` is not a date (YYYY-MM-DD)
     12 |   f: { value: tomorrow, as: date }
        |               ^^^^^^^^
    ");
    insta::assert_snapshot!(wrong("{ value: [a] }"), @"
    mappings/m.yaml:12:8: error[wrong_type]: `fields.f.value` must be text or a number or true or false, not a list
     12 |   f: { value: [a] }
        |        ^^^^^
    ");
    insta::assert_snapshot!(wrong("{ value: }"), @"
    mappings/m.yaml:12:8: error[no_value]: `fields.f.value` has no value
     12 |   f: { value: }
        |        ^^^^^
       hint: give it a value or remove the key
    ");
}

#[test]
fn a_wrong_template_is_explained() {
    insta::assert_snapshot!(wrong("{ template: \"{{ a }\" }"), @r#"
    mappings/m.yaml:12:18: error[bad_template]: the template cannot be read: unexpected `}`, expected end of variable block
     12 |   f: { template: "{{ a }" }
        |                  ^^^^^^^^^
    "#);
    insta::assert_snapshot!(wrong("{ template: \"{{ a|titel }}\" }"), @r#"
    mappings/m.yaml:12:18: error[bad_template]: the template cannot be used: filter titel is unknown
     12 |   f: { template: "{{ a|titel }}" }
        |                  ^^^^^^^^^^^^^^^^
    "#);
    insta::assert_snapshot!(wrong("{ template: \"Hello\" }"), @r#"
    mappings/m.yaml:12:18: error[bad_template]: the template names no column
     12 |   f: { template: "Hello" }
        |                  ^^^^^^^^
       hint: write `value:` for a constant, or name a column as `{{ column }}`
    "#);
}

#[test]
fn a_mapping_has_fields() {
    let start = MAPPING.find("fields:").unwrap();
    insta::assert_snapshot!(of_mapping(&format!("{}fields: {{}}\n", &MAPPING[..start])), @"
    mappings/m.yaml:8:8: error[match_not_mapped]: `email` identifies records but is not in `fields`
     8 | match: email
       |        ^^^^^
       hint: add it to `fields:`, such as `email: COLUMN`
    mappings/m.yaml:9:1: error[too_few]: `fields` must not be empty
     9 | fields: {}
       | ^^^^^^
    ");
    insta::assert_snapshot!(of_mapping(&format!("{}fields:\n  email: email\n  email: mail\n", &MAPPING[..start])), @"
    mappings/m.yaml:11:3: error[duplicate_key]: this key stands here a second time, earlier on line 10
     11 |   email: mail
        |   ^^^^^
       hint: keep one of the two
    ");
}
