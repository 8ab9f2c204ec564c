//! `outflow check`, the program itself, with a warehouse that something is wrong with: what it says is
//! wrong, where, and what to do next, to the letter, and what it ends with.
//!
//! What a server or an emulator can say itself, it says. BigQuery's emulator and fakesnow ask for no
//! credential, know no permissions, and tell of columns in the words of the engine below them; there the
//! refusals are those that the vendors document, by the connectors' own stand-ins for their wire.

mod bigquery;
mod postgres;
mod snowflake;

use std::fmt::Write;
use std::path::Path;

use outflow_sandbox::hubspot::{Options, Twin};
use tempfile::TempDir;

use crate::project::outflow;

pub use bigquery::bigquery;
pub use postgres::postgres;
pub use snowflake::snowflake;

const MAPPING: &str = "\
sync: people
source: warehouse
model: { table: shop.people }
key: id
destination: crm
object: contacts
match: email
fields:
  email: email
  firstname: name
";

/// A model that asks for a column that is not there.
const MISSPELT: &str = "select id, name,\n  emial\nfrom shop.people\n";

/// Ports, folders and a system's words that differ from run to run and from machine to machine.
const FILTERS: [(&str, &str); 6] = [
    (r"(127\.0\.0\.1|\.invalid):\d+", "$1:[port]"),
    (r"port: \d+", "port: [port]"),
    (
        r"cannot connect: failed to lookup.*",
        "cannot connect: [resolver's words]",
    ),
    (r"portal \d+", "portal [number]"),
    (r"test_\d+", "[database]"),
    (r"PostgreSQL \d+(\.\d+)*", "PostgreSQL [version]"),
];

/// One thing that is wrong.
struct Case<'a> {
    what: &'a str,
    connection: &'a str,
    /// A text of the mapping, and what stands in its place.
    mapping: (&'a str, &'a str),
    exit: i32,
}

/// A project whose only other connection is in order.
struct Bench {
    folder: TempDir,
    twin: Twin,
    told: String,
}

impl Bench {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["mappings", "models"] {
            std::fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        let bench = Self {
            folder,
            twin: Twin::start(Options::default()).await.unwrap(),
            told: String::new(),
        };
        bench.write("token", "pat-na1-sandbox");
        bench.write("models/misspelt.sql", MISSPELT);
        bench
    }

    fn root(&self) -> &Path {
        self.folder.path()
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.root().join(name), text).unwrap();
    }

    /// Keeps what `check` says of a case.
    fn check(&mut self, case: &Case<'_>) {
        let (before, after) = case.mapping;
        assert!(MAPPING.contains(before));
        self.write("mappings/people.yaml", &MAPPING.replace(before, after));
        let url = self.twin.base_url();
        let crm = format!("{{ type: hubspot, token: \"${{file:token}}\", base_url: \"{url}\" }}");
        let outflow_yaml = format!(
            "sources:\n  warehouse:\n    {}\ndestinations:\n  crm: {crm}\n",
            case.connection.trim().replace('\n', "\n    ")
        );
        self.write("outflow.yaml", &outflow_yaml);
        let said = outflow(self.root(), &["check"]).exits(case.exit);
        for secret in ["-password", "BEGIN PRIVATE", "pat-na1"] {
            let both = format!("{}{}", said.stdout, said.stderr);
            assert!(!both.contains(secret), "{}: {both}", case.what);
        }
        let problems = said
            .stdout
            .lines()
            .filter(|line| !line.starts_with("ok destination"));
        let problems: Vec<&str> = problems.collect();
        writeln!(
            self.told,
            "# {}: exit {}\n{}\n",
            case.what,
            case.exit,
            problems.join("\n")
        )
        .unwrap();
    }

    /// Compares everything that was said with the page of this name.
    fn compare(self, page: &str) {
        insta::with_settings!({ filters => FILTERS, omit_expression => true }, {
            insta::assert_snapshot!(page, self.told);
        });
    }
}

const MISSPELT_MODEL: (&str, &str) = ("table: shop.people", "file: ../models/misspelt.sql");

/// The cases that only the mapping is wrong in.
fn of_the_mapping(bench: &mut Bench, connection: &str) {
    for (what, mapping, exit) in [
        ("nothing is wrong", ("", ""), 0),
        ("a missing table", ("shop.people", "shop.peple"), 4),
        (
            "a missing column of the mapping",
            ("firstname: name", "firstname: nmae"),
            2,
        ),
    ] {
        bench.check(&Case {
            what,
            connection,
            mapping,
            exit,
        });
    }
}
