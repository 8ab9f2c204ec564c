//! Sends messages as they come, to each target by itself: one that does not answer keeps no other waiting.
//!
//! Messages wait in the state until they are sent, so that none is lost by a restart and none is sent
//! twice but for an answer that got lost. Each target gets its own in order.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use outflow_sdk::http::Exchange;
use tokio::sync::{Notify, watch};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};

use super::edition::Edition;
use super::notify::{Sent, send};
use crate::deliver::Clock;
use crate::state::{Notice, Store};

/// Time until what could not be sent is tried again; it doubles each time.
const AGAIN: Duration = Duration::from_secs(30);
const AGAIN_AT_MOST: Duration = Duration::from_secs(900);

/// A message that could not be sent for so long is of no use any more, milliseconds.
const TOO_OLD_MS: i64 = 86_400_000;

/// What messages are sent with.
#[derive(Clone)]
pub(super) struct Messenger {
    pub(super) store: Arc<Store>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) exchange: Arc<dyn Exchange>,
    pub(super) edition: watch::Receiver<Arc<Edition>>,
    /// There is something new to be sent.
    pub(super) news: Arc<Notify>,
}

/// How one target stands.
struct Line {
    /// The task that sends to it.
    busy: Option<Id>,
    /// The newest message that was tried. A newer one is tried at once.
    tried: i64,
    /// When what failed is tried again, and how long after that.
    again: Instant,
    wait: Duration,
}

impl Line {
    fn new() -> Self {
        Self {
            busy: None,
            tried: 0,
            again: Instant::now(),
            wait: AGAIN,
        }
    }

    fn over(&mut self, sent: bool) {
        self.busy = None;
        if sent {
            *self = Self {
                tried: self.tried,
                ..Self::new()
            };
        } else {
            self.again = Instant::now() + self.wait;
            self.wait = AGAIN_AT_MOST.min(self.wait * 2);
        }
    }
}

/// The lines of all targets that something waits for.
struct Lines {
    messenger: Messenger,
    by_target: HashMap<String, Line>,
    /// Whether all of a target's messages are done with.
    sending: JoinSet<bool>,
}

impl Messenger {
    /// Sends for as long as the daemon lives.
    pub(super) async fn run(self) {
        let news = Arc::clone(&self.news);
        let mut lines = Lines {
            messenger: self,
            by_target: HashMap::new(),
            sending: JoinSet::new(),
        };
        loop {
            let wake = lines.start();
            tokio::select! {
                () = news.notified() => {}
                Some(over) = lines.sending.join_next_with_id(), if !lines.sending.is_empty() => lines.over(over),
                () = until(wake) => {}
            }
        }
    }

    /// Sends a target's messages in order, up to one that fails; whether there is none.
    async fn send_all(self, notices: Vec<Notice>) -> bool {
        for notice in notices {
            if !self.send_one(&notice).await {
                return false;
            }
            if let Err(error) = self.store.forget_notice(notice.id) {
                tracing::error!(%error, "cannot write down that an alert was sent");
                return false;
            }
        }
        true
    }

    /// Whether the message is done with.
    async fn send_one(&self, notice: &Notice) -> bool {
        let edition = Arc::clone(&self.edition.borrow());
        let target = edition
            .project
            .alerts
            .iter()
            .find(|target| target.name == notice.target);
        let Some(target) = target else { return true };
        let now_ms = self.clock.now_ms();
        let reason = match send(self.exchange.as_ref(), target, &notice.text, now_ms).await {
            Ok(Sent::All) => return true,
            Ok(Sent::Partly(reason)) => {
                tracing::warn!(alert = notice.target, reason, "an alert did not reach everybody");
                return true;
            }
            Err(reason) => reason,
        };
        let too_old = now_ms - notice.written_ms > TOO_OLD_MS;
        tracing::warn!(
            alert = notice.target,
            reason,
            given_up = too_old,
            "an alert could not be sent"
        );
        too_old
    }
}

impl Lines {
    /// Starts sending to every target whose turn it is; when to look again.
    fn start(&mut self) -> Option<Instant> {
        match self.messenger.store.notices() {
            Ok(notices) => self.start_those(notices),
            Err(error) => {
                tracing::error!(%error, "messages cannot be read from the state");
                Some(Instant::now() + AGAIN)
            }
        }
    }

    fn start_those(&mut self, notices: Vec<Notice>) -> Option<Instant> {
        let mut waiting: BTreeMap<String, Vec<Notice>> = BTreeMap::new();
        for notice in notices {
            waiting.entry(notice.target.clone()).or_default().push(notice);
        }
        self.by_target
            .retain(|target, line| line.busy.is_some() || waiting.contains_key(target));
        let now = Instant::now();
        let mut wake: Option<Instant> = None;
        for (target, notices) in waiting {
            let newest = notices.last().map_or(0, |notice| notice.id);
            let line = self.by_target.entry(target).or_insert_with(Line::new);
            if line.busy.is_some() {
                continue;
            }
            if newest <= line.tried && now < line.again {
                wake = Some(wake.map_or(line.again, |before| before.min(line.again)));
                continue;
            }
            line.tried = newest;
            let work = self.messenger.clone().send_all(notices);
            line.busy = Some(self.sending.spawn(work).id());
        }
        wake
    }

    fn over(&mut self, over: Result<(Id, bool), JoinError>) {
        let (id, sent) = over.unwrap_or_else(|error| {
            tracing::error!(%error, "sending an alert ended by a bug");
            (error.id(), false)
        });
        let mut lines = self.by_target.values_mut();
        if let Some(line) = lines.find(|line| line.busy == Some(id)) {
            line.over(sent);
        }
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Mutex;

    use async_trait::async_trait;
    use bytes::Bytes;
    use outflow_sdk::http::{ExchangeError, HttpRequest, HttpResponse};
    use outflow_sdk::secret::Secret;
    use tempfile::TempDir;
    use tokio::time::sleep;

    use super::*;
    use crate::deliver::VirtualClock;
    use crate::project::{AlertTarget, AlertWay, LoadOptions, Trouble, load};
    use crate::registry;
    use crate::state::Access;

    /// Targets by their addresses: `dead` answers 503 after a while, `shaky` does so at once the first
    /// time, and all others take everything.
    #[derive(Default)]
    struct Town {
        /// Who got what, and the refused too.
        calls: Mutex<Vec<(String, String, bool)>>,
    }

    #[async_trait]
    impl Exchange for Town {
        async fn exchange(&self, request: HttpRequest) -> Result<HttpResponse, ExchangeError> {
            let (_, name) = request.url.rsplit_once('/').unwrap();
            if name == "dead" {
                sleep(Duration::from_secs(10)).await;
            }
            let mut calls = self.calls.lock().unwrap();
            let first = calls.iter().all(|(known, ..)| known != name);
            let taken = name != "dead" && !(name == "shaky" && first);
            let text = String::from_utf8(request.body.to_vec()).unwrap();
            calls.push((name.to_owned(), text, taken));
            Ok(HttpResponse {
                status: if taken { 200 } else { 503 },
                headers: Vec::new(),
                body: Bytes::new(),
            })
        }
    }

    impl Town {
        fn taken(&self, name: &str) -> Vec<String> {
            let calls = self.calls.lock().unwrap();
            let of = calls.iter().filter(|(known, _, taken)| known == name && *taken);
            of.map(|(_, text, _)| text.clone()).collect()
        }
    }

    struct Post {
        town: Arc<Town>,
        store: Arc<Store>,
        news: Arc<Notify>,
        _edition: watch::Sender<Arc<Edition>>,
        _folder: TempDir,
    }

    impl Post {
        fn start() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("outflow.yaml");
            std::fs::write(file, "sources: {}\ndestinations: {}\n").unwrap();
            let registry = registry::built_in();
            let loaded = load(folder.path(), LoadOptions::new(&registry, false));
            let mut edition = Edition::of(loaded).unwrap();
            let project = Arc::get_mut(&mut edition.project).unwrap();
            project.alerts = ["dead", "shaky", "well"].map(target).into();
            let store = Arc::new(Store::open(&project.state, Access::Write).unwrap());
            let (sender, receiver) = watch::channel(Arc::new(edition));
            let post = Self {
                town: Arc::default(),
                store,
                news: Arc::default(),
                _edition: sender,
                _folder: folder,
            };
            let messenger = Messenger {
                store: Arc::clone(&post.store),
                clock: Arc::new(VirtualClock::starting_at(0)),
                exchange: Arc::clone(&post.town) as _,
                edition: receiver,
                news: Arc::clone(&post.news),
            };
            tokio::spawn(messenger.run());
            post
        }

        fn tell(&self, target: &str, text: &str) {
            let notice = Notice {
                id: 0,
                target: target.to_owned(),
                text: text.to_owned(),
                written_ms: 0,
            };
            self.store.change_alerts(&[], &[], &[notice]).unwrap();
            self.news.notify_one();
        }
    }

    fn target(name: &str) -> AlertTarget {
        AlertTarget {
            name: name.to_owned(),
            way: AlertWay::Slack {
                url: Secret::new(format!("https://hooks.example/{name}")),
            },
            on: Trouble::ALL.to_vec(),
            syncs: None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_target_that_does_not_answer_keeps_no_other_waiting() {
        let post = Post::start();
        post.tell("dead", "one");
        post.tell("well", "two");
        post.tell("well", "three");
        sleep(Duration::from_secs(1)).await;
        assert_eq!(post.town.taken("well"), ["two", "three"]);
        // However long it has been dead.
        sleep(Duration::from_secs(7_200)).await;
        post.tell("shaky", "four");
        sleep(AGAIN + Duration::from_secs(1)).await;
        assert_eq!(post.town.taken("shaky"), ["four"]);
        let waiting = post.store.notices().unwrap();
        let waiting: Vec<&str> = waiting.iter().map(|notice| notice.text.as_str()).collect();
        assert_eq!(waiting, ["one"]);
        // Every 15 minutes in the end.
        let tries = post
            .town
            .calls
            .lock()
            .unwrap()
            .iter()
            .filter(|(name, ..)| name == "dead")
            .count();
        assert!((9..14).contains(&tries), "{tries} tries");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_told_while_another_message_waits_keeps_its_order() {
        let post = Post::start();
        post.tell("shaky", "one");
        sleep(Duration::from_secs(1)).await;
        assert!(post.town.taken("shaky").is_empty());
        post.tell("shaky", "two");
        sleep(Duration::from_secs(1)).await;
        assert_eq!(
            post.town.taken("shaky"),
            ["one", "two"],
            "tried at once with the newer one"
        );
        assert!(post.store.notices().unwrap().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_is_given_up_after_a_day() {
        let post = Post::start();
        post.tell("dead", "one");
        sleep(Duration::from_secs(86_400 - 3_600)).await;
        assert_eq!(post.store.notices().unwrap().len(), 1);
        sleep(Duration::from_secs(7_200)).await;
        assert!(post.store.notices().unwrap().is_empty());
    }
}
