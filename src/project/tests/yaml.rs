//! Files that are not YAML as we read it.

use super::{Folder, MAPPING, PROJECT, of_mapping, of_project, rendered};

#[test]
fn a_tab_is_named_as_what_it_is() {
    insta::assert_snapshot!(of_mapping("sync: a\nmodel:\n\ttable: x\n"), @"
    mappings/m.yaml:3:1: error[yaml_tab]: this line is indented with a tab
     3 | 	table: x
       | ^
       hint: YAML wants spaces; set the editor to insert them
    ");
}

#[test]
fn wrong_indentation_is_shown() {
    insta::assert_snapshot!(of_mapping("sync: a\n  source: b\n"), @"
    mappings/m.yaml:2:9: error[yaml_syntax]: this is not valid YAML: mapping values are not allowed in this context
     2 |   source: b
       |         ^
       hint: check the indentation, and put quotes around text that holds `: `
    ");
    insta::assert_snapshot!(of_mapping("sync: a: b\n"), @"
    mappings/m.yaml:1:8: error[yaml_syntax]: this is not valid YAML: mapping values are not allowed in this context
     1 | sync: a: b
       |        ^
       hint: check the indentation, and put quotes around text that holds `: `
    ");
    insta::assert_snapshot!(of_mapping("model:\n  - a\n b\n"), @"
    mappings/m.yaml:3:2: error[yaml_syntax]: this is not valid YAML: while parsing a block mapping, did not find expected key
     3 |  b
       |  ^
       hint: keys of one block must begin in the same column
    ");
}

#[test]
fn what_is_open_must_be_closed() {
    insta::assert_snapshot!(of_mapping("sync: \"a\nsource: b\n"), @r#"
    mappings/m.yaml:1:7: error[yaml_syntax]: this is not valid YAML: invalid indentation in quoted scalar
     1 | sync: "a
       |       ^
       hint: close the quotes
    "#);
    insta::assert_snapshot!(of_mapping("key: [a, b\nsource: c\n"), @"
    mappings/m.yaml:2:7: error[yaml_syntax]: this is not valid YAML: illegal placement of ':' indicator
     2 | source: c
       |       ^
       hint: check the indentation, and put quotes around text that holds `: `
    ");
}

#[test]
fn a_key_stands_once() {
    insta::assert_snapshot!(of_mapping(&format!("{MAPPING}sync: customers\n")), @"
    mappings/m.yaml:12:1: error[duplicate_key]: this key stands here a second time, earlier on line 2
     12 | sync: customers
        | ^^^^
       hint: keep one of the two
    ");
}

#[test]
fn aliases_are_refused() {
    insta::assert_snapshot!(of_mapping("sync: &a x\nsource: *a\n"), @"
    mappings/m.yaml:1:7: error[yaml_alias]: YAML anchors and aliases (`&name`, `*name`) are not supported
     1 | sync: &a x
       |       ^^^^
       hint: write the value out; put quotes around text that begins with `&` or `*`
    ");
    insta::assert_snapshot!(of_mapping("sync: *\n"), @"
    mappings/m.yaml:1:7: error[yaml_syntax]: this is not valid YAML: while scanning an anchor or alias, did not find expected alphabetic or numeric character
     1 | sync: *
       |       ^
    ");
    // The classic bomb: nine levels of nine aliases each.
    let mut bomb = "a0: &a0 [x]\n".to_owned();
    for level in 1..10 {
        let inner = vec![format!("*a{}", level - 1); 9].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{inner}]\n"));
    }
    insta::assert_snapshot!(of_mapping(&bomb), @"
    mappings/m.yaml:1:5: error[yaml_alias]: YAML anchors and aliases (`&name`, `*name`) are not supported
     1 | a0: &a0 [x]
       |     ^^^^^
       hint: write the value out; put quotes around text that begins with `&` or `*`
    ");
}

#[test]
fn tags_and_second_documents_are_refused() {
    insta::assert_snapshot!(of_mapping(&MAPPING.replace("sync: customers", "sync: !!str customers")), @"
    mappings/m.yaml:2:7: error[yaml_tag]: YAML tags such as `!name` are not supported
     2 | sync: !!str customers
       |       ^^^^^^^^^^^^^^^
       hint: remove the tag; put quotes around a value to make it text
    ");
    insta::assert_snapshot!(of_mapping(&format!("{MAPPING}---\nsync: other\n")), @"
    mappings/m.yaml:12:1: error[several_documents]: a second YAML document begins here
     12 | ---
        | ^^^
       hint: keep one document per file; write one mapping file per sync
    ");
}

#[test]
fn keys_are_text() {
    insta::assert_snapshot!(of_mapping("{ a: b }: c\n"), @"
    mappings/m.yaml:1:1: error[bad_key]: a key must be plain text
     1 | { a: b }: c
       | ^^
       hint: put quotes around a value that begins with `{` or `[`
    ");
}

#[test]
fn an_unusual_character_needs_quotes() {
    insta::assert_snapshot!(of_mapping(&MAPPING.replace("key: customer_id", "key: @customer")), @"
    mappings/m.yaml:5:6: error[yaml_syntax]: this is not valid YAML: unexpected character: `@'
     5 | key: @customer
       |      ^
       hint: put quotes around text that begins with this character
    ");
}

#[test]
fn nesting_has_an_end() {
    insta::assert_snapshot!(of_mapping(&format!("sync: {}{}\n", "[".repeat(40), "]".repeat(40))), @"
    mappings/m.yaml:1:38: error[too_deep]: nested more than 32 levels deep
     1 | sync: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]
       |                                      ^
    ");
}

#[test]
fn bytes_that_are_no_text_have_a_place() {
    let folder = Folder::new(&[("outflow.yaml", PROJECT)]);
    folder.write("mappings/m.yaml", b"sync: a\nsource: b\xff\xfe\n");
    insta::assert_snapshot!(rendered(&folder.load(false)), @"
    mappings/m.yaml:2:10: error[not_utf8]: this byte is not UTF-8 text
       hint: save the file as UTF-8
    ");
}

#[test]
fn a_huge_file_is_refused() {
    let folder = Folder::new(&[("outflow.yaml", PROJECT)]);
    folder.write("mappings/m.yaml", "# much ado\n".repeat(100_000).as_bytes());
    insta::assert_snapshot!(rendered(&folder.load(false)), @"
    mappings/m.yaml:1:1: error[too_large]: this file is larger than 1 MiB
       hint: data does not belong here; name a file or a table of a source instead
    ");
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_are_fine() {
    let mapping = format!("\u{feff}{}", MAPPING.trim_start().replace('\n', "\r\n"));
    assert_eq!(of_mapping(&mapping), "");
}

#[test]
fn an_empty_file_is_named() {
    insta::assert_snapshot!(of_mapping("# only a comment\n"), @"
    mappings/m.yaml:1:1: error[empty_file]: this file is empty
     1 | # only a comment
       | ^
       hint: write a mapping into it or remove it
    ");
    insta::assert_snapshot!(of_project(""), @"
    outflow.yaml:1:1: error[empty_file]: this file is empty
       hint: it needs `sources:` and `destinations:`
    ");
}

#[test]
fn a_file_may_be_something_else_than_a_map() {
    insta::assert_snapshot!(of_mapping("- a\n"), @"
    mappings/m.yaml:1:1: error[wrong_type]: this file must be a map of keys, not a list
     1 | - a
       | ^
    ");
    insta::assert_snapshot!(of_mapping("just text\n"), @"
    mappings/m.yaml:1:1: error[wrong_type]: this file must be a map of keys, not a single value
     1 | just text
       | ^^^^^^^^^
    ");
}

#[test]
fn a_folder_without_a_project_says_so() {
    insta::assert_snapshot!(rendered(&Folder::new(&[]).load(false)), @"
    outflow.yaml:1:1: error[no_project]: there is no `outflow.yaml` in this folder
       hint: `outflow init` writes one; `-C DIR` picks another folder
    ");
}

#[test]
fn a_project_without_mappings_is_told() {
    let folder = Folder::new(&[
        ("outflow.yaml", PROJECT),
        ("mappings/.hidden.yaml", "x"),
        ("mappings/notes.md", "x"),
    ]);
    let loaded = folder.load(false);
    insta::assert_snapshot!(rendered(&loaded), @"
    outflow.yaml:1:1: warning[no_mappings]: there is no mapping file in `mappings/`
     1 | 
       | ^
       hint: write one sync per file, such as `mappings/customers.yaml`
    ");
    assert!(loaded.project.is_some());
}

#[test]
fn a_file_that_cannot_be_parsed_hides_no_other() {
    let folder = Folder::new(&[
        ("outflow.yaml", PROJECT),
        ("mappings/a.yaml", "sync: [\n"),
        ("mappings/b.yaml", &MAPPING.replace("key:", "kye:")),
        ("mappings/c.yaml", MAPPING),
    ]);
    let loaded = folder.load(false);
    insta::assert_snapshot!(rendered(&loaded), @"
    mappings/a.yaml:2:1: error[yaml_syntax]: this is not valid YAML: while parsing a node, did not find expected node content
       hint: a value or a closing bracket is missing
    mappings/b.yaml:2:1: error[missing_key]: the key `key` is missing
     2 | sync: customers
       | ^
       hint: The column, or list of columns, that identifies a row for good
    mappings/b.yaml:2:7: error[repeated_sync]: a second sync is named `customers`, at mappings/c.yaml:2:7
     2 | sync: customers
       |       ^^^^^^^^^
       hint: rename one of the two; state goes by the name
    mappings/b.yaml:5:1: error[unknown_key]: `kye` is no key
     5 | kye: customer_id
       | ^^^
       hint: did you mean `key`?
    mappings/c.yaml:2:7: error[repeated_sync]: a second sync is named `customers`, at mappings/b.yaml:2:7
     2 | sync: customers
       |       ^^^^^^^^^
       hint: rename one of the two; state goes by the name
    ");
}

#[test]
fn values_of_an_unreadable_project_file_are_not_shown() {
    let shown = of_project("destinations:\n  crm:\n    token: pat-na1-very-secret: x\n");
    insta::assert_snapshot!(shown, @"
    outflow.yaml:3:31: error[yaml_syntax]: this is not valid YAML: mapping values are not allowed in this context
     3 |     token: ***
       |               ^
       hint: check the indentation, and put quotes around text that holds `: `
    ");
    let shown = of_project("destinations:\n  crm: { token: \"pat-na1-very-secret }\n# pat-na1-very-secret\n");
    insta::assert_snapshot!(shown, @"
    outflow.yaml:2:17: error[yaml_syntax]: this is not valid YAML: invalid indentation in quoted scalar
     2 |   crm: ***
       |           ^
       hint: close the quotes
    ");
}

#[test]
fn a_file_full_of_nonsense_is_told_in_short() {
    let keys: String = (0..5_000).map(|number| format!("k{number}: x, ")).collect();
    let folder = Folder::new(&[
        ("outflow.yaml", PROJECT),
        ("mappings/m.yaml", &format!("{{ {keys} }}\n")),
    ]);
    let loaded = folder.load(false);
    assert_eq!(loaded.problems.len(), 101);
    let last = loaded
        .problems
        .iter()
        .find(|problem| problem.code == "more_problems")
        .unwrap();
    assert!(last.message.starts_with("4908 more problems"), "{}", last.message);
    // The same in a file whose values may be secrets.
    let shown = of_project(&format!("destinations: {{ crm: {{ {keys} }} }}\n"));
    assert!(shown.lines().all(|line| line.chars().count() < 400));
}
