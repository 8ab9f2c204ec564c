//! Events: each key is sent once, whatever happens on the way.

use std::sync::Arc;
use std::time::Duration;

use outflow::state::{Access, RunStatus, Store};
use outflow::sync::report::RunReport;
use outflow_sandbox::mailchimp::{AUDIENCE, Fault, FaultKind, Options, Status, Twin};

use crate::bench_project::runner_of;

const MAPPING: &str = "
sync: orders
source: lake
model: { table: orders }
key: id
destination: news
object: events
audience: a1b2c3d4e5
match: email_address
mode: append
fields:
  email_address: email
  name: { value: purchased }
  total: total
";

const ORDERS: &str = "id,email,total\n1,ann@domain.tld,10\n2,bob@domain.tld,20\n";

struct Shop {
    folder: tempfile::TempDir,
    twin: Twin,
}

impl Shop {
    async fn new() -> Self {
        let twin = Twin::start(Options::default()).await.unwrap();
        for email in ["ann@domain.tld", "bob@domain.tld"] {
            twin.put_member(AUDIENCE, email, Status::Subscribed, &[]).unwrap();
        }
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        std::fs::create_dir_all(root.join("data")).unwrap();
        std::fs::create_dir_all(root.join("mappings")).unwrap();
        std::fs::write(root.join("key"), "0123456789abcdef0123456789abcdef-us1").unwrap();
        let outflow = format!(
            "sources: {{ lake: {{ type: lake, path: ./data }} }}\ndestinations:\n  news: {{ type: mailchimp, \
             api_key: \"${{file:{}}}\", base_url: \"{}\" }}\n",
            root.join("key").display(),
            twin.base_url()
        );
        std::fs::write(root.join("outflow.yaml"), outflow).unwrap();
        std::fs::write(root.join("mappings/orders.yaml"), MAPPING).unwrap();
        let shop = Self { folder, twin };
        shop.orders(ORDERS);
        shop
    }

    fn orders(&self, rows: &str) {
        std::fs::write(self.folder.path().join("data/orders.csv"), rows).unwrap();
    }

    async fn run(&self) -> RunReport {
        self.twin.clear_requests();
        let runner = runner_of(self.folder.path());
        let sync = Arc::clone(&runner.stage.project.syncs[0]);
        let report = runner.run(&sync).await;
        assert!(report.error.is_none(), "{:?}", report.error);
        assert_eq!(report.tally.accounted(), report.tally.read, "{:?}", report.tally);
        report
    }

    fn events(&self, name: &str) -> usize {
        self.twin.events(AUDIENCE, &format!("{name}@domain.tld")).len()
    }

    /// Requests of the last run that sent an event.
    fn sent(&self) -> usize {
        let requests = self.twin.requests();
        requests.iter().filter(|request| request.method == "POST").count()
    }

    fn store(&self) -> Store {
        Store::open(&self.folder.path().join(".outflow"), Access::Write).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_key_is_sent_once_and_changes_are_not_sent() {
    let shop = Shop::new().await;
    assert_eq!(shop.run().await.tally.created, 2);
    shop.orders("id,email,total\n1,ann@domain.tld,99\n3,ann@domain.tld,30\n");
    let tally = shop.run().await.tally;
    assert_eq!((tally.created, tally.unchanged), (1, 1));
    assert_eq!((shop.events("ann"), shop.events("bob")), (2, 1));
    shop.orders(ORDERS);
    assert_eq!(
        shop.run().await.tally.unchanged,
        2,
        "a row that comes back was sent before"
    );
    assert_eq!(shop.twin.requests().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_without_an_answer_is_held_until_a_person_decides() {
    let shop = Shop::new().await;
    shop.twin.inject(Fault::on("/events", FaultKind::CutAfter));
    let report = shop.run().await;
    assert_eq!((report.tally.created, report.tally.held), (1, 1));
    assert_eq!((report.status, report.exit() as u8), (RunStatus::Rejects, 1));
    let report = shop.run().await;
    assert_eq!((report.tally.unchanged, report.tally.held), (1, 1));
    assert_eq!((report.exit() as u8, shop.sent()), (1, 0));
    assert_eq!(shop.events("ann") + shop.events("bob"), 2, "it had arrived");

    // Its row leaves the model and comes back: the doubt is the same.
    shop.orders("id,email,total\n");
    shop.run().await;
    shop.orders(ORDERS);
    assert_eq!(shop.run().await.tally.held, 1);

    let (key, sync) = {
        let store = shop.store();
        let open = store.rejects(Some("orders"), None, 9).unwrap();
        assert_eq!(open.len(), 1);
        (open[0].reject.key, store.sync("orders").unwrap().unwrap())
    };
    shop.store().retry(sync.id, Some(&[key]), 0).unwrap();
    assert_eq!(shop.run().await.tally.created, 1, "a person asked for it");
    assert_eq!(shop.run().await.tally.unchanged, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_whose_answer_comes_too_late_is_held_and_not_sent_twice() {
    let shop = Shop::new().await;
    let file = shop.folder.path().join("outflow.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(
        &file,
        text.replace("type: mailchimp,", "type: mailchimp, timeout: 1s,"),
    )
    .unwrap();
    let slow = FaultKind::Latency {
        time: Duration::from_secs(20),
    };
    shop.twin.inject(Fault::on("/events", slow));
    let report = shop.run().await;
    assert_eq!((report.tally.created, report.tally.held), (1, 1));
    let open = shop.store().rejects(Some("orders"), None, 9).unwrap();
    assert_eq!(open[0].reject.code, "no_answer");
    let report = shop.run().await;
    assert_eq!((report.tally.unchanged, report.tally.held), (1, 1));
    assert_eq!((report.exit() as u8, shop.sent()), (1, 0));
    assert_eq!(shop.events("ann") + shop.events("bob"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_dies_before_the_answer_leaves_its_events_in_doubt() {
    let shop = Shop::new().await;
    let slow = FaultKind::Latency {
        time: Duration::from_secs(30),
    };
    shop.twin.inject(Fault::on("/events", slow).times(2));
    let runner = runner_of(shop.folder.path());
    let sync = Arc::clone(&runner.stage.project.syncs[0]);
    let dying = tokio::spawn(async move { runner.run(&sync).await });
    while shop.twin.in_flight() < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    dying.abort();
    assert!(dying.await.unwrap_err().is_cancelled());
    shop.twin.clear_faults();
    let report = shop.run().await;
    assert_eq!((report.tally.held, shop.sent()), (2, 0), "{:?}", report.tally);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_was_turned_away_is_not_in_doubt() {
    let shop = Shop::new().await;
    shop.twin
        .inject(Fault::on("/events", FaultKind::Connections429).times(1));
    assert_eq!(shop.run().await.tally.created, 2);
    shop.orders("id,email,total\n7,nobody@domain.tld,10\n");
    let report = shop.run().await;
    assert_eq!(
        (report.tally.rejected, report.tally.held),
        (1, 0),
        "no such member"
    );
    let open = shop.store().rejects(Some("orders"), None, 9).unwrap();
    assert_eq!(open[0].reject.code, "unknown_member");
}
