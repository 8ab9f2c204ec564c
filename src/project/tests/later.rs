//! Problems that show after loading, JSON, and how a problem looks.

use super::{Folder, MAPPING, PROJECT};
use crate::project::{Problem, Severity};

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
