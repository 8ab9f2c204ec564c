//! README.md holds: what it shows as files is taken by the program, and what it shows as commands exists.

use std::fmt::Write as _;
use std::path::Path;

use clap::Parser;
use clap::error::ErrorKind;
use outflow::cli::Arguments;
use outflow_sandbox::hubspot::{Options, ProcessingType, Token, Twin};

use crate::project::{Said, TOKEN, binary};

const README: &str = include_str!("../../README.md");

/// The blocks of code in a language, in order.
fn blocks(language: &str) -> Vec<&'static str> {
    let opening = format!("\n```{language}\n");
    let after = README.split(opening.as_str()).skip(1);
    after.map(|rest| rest.split("\n```").next().unwrap()).collect()
}

/// The one block of YAML that begins or goes on with `line`.
#[track_caller]
fn yaml(line: &str) -> &'static str {
    let has = |block: &&str| block.lines().any(|one| one.starts_with(line));
    let found: Vec<&str> = blocks("yaml").into_iter().filter(has).collect();
    let [block] = found[..] else {
        panic!("{} blocks of README.md have `{line}`", found.len())
    };
    block
}

fn write(dir: &Path, name: &str, text: &str) {
    let path = dir.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn outflow(dir: &Path, arguments: &[&str]) -> Said {
    let mut command = binary();
    command
        .current_dir(dir)
        .args(arguments)
        .env("HUBSPOT_TOKEN", TOKEN);
    Said::of(command.output().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_mapping_shown_line_by_line_is_checked_and_runs() {
    let options = Options {
        tokens: vec![Token::new(TOKEN)],
        ..Options::default()
    };
    let twin = Twin::start(options).await.unwrap();
    twin.define_list("Premium customers", ProcessingType::Manual);
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let here = format!("type: hubspot, base_url: \"{}\",", twin.base_url());
    let connections = yaml("state:").replace("type: hubspot,", &here);
    write(dir, "outflow.yaml", &connections);
    write(dir, "mappings/customers.yaml", yaml("sync: customers"));
    let mut customers = String::from("customer_id,email,first_name,last_name,is_premium\n");
    for id in 1..=1_000 {
        let premium = id % 10 == 0;
        writeln!(customers, "{id},person{id}@example.com,Ann,Lee {id},{premium}").unwrap();
    }
    write(dir, "data/customers.csv", &customers);
    let orders = "customer_id,amount,ordered_at\n10,12.5,2026-01-15\n10,7.005,2026-03-02\n";
    write(dir, "data/orders.csv", orders);

    outflow(dir, &["check"]).exits(0);
    let run = outflow(dir, &["run", "--json"]).exits(0).json();
    assert_eq!(run["syncs"][0]["created"], 1_000, "{run}");
    let contact = twin.contact("person10@example.com").unwrap();
    let values = [
        ("firstname", "Ann"),
        ("lastname", "Lee 10"),
        ("full_name", "Ann Lee 10"),
        ("lifetime_value", "19.51"),
        ("last_order_date", "2026-03-02"),
        ("source_system", "warehouse"),
    ];
    for (property, value) in values {
        assert_eq!(contact.get(property), Some(value), "{property}");
    }
    let lists = twin.lists();
    assert_eq!(lists[0].members.len(), 100, "one in ten is premium");
    assert!(lists[0].members.contains(&contact.id));
}

#[test]
fn the_other_parts_of_the_project_files_pass_their_check() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let connections = [yaml("state:"), yaml("http:"), yaml("alerts:")].join("\n");
    write(dir, "outflow.yaml", &connections);
    let mapping = yaml("sync: customers");
    // The guide's hooks start two syncs.
    write(
        dir,
        "mappings/companies.yaml",
        &mapping.replace("sync: customers ", "sync: companies "),
    );
    write(dir, "mappings/customers.yaml", &with_variables(mapping));
    let said = outflow(dir, &["check", "--offline"]).exits(0);
    assert!(said.stdout.contains("in order"), "{}", said.stdout);
}

/// The mapping with the model, the variables and the mode that README.md shows for reading less, and
/// without what goes with `mode: mirror` and with whole models.
fn with_variables(mapping: &str) -> String {
    let mut kept = String::new();
    let mut keeps = true;
    for line in mapping.lines() {
        if !line.starts_with(' ') {
            let replaced = ["model:", "mode:", "removed:", "guards:"];
            keeps = !replaced.iter().any(|key| line.starts_with(key));
        }
        if keeps {
            writeln!(kept, "{line}").unwrap();
        }
    }
    kept + yaml("vars:")
}

#[test]
fn every_command_shown_is_one_the_program_has() {
    let shown = [blocks("sh"), blocks("ini")].concat();
    let lines: Vec<&str> = shown.iter().flat_map(|block| block.lines()).collect();
    let mut commands: Vec<String> = lines.iter().filter_map(|line| command_of(line)).collect();
    assert_eq!(
        commands.len(),
        8,
        "the demo, the six steps of a project, the service: {commands:?}"
    );
    for command in &commands {
        if let Err(error) = parsed(command) {
            panic!("`outflow {command}`: {error}");
        }
    }
    // In passing, what a command needs may be left out.
    commands = [in_running_text(), of_the_table()].concat();
    for command in &commands {
        let Err(error) = parsed(command) else { continue };
        let incomplete = [
            ErrorKind::MissingRequiredArgument,
            ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand,
        ];
        assert!(incomplete.contains(&error.kind()), "`outflow {command}`: {error}");
    }
}

fn parsed(command: &str) -> Result<Arguments, clap::Error> {
    let words = command.split_whitespace().filter(|word| *word != "…");
    Arguments::try_parse_from(["outflow"].into_iter().chain(words))
}

/// What follows `outflow` in a line of a block, without its comment.
fn command_of(line: &str) -> Option<String> {
    let line = line.split(" #").next().unwrap();
    let starts = [
        "outflow ",
        "cargo run --release -- ",
        "ExecStart=/usr/local/bin/outflow ",
    ];
    let rest = starts.iter().find_map(|start| line.strip_prefix(start));
    rest.map(|rest| rest.trim().to_owned())
}

/// The commands between backticks, which may break off at the end of a line.
fn in_running_text() -> Vec<String> {
    let mut fenced = false;
    let prose = README.lines().filter(|line| {
        let fence = line.starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    });
    let prose = prose.collect::<Vec<_>>().join(" ");
    let code = prose.split('`').skip(1).step_by(2);
    let commands = code.filter_map(|code| code.strip_prefix("outflow "));
    let commands: Vec<String> = commands.map(str::to_owned).collect();
    assert!(commands.len() > 15, "{commands:?}");
    commands
}

/// The commands of the table: each with all that it shows as possible.
fn of_the_table() -> Vec<String> {
    let (_, table) = README.split_once("\n## Commands\n").unwrap();
    let (table, _) = table.split_once("\n\nResults go to stdout").unwrap();
    let mut commands = Vec::new();
    for line in table.lines().filter(|line| line.starts_with("| `")) {
        let cell = line.split(" | ").next().unwrap().replace("\\|", "/");
        for code in cell.split('`').skip(1).step_by(2) {
            let (verb, rest) = code.split_once(' ').unwrap_or((code, ""));
            let rest = rest.replace(['[', ']', '…'], "");
            match rest.split_once('/') {
                Some(_) => commands.extend(rest.split('/').map(|part| format!("{verb} {part}"))),
                // Two options of one verb need not go together.
                None if rest.contains("--") => {
                    commands.extend(rest.split_whitespace().map(|word| format!("{verb} {word}")));
                }
                None => commands.push(format!("{verb} {rest}")),
            }
        }
    }
    assert!(commands.len() > 20, "{commands:?}");
    commands
}

#[cfg(unix)]
#[test]
fn the_set_up_asks_for_the_versions_the_readme_names() {
    use std::os::unix::fs::PermissionsExt;

    let programs = tempfile::tempdir().unwrap();
    // Python says what it is by its exit code.
    for (program, script) in [
        ("rustc", "echo 'rustc 1.9.0 (of old)'"),
        ("node", "echo v9.11.2"),
        ("python3", "exit 1"),
    ] {
        let path = programs.path().join(program);
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let path = format!("{}:{}", programs.path().display(), std::env::var("PATH").unwrap());
    let environment = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/setup/environment");
    let mut command = std::process::Command::new(environment);
    let said = Said::of(command.env("PATH", path).output().unwrap()).exits(1);
    let prose = README.replace('\n', " ");
    let rust = env!("CARGO_PKG_RUST_VERSION");
    for (named, missed) in [
        (
            format!("Rust ({rust} or later)"),
            format!("Rust {rust} or newer (rustc is 1.9.0)"),
        ),
        (
            "Node.js 20 or later".into(),
            "Node.js 20 or newer (node is 9.11.2)".into(),
        ),
        (
            "Python 3.11 or later".into(),
            "Python 3.11 or newer (python3 is older".into(),
        ),
    ] {
        assert!(prose.contains(&named), "README.md does not say `{named}`");
        assert!(
            said.stderr.contains(&missed),
            "`{missed}` is missing in {}",
            said.stderr
        );
    }
}
