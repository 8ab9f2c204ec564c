//! A Snowflake account as its drivers see it, with faults to order: log-in, queries that take long, results
//! in files behind links that expire, sessions that end.

pub mod server;
pub mod sql;
pub mod table;

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use server::{Asked, Reply, Server, Service};
use sql::Said;
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

    fn log_in(&self, asked: &Asked) -> Reply {
        let data = asked.json()["data"].clone();
        let text = |key: &str| data[key].as_str().unwrap_or_default().to_owned();
        if text("LOGIN_NAME") != USER && text("AUTHENTICATOR") != "OAUTH" {
            return refused(
                "390100",
                "",
                "Incorrect username or password was specified.",
                None,
            );
        }
        let good = match text("AUTHENTICATOR").as_str() {
            "SNOWFLAKE" => text("PASSWORD") == PASSWORD,
            "PROGRAMMATIC_ACCESS_TOKEN" => text("TOKEN") == ACCESS_TOKEN,
            "OAUTH" => text("TOKEN") == OAUTH_TOKEN,
            "SNOWFLAKE_JWT" => is_signed(&text("TOKEN"), &text("ACCOUNT_NAME")),
            _ => false,
        };
        let (code, message) = match text("AUTHENTICATOR").as_str() {
            "SNOWFLAKE_JWT" => (
                "390144",
                "JWT token is invalid. [0ce9eb56-821d-4ca9-a774-04ae89a0cf5a]",
            ),
            "OAUTH" => ("390303", "Invalid OAuth access token. [0ce9eb56]"),
            "PROGRAMMATIC_ACCESS_TOKEN" => ("394400", "Programmatic access token is invalid."),
            _ => ("390100", "Incorrect username or password was specified."),
        };
        if !good {
            return refused(code, "", message, None);
        }
        for (parameter, code, message) in [
            (
                "roleName",
                "390189",
                "Role 'NOWHERE' specified in the connect string does not exist or not authorized.",
            ),
            (
                "warehouse",
                "390201",
                "The requested warehouse does not exist or not authorized.",
            ),
            (
                "databaseName",
                "390201",
                "The requested database does not exist or not authorized.",
            ),
        ] {
            if asked.parameter(parameter).as_deref() == Some("nowhere") {
                return refused(code, "", message, None);
            }
        }
        let (token, master) = self.new_tokens();
        let mut data = json!({
            "token": token, "validityInSeconds": 3_599, "sessionId": 1,
            "sessionInfo": {"roleName": "READER", "warehouseName": "LOADING", "databaseName": "DB", "schemaName": null},
        });
        if self.options.master {
            data["masterToken"] = master.into();
            data["masterValidityInSeconds"] = 14_400.into();
        }
        done(&data)
    }

    fn new_tokens(&self) -> (String, String) {
        let mut state = self.lock();
        state.next += 1;
        let token = format!("secret-session-token-{}", state.next);
        let master = format!("secret-master-token-{}", state.next);
        state.sessions.insert(token.clone(), master.clone());
        (token, master)
    }

    fn renew(&self, asked: &Asked) -> Reply {
        let header = asked.header("authorization").unwrap_or_default().to_owned();
        let body = asked.json();
        let old = body["oldSessionToken"].as_str().unwrap_or_default();
        let good = self
            .lock()
            .sessions
            .get(old)
            .is_some_and(|master| header == format!("Snowflake Token=\"{master}\""));
        if !good || body["requestType"] != "RENEW" {
            return refused(
                "390114",
                "",
                "Authentication token has expired. The user must authenticate again.",
                None,
            );
        }
        self.lock().sessions.remove(old);
        let (token, master) = self.new_tokens();
        done(&json!({"sessionToken": token, "masterToken": master, "validityInSecondsST": 3_600}))
    }

    fn query(&self, asked: &Asked) -> Reply {
        let body = asked.json();
        let text = body["sqlText"].as_str().unwrap_or_default();
        let request = asked.parameter("requestId").unwrap_or_default();
        let known = self.lock().by_request.get(&request).cloned();
        if let Some(id) = known {
            return self.result(&id);
        }
        let table = {
            let state = self.lock();
            match sql::answer(text, &state.tables, &state.refusals) {
                Said::Rows(table) => table,
                Said::Refused(code, sql_state, message) => {
                    return refused(code, sql_state, &message, Some("01b2-refused"));
                }
            }
        };
        if body["describeOnly"] == true {
            let described = json!({
                "queryId": "01b2-described", "rowtype": table.rowtype(), "total": 0, "returned": 0,
                "queryResultFormat": "arrow", "rowsetBase64": "",
            });
            return done(&described);
        }
        let id = {
            let mut state = self.lock();
            state.next += 1;
            let id = format!("01b2-{}", state.next);
            let query = Query {
                table,
                polls_left: self.options.polls,
            };
            state.queries.insert(id.clone(), query);
            state.by_request.insert(request, id.clone());
            id
        };
        self.result(&id)
    }

    fn result(&self, id: &str) -> Reply {
        let mut state = self.lock();
        let generation = state.generation;
        let Some(query) = state.queries.get_mut(id) else {
            return refused("000612", "02000", "Result for query ID has expired", Some(id));
        };
        if query.polls_left > 0 {
            query.polls_left -= 1;
            let code = if query.polls_left.is_multiple_of(2) {
                "333334"
            } else {
                "333333"
            };
            return Reply::json(&json!({
                "data": {"getResultUrl": format!("/queries/{id}/result"), "queryAbortsAfterSecs": 300,
                         "queryId": id, "progressDesc": null},
                "code": code, "message": "Query execution in progress.", "success": false,
            }));
        }
        let table = &query.table;
        let inline = self.options.inline_rows.min(table.rows.len());
        let (first, rest) = table.rows.split_at(inline);
        let files: Vec<Value> = rest
            .chunks(self.options.file_rows)
            .enumerate()
            .map(|(at, rows)| {
                let url = format!(
                    "{}/files/{id}/{at}?generation={generation}&sig=secret-signature-77",
                    self.address.get().unwrap()
                );
                let size = self.packed(table, rows, at).len();
                json!({"url": url, "rowCount": rows.len(), "uncompressedSize": 4 * size, "compressedSize": size})
            })
            .collect();
        let mut data = json!({
            "queryId": id, "rowtype": table.rowtype(), "total": table.rows.len(), "returned": table.rows.len(),
            "queryResultFormat": "json", "sqlState": null, "statementTypeId": 4_096, "version": 1,
            "parameters": [{"name": "TIMEZONE", "value": "UTC"}],
        });
        if self.options.arrow {
            data["queryResultFormat"] = "arrow".into();
            let stream = match inline {
                0 => Vec::new(),
                _ => table::arrow_file(&table.columns, first),
            };
            data["rowsetBase64"] = STANDARD.encode(stream).into();
        } else {
            data["rowset"] = table::json_rows(first);
        }
        if !files.is_empty() {
            data["chunks"] = files.into();
            data["chunkHeaders"] = json!({"x-test-key": "secret-chunk-key"});
        }
        done(&data)
    }

    fn packed(&self, table: &Arc<Table>, rows: &[table::Row], at: usize) -> Vec<u8> {
        // Tables do not change once they are there.
        let place = (Arc::as_ptr(table) as usize, at);
        if let Some(file) = self.files.lock().unwrap().get(&place) {
            return file.clone();
        }
        let file = if self.options.arrow {
            table::arrow_file(&table.columns, rows)
        } else {
            table::json_file(rows)
        };
        if self.options.gzip {
            table::gzipped(&file)
        } else {
            file
        }
    }

    fn file(&self, asked: &Asked) -> Reply {
        let mut state = self.lock();
        if asked.parameter("generation") != Some(state.generation.to_string())
            || asked.header("x-test-key") != Some("secret-chunk-key")
            || asked.header("authorization").is_some()
        {
            let body = "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>";
            return Reply::new(403, "application/xml", body);
        }
        state.files_fetched += 1;
        if state.files_fetched.is_multiple_of(self.options.links_last) {
            state.generation += 1;
        }
        let path = asked.path.split('?').next().unwrap_or_default();
        let mut parts = path.split('/').skip(2);
        let id = parts.next().unwrap_or_default();
        let at: usize = parts.next().unwrap_or_default().parse().unwrap();
        let table = &state.queries[id].table;
        let rest = &table.rows[self.options.inline_rows.min(table.rows.len())..];
        let rows = rest.chunks(self.options.file_rows).nth(at).unwrap();
        let mut reply = Reply::new(200, "application/octet-stream", self.packed(table, rows, at));
        reply.delay = self.options.file_delay;
        if self.options.gzip {
            reply.headers.push(("content-encoding", "gzip".to_owned()));
        }
        reply
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

/// Whether a token is one of the test key's, for the test user.
fn is_signed(token: &str, account: &str) -> bool {
    let Some((signed, signature)) = token.rsplit_once('.') else {
        return false;
    };
    let pem = include_str!("../keys/public.pem");
    let der: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let der = STANDARD.decode(der).unwrap();
    // The key itself stands behind 24 bytes that say what it is.
    let key =
        ring::signature::UnparsedPublicKey::new(&ring::signature::RSA_PKCS1_2048_8192_SHA256, &der[24..]);
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap_or_default();
    let claims = signed
        .split('.')
        .nth(1)
        .and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    let claims: Value = claims
        .and_then(|claims| serde_json::from_slice(&claims).ok())
        .unwrap_or_default();
    let fingerprint = include_str!("../keys/fingerprint.txt").trim();
    let subject = format!("{}.{}", account.to_uppercase(), USER.to_uppercase());
    claims["iss"] == format!("{subject}.SHA256:{fingerprint}")
        && claims["sub"] == subject
        && key.verify(signed.as_bytes(), &signature).is_ok()
}
