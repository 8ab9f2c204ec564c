//! Mapping files: what they refer to, how they run, what they may remove.

use outflow_sdk::destination::{Mode, Removed};
use outflow_sdk::source::Model;

use super::{Folder, MAPPING, PROJECT, of_mapping, rendered, with};
use crate::{Schedule, Share, SyncModel, SyncSpec};

fn sync(mapping: &str) -> SyncSpec {
    let folder = Folder::new(&[
        ("outflow.yaml", PROJECT),
        ("mappings/m.yaml", mapping),
        ("models/c.sql", "select 1\n"),
    ]);
    let loaded = folder.load(false);
    assert_eq!(rendered(&loaded), "");
    SyncSpec::clone(&loaded.project.unwrap().syncs[0])
}

fn scheduled(schedule: &str) -> Schedule {
    sync(&format!("{MAPPING}schedule: {schedule}\n")).schedule
}

fn wrong_schedule(schedule: &str) -> String {
    of_mapping(&format!("{MAPPING}schedule: {schedule}\n"))
}

#[test]
fn a_mapping_becomes_a_sync() {
    let sync = sync(MAPPING);
    assert_eq!(sync.name, "customers");
    assert_eq!(sync.model, SyncModel::Fixed(Model::Table("customers".into())));
    assert_eq!((sync.key.len(), sync.match_fields.len()), (1, 1));
    assert_eq!((sync.mode, sync.removed), (Mode::Upsert, None));
    assert_eq!(sync.schedule, Schedule::Manual);
    assert_eq!(sync.file, std::path::Path::new("mappings/m.yaml"));
    assert_eq!(sync.options, serde_json::json!({}));
}

#[test]
fn all_keys_are_read() {
    let sync = sync(
        "sync: all\nsource: files\nmodel: { file: ../models/c.sql }\nkey: [a, b]\ndestination: crm\nobject: contacts\nmatch: [email, brand]\nmode: mirror\nremoved: archive\nschedule: { after: [] }\nfields: { email: email, brand: { value: x } }\nguards: { max_removed: 5%, min_rows: 10 }\ncreate_fields: true\n"
            .replace("schedule: { after: [] }\n", "")
            .as_str(),
    );
    assert_eq!(sync.model, SyncModel::Fixed(Model::Sql("select 1\n".into())));
    assert_eq!(sync.key, ["a", "b"]);
    assert_eq!(sync.match_fields, ["email", "brand"]);
    assert_eq!((sync.mode, sync.removed), (Mode::Mirror, Some(Removed::Archive)));
    assert_eq!(sync.guards.max_removed, Some(Share::Percent(5.0)));
    assert_eq!(sync.guards.min_rows, Some(10));
    assert_eq!(sync.options, serde_json::json!({ "create_fields": true }));
}

#[test]
fn several_problems_are_told_at_once() {
    insta::assert_snapshot!(
        of_mapping("sync: my sync\nsource: fils\nmodel: {}\nkey: []\ndestination: crn\nmatch: mail\nmode: upsrt\nremoved: kep\nfields:\n  email: { colum: email }\n  age: { column: age, as: nubmer }\nguards: { min_rows: many }\nobjct: contacts\n"),
        @"
    mappings/m.yaml:1:1: error[missing_key]: the key `object` is missing
     1 | sync: my sync
       | ^
       hint: The kind of record at the destination, such as HubSpot's `contacts`, `companies` or a custom object type
    mappings/m.yaml:1:7: error[bad_name]: `my sync` cannot be a sync's name: only letters, digits, `_` and `-` may be in it
     1 | sync: my sync
       |       ^^^^^^^
    mappings/m.yaml:2:9: error[unknown_connection]: `outflow.yaml` has no source `fils`
     2 | source: fils
       |         ^^^^
       hint: did you mean `files`?
    mappings/m.yaml:3:1: error[bad_model]: `model` needs exactly one of `sql`, `file` and `table`
     3 | model: {}
       | ^^^^^
    mappings/m.yaml:4:6: error[too_few]: `key` must not be empty
     4 | key: []
       |      ^
    mappings/m.yaml:5:14: error[unknown_connection]: `outflow.yaml` has no destination `crn`
     5 | destination: crn
       |              ^^^
       hint: did you mean `crm`?
    mappings/m.yaml:6:8: error[match_not_mapped]: `mail` identifies records but is not in `fields`
     6 | match: mail
       |        ^^^^
       hint: did you mean `email`?
    mappings/m.yaml:7:7: error[unknown_word]: `mode` cannot be `upsrt`
     7 | mode: upsrt
       |       ^^^^^
       hint: did you mean `upsert`?
    mappings/m.yaml:8:10: error[unknown_word]: `removed` cannot be `kep`
     8 | removed: kep
       |          ^^^
       hint: did you mean `keep`?
    mappings/m.yaml:10:12: error[unknown_key]: `colum` is no key in `fields.email`
     10 |   email: { colum: email }
        |            ^^^^^
       hint: did you mean `column`?
    mappings/m.yaml:11:27: error[unknown_word]: `fields.age.as` cannot be `nubmer`
     11 |   age: { column: age, as: nubmer }
        |                           ^^^^^^
       hint: did you mean `number`?
    mappings/m.yaml:12:21: error[wrong_type]: `guards.min_rows` must be a whole number
     12 | guards: { min_rows: many }
        |                     ^^^^
    mappings/m.yaml:13:1: error[unknown_key]: `objct` is no key
     13 | objct: contacts
        | ^^^^^
       hint: did you mean `object`?
    "
    );
}

#[test]
fn every_missing_key_is_named() {
    insta::assert_snapshot!(of_mapping("sync: a\n"), @"
    mappings/m.yaml:1:1: error[missing_key]: the key `source` is missing
     1 | sync: a
       | ^
       hint: The source to read from, as `outflow.yaml` names it
    mappings/m.yaml:1:1: error[missing_key]: the key `model` is missing
     1 | sync: a
       | ^
       hint: The rows: one of `sql`, `file` and `table`
    mappings/m.yaml:1:1: error[missing_key]: the key `key` is missing
     1 | sync: a
       | ^
       hint: The column, or list of columns, that identifies a row for good
    mappings/m.yaml:1:1: error[missing_key]: the key `destination` is missing
     1 | sync: a
       | ^
       hint: The destination to write to, as `outflow.yaml` names it
    mappings/m.yaml:1:1: error[missing_key]: the key `match` is missing
     1 | sync: a
       | ^
       hint: The destination field, or list of fields, that identifies a record there
    mappings/m.yaml:1:1: error[missing_key]: the key `fields` is missing
     1 | sync: a
       | ^
       hint: The destination's fields and where their values come from: `FIELD: COLUMN`, or a map
    mappings/m.yaml:1:1: error[missing_key]: the key `object` is missing
     1 | sync: a
       | ^
       hint: The kind of record at the destination, such as HubSpot's `contacts`, `companies` or a custom object type
    ");
}

#[test]
fn a_model_is_one_thing() {
    insta::assert_snapshot!(with("{ table: customers }", "{ table: customers, sql: select 1 }"), @"
    mappings/m.yaml:4:1: error[bad_model]: `model` needs exactly one of `sql`, `file` and `table`
     4 | model: { table: customers, sql: select 1 }
       | ^^^^^
    ");
    insta::assert_snapshot!(with("{ table: customers }", "{ sql: \"  \" }"), @r#"
    mappings/m.yaml:4:15: error[bad_model]: `model.sql` must not be empty
     4 | model: { sql: "  " }
       |               ^^^^^
    "#);
    insta::assert_snapshot!(with("{ table: customers }", "select 1"), @"
    mappings/m.yaml:4:8: error[wrong_type]: `model` must be a map of keys, not a single value
     4 | model: select 1
       |        ^^^^^^^^
    ");
    insta::assert_snapshot!(with("{ table: customers }", "{ table: [a] }"), @"
    mappings/m.yaml:4:10: error[wrong_type]: `model.table` must be text, not a list
     4 | model: { table: [a] }
       |          ^^^^^
    ");
}

#[test]
fn a_model_file_must_be_there_and_hold_sql() {
    let mapping = MAPPING.replace("{ table: customers }", "{ file: ../models/customer.sql }");
    let folder = Folder::new(&[
        ("outflow.yaml", PROJECT),
        ("mappings/m.yaml", &mapping),
        ("models/customers.sql", " \n"),
        (
            "mappings/n.yaml",
            &mapping
                .replace("customer.sql", "customers.sql")
                .replace("sync: customers", "sync: n"),
        ),
        (
            "mappings/o.yaml",
            &mapping
                .replace("/customer.sql", "")
                .replace("sync: customers", "sync: o"),
        ),
    ]);
    insta::assert_snapshot!(rendered(&folder.load(false)), @"
    mappings/m.yaml:4:16: error[bad_model]: the SQL file `../models/customer.sql` cannot be used: there is no such file
     4 | model: { file: ../models/customer.sql }
       |                ^^^^^^^^^^^^^^^^^^^^^^
       hint: did you mean `customers.sql`?
    mappings/n.yaml:4:16: error[bad_model]: the SQL file `../models/customers.sql` cannot be used: it is empty
     4 | model: { file: ../models/customers.sql }
       |                ^^^^^^^^^^^^^^^^^^^^^^^
       hint: a relative path starts at `mappings`
    mappings/o.yaml:4:16: error[bad_model]: the SQL file `../models` cannot be used: it cannot be read as a file
     4 | model: { file: ../models }
       |                ^^^^^^^^^
       hint: a relative path starts at `mappings`
    ");
}

#[test]
fn removed_belongs_to_mirror() {
    insta::assert_snapshot!(with("match: email", "match: email\nremoved: archive"), @"
    mappings/m.yaml:9:10: error[misplaced_key]: `removed` belongs to mode `mirror`; this mode is `upsert`
     9 | removed: archive
       |          ^^^^^^^
       hint: remove `removed`, or write `mode: mirror`
    ");
    insta::assert_snapshot!(with("match: email", "match: email\nmode: mirror"), @"
    mappings/m.yaml:9:7: error[missing_key]: mode `mirror` needs `removed`
     9 | mode: mirror
       |       ^^^^^^
       hint: add `removed: keep`, `clear`, `archive`, `delete` or `unsubscribe`
    ");
}

#[test]
fn the_destination_must_be_able_to() {
    insta::assert_snapshot!(with("match: email", "match: email\nmode: create"), @"
    mappings/m.yaml:9:7: error[unsupported_mode]: mode `create` is not possible for `contacts` at this destination
     9 | mode: create
       |       ^^^^^^
       hint: possible: `upsert`, `update`, `mirror`
    ");
    insta::assert_snapshot!(with("match: email", "match: email\nmode: mirror\nremoved: unsubscribe"), @"
    mappings/m.yaml:10:10: error[unsupported_removed]: `removed: unsubscribe` is not possible for `contacts` at this destination
     10 | removed: unsubscribe
        |          ^^^^^^^^^^^
       hint: possible: `keep`, `clear`, `archive`
    ");
    insta::assert_snapshot!(with("object: contacts", "object: contact"), @"
    mappings/m.yaml:7:9: error[crm_object]: there is no such object
     7 | object: contact
       |         ^^^^^^^
       hint: known: `contacts`
    ");
}

#[test]
fn what_identifies_a_record_must_be_mapped() {
    insta::assert_snapshot!(with("match: email", "match: [emial, id]"), @"
    mappings/m.yaml:8:9: error[match_not_mapped]: `emial` identifies records but is not in `fields`
     8 | match: [emial, id]
       |         ^^^^^
       hint: did you mean `email`?
    mappings/m.yaml:8:16: error[match_not_mapped]: `id` identifies records but is not in `fields`
     8 | match: [emial, id]
       |                ^^
       hint: add it to `fields:`, such as `id: COLUMN`
    ");
    insta::assert_snapshot!(with("match: email", "match: [email, email]"), @"
    mappings/m.yaml:8:16: error[repeated_name]: `email` stands in `match` twice
     8 | match: [email, email]
       |                ^^^^^
    ");
    insta::assert_snapshot!(with("key: customer_id", "key: [a, b, a]"), @"
    mappings/m.yaml:5:13: error[repeated_name]: `a` stands in `key` twice
     5 | key: [a, b, a]
       |             ^
    ");
}

#[test]
fn schedules_have_several_forms() {
    let cron = |expression: &str, zone: Option<&str>| Schedule::Cron {
        expression: expression.into(),
        time_zone: zone.map(Into::into),
    };
    assert_eq!(scheduled("manual"), Schedule::Manual);
    assert_eq!(scheduled("\"@hourly\""), cron("@hourly", None));
    assert_eq!(
        scheduled("\"*/15 6-20 * * 1-5\""),
        cron("*/15 6-20 * * 1-5", None)
    );
    assert_eq!(
        scheduled("{ every: 15m }"),
        Schedule::Every(std::time::Duration::from_secs(900))
    );
    assert_eq!(
        scheduled("{ cron: \"@daily\", time_zone: Europe/Berlin }"),
        cron("@daily", Some("Europe/Berlin"))
    );
}

#[test]
fn a_wrong_schedule_is_explained() {
    insta::assert_snapshot!(wrong_schedule("hourly"), @r#"
    mappings/m.yaml:12:11: error[bad_cron]: `hourly` is neither a cron expression nor another schedule
     12 | schedule: hourly
        |           ^^^^^^
       hint: did you mean `"@hourly"`?
    "#);
    insta::assert_snapshot!(wrong_schedule("15m"), @"
    mappings/m.yaml:12:11: error[bad_cron]: `15m` is neither a cron expression nor another schedule
     12 | schedule: 15m
        |           ^^^
       hint: an interval is written `schedule: { every: 15m }`
    ");
    insta::assert_snapshot!(wrong_schedule("\"61 * * * *\""), @r#"
    mappings/m.yaml:12:11: error[bad_cron]: `61 * * * *` is neither a cron expression nor another schedule
     12 | schedule: "61 * * * *"
        |           ^^^^^^^^^^^^
       hint: the parser says: Component error: Number out of bounds
    "#);
    insta::assert_snapshot!(wrong_schedule("\"* * *\""), @r#"
    mappings/m.yaml:12:11: error[bad_cron]: `* * *` is neither a cron expression nor another schedule
     12 | schedule: "* * *"
        |           ^^^^^^^
       hint: five fields: minute, hour, day of month, month, day of week, such as `"30 6 * * 1-5"`
    "#);
    insta::assert_snapshot!(wrong_schedule("{ every: 15 }"), @"
    mappings/m.yaml:12:20: error[wrong_form]: `schedule.every` cannot be `15`
     12 | schedule: { every: 15 }
        |                    ^^
       hint: write it like `15m`, `2s`, `1h30m`
    ");
    insta::assert_snapshot!(wrong_schedule("{ every: 0s }"), @"
    mappings/m.yaml:12:20: error[bad_schedule]: `every` must not be zero
     12 | schedule: { every: 0s }
        |                    ^^
    ");
    insta::assert_snapshot!(wrong_schedule("{ every: 1h, cron: \"@daily\" }"), @r#"
    mappings/m.yaml:12:1: error[bad_schedule]: `schedule` needs exactly one of `every`, `cron` and `after`
     12 | schedule: { every: 1h, cron: "@daily" }
        | ^^^^^^^^
    "#);
    insta::assert_snapshot!(wrong_schedule("{ every: 1h, time_zone: UTC }"), @"
    mappings/m.yaml:12:35: error[misplaced_key]: `time_zone` belongs to `cron`
     12 | schedule: { every: 1h, time_zone: UTC }
        |                                   ^^^
    ");
    insta::assert_snapshot!(wrong_schedule("{ cron: \"@daily\", time_zone: Europe/Berln }"), @r#"
    mappings/m.yaml:12:40: error[bad_time_zone]: there is no time zone `Europe/Berln`
     12 | schedule: { cron: "@daily", time_zone: Europe/Berln }
        |                                        ^^^^^^^^^^^^
       hint: did you mean `Europe/Berlin`?
    "#);
}

#[test]
fn a_sync_may_follow_others_but_not_in_a_circle() {
    let named = |name: &str, after: &str| {
        format!(
            "{}schedule: {{ after: {after} }}\n",
            MAPPING.replace("sync: customers", &format!("sync: {name}"))
        )
    };
    let folder = Folder::new(&[
        ("outflow.yaml", PROJECT),
        ("mappings/a.yaml", &named("a", "b")),
        ("mappings/b.yaml", &named("b", "[c, a]")),
        ("mappings/c.yaml", &named("c", "costumers")),
        ("mappings/d.yaml", &named("d", "[customers, a]")),
        ("mappings/customers.yaml", MAPPING),
    ]);
    let loaded = folder.load(false);
    insta::assert_snapshot!(rendered(&loaded), @"
    mappings/a.yaml:12:20: error[circular_schedule]: `a` waits for `b`, which waits for it in turn
     12 | schedule: { after: b }
        |                    ^
       hint: break the circle
    mappings/b.yaml:12:24: error[circular_schedule]: `b` waits for `a`, which waits for it in turn
     12 | schedule: { after: [c, a] }
        |                        ^
       hint: break the circle
    mappings/c.yaml:12:20: error[unknown_sync]: there is no sync `costumers`
     12 | schedule: { after: costumers }
        |                    ^^^^^^^^^
       hint: did you mean `customers`?
    ");
    let project = loaded.project.unwrap();
    assert_eq!(
        project.sync("d").unwrap().schedule,
        Schedule::After(vec!["customers".into(), "a".into()])
    );
}

#[test]
fn two_syncs_of_one_name_are_both_told() {
    let folder = Folder::new(&[
        ("outflow.yaml", PROJECT),
        ("mappings/a.yaml", MAPPING),
        ("mappings/b.yml", MAPPING),
    ]);
    let loaded = folder.load(false);
    insta::assert_snapshot!(rendered(&loaded), @"
    mappings/a.yaml:2:7: error[repeated_sync]: a second sync is named `customers`, at mappings/b.yml:2:7
     2 | sync: customers
       |       ^^^^^^^^^
       hint: rename one of the two; state goes by the name
    mappings/b.yml:2:7: error[repeated_sync]: a second sync is named `customers`, at mappings/a.yaml:2:7
     2 | sync: customers
       |       ^^^^^^^^^
       hint: rename one of the two; state goes by the name
    ");
    assert!(loaded.project.unwrap().syncs.is_empty());
    assert_eq!(loaded.excluded, ["customers"]);
}

#[test]
fn keys_belong_to_their_destination() {
    insta::assert_snapshot!(of_mapping(&format!("{MAPPING}audience: news\ncreate_field: true\n")), @"
    mappings/m.yaml:12:1: error[unknown_key]: `audience` is a key of mail mappings; this destination is crm
     12 | audience: news
        | ^^^^^^^^
       hint: remove it
    mappings/m.yaml:13:1: error[unknown_key]: `create_field` is no key
     13 | create_field: true
        | ^^^^^^^^^^^^
       hint: did you mean `create_fields`?
    ");
    insta::assert_snapshot!(with("destination: crm", "destination: mail"), @"
    mappings/m.yaml:2:1: error[missing_key]: the key `audience` is missing
     2 | sync: customers
       | ^
       hint: (mail) The audience
    ");
}

#[test]
fn a_guard_that_guards_nothing_is_a_warning() {
    insta::assert_snapshot!(of_mapping(&format!("{MAPPING}guards: {{ max_removed: 10 }}\n")), @"
    mappings/m.yaml:12:24: warning[idle_guard]: `max_removed` guards nothing: mode `upsert` removes nothing
     12 | guards: { max_removed: 10 }
        |                        ^^
    ");
    insta::assert_snapshot!(of_mapping(&format!("{MAPPING}guards: {{ max_removed: 5.5.5%, min_rows: -1 }}\n")), @"
    mappings/m.yaml:12:24: error[wrong_form]: `guards.max_removed` cannot be `5.5.5%`
     12 | guards: { max_removed: 5.5.5%, min_rows: -1 }
        |                        ^^^^^^
       hint: write it like `5%`, `0.5%`, `500`
    mappings/m.yaml:12:42: error[out_of_range]: `guards.min_rows` must be at least 0
     12 | guards: { max_removed: 5.5.5%, min_rows: -1 }
        |                                          ^^
    ");
}

#[test]
fn references_have_no_place_in_a_mapping() {
    insta::assert_snapshot!(with("{ table: customers }", "{ table: \"${env:HOST}\" }"), @r#"
    mappings/m.yaml:4:17: error[misplaced_reference]: references belong to `outflow.yaml` alone
     4 | model: { table: "${env:HOST}" }
       |                 ^^^^^^^^^^^^^^
       hint: name a connection here and keep its secrets in `outflow.yaml`; `$${` stands for a literal `${`
    "#);
}

#[test]
fn a_destination_s_own_key_may_name_the_object() {
    const TABLES: &str = "sources: { files: { type: files, path: ./data } }\ndestinations: { t: { type: tables, api_key: \"${env:MAIL_KEY}\" } }\n";
    let load = |object: &str| {
        let mapping = MAPPING.replace(
            "destination: crm\nobject: contacts\n",
            &format!("destination: t\n{object}"),
        );
        Folder::new(&[("outflow.yaml", TABLES), ("mappings/m.yaml", &mapping)]).load(false)
    };
    for object in [
        "table_name: People\n",
        "object: contacts\n",
        "object: contacts\ntable_name: People\n",
    ] {
        let loaded = load(object);
        assert_eq!(rendered(&loaded), "", "{object}");
        assert_eq!(loaded.project.unwrap().syncs[0].object, "contacts");
    }
    insta::assert_snapshot!(rendered(&load("")), @"
    mappings/m.yaml:2:1: error[missing_key]: neither `table_name` nor `object` is here
     2 | sync: customers
       | ^
       hint: add `table_name: …`
    ");
    insta::assert_snapshot!(rendered(&load("object: people\ntable_name: People\n")), @"
    mappings/m.yaml:7:9: error[contradicting_keys]: `table_name` names the object by itself, and `object: people` says another
     7 | object: people
       |         ^^^^^^
       hint: remove one of `object` and `table_name`
    ");
}

#[test]
fn events_are_appended_and_nothing_else() {
    insta::assert_snapshot!(with("object: contacts", "object: contacts\nmode: append"), @"
    mappings/m.yaml:8:7: error[unsupported_mode]: mode `append` is not possible for `contacts` at this destination
     8 | mode: append
       |       ^^^^^^
       hint: possible: `upsert`, `update`, `mirror`
    ");
    insta::assert_snapshot!(with("object: contacts", "object: contacts\nmode: append\nremoved: keep"), @"
    mappings/m.yaml:8:7: error[unsupported_mode]: mode `append` is not possible for `contacts` at this destination
     8 | mode: append
       |       ^^^^^^
       hint: possible: `upsert`, `update`, `mirror`
    mappings/m.yaml:9:10: error[misplaced_key]: `removed` belongs to mode `mirror`; this mode is `append`
     9 | removed: keep
       |          ^^^^
       hint: remove `removed`, or write `mode: mirror`
    ");
}
