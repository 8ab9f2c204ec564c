//! Statements of every dialect, one and several.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

fn code(sql: &str) -> &'static str {
    single(sql, &Dialect::POSTGRES).map_or_else(|error| error.code, |_| "one")
}

#[test]
fn one_query_is_taken_up_to_its_semicolon() {
    let sql = "SELECT 1 ; -- done;\n ; /* ; */";
    assert_eq!(single(sql, &Dialect::POSTGRES).unwrap(), "SELECT 1 ");
    for sql in [
        "select ';', \"a;b\", $$;$$, $t$ $$ ; $t$, E'\\';' -- ;",
        "/* a /* nested; */ one */ with x as (select 1) select * from x",
        "((select 1))",
        "values (1)",
        "TABLE t",
        "select a$1 from t where b = 'it''s; fine'",
        ";select 1",
    ] {
        assert_eq!(code(sql), "one", "{sql}");
    }
}

#[test]
fn whatever_else_is_refused_by_name() {
    for (sql, expected) in [
        ("", "no_statement"),
        (" -- only a comment", "no_statement"),
        (";", "no_statement"),
        ("select 1; select 2", "several_statements"),
        ("select 1;'x'", "several_statements"),
        ("delete from t", "not_a_query"),
        ("COMMIT", "not_a_query"),
        ("(delete from t)", "not_a_query"),
        (
            "select 1) as a; drop table t; select * from (select 1",
            "sql_syntax",
        ),
        ("select 'a", "sql_syntax"),
        ("select \"a", "sql_syntax"),
        ("select $x$ a $y$", "sql_syntax"),
        ("select 1 /* a", "sql_syntax"),
        ("select * from t where id = $1", "sql_parameter"),
        ("select 1\0", "sql_syntax"),
    ] {
        assert_eq!(code(sql), expected, "{sql}");
    }
    let error = single("select 1;\n  drop table t", &Dialect::POSTGRES).unwrap_err();
    assert_eq!(
        error.message,
        "a second statement begins at line 2, column 3 of the model"
    );
}

#[test]
fn a_backslash_hides_no_second_statement_from_redshift() {
    // One string in PostgreSQL; where a backslash escapes, the string ends earlier.
    let sql = r"select '\''; drop table t; --'";
    assert_eq!(
        single(sql, &Dialect::REDSHIFT).unwrap_err().code,
        "several_statements"
    );
    let sql = r"select 'C:\' as path";
    assert!(single(sql, &Dialect::REDSHIFT).is_ok());
}

#[test]
fn bigquery_has_quotes_of_its_own() {
    let code = |sql: &str| single(sql, &Dialect::BIGQUERY).map_or_else(|error| error.code, |_| "one");
    for sql in [
        r#"select ';', "a;b", `c;d`, r'\';', """ " ; "" """, ''' ' ; ''', b"\";" # ;"#,
        "from `p.d.t` |> where a > 1",
        "select 1 /* a /* ; */",
        "with x as (select 1) select * from x; # done;",
        "select $1, @run_time",
    ] {
        assert_eq!(code(sql), "one", "{sql}");
    }
    for (sql, expected) in [
        ("select 'it'';'; drop table t", "several_statements"),
        ("select 1 # one\n; select 2", "several_statements"),
        ("select 1 /* /* */ ; select 2", "several_statements"),
        ("declare x int64; select 1", "not_a_query"),
        ("table t", "not_a_query"),
        ("select \"\"\" a \"\" ", "sql_syntax"),
        ("select `a", "sql_syntax"),
        (r"select 'a\'", "sql_syntax"),
    ] {
        assert_eq!(code(sql), expected, "{sql}");
    }
}

#[test]
fn snowflake_has_quotes_of_its_own() {
    let code = |sql: &str| single(sql, &Dialect::SNOWFLAKE).map_or_else(|error| error.code, |_| "one");
    for sql in [
        r#"select ';', 'it''s; \';', "a"";b", $$ ; ' $$, $1 // ;"#,
        "select $a from t",
        "values (1)",
    ] {
        assert_eq!(code(sql), "one", "{sql}");
    }
    for (sql, expected) in [
        ("select 1 // one\n; select 2", "several_statements"),
        ("select $a$ ; $a$", "several_statements"),
        ("select $$ ;", "sql_syntax"),
        ("call p()", "not_a_query"),
    ] {
        assert_eq!(code(sql), expected, "{sql}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_it_stumble(sql in "[ -~\n;'\"$()é\\\\]{0,40}") {
        let _ = single(&sql, &Dialect::REDSHIFT);
        let _ = single(&format!("select {sql}"), &Dialect::POSTGRES);
        let _ = single(&format!("select {sql}"), &Dialect::BIGQUERY);
        let _ = single(&format!("select {sql}"), &Dialect::SNOWFLAKE);
    }

    #[test]
    fn a_quoted_text_is_never_a_statement(text in "[ -~\n;é]{0,20}") {
        let sql = format!("select '{}'", text.replace('\'', "''"));
        prop_assert!(single(&sql, &Dialect::POSTGRES).is_ok());
    }
}
