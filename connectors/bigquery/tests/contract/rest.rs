//! A BigQuery of ours over REST: true to the wire where the emulator is not (locations, float seconds,
//! jobs that take time, refusals), and failing as told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use serde_json::{Value as Json, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Where the stub's data are; whoever asks elsewhere does not find its jobs.
pub const LOCATION: &str = "europe-west1";

/// One request.
#[derive(Clone, Debug)]
pub struct Asked {
    /// `insert`, `dry_run`, `poll`, `page`, `job`, `cancel`, `query`, `table`, `tables`, `token`,
    /// `permissions` or `other`.
    pub route: &'static str,
    pub path: String,
    pub query: BTreeMap<String, String>,
    pub authorization: Option<String>,
    pub body: Json,
    /// How many of this route came before.
    pub nth: usize,
}

/// One answer.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
    /// The connection is closed after so many bytes of the body.
    pub cut: Option<usize>,
}

impl Reply {
    pub fn json(body: &Json) -> Self {
        Self::text(200, body.to_string())
    }

    pub fn text(status: u16, body: impl Into<String>) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: body.into(),
            cut: None,
        }
    }

    /// A refusal in Google's form.
    pub fn refusal(status: u16, reason: &str, message: &str) -> Self {
        let body = json!({"error": {"code": status, "message": message, "status": "X",
            "errors": [{"domain": "global", "reason": reason, "message": message}]}});
        Self::text(status, body.to_string())
    }

    pub fn html(status: u16) -> Self {
        Self::text(status, "<html><body>The server is on fire</body></html>")
    }

    /// No answer at all.
    pub fn nothing() -> Self {
        Self::html(200).cut_after(0)
    }

    pub fn cut_after(mut self, bytes: usize) -> Self {
        self.cut = Some(bytes);
        self
    }
}

/// What stands in for the usual answer; `None` leaves it.
pub type Odd = dyn Fn(&Asked) -> Option<Reply> + Send + Sync;

/// What the stub has.
#[derive(Clone)]
pub struct Data {
    pub fields: Json,
    pub rows: Arc<Vec<Json>>,
    /// Rows of a page, whatever is asked for.
    pub page: usize,
    /// `TABLE`, `VIEW`, …
    pub table_kind: &'static str,
}

impl Data {
    /// So many rows of an id, a name, an instant (as float seconds) and an amount.
    pub fn people(rows: usize) -> Self {
        let rows = (0..rows)
            .map(|n| {
                json!({"f": [{"v": n.to_string()}, {"v": format!("name {n} é")},
                    {"v": format!("1.71003600{:07}E9", n)}, {"v": format!("{n}.50")}]})
            })
            .collect();
        Self {
            fields: json!([
                {"name": "id", "type": "INTEGER", "mode": "NULLABLE"},
                {"name": "name", "type": "STRING", "mode": "NULLABLE"},
                {"name": "seen", "type": "TIMESTAMP", "mode": "NULLABLE"},
                {"name": "amount", "type": "NUMERIC", "mode": "NULLABLE"},
            ]),
            rows: Arc::new(rows),
            page: 4_000,
            table_kind: "VIEW",
        }
    }

    /// One row of one column.
    pub fn one(field: Json, value: Json) -> Self {
        Self {
            fields: json!([field]),
            rows: Arc::new(vec![json!({"f": [{"v": value}]})]),
            page: 100,
            table_kind: "VIEW",
        }
    }
}

/// A running stub.
pub struct Rest {
    pub port: u16,
    log: Arc<Mutex<Vec<Asked>>>,
    task: tokio::task::JoinHandle<()>,
}

struct World {
    data: Data,
    odd: Box<Odd>,
    log: Arc<Mutex<Vec<Asked>>>,
    jobs: Mutex<BTreeSet<String>>,
}

impl Rest {
    /// A stub with these data, failing as told.
    pub async fn start(data: Data, odd: impl Fn(&Asked) -> Option<Reply> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let log = Arc::new(Mutex::new(Vec::new()));
        let world = Arc::new(World {
            data,
            odd: Box::new(odd),
            log: Arc::clone(&log),
            jobs: Mutex::default(),
        });
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let world = Arc::clone(&world);
                tokio::spawn(async move { serve(stream, &world).await });
            }
        });
        Self { port, log, task }
    }

    /// The requests of a route so far.
    pub fn asked(&self, route: &str) -> Vec<Asked> {
        let log = self.log.lock().unwrap();
        log.iter().filter(|asked| asked.route == route).cloned().collect()
    }

    /// How many requests came.
    pub fn count(&self) -> usize {
        self.log.lock().unwrap().len()
    }
}

impl Drop for Rest {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, world: &World) {
    let Some(asked) = read(&mut stream, world).await else {
        return;
    };
    world.log.lock().unwrap().push(asked.clone());
    // What is asked for happens even where its answer is lost.
    let usual = usual(&asked, world);
    let reply = (world.odd)(&asked).unwrap_or(usual);
    let mut head = format!(
        "HTTP/1.1 {} X\r\ncontent-length: {}\r\nconnection: close\r\ncontent-type: application/json\r\n",
        reply.status,
        reply.body.len()
    );
    for (name, value) in &reply.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    let body = reply.body.as_bytes();
    match reply.cut {
        Some(0) => {}
        Some(bytes) => {
            let _ = stream.write_all(head.as_bytes()).await;
            let _ = stream.write_all(&body[..bytes.min(body.len())]).await;
        }
        None => {
            let _ = stream.write_all(head.as_bytes()).await;
            let _ = stream.write_all(body).await;
        }
    }
    let _ = stream.shutdown().await;
}

async fn read(stream: &mut TcpStream, world: &World) -> Option<Asked> {
    let mut bytes = Vec::new();
    let mut chunk = vec![0; 8 << 10];
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at;
        }
        match stream.read(&mut chunk).await {
            Ok(read @ 1..) => bytes.extend_from_slice(&chunk[..read]),
            _ => return None,
        }
    };
    let head = String::from_utf8(bytes[..head_end].to_vec()).unwrap();
    let header = |name: &str| {
        head.lines().find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then(|| value.to_owned())
        })
    };
    let length: usize = header("content-length").map_or(0, |text| text.parse().unwrap());
    while bytes.len() < head_end + 4 + length {
        match stream.read(&mut chunk).await {
            Ok(read @ 1..) => bytes.extend_from_slice(&chunk[..read]),
            _ => return None,
        }
    }
    let mut line = head.lines().next()?.split(' ');
    let (method, target) = (line.next()?.to_owned(), line.next()?);
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let query: BTreeMap<String, String> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let body = serde_json::from_slice(&bytes[head_end + 4..]).unwrap_or_default();
    let route = route(&method, path, &query, &body);
    let nth = world
        .log
        .lock()
        .unwrap()
        .iter()
        .filter(|asked| asked.route == route)
        .count();
    Some(Asked {
        route,
        path: path.to_owned(),
        query,
        authorization: header("authorization"),
        body,
        nth,
    })
}

fn route(method: &str, path: &str, query: &BTreeMap<String, String>, body: &Json) -> &'static str {
    let path = path.strip_prefix("/bigquery/v2/projects/acme").unwrap_or(path);
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    match (method, parts.as_slice()) {
        ("POST", ["token"]) => "token",
        ("POST", ["v1", "projects", _]) => "permissions",
        ("POST", ["jobs"]) if body["configuration"]["dryRun"] == true => "dry_run",
        ("POST", ["jobs"]) => "insert",
        ("GET", ["jobs", _]) => "job",
        ("POST", ["jobs", _, "cancel"]) => "cancel",
        ("POST", ["queries"]) => "query",
        ("GET", ["queries", _]) if query.get("maxResults").is_some_and(|rows| rows == "0") => "poll",
        ("GET", ["queries", _]) => "page",
        ("GET", ["datasets", _, "tables"]) => "tables",
        ("GET", ["datasets", _, "tables", _]) => "table",
        _ => "other",
    }
}

fn usual(asked: &Asked, world: &World) -> Reply {
    let data = &world.data;
    let id = asked.path.split('/').nth(6).unwrap_or_default();
    if matches!(asked.route, "poll" | "page" | "job" | "cancel") {
        let known = world.jobs.lock().unwrap().contains(id);
        // Jobs of a region are found there alone.
        if !known || asked.query.get("location").map(String::as_str) != Some(LOCATION) {
            return Reply::refusal(404, "notFound", &format!("Not found: Job acme:{id}"));
        }
    }
    match asked.route {
        "dry_run" => Reply::json(
            &json!({"jobReference": {"location": LOCATION}, "status": {"state": "DONE"}, "statistics": {"query": {
            "statementType": "SELECT", "schema": {"fields": data.fields}, "totalBytesProcessed": "1048576"}}}),
        ),
        "insert" => {
            let id = asked.body["jobReference"]["jobId"].as_str().unwrap_or_default();
            if !world.jobs.lock().unwrap().insert(id.to_owned()) {
                return Reply::refusal(409, "duplicate", &format!("Already Exists: Job acme:{id}"));
            }
            Reply::json(&job(id, "RUNNING"))
        }
        "job" => Reply::json(&job(id, "DONE")),
        "cancel" => Reply::json(&json!({"job": job(id, "RUNNING")})),
        "poll" => Reply::json(
            &json!({"jobComplete": true, "totalRows": data.rows.len().to_string(),
            "schema": {"fields": selected(world, id)}}),
        ),
        "page" => page(asked, data),
        "query" => Reply::json(&json!({"jobComplete": true, "totalRows": "1",
            "rows": [{"f": [{"v": "reader@acme.iam.gserviceaccount.com"}]}]})),
        "table" => Reply::json(
            &json!({"type": data.table_kind, "schema": {"fields": data.fields},
            "location": LOCATION}),
        ),
        "tables" => Reply::json(&json!({"tables": [{"tableReference": {"tableId": "people"}}]})),
        "permissions" => Reply::json(&json!({"permissions": ["bigquery.tables.updateData"]})),
        "token" => Reply::json(&json!({"access_token": format!("token-{}", asked.nth), "expires_in": 3600})),
        _ => Reply::html(404),
    }
}

fn job(id: &str, state: &str) -> Json {
    json!({
        "jobReference": {"projectId": "acme", "jobId": id, "location": LOCATION},
        "status": {"state": state},
        "configuration": {"query": {"destinationTable":
            {"projectId": "acme", "datasetId": "_anonymous", "tableId": "result"}}},
        "statistics": {"totalBytesProcessed": "1048576"},
    })
}

/// The fields that the job's SELECT names.
fn selected(world: &World, id: &str) -> Json {
    let log = world.log.lock().unwrap();
    let sql = log
        .iter()
        .find(|asked| asked.route == "insert" && asked.body["jobReference"]["jobId"] == *id)
        .and_then(|asked| asked.body["configuration"]["query"]["query"].as_str())
        .unwrap_or_default()
        .to_owned();
    let fields = world.data.fields.as_array().unwrap();
    let named = |field: &&Json| sql.contains(&format!("`{}`", field["name"].as_str().unwrap()));
    Json::Array(fields.iter().filter(named).cloned().collect())
}

fn page(asked: &Asked, data: &Data) -> Reply {
    let start = match asked.query.get("pageToken") {
        Some(token) => token.strip_prefix("at-").unwrap().parse().unwrap(),
        None => asked
            .query
            .get("startIndex")
            .map_or(0, |start| start.parse().unwrap()),
    };
    let end = (start + data.page).min(data.rows.len());
    let mut page = json!({"jobComplete": true, "totalRows": data.rows.len().to_string(),
        "rows": data.rows[start..end]});
    if end < data.rows.len() {
        page["pageToken"] = json!(format!("at-{end}"));
    }
    Reply::json(&page)
}
