//! `{{ name }}` in a model's SQL: variables and the time of the last success.

use jiff::Timestamp;
use outflow_sdk::source::Model;

use super::{Folder, MAPPING, PROJECT, rendered};
use crate::{Loaded, SyncModel};

/// A project whose mapping has this model, and more lines at its end.
fn loaded(model: &str, more: &str) -> Loaded {
    let mapping = format!("{}{more}", MAPPING.replace("{ table: customers }", model));
    Folder::new(&[
        ("outflow.yaml", PROJECT),
        ("mappings/m.yaml", &mapping),
        (
            "models/c.sql",
            "select *\n  from c\n where region = {{ region }}\n",
        ),
    ])
    .load(false)
}

fn wrong(model: &str, more: &str) -> String {
    let loaded = loaded(model, more);
    assert!(!loaded.has_errors() || loaded.project.as_ref().unwrap().syncs.is_empty());
    rendered(&loaded)
}

fn model(model: &str, more: &str) -> SyncModel {
    let loaded = loaded(model, more);
    assert_eq!(rendered(&loaded), "");
    loaded.project.unwrap().syncs[0].model.clone()
}

fn fixed(text: &str) -> SyncModel {
    SyncModel::Fixed(Model::Sql(text.into()))
}

#[test]
fn variables_are_put_in_as_sql_writes_them() {
    let vars = "vars: { n: 5, price: 12.50, big: 12345678901234567890.1, flag: true, day: 2026-01-31, zip: \"007\", name: \"O'Neil; --\" }\n";
    assert_eq!(
        model(
            "{ sql: \"select {{n}}, {{ price }}, {{ big }}, {{ flag }}, {{ day }}, {{ zip }}, {{ name }}\" }",
            vars
        ),
        fixed("select 5, 12.5, 12345678901234567890.1, true, '2026-01-31', '007', 'O''Neil; --'")
    );
    assert_eq!(
        model("{ file: ../models/c.sql }", "vars: { region: NO }\n"),
        fixed("select *\n  from c\n where region = 'NO'\n")
    );
}

#[test]
fn a_value_that_looks_like_a_variable_is_text() {
    assert_eq!(
        model(
            "{ sql: \"select {{ a }}, {{ b }}\" }",
            "vars: { a: \"{{ b }}\", b: 1 }\n"
        ),
        fixed("select '{{ b }}', 1")
    );
}

#[test]
fn braces_of_sql_s_own_stay() {
    let sql = "select '{{1,2},{3,4}}'::int[], x #> '{a}' from t where y like '{%'";
    assert_eq!(model(&format!("{{ sql: \"{sql}\" }}"), ""), fixed(sql));
}

#[test]
fn an_unknown_variable_is_told_at_its_place() {
    insta::assert_snapshot!(wrong("{ sql: \"select {{ regon }} as é, {{ other }}\" }", "vars: { region: EU }\n"), @r#"
    mappings/m.yaml:4:23: error[unknown_variable]: there is no variable `regon`
     4 | model: { sql: "select {{ regon }} as é, {{ other }}" }
       |                       ^^^^^^^^^^^
       hint: did you mean `region`?
    mappings/m.yaml:4:41: error[unknown_variable]: there is no variable `other`
     4 | model: { sql: "select {{ regon }} as é, {{ other }}" }
       |                                         ^^^^^^^^^^^
       hint: add it to `vars:`; known: `region`, `last_success`
    "#);
    insta::assert_snapshot!(wrong("\n  sql: |\n    select *\n    from t where a = {{ regon }}", "vars: { region: EU }\n"), @"
    mappings/m.yaml:7:22: error[unknown_variable]: there is no variable `regon`
     7 |     from t where a = {{ regon }}
       |                      ^^^^^^^^^^^
       hint: did you mean `region`?
    ");
    insta::assert_snapshot!(wrong("{ file: ../models/c.sql }", ""), @"
    models/c.sql:3:17: error[unknown_variable]: there is no variable `region`
     3 |  where region = {{ region }}
       |                 ^^^^^^^^^^^^
       hint: add it to `vars:`; known: `last_success`
    ");
}

#[test]
fn variables_that_cannot_be_are_told() {
    insta::assert_snapshot!(wrong("{ sql: \"select {{ a }}\" }", "vars:\n  a: 007\n  1b: x\n  last_success: now\n  list: [1]\n  none:\n"), @"
    mappings/m.yaml:13:6: error[bad_constant]: the variable `a` could be a number or text with leading zeros
     13 |   a: 007
        |      ^^^
       hint: put quotes around it to make it text
    mappings/m.yaml:14:3: error[bad_name]: `1b` cannot be a variable's name
     14 |   1b: x
        |   ^^
       hint: letters, digits and `_`, not beginning with a digit
    mappings/m.yaml:15:3: error[bad_name]: `last_success` is the time of the last success and cannot be set
     15 |   last_success: now
        |   ^^^^^^^^^^^^
       hint: give the variable another name
    mappings/m.yaml:16:3: error[wrong_type]: `vars.list` must be text or a number or true or false, not a list
     16 |   list: [1]
        |   ^^^^
    mappings/m.yaml:17:3: error[no_value]: `vars.none` has no value
     17 |   none:
        |   ^^^^
       hint: give it a value or remove the key
    ");
    insta::assert_snapshot!(wrong("{ sql: \"select * from t where a = '{{ a }}'\" }", "vars: { a: x }\n"), @r#"
    mappings/m.yaml:4:43: error[quoted_variable]: `{{ a }}` stands in quotes, and text brings its own
     4 | model: { sql: "select * from t where a = '{{ a }}'" }
       |                                           ^^^^^^^
       hint: write `{{ a }}` without quotes around it
    "#);
    insta::assert_snapshot!(wrong("{ table: customers }", "vars: { a: x }\n"), @"
    mappings/m.yaml:12:9: warning[unused_variable]: the model does not use the variable `a`
     12 | vars: { a: x }
        |         ^
       hint: write it as `{{ a }}` in the model's SQL, or remove it
    ");
}

#[test]
fn a_narrowed_model_is_read_from_the_last_success_on() {
    let model = model(
        "{ sql: \"select * from t where at > {{ last_success }} or {{ last_success }} < at\" }",
        "",
    );
    assert!(model.is_narrowed());
    let at: Timestamp = "2026-11-29T19:36:25Z".parse().unwrap();
    let sql = |at: &str| Model::Sql(format!("select * from t where at > '{at}' or '{at}' < at"));
    assert_eq!(model.at(at), sql("2026-11-29T19:36:25Z"));
    assert_eq!(model.at(Timestamp::UNIX_EPOCH), sql("1970-01-01T00:00:00Z"));
}

#[test]
fn only_upsert_can_do_without_the_rows_that_are_not_read() {
    let narrowed = "{ sql: \"select * from t where at > {{ last_success }}\" }";
    insta::assert_snapshot!(wrong(narrowed, "mode: mirror\nremoved: keep\n"), @r#"
    mappings/m.yaml:4:43: error[narrowed_model]: `{{ last_success }}` narrows what is read, and only mode `upsert` can do without the rest
     4 | model: { sql: "select * from t where at > {{ last_success }}" }
       |                                           ^^^^^^^^^^^^^^^^^^
       hint: read the whole model, or write `mode: upsert`; then rows that leave the model stay as they are
    "#);
    insta::assert_snapshot!(wrong(narrowed, "mode: update\n"), @r#"
    mappings/m.yaml:4:43: error[narrowed_model]: `{{ last_success }}` narrows what is read, and only mode `upsert` can do without the rest
     4 | model: { sql: "select * from t where at > {{ last_success }}" }
       |                                           ^^^^^^^^^^^^^^^^^^
       hint: read the whole model, or write `mode: upsert`; then rows that leave the model stay as they are
    "#);
    insta::assert_snapshot!(wrong(narrowed, "guards: { min_rows: 5 }\n"), @"
    mappings/m.yaml:12:21: error[narrowed_model]: `min_rows` counts the rows of a whole model, and `{{ last_success }}` narrows this one
     12 | guards: { min_rows: 5 }
        |                     ^
       hint: remove one of the two
    ");
}
