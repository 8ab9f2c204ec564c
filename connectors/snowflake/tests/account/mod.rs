//! A Snowflake account as its drivers see it, with faults to order: log-in, queries that take long, results
//! in files behind links that expire, sessions that end.

mod login;
mod results;
pub mod server;
pub mod sql;
pub mod table;

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use serde_json::{Value, json};

use server::{Asked, Reply, Server, Service};
use table::Table;

pub const USER: &str = "outflow";
pub const PASSWORD: &str = "secret-password-7c1d";
pub const ACCESS_TOKEN: &str = "secret-access-token-91be";
pub const OAUTH_TOKEN: &str = "secret-oauth-token-04fa";

/// How the account gives results.
#[derive(Clone, Debug)]
pub struct Options {
    pub arrow: bool,
    pub inline_rows: usize,
    pub file_rows: usize,
    pub gzip: bool,
    /// Times a query is still running when it is asked for.
    pub polls: usize,
    /// Whether log-in gives a master token.
    pub master: bool,
    /// Links expire after so many files were fetched.
    pub links_last: usize,
    /// How long a file takes.
    pub file_delay: Duration,
    /// Files are made once and kept, as in a storage.
    pub kept: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            arrow: true,
            inline_rows: 2,
            file_rows: 1_000,
            gzip: true,
            polls: 0,
            master: true,
            links_last: usize::MAX,
            file_delay: Duration::ZERO,
            kept: false,
        }
    }
}

/// A fault to order: what happens to requests whose path contains `path`, after `skip` of them, `times` times.
#[derive(Clone, Debug)]
pub struct Fault {
    pub path: &'static str,
    pub skip: usize,
    pub times: usize,
    pub what: What,
}

#[derive(Clone, Debug)]
pub enum What {
    /// An HTML page with this status.
    Html(u16),
    /// The connection is closed after so many bytes of the answer.
    Cut(usize),
    /// The API refuses with this code.
    Code(&'static str),
    /// Another body, with status 200.
    Body(Vec<u8>),
}

#[derive(Default)]
struct State {
    next: u64,
    /// Session tokens and their master tokens.
    sessions: HashMap<String, String>,
    /// Queries by their id.
    queries: HashMap<String, Query>,
    /// Ids of queries by those of the requests that ran them.
    by_request: HashMap<String, String>,
    requests: Vec<Asked>,
    faults: Vec<Fault>,
    /// Links of older generations have expired.
    generation: u64,
    files_fetched: usize,
    aborted: Vec<String>,
    tables: HashMap<String, Arc<Table>>,
    refusals: HashMap<String, (&'static str, &'static str, String)>,
}

struct Query {
    table: Arc<Table>,
    polls_left: usize,
}

/// The account.
pub struct Account {
    pub options: Options,
    state: Mutex<State>,
    budget: AtomicI64,
    address: OnceLock<String>,
    files: Mutex<HashMap<(usize, usize), Vec<u8>>>,
}

/// The account, being served.
pub struct Running {
    pub account: Arc<Account>,
    pub base_url: String,
    _server: Server,
}

impl Account {
    pub async fn start(options: Options) -> Running {
        Self::start_at(0, options).await
    }

    pub async fn start_at(port: u16, options: Options) -> Running {
        let account = Arc::new(Self {
            options,
            state: Mutex::default(),
            budget: AtomicI64::new(i64::MAX),
            address: OnceLock::new(),
            files: Mutex::default(),
        });
        let server = Server::start(port, Arc::clone(&account) as Arc<dyn Service>).await;
        let base_url = format!("http://{}", server.address);
        account.address.set(base_url.clone()).unwrap();
        Running {
            account,
            base_url,
            _server: server,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub fn table(&self, name: &str, table: Table) {
        self.lock().tables.insert(name.to_owned(), Arc::new(table));
    }

    /// Queries that mention `words` are refused.
    pub fn refuse(&self, words: &str, code: &'static str, sql_state: &'static str, message: &str) {
        let refusal = (code, sql_state, message.to_owned());
        self.lock().refusals.insert(words.to_owned(), refusal);
    }

    pub fn fault(&self, path: &'static str, skip: usize, times: usize, what: What) {
        let fault = Fault {
            path,
            skip,
            times,
            what,
        };
        self.lock().faults.push(fault);
    }

    /// Closes every connection after so many bytes of answers, and every later one at once.
    pub fn cut_after(&self, bytes: i64) {
        self.budget.store(bytes, Ordering::SeqCst);
    }

    /// Bytes of answers so far.
    pub fn answered(&self) -> i64 {
        i64::MAX - self.budget.load(Ordering::SeqCst)
    }

    /// Forgets every session, as the server does after hours.
    pub fn forget_sessions(&self) {
        self.lock().sessions.clear();
    }

    pub fn open_sessions(&self) -> usize {
        self.lock().sessions.len()
    }

    pub fn aborted(&self) -> Vec<String> {
        self.lock().aborted.clone()
    }

    /// Requests so far whose path contains this.
    pub fn asked(&self, path: &str) -> Vec<Asked> {
        let requests = &self.lock().requests;
        let found = requests.iter().filter(|asked| asked.path.contains(path));
        found.cloned().collect()
    }

    fn routed(&self, asked: &Asked) -> Reply {
        let path = asked.path.split('?').next().unwrap_or_default();
        match (asked.method.as_str(), path) {
            ("POST", "/session/v1/login-request") => self.log_in(asked),
            ("POST", "/session/token-request") => self.renew(asked),
            ("GET", _) if path.starts_with("/files/") => self.file(asked),
            _ => match self.token(asked) {
                None => refused(
                    "390104",
                    "",
                    "Session no longer exists. New login required.",
                    None,
                ),
                Some(token) => self.in_session(asked, path, &token),
            },
        }
    }

    fn in_session(&self, asked: &Asked, path: &str, token: &str) -> Reply {
        match (asked.method.as_str(), path) {
            ("POST", "/queries/v1/query-request") => self.query(asked),
            ("POST", "/queries/v1/abort-request") => {
                let id = asked.json()["requestId"].as_str().unwrap_or_default().to_owned();
                self.lock().aborted.push(id);
                done(&Value::Null)
            }
            ("POST", "/session") => {
                assert_eq!(asked.parameter("delete").as_deref(), Some("true"));
                self.lock().sessions.remove(token);
                done(&Value::Null)
            }
            ("POST", "/session/heartbeat") => done(&Value::Null),
            ("GET", _) if path.ends_with("/result") => {
                let id = path.split('/').nth(2).unwrap_or_default().to_owned();
                self.result(&id)
            }
            ("GET", _) if path.starts_with("/monitoring/queries/") => {
                done(&json!({"queries": [{"status": "SUCCESS", "stats": {"scanBytes": 4_096}}]}))
            }
            _ => Reply::new(404, "text/html", "<html>Oops! Page not found</html>"),
        }
    }

    fn token(&self, asked: &Asked) -> Option<String> {
        let header = asked.header("authorization")?;
        let token = header.strip_prefix("Snowflake Token=\"")?.strip_suffix('"')?;
        self.lock().sessions.contains_key(token).then(|| token.to_owned())
    }
}

impl Service for Account {
    fn answer(&self, asked: Asked) -> Reply {
        let what = {
            let mut state = self.lock();
            state.requests.push(asked.clone());
            let mut what = None;
            for fault in &mut state.faults {
                if !asked.path.contains(fault.path) {
                    continue;
                }
                if fault.skip > 0 {
                    fault.skip -= 1;
                } else if fault.times > 0 && what.is_none() {
                    fault.times -= 1;
                    what = Some(fault.what.clone());
                }
            }
            what
        };
        match what {
            None => self.routed(&asked),
            Some(What::Html(status)) => Reply::new(status, "text/html", "<html><h1>Oops</h1></html>"),
            Some(What::Code(code)) => refused(code, "", "by order", None),
            Some(What::Body(body)) => Reply::new(200, "application/octet-stream", body),
            Some(What::Cut(bytes)) => {
                let mut reply = self.routed(&asked);
                reply.cut_after = Some(bytes);
                reply
            }
        }
    }

    fn budget(&self) -> &AtomicI64 {
        &self.budget
    }
}

fn done(data: &Value) -> Reply {
    Reply::json(&json!({"data": data, "code": null, "message": null, "success": true}))
}

fn refused(code: &str, sql_state: &str, message: &str, query_id: Option<&str>) -> Reply {
    let data = query_id.map(|id| json!({"errorCode": code, "sqlState": sql_state, "queryId": id}));
    Reply::json(&json!({"data": data, "code": code, "message": message, "success": false}))
}
