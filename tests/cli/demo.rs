//! `outflow demo` and `outflow sandbox`, as a newcomer meets them.

use crate::project::outflow_in;

#[test]
fn the_demo_tells_its_story_to_the_end_and_can_be_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let said = outflow_in(folder.path(), &["demo"]).exits(0);
    for part in [
        "1. First sync",
        "3,000",
        "city (changed) → Reykjavík",
        "0 requests",
        "What a marketer sees",
        "outflow sandbox -C outflow-demo",
    ] {
        assert!(
            said.stdout.contains(part),
            "`{part}` is missing in {}",
            said.stdout
        );
    }
    let demo = folder.path().join("outflow-demo");
    outflow_in(&demo, &["check", "--offline"]).exits(0);
    let status = outflow_in(&demo, &["status", "--json"]).exits(0).json();
    assert_eq!(status["syncs"][1]["sync"], "customers");
    assert_eq!(status["syncs"][1]["rejects"], 2);
    outflow_in(folder.path(), &["demo"]).exits(0);
}

#[test]
fn the_demo_leaves_a_folder_alone_that_it_did_not_make() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("data")).unwrap();
    std::fs::write(folder.path().join("data/mine.csv"), "id\n1\n").unwrap();
    let said = outflow_in(folder.path(), &["demo", "."]).exits(2);
    assert!(said.stderr.contains("left alone"), "{}", said.stderr);
    assert!(folder.path().join("data/mine.csv").exists());
}
