//! One model, three destinations: each gets what changed and nothing else.

use std::sync::Arc;

use outflow::state::Tally;
use outflow_sandbox::hubspot;
use outflow_sandbox::mailchimp::{self, AUDIENCE, Status};
use outflow_sandbox::marketing_cloud::{self, Column, ColumnType};

use crate::bench_project::runner_of;

const MAPPINGS: [(&str, &str); 3] = [
    (
        "crm",
        "sync: crm\nsource: lake\nmodel: { table: customers }\nkey: id\ndestination: crm\nobject: contacts\n\
         match: email\nmode: mirror\nremoved: archive\n\
         fields: { email: email, firstname: first, city: city }\n",
    ),
    (
        "news",
        "sync: news\nsource: lake\nmodel: { table: customers }\nkey: id\ndestination: news\nobject: members\n\
         audience: a1b2c3d4e5\nmatch: email_address\nmode: mirror\nremoved: unsubscribe\n\
         status_if_new: subscribed\ncreate_fields: true\n\
         fields: { email_address: email, FNAME: first, CITY: city }\n",
    ),
    (
        "sfmc",
        "sync: sfmc\nsource: lake\nmodel: { table: customers }\nkey: id\ndestination: sfmc\n\
         data_extension: customers\nmatch: Email\nmode: mirror\nremoved: delete\n\
         fields: { Email: email, FirstName: first, City: city, Since: { column: since, as: date } }\n",
    ),
];

struct World {
    folder: tempfile::TempDir,
    crm: hubspot::Twin,
    news: mailchimp::Twin,
    sfmc: marketing_cloud::Twin,
}

/// Requests that may have changed something.
struct Sent {
    crm: Vec<String>,
    news: Vec<String>,
    sfmc: Vec<String>,
}

impl World {
    async fn new() -> Self {
        let crm = hubspot::Twin::start(hubspot::Options::default()).await.unwrap();
        let news = mailchimp::Twin::start(mailchimp::Options::default())
            .await
            .unwrap();
        let sfmc = marketing_cloud::Twin::start(marketing_cloud::Options::default())
            .await
            .unwrap();
        sfmc.define(
            "customers",
            vec![
                Column::new("Email", ColumnType::EmailAddress).primary(),
                Column::new("FirstName", ColumnType::Text).length(50, 0),
                Column::new("City", ColumnType::Text).length(50, 0),
                Column::new("Since", ColumnType::Date),
            ],
        );
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        std::fs::create_dir_all(root.join("data")).unwrap();
        std::fs::create_dir_all(root.join("mappings")).unwrap();
        let secret = |name: &str, text: &str| {
            std::fs::write(root.join(name), text).unwrap();
            format!("\"${{file:{}}}\"", root.join(name).display())
        };
        let outflow = format!(
            "sources: {{ lake: {{ type: lake, path: ./data }} }}\ndestinations:\n  \
             crm: {{ type: hubspot, token: {}, base_url: \"{}\", limits: none }}\n  \
             news: {{ type: mailchimp, api_key: {}, base_url: \"{}\" }}\n  \
             sfmc: {{ type: marketing_cloud, client_id: sandbox-client, client_secret: {}, base_url: \"{}\" }}\n",
            secret("token", "pat-na1-sandbox"),
            crm.base_url(),
            secret("key", "0123456789abcdef0123456789abcdef-us1"),
            news.base_url(),
            secret("secret", "sandbox-secret"),
            sfmc.base_url(),
        );
        std::fs::write(root.join("outflow.yaml"), outflow).unwrap();
        for (name, mapping) in MAPPINGS {
            std::fs::write(root.join(format!("mappings/{name}.yaml")), mapping).unwrap();
        }
        Self {
            folder,
            crm,
            news,
            sfmc,
        }
    }

    fn model(&self, rows: impl IntoIterator<Item = (u32, String, &'static str)>) {
        let rows: String = rows
            .into_iter()
            .map(|(id, email, city)| format!("{id},{email},Name {id},{city},2024-02-29\n"))
            .collect();
        let text = format!("id,email,first,city,since\n{rows}");
        std::fs::write(self.folder.path().join("data/customers.csv"), text).unwrap();
    }

    /// Runs every sync, in the order of their names.
    async fn run(&self) -> ([Tally; 3], Sent) {
        self.crm.clear_requests();
        self.news.clear_requests();
        self.sfmc.clear_requests();
        let runner = runner_of(self.folder.path());
        let mut tallies = [Tally::default(); 3];
        for (tally, sync) in tallies.iter_mut().zip(&runner.stage.project.syncs) {
            let report = runner.run(&Arc::clone(sync)).await;
            assert!(report.error.is_none(), "{}: {:?}", sync.name, report.error);
            assert_eq!(report.tally.accounted(), report.tally.read + report.removals);
            *tally = report.tally;
        }
        let bodies = |method: &str, path: &str, body: &[u8]| {
            (method != "GET").then(|| format!("{path} {}", String::from_utf8_lossy(body)))
        };
        let sent = Sent {
            crm: self
                .crm
                .requests()
                .iter()
                .filter_map(|one| bodies(&one.method, &one.path, &one.body))
                .collect(),
            news: self
                .news
                .requests()
                .iter()
                .filter_map(|one| bodies(&one.method, &one.path, &one.body))
                .collect(),
            sfmc: self
                .sfmc
                .requests()
                .iter()
                .filter(|one| {
                    one.path != "/v2/token"
                        && !String::from_utf8_lossy(&one.body).contains("<RetrieveRequest>")
                })
                .filter_map(|one| bodies(&one.method, &one.path, &one.body))
                .collect(),
        };
        (tallies, sent)
    }
}

fn address(id: u32) -> String {
    format!("person{id}@domain.tld")
}

fn everybody() -> Vec<(u32, String, &'static str)> {
    (1..=120).map(|id| (id, address(id), "Oslo")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_destination_gets_what_changed_and_nothing_else() {
    let world = World::new().await;
    world.model(everybody());
    let (tallies, _) = world.run().await;
    assert_eq!(tallies.map(|tally| tally.created), [120; 3]);
    assert_eq!(world.crm.contacts().len(), 120);
    assert_eq!(world.news.count(AUDIENCE, Status::Subscribed), 120);
    assert_eq!((world.sfmc.count("customers"), world.sfmc.jobs()), (120, 1));
    let row = [("Email", address(7))];
    let row: Vec<(&str, &str)> = row.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(
        world.sfmc.value("customers", &row, "Since").unwrap(),
        "2/29/2024 12:00:00 AM"
    );

    let (tallies, sent) = world.run().await;
    assert_eq!(tallies.map(|tally| tally.unchanged), [120; 3]);
    assert_eq!(tallies.map(|tally| tally.requests), [0; 3]);
    assert!(sent.crm.is_empty() && sent.news.is_empty() && sent.sfmc.is_empty());
    assert!(world.sfmc.requests().is_empty(), "not even a token is asked for");

    // One attribute of one customer.
    let mut rows = everybody();
    rows[6].2 = "Rome";
    world.model(rows.clone());
    let (tallies, sent) = world.run().await;
    assert_eq!(tallies.map(|tally| tally.updated), [1; 3]);
    for bodies in [&sent.crm, &sent.news, &sent.sfmc] {
        let [body] = bodies.as_slice() else {
            panic!("{bodies:?}")
        };
        assert!(body.contains("Rome") && !body.contains("Name 7"), "{body}");
    }
    assert_eq!(world.sfmc.value("customers", &row, "City").unwrap(), "Rome");
    assert_eq!(
        world.sfmc.value("customers", &row, "FirstName").unwrap(),
        "Name 7"
    );

    // A new address is the same person; a customer who left follows each sync's rule.
    rows[41].1 = "new42@domain.tld".into();
    rows.remove(98);
    world.model(rows.clone());
    let (tallies, _) = world.run().await;
    assert_eq!(tallies.map(|tally| (tally.updated, tally.removed)), [(1, 1); 3]);
    assert_eq!(world.crm.contacts().len(), 119);
    assert!(world.crm.contact("new42@domain.tld").is_some() && world.crm.contact(&address(42)).is_none());
    assert!(world.news.member(AUDIENCE, &address(42)).is_none());
    assert_eq!(
        world
            .news
            .member(AUDIENCE, "new42@domain.tld")
            .unwrap()
            .get("FNAME"),
        Some("Name 42")
    );
    assert_eq!(world.news.count(AUDIENCE, Status::Unsubscribed), 1);
    assert_eq!(world.sfmc.count("customers"), 119);
    assert_eq!(
        world
            .sfmc
            .value("customers", &[("Email", "new42@domain.tld")], "FirstName")
            .unwrap(),
        "Name 42"
    );
    assert!(
        world
            .sfmc
            .value("customers", &[("Email", &address(42))], "City")
            .is_none()
    );
    let (tallies, _) = world.run().await;
    assert_eq!(
        tallies.map(|tally| (tally.unchanged, tally.requests)),
        [(119, 0); 3]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_who_unsubscribed_is_subscribed_again() {
    let world = World::new().await;
    world
        .news
        .put_member(AUDIENCE, &address(3), Status::Subscribed, &[])
        .unwrap();
    world.news.unsubscribe(AUDIENCE, &address(3)).unwrap();
    world
        .news
        .put_member(AUDIENCE, &address(4), Status::Subscribed, &[])
        .unwrap();
    world.news.forget(AUDIENCE, &address(4)).unwrap();
    world.model(everybody());
    let (tallies, _) = world.run().await;
    let news = tallies[1];
    assert_eq!((news.suppressed, news.rejected), (1, 0), "{news:?}");
    assert_eq!(world.news.count(AUDIENCE, Status::Subscribed), 118);
    assert_eq!(world.news.count(AUDIENCE, Status::Unsubscribed), 1);
    let (tallies, sent) = world.run().await;
    assert_eq!(tallies[1].suppressed, 1);
    assert!(sent.news.is_empty(), "a suppressed row sleeps");
}
