//! A proxy that spoils what a server answers, at an exact place.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};

/// What is done to the answers of a connection.
#[derive(Clone, Copy, Debug)]
pub enum Spoil {
    /// Nothing.
    Nothing,
    /// The connection is closed after so many bytes.
    CutAfter(u64),
    /// The row of this number, from 0, is left out.
    DropRow(u64),
}

/// A running proxy.
pub struct Cutter {
    pub port: u16,
    /// Bytes the last connection answered.
    answered: Arc<AtomicU64>,
    task: tokio::task::JoinHandle<()>,
}

impl Cutter {
    /// A proxy before 127.0.0.1:`server`. Each of its connections in turn is spoilt as told, later ones
    /// like the last.
    pub async fn start(server: u16, spoils: Vec<Spoil>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let answered = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&answered);
        let task = tokio::spawn(async move {
            let mut number = 0;
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let spoil = spoils[number.min(spoils.len() - 1)];
                number += 1;
                let count = Arc::clone(&count);
                tokio::spawn(async move { carry(client, server, spoil, count).await });
            }
        });
        Self { port, answered, task }
    }

    pub fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }
}

impl Drop for Cutter {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(client: TcpStream, server: u16, spoil: Spoil, count: Arc<AtomicU64>) {
    let server = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let upward = tokio::spawn(async move {
        let _ = copy(&mut from_client, &mut to_server).await;
    });
    count.store(0, Ordering::Relaxed);
    let mut rows = 0;
    let mut pending = Vec::new();
    let mut chunk = vec![0; 16 << 10];
    while let Ok(read @ 1..) = from_server.read(&mut chunk).await {
        pending.extend_from_slice(&chunk[..read]);
        let mut out = Vec::new();
        match spoil {
            Spoil::DropRow(unlucky) => {
                // Whole messages: a letter, a length that counts itself, the rest.
                while let Some(header) = pending.get(1..5) {
                    let length = 1 + u32::from_be_bytes(header.try_into().unwrap()) as usize;
                    if pending.len() < length {
                        break;
                    }
                    let message: Vec<u8> = pending.drain(..length).collect();
                    let is_row = message[0] == b'D';
                    if !(is_row && rows == unlucky) {
                        out.extend_from_slice(&message);
                    }
                    rows += u64::from(is_row);
                }
            }
            _ => out.append(&mut pending),
        }
        let before = count.fetch_add(out.len() as u64, Ordering::Relaxed);
        if let Spoil::CutAfter(limit) = spoil
            && before + out.len() as u64 >= limit
        {
            out.truncate(usize::try_from(limit - before).unwrap());
            let _ = to_client.write_all(&out).await;
            break;
        }
        if to_client.write_all(&out).await.is_err() {
            break;
        }
    }
    upward.abort();
    let _ = upward.await;
}
