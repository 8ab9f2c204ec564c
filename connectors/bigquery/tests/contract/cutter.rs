//! A proxy that cuts connections at an exact place of what the server answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};

/// A running proxy.
pub struct Cutter {
    pub port: u16,
    answered: Arc<AtomicU64>,
    task: tokio::task::JoinHandle<()>,
}

impl Cutter {
    /// A proxy before 127.0.0.1:`server`. The whole of what all its connections answer is cut after so many
    /// bytes, `times` times over.
    pub async fn start(server: u16, after: u64, times: u64) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let answered = Arc::new(AtomicU64::new(0));
        let (count, cuts) = (Arc::clone(&answered), Arc::new(AtomicU64::new(0)));
        let task = tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let (count, cuts) = (Arc::clone(&count), Arc::clone(&cuts));
                tokio::spawn(async move {
                    let limit = |before: u64, next: u64| {
                        let due = before + next >= after && cuts.load(Ordering::SeqCst) < times;
                        due.then(|| {
                            cuts.fetch_add(1, Ordering::SeqCst);
                            after.saturating_sub(before)
                        })
                    };
                    carry(client, server, &count, limit).await;
                });
            }
        });
        Self { port, answered, task }
    }

    /// A proxy that cuts nothing and counts.
    pub async fn counting(server: u16) -> Self {
        Self::start(server, u64::MAX, 0).await
    }

    /// Bytes answered by all connections.
    pub fn answered(&self) -> u64 {
        self.answered.load(Ordering::SeqCst)
    }
}

impl Drop for Cutter {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(client: TcpStream, server: u16, count: &AtomicU64, limit: impl Fn(u64, u64) -> Option<u64>) {
    let Ok(server) = TcpStream::connect(("127.0.0.1", server)).await else {
        return;
    };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let upward = tokio::spawn(async move {
        let _ = copy(&mut from_client, &mut to_server).await;
    });
    let mut chunk = vec![0; 16 << 10];
    while let Ok(read @ 1..) = from_server.read(&mut chunk).await {
        let before = count.fetch_add(read as u64, Ordering::SeqCst);
        if let Some(kept) = limit(before, read as u64) {
            let kept = usize::try_from(kept).unwrap().min(read);
            let _ = to_client.write_all(&chunk[..kept]).await;
            break;
        }
        if to_client.write_all(&chunk[..read]).await.is_err() {
            break;
        }
    }
    upward.abort();
    let _ = upward.await;
}
