//! A Storage Read API of ours: Arrow over gRPC, with real offsets, failing as told.
//!
//! HTTP/2 is hyper's and messages are the client crate's; frames and trailers are put together here, so
//! that each can lack.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use arrow_array::{
    ArrayRef, Decimal128Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow_ipc::writer::{DictionaryTracker, IpcDataGenerator, IpcWriteOptions, write_message};
use bytes::{BufMut, Bytes, BytesMut};
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use gcloud_googleapis::cloud::bigquery::storage::v1 as proto;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{HeaderMap, HeaderValue};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use tokio::net::TcpListener;

/// Rows of a message.
const MESSAGE_ROWS: usize = 500;

/// What goes wrong.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Opening a session fails so, this many times.
    Session {
        code: u16,
        message: &'static str,
        times: usize,
    },
    /// Streams fail so after this many messages, this many times.
    Rows { code: u16, after: usize, times: usize },
    /// Streams end without a status after this many messages, this many times.
    NoStatus { after: usize, times: usize },
    /// Streams end well this many messages early.
    Short(usize),
    /// Messages count a row too many.
    Lie,
    /// Messages hold half of their batch.
    Garble,
}

/// A request for rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rows {
    pub stream: String,
    pub offset: i64,
}

/// A running stub.
pub struct Storage {
    pub port: u16,
    world: Arc<World>,
    task: tokio::task::JoinHandle<()>,
}

struct World {
    rows: usize,
    streams: usize,
    faults: Vec<Fault>,
    /// How often each fault happened.
    happened: Mutex<Vec<usize>>,
    asked: Mutex<Vec<Rows>>,
    sessions: Mutex<Vec<proto::ReadSession>>,
    authorizations: Mutex<Vec<Option<String>>>,
}

impl Storage {
    /// A stub with so many rows of [`crate::rest::Data::people`] in so many streams.
    pub async fn start(rows: usize, streams: usize, faults: Vec<Fault>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let world = Arc::new(World {
            rows,
            streams,
            happened: Mutex::new(vec![0; faults.len()]),
            faults,
            asked: Mutex::default(),
            sessions: Mutex::default(),
            authorizations: Mutex::default(),
        });
        let served = Arc::clone(&world);
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let world = Arc::clone(&served);
                tokio::spawn(async move {
                    let service =
                        hyper::service::service_fn(move |request| answer(request, Arc::clone(&world)));
                    let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self { port, world, task }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The requests for rows so far.
    pub fn asked(&self) -> Vec<Rows> {
        self.world.asked.lock().unwrap().clone()
    }

    /// The sessions asked for so far.
    pub fn sessions(&self) -> Vec<proto::ReadSession> {
        self.world.sessions.lock().unwrap().clone()
    }

    pub fn authorizations(&self) -> Vec<Option<String>> {
        self.world.authorizations.lock().unwrap().clone()
    }
}

impl Drop for Storage {
    fn drop(&mut self) {
        self.task.abort();
    }
}

type Body = StreamBody<BoxStream<'static, Result<Frame<Bytes>, std::io::Error>>>;

async fn answer(request: Request<Incoming>, world: Arc<World>) -> Result<Response<Body>, Infallible> {
    let method = request.uri().path().rsplit('/').next().unwrap().to_owned();
    let authorization = request.headers().get("authorization");
    let authorization = authorization.map(|value| value.to_str().unwrap().to_owned());
    world.authorizations.lock().unwrap().push(authorization);
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let message = body.slice(5..);
    let frames = match method.as_str() {
        "CreateReadSession" => world.session(proto::CreateReadSessionRequest::decode(message).unwrap()),
        "ReadRows" => world.read_rows(&proto::ReadRowsRequest::decode(message).unwrap()),
        other => panic!("{other}"),
    };
    let body: BoxStream<'static, _> = stream::iter(frames.into_iter().map(Ok)).boxed();
    let response = Response::builder()
        .header("content-type", "application/grpc")
        .body(StreamBody::new(body));
    Ok(response.unwrap())
}

fn framed(message: &impl Message) -> Frame<Bytes> {
    let bytes = message.encode_to_vec();
    let mut frame = BytesMut::new();
    frame.put_u8(0);
    frame.put_u32(u32::try_from(bytes.len()).unwrap());
    frame.put_slice(&bytes);
    Frame::data(frame.freeze())
}

fn status(code: u16, message: &str) -> Frame<Bytes> {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from(code));
    trailers.insert("grpc-message", HeaderValue::from_str(message).unwrap());
    Frame::trailers(trailers)
}

impl World {
    /// The first fault of a kind that has not happened often enough.
    fn due<T>(&self, pick: impl Fn(&Fault) -> Option<(T, usize)>) -> Option<T> {
        let mut happened = self.happened.lock().unwrap();
        for (fault, happened) in self.faults.iter().zip(happened.iter_mut()) {
            if let Some((value, times)) = pick(fault)
                && *happened < times
            {
                *happened += 1;
                return Some(value);
            }
        }
        None
    }

    fn session(&self, request: proto::CreateReadSessionRequest) -> Vec<Frame<Bytes>> {
        let session = request.read_session.unwrap();
        self.sessions.lock().unwrap().push(session);
        let fault = self.due(|fault| match fault {
            Fault::Session { code, message, times } => Some(((*code, *message), *times)),
            _ => None,
        });
        if let Some((code, message)) = fault {
            return vec![status(code, message)];
        }
        let (schema, _) = encoded(&people(0..0));
        let answer = proto::ReadSession {
            name: "projects/acme/locations/eu/sessions/s1".into(),
            streams: (0..self.streams)
                .map(|at| proto::ReadStream {
                    name: format!("stream-{at}"),
                })
                .collect(),
            estimated_total_bytes_scanned: 4_096,
            schema: Some(proto::read_session::Schema::ArrowSchema(proto::ArrowSchema {
                serialized_schema: schema,
            })),
            ..proto::ReadSession::default()
        };
        vec![framed(&answer), status(0, "")]
    }

    fn read_rows(&self, request: &proto::ReadRowsRequest) -> Vec<Frame<Bytes>> {
        self.asked.lock().unwrap().push(Rows {
            stream: request.read_stream.clone(),
            offset: request.offset,
        });
        let at: usize = request
            .read_stream
            .strip_prefix("stream-")
            .unwrap()
            .parse()
            .unwrap();
        let share = self.rows.div_ceil(self.streams);
        let (start, end) = (at * share, ((at + 1) * share).min(self.rows));
        let first = start + usize::try_from(request.offset).unwrap();
        let mut frames: Vec<Frame<Bytes>> = (first..end)
            .step_by(MESSAGE_ROWS)
            .map(|from| self.message(from..(from + MESSAGE_ROWS).min(end)))
            .collect();
        let early = self.due(|fault| match fault {
            Fault::Rows { code, after, times } => Some(((*after, Some(*code)), *times)),
            Fault::NoStatus { after, times } => Some(((*after, None), *times)),
            Fault::Short(messages) => Some(((frames.len().saturating_sub(*messages), Some(0)), 1)),
            _ => None,
        });
        match early {
            Some((after, code)) => {
                frames.truncate(after);
                frames.extend(code.map(|code| status(code, "ann@example.com")));
            }
            None => frames.push(status(0, "")),
        }
        frames
    }

    fn message(&self, rows: std::ops::Range<usize>) -> Frame<Bytes> {
        let mut count = i64::try_from(rows.len()).unwrap();
        let (_, mut bytes) = encoded(&people(rows));
        for fault in &self.faults {
            match fault {
                Fault::Lie => count += 1,
                Fault::Garble => bytes.truncate(bytes.len() / 2),
                _ => {}
            }
        }
        framed(&proto::ReadRowsResponse {
            row_count: count,
            rows: Some(proto::read_rows_response::Rows::ArrowRecordBatch(
                proto::ArrowRecordBatch {
                    serialized_record_batch: bytes,
                    ..proto::ArrowRecordBatch::default()
                },
            )),
            ..proto::ReadRowsResponse::default()
        })
    }
}

fn people(rows: std::ops::Range<usize>) -> RecordBatch {
    let ids = || rows.clone().map(|n| i64::try_from(n).unwrap());
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from_iter_values(ids()))),
        (
            "name",
            Arc::new(StringArray::from_iter_values(
                ids().map(|n| format!("name {n} é")),
            )),
        ),
        (
            "seen",
            Arc::new(
                TimestampMicrosecondArray::from_iter_values(ids().map(|n| 1_710_036_000_000_000 + n))
                    .with_timezone("UTC"),
            ),
        ),
        (
            "amount",
            Arc::new(
                Decimal128Array::from_iter_values(ids().map(|n| i128::from(n) * 1_000_000_000 + 500_000_000))
                    .with_precision_and_scale(38, 9)
                    .unwrap(),
            ),
        ),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

/// Schema and batch as messages, the schema with the mark of an end that some servers leave behind it.
#[allow(deprecated, reason = "the newer name is not in every release")]
fn encoded(batch: &RecordBatch) -> (Vec<u8>, Vec<u8>) {
    let options = IpcWriteOptions::default();
    let generator = IpcDataGenerator::default();
    let mut tracker = DictionaryTracker::new(false);
    let mut schema = Vec::new();
    let encoded = generator.schema_to_bytes_with_dictionary_tracker(&batch.schema(), &mut tracker, &options);
    write_message(&mut schema, encoded, &options).unwrap();
    schema.extend_from_slice(&[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
    let (_, encoded) = generator.encoded_batch(batch, &mut tracker, &options).unwrap();
    let mut bytes = Vec::new();
    write_message(&mut bytes, encoded, &options).unwrap();
    (schema, bytes)
}
