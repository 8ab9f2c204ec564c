//! Redshift's UNLOAD before a PostgreSQL server, which has none: a proxy that answers it, and the functions
//! that tell of it, itself. Everything else is the server's.
//!
//! It reads the statement as Redshift documents it: quotes doubled, a backslash escaping. That Redshift
//! reads ours so is not proven here.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader, copy};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;

use super::bucket::s3;
use crate::cluster::Cluster;

/// A running proxy.
pub struct Unloading {
    pub port: u16,
    unloads: Arc<AtomicU64>,
    task: tokio::task::JoinHandle<()>,
}

impl Unloading {
    /// A proxy before a cluster, whose UNLOADs go wrong as told.
    pub async fn start(cluster: &'static Cluster, fault: &'static str) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let unloads = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&unloads);
        let task = tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let count = Arc::clone(&count);
                tokio::spawn(async move { carry(client, cluster, fault, &count).await });
            }
        });
        Self { port, unloads, task }
    }

    /// UNLOADs so far.
    pub fn unloads(&self) -> u64 {
        self.unloads.load(Ordering::SeqCst)
    }
}

impl Drop for Unloading {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A connection's way back to the client, which the server and the proxy share.
struct Answers {
    client: Mutex<OwnedWriteHalf>,
    /// How often the server said that it is ready.
    ready: AtomicU64,
}

impl Answers {
    /// Hands an answer of the proxy's own to the client, behind those that the server still owes.
    async fn own(&self, answer: &[u8], owed: u64) -> std::io::Result<()> {
        while self.ready.load(Ordering::SeqCst) < owed {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        self.client.lock().await.write_all(answer).await
    }
}

async fn carry(client: TcpStream, cluster: &'static Cluster, fault: &'static str, unloads: &AtomicU64) {
    let server = TcpStream::connect(("127.0.0.1", cluster.port)).await.unwrap();
    let (mut from_client, to_client) = client.into_split();
    let (from_server, mut to_server) = server.into_split();
    let answers = Arc::new(Answers {
        client: Mutex::new(to_client),
        ready: AtomicU64::new(0),
    });
    let downward = tokio::spawn(downward(from_server, Arc::clone(&answers)));
    let _ = upward(
        &mut from_client,
        &mut to_server,
        &answers,
        cluster,
        fault,
        unloads,
    )
    .await;
    let _ = to_server.shutdown().await;
    downward.abort();
}

/// Messages of the server, one by one.
async fn downward(server: OwnedReadHalf, answers: Arc<Answers>) -> std::io::Result<()> {
    let mut server = BufReader::new(server);
    loop {
        let letter = server.read_u8().await?;
        let length = server.read_u32().await?;
        let mut body = vec![0; length as usize - 4];
        server.read_exact(&mut body).await?;
        answers
            .client
            .lock()
            .await
            .write_all(&message(letter, &body))
            .await?;
        answers
            .ready
            .fetch_add(u64::from(letter == b'Z'), Ordering::SeqCst);
    }
}

/// Messages of the client, one by one.
async fn upward(
    client: &mut OwnedReadHalf,
    server: &mut OwnedWriteHalf,
    answers: &Answers,
    cluster: &'static Cluster,
    fault: &'static str,
    unloads: &AtomicU64,
) -> std::io::Result<()> {
    // The first message has no letter, and logging in ends with the server being ready.
    let length = client.read_u32().await?;
    server.write_u32(length).await?;
    copy(&mut client.take(u64::from(length) - 4), server).await?;
    let (mut owed, mut unloaded) = (1, 0);
    loop {
        let letter = client.read_u8().await?;
        let length = client.read_u32().await?;
        let mut body = vec![0; length as usize - 4];
        client.read_exact(&mut body).await?;
        let text = String::from_utf8_lossy(&body).trim_end_matches('\0').to_owned();
        if letter == b'Q' && text.contains("UNLOAD (") {
            unloads.fetch_add(1, Ordering::SeqCst);
            if fault == "denied" {
                let words = "S3ServiceException:Access Denied,Status 403,Error AccessDenied,Rid X,CanRetry 1";
                answers.own(&refusal(words), owed).await?;
                continue;
            }
            unloaded = tokio::task::block_in_place(|| unload(&text, cluster, fault));
            answers.own(&done(&[]), owed).await?;
        } else if letter == b'Q' && text.contains("pg_last_unload_count()") {
            let counted = if fault == "other count" {
                unloaded + 1
            } else {
                unloaded
            };
            answers.own(&done(&["4711", &counted.to_string()]), owed).await?;
        } else {
            owed += u64::from(matches!(letter, b'Q' | b'S'));
            server.write_all(&message(letter, &body)).await?;
        }
    }
}

/// Does as told and gives the rows.
fn unload(text: &str, cluster: &Cluster, fault: &str) -> u64 {
    let (_, rest) = text.split_once("UNLOAD ('").unwrap();
    let (query, options) = rest.split_once("') TO 's3://").unwrap();
    let query = query.replace("''", "'").replace("\\\\", "\\");
    let (place, options) = options.split_once("/' ").unwrap();
    assert_eq!(
        options,
        "IAM_ROLE default FORMAT AS PARQUET MANIFEST VERBOSE MAXFILESIZE 32 MB REGION 'eu-west-1'"
    );
    let (bucket, folder) = place.split_once('/').unwrap();
    let path = cluster.folder.join(format!("{}.csv", folder.replace('/', "_")));
    cluster.sql(&format!(
        "SET timezone TO 'UTC'; SET extra_float_digits TO 1; \
         COPY ({query}) TO '{}' WITH (FORMAT csv, FORCE_QUOTE *)",
        path.display()
    ));
    let described = cluster.sql(&format!(
        "CREATE TEMP VIEW described AS SELECT * FROM ({query}) AS q; \
         SELECT attname || '|' || format_type(atttypid, atttypmod) FROM pg_attribute \
         WHERE attrelid = 'described'::regclass AND attnum > 0 ORDER BY attnum"
    ));
    let columns: Vec<(&str, &str)> = described
        .lines()
        .map(|line| line.split_once('|').unwrap())
        .collect();
    let rows = s3().ask(
        &json!({"do": "unload", "bucket": bucket, "folder": folder, "columns": columns,
        "path": path, "fault": fault}),
    );
    std::fs::remove_file(path).unwrap();
    rows.as_u64().unwrap()
}

fn message(letter: u8, body: &[u8]) -> Vec<u8> {
    let mut message = vec![letter];
    message.extend_from_slice(&(body.len() as u32 + 4).to_be_bytes());
    message.extend_from_slice(body);
    message
}

/// The end of a statement, with one row of texts before it.
fn done(cells: &[&str]) -> Vec<u8> {
    let mut answer = Vec::new();
    if !cells.is_empty() {
        let count = (cells.len() as u16).to_be_bytes();
        let (mut head, mut row) = (count.to_vec(), count.to_vec());
        for cell in cells {
            head.extend_from_slice(b"c\0");
            // No table, type text of any length, as text.
            head.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 25, 255, 255, 255, 255, 255, 255, 0, 0]);
            row.extend_from_slice(&(cell.len() as u32).to_be_bytes());
            row.extend_from_slice(cell.as_bytes());
        }
        answer.extend(message(b'T', &head));
        answer.extend(message(b'D', &row));
    }
    answer.extend(message(b'C', b"UNLOAD\0"));
    answer.extend(message(b'Z', b"I"));
    answer
}

fn refusal(words: &str) -> Vec<u8> {
    let body = format!("SERROR\0CXX000\0M{words}\0\0");
    let mut answer = message(b'E', body.as_bytes());
    answer.extend(message(b'Z', b"I"));
    answer
}
