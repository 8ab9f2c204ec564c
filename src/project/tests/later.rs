//! Problems that show after loading, JSON, and how a problem looks.

use outflow_sdk::ModelPlace;

use super::{Folder, MAPPING, PROJECT};
use crate::{Problem, Severity};

#[test]
fn later_checks_can_point_at_the_file() {
    let mapping = format!("{MAPPING}  \"list:a.b\": {{ null: keep, column: member }}\n");
    let loaded = Folder::new(&[("outflow.yaml", PROJECT), ("mappings/m.yaml", &mapping)]).load(false);
    let at = |path: &str| {
        let span = loaded.locate("customers", path).unwrap();
        (span.line, span.column, span.length)
    };
    assert_eq!(at("key"), (5, 6, 11));
    assert_eq!(at("fields.email"), (10, 10, 5));
    assert_eq!(at("fields.firstname"), (11, 24, 10));
    assert_eq!(at("fields.firstname.null"), (11, 42, 4));
    assert_eq!(at("fields.list:a.b"), (12, 37, 6));
    assert_eq!(at("model"), (4, 1, 5));
    assert_eq!(at("model.table"), (4, 17, 9));
    assert_eq!(at("fields.not_there"), (9, 1, 6));
    assert_eq!(at("removed"), (2, 1, 0));
    assert!(loaded.locate("nobody", "key").is_none());
    let problem = loaded.problem_at(
        "customers",
        "fields.firstname",
        Severity::Error,
        "missing_column",
        "the model has no column `first_name`",
        Some("did you mean `firstname`?".into()),
    );
    insta::assert_snapshot!(problem.unwrap().render(false), @"
    mappings/m.yaml:11:24: error[missing_column]: the model has no column `first_name`
     11 |   firstname: { column: first_name, null: keep }
        |                        ^^^^^^^^^^
       hint: did you mean `firstname`?
    ");
}

/// What a problem at a place in the SQL looks like, for a model.
fn in_sql(model: &str, line: usize, column: usize) -> Option<String> {
    let mapping = MAPPING.replace("{ table: customers }", model);
    let loaded = Folder::new(&[
        ("outflow.yaml", PROJECT),
        ("mappings/m.yaml", &mapping),
        ("models/c.sql", "select id,\n  emial\nfrom c\n"),
        (
            "models/v.sql",
            "select id\nfrom c where day > {{ last_success }}\n",
        ),
    ])
    .load(false);
    let place = ModelPlace { line, column };
    let message = "there is no column emial";
    let problem = loaded.model_problem(
        "customers",
        place,
        Severity::Error,
        "missing_column",
        message,
        None,
    );
    problem.map(|problem| problem.render(false))
}

#[test]
fn what_a_warehouse_says_of_sql_is_shown_where_the_sql_is_written() {
    insta::assert_snapshot!(in_sql("{ file: ../models/c.sql }", 2, 3).unwrap(), @"
    models/c.sql:2:3: error[missing_column]: there is no column emial
     2 |   emial
       |   ^^^^^
    ");
    insta::assert_snapshot!(in_sql("\n  sql: |\n    select id,\n      emial\n    from c", 2, 3).unwrap(), @"
    mappings/m.yaml:7:7: error[missing_column]: there is no column emial
     7 |       emial
       |       ^^^^^
    ");
    insta::assert_snapshot!(in_sql("{ sql: \"select é, emial from c\" }", 1, 11).unwrap(), @r#"
    mappings/m.yaml:4:26: error[missing_column]: there is no column emial
     4 | model: { sql: "select é, emial from c" }
       |                          ^^^^^
    "#);
    // A folded text has other lines than the file, and a value that was filled in another length.
    assert_eq!(
        in_sql("\n  sql: >\n    select id,\n    emial\n    from c", 1, 12),
        None
    );
    assert_eq!(in_sql("{ file: ../models/v.sql }", 2, 3), None);
    assert_eq!(in_sql("{ file: ../models/c.sql }", 9, 1), None);
    assert_eq!(in_sql("{ table: customers }", 1, 1), None);
}

#[test]
fn json_has_the_stable_keys() {
    let loaded = Folder::new(&[
        ("outflow.yaml", PROJECT),
        ("mappings/m.yaml", &MAPPING.replace("key:", "kye:")),
    ])
    .load(false);
    insta::assert_json_snapshot!(loaded.problems, @r#"
    [
      {
        "file": "mappings/m.yaml",
        "line": 2,
        "column": 1,
        "length": 1,
        "code": "missing_key",
        "severity": "error",
        "message": "the key `key` is missing",
        "hint": "The column, or list of columns, that identifies a row for good",
        "path": ""
      },
      {
        "file": "mappings/m.yaml",
        "line": 5,
        "column": 1,
        "length": 3,
        "code": "unknown_key",
        "severity": "error",
        "message": "`kye` is no key",
        "hint": "did you mean `key`?",
        "path": "kye"
      }
    ]
    "#);
}

#[test]
fn colour_is_on_request_only() {
    let loaded = Folder::new(&[
        ("outflow.yaml", PROJECT),
        ("mappings/m.yaml", &MAPPING.replace("key:", "kye:")),
    ])
    .load(false);
    let coloured: String = loaded
        .problems
        .iter()
        .map(|problem| problem.render(true))
        .collect();
    assert!(coloured.contains("\u{1b}[1;31merror[unknown_key]\u{1b}[0m"));
    assert!(
        !loaded
            .problems
            .iter()
            .any(|problem| problem.render(false).contains('\u{1b}'))
    );
}

#[test]
fn what_a_file_says_cannot_disturb_a_terminal() {
    let mapping = MAPPING
        .replace("key:", "\"k\\e[31my\":")
        .replace("firstname", &"x".repeat(500));
    let mapping = format!("{mapping}  \"{}\": {{ colum: a }}\n", "ü".repeat(300));
    let loaded = Folder::new(&[("outflow.yaml", PROJECT), ("mappings/m.yaml", &mapping)]).load(false);
    assert!(
        loaded
            .problems
            .iter()
            .any(|problem: &Problem| problem.code == "unknown_key")
    );
    for problem in &loaded.problems {
        let shown = problem.render(false);
        assert!(!shown.contains('\u{1b}'), "{shown}");
        assert!(shown.lines().all(|line| line.chars().count() < 400), "{shown}");
    }
}
