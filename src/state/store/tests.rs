#![allow(clippy::unwrap_used, clippy::panic)]

use std::os::unix::fs::PermissionsExt;

use super::super::fixtures::{fixture, identity, key, row, rows};
use super::*;

#[test]
fn a_second_writer_is_told_at_once_who_has_it() {
    let fixture = fixture();
    let Err(error) = Store::open(fixture.folder.path(), Access::Write) else {
        panic!("two writers");
    };
    let pid = std::process::id();
    assert!(matches!(&error, StateError::Busy { pid: Some(found), .. } if *found == pid));
    let text = error.to_string();
    assert!(
        text.contains(&pid.to_string()) && text.contains("stop it"),
        "{text}"
    );
    let super::super::fixtures::Fixture { store, folder, .. } = fixture;
    drop(store);
    assert!(
        Store::open(folder.path(), Access::Write).is_ok(),
        "the lock goes with its owner"
    );
}

#[test]
fn a_reader_works_while_a_writer_writes_and_sees_what_is_committed() {
    let fixture = fixture();
    let reader = Store::open(fixture.folder.path(), Access::Read).unwrap();
    assert_eq!(reader.sync("customers").unwrap().unwrap().rows, 0);
    fixture.add(0..10);
    assert_eq!(reader.sync("customers").unwrap().unwrap().rows, 10);
    fixture.store.checkpoint().unwrap();
    fixture.add(10..20);
    assert_eq!(reader.sync("customers").unwrap().unwrap().rows, 20);
}

#[test]
fn a_reader_cannot_write() {
    let fixture = fixture();
    let reader = Store::open(fixture.folder.path(), Access::Read).unwrap();
    let error = reader.commit(fixture.sync.id, [&rows([row(1, 1)])]).unwrap_err();
    assert!(matches!(error, StateError::ReadOnly { .. }), "{error}");
    let new = reader.ensure_sync("new", &identity()).unwrap();
    assert_eq!((new.id, new.rows), (0, 0));
    assert!(reader.sync("new").unwrap().is_none());
}

#[test]
fn nobody_else_can_read_the_files() {
    let fixture = fixture();
    fixture.add(0..3);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let folder = tempfile::tempdir().unwrap();
    let made = folder.path().join("a/b");
    let _store = Store::open(&made, Access::Write).unwrap();
    assert_eq!(mode(&made), 0o700);
    for name in ["state.db", "state.db-wal", "state.db-shm", "lock"] {
        assert_eq!(mode(&fixture.folder.path().join(name)), 0o600, "{name}");
    }
}

#[test]
fn the_secret_is_made_once_by_whoever_comes_first() {
    let folder = tempfile::tempdir().unwrap();
    let print = |access| Store::open(folder.path(), access).unwrap().printer().integer(1);
    let first = print(Access::Read);
    assert_eq!(print(Access::Write), first);
    assert_eq!(print(Access::Read), first);
    let other = tempfile::tempdir().unwrap();
    assert_ne!(
        Store::open(other.path(), Access::Write)
            .unwrap()
            .printer()
            .integer(1),
        first
    );
}

#[test]
fn where_nothing_can_be_made_a_reader_gets_an_empty_store_and_a_writer_the_reason() {
    let nowhere = Path::new("/proc/outflow");
    let store = Store::open(nowhere, Access::Read).unwrap();
    assert!(store.syncs().unwrap().is_empty());
    assert_eq!(store.printer().integer(1), Printer::new(0).integer(1));
    let Err(error) = Store::open(nowhere, Access::Write) else {
        panic!("made a folder in /proc");
    };
    assert!(matches!(error, StateError::Open { .. }));
    assert!(error.to_string().contains("/proc/outflow"), "{error}");
}

#[test]
fn a_file_of_a_later_version_is_refused_and_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    drop(Store::open(folder.path(), Access::Write).unwrap());
    let path = folder.path().join(FILE);
    let later = Connection::open(&path).unwrap();
    later.pragma_update(None, "user_version", 99).unwrap();
    drop(later);
    let before = std::fs::read(&path).unwrap();
    for access in [Access::Write, Access::Read] {
        let Err(error) = Store::open(folder.path(), access) else {
            panic!("opened");
        };
        assert!(matches!(error, StateError::Newer { found: 99, .. }), "{error}");
    }
    assert!(std::fs::read(&path).unwrap() == before);
}

#[test]
fn a_file_that_is_no_database_is_said_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE);
    std::fs::write(&path, "customer_id,email\n".repeat(500)).unwrap();
    for access in [Access::Write, Access::Read] {
        let Err(error) = Store::open(folder.path(), access) else {
            panic!("opened");
        };
        assert!(matches!(error, StateError::Corrupt { .. }), "{error}");
        assert!(error.to_string().contains("state import"), "{error}");
    }
    assert!(std::fs::read(&path).unwrap().starts_with(b"customer_id"));
}

#[test]
fn a_torn_page_is_said_when_it_is_read() {
    let fixture = fixture();
    fixture.add(0..5_000);
    let super::super::fixtures::Fixture { store, folder, sync } = fixture;
    drop(store);
    let path = folder.path().join(FILE);
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    for page in bytes[middle..middle + 40_960].chunks_mut(4096) {
        page[..64].fill(0xa5);
    }
    std::fs::write(&path, bytes).unwrap();
    let store = Store::open(folder.path(), Access::Read).unwrap();
    let error = (0..5_000)
        .find_map(|number| store.lookup(sync.id).unwrap().get(key(number)).err())
        .unwrap();
    assert!(matches!(error, StateError::Corrupt { .. }), "{error}");
}

#[test]
fn a_full_disk_loses_nothing_and_goes_on_when_there_is_room() {
    let fixture = fixture();
    fixture.add(0..100);
    let limit = |pages: i64| {
        let writer = locked(fixture.store.writer.as_ref().unwrap());
        writer
            .query_row(&format!("PRAGMA max_page_count = {pages}"), (), |_| Ok(()))
            .unwrap();
    };
    limit(1);
    let many = rows((100..5_000).map(|number| row(key(number), 7)));
    let error = fixture.store.commit(fixture.sync.id, [&many]).unwrap_err();
    assert!(matches!(error, StateError::Full { .. }), "{error}");
    assert!(error.to_string().contains("free some space"), "{error}");
    assert_eq!(fixture.state().rows, 100);
    limit(1_000_000);
    fixture.commit(&many);
    assert_eq!(fixture.state().rows, 5_000);
}

/// Set in the process in which permissions bind.
const BOUND: &str = "OUTFLOW_TEST_PERMISSIONS_BIND";

/// Whether permissions bind this process. They do not bind root: then the test of this name is made once more by
/// a process without root's right to pass over them, and must succeed there.
fn permissions_bind(test: &str) -> bool {
    let folder = tempfile::tempdir().unwrap();
    chmod(folder.path(), 0o500);
    if std::fs::write(folder.path().join("probe"), "").is_err() {
        return true;
    }
    assert!(std::env::var_os(BOUND).is_none(), "permissions do not bind");
    let output = std::process::Command::new("setpriv")
        .arg("--bounding-set=-dac_override,-dac_read_search")
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(BOUND, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    false
}

fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_file_in_a_folder_that_cannot_be_written_is_read_as_it_is() {
    if !permissions_bind("store::tests::a_file_in_a_folder_that_cannot_be_written_is_read_as_it_is") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("100% of ü?#");
    let store = Store::open(&dir, Access::Write).unwrap();
    store.ensure_sync("customers", &identity()).unwrap();
    drop(store);
    for file in ["state.db", "lock"] {
        chmod(&dir.join(file), 0o400);
    }
    chmod(&dir, 0o500);
    let reader = Store::open(&dir, Access::Read).unwrap();
    assert!(reader.opening == Opening::Immutable);
    assert_eq!(reader.syncs().unwrap()[0].name, "customers");
    let Err(error) = Store::open(&dir, Access::Write) else {
        panic!("opened for writing");
    };
    assert!(matches!(error, StateError::Open { .. }), "{error}");
    chmod(&dir, 0o700);
}

#[test]
fn a_file_that_may_be_written_again_is_although_a_reader_came_by_before() {
    if !permissions_bind("store::tests::a_file_that_may_be_written_again_is_although_a_reader_came_by_before")
    {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    drop(Store::open(folder.path(), Access::Write).unwrap());
    let path = folder.path().join(FILE);
    chmod(&path, 0o400);
    drop(Store::open(folder.path(), Access::Read).unwrap());
    let Err(error) = Store::open(folder.path(), Access::Write) else {
        panic!("opened for writing");
    };
    assert!(matches!(error, StateError::Open { .. }), "{error}");
    chmod(&path, 0o600);
    let store = Store::open(folder.path(), Access::Write).unwrap();
    store.ensure_sync("customers", &identity()).unwrap();
}

#[test]
fn a_checkpoint_empties_the_log_and_does_not_wait_for_a_reader() {
    let fixture = fixture();
    fixture.add(0..1_000);
    let log = fixture.folder.path().join("state.db-wal");
    let reader = fixture.store.snapshot().unwrap();
    let count: i64 = reader
        .query_row("SELECT count(*) FROM row", (), |row| row.get(0))
        .unwrap();
    fixture.add(1_000..1_100);
    fixture.store.checkpoint().unwrap();
    assert!(
        std::fs::metadata(&log).unwrap().len() > 0,
        "the reader still needs it"
    );
    assert_eq!(count, 1_000);
    drop(reader);
    fixture.store.checkpoint().unwrap();
    assert_eq!(std::fs::metadata(&log).unwrap().len(), 0);
}
