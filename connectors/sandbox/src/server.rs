//! The HTTP/1.1 server under every twin.
//!
//! It is hyper without a framework because a twin must be able to do what a framework forbids:
//! close a connection without an answer, or in the middle of one.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

/// Largest request body read; more is answered with 413.
const MAX_BODY: usize = 32 << 20;
/// Time between the half of a truncated answer and the end of its connection, so that the half arrives.
const HALF_ANSWER_PAUSE: Duration = Duration::from_millis(20);

/// One request, read whole.
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// How the connection goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The whole answer is sent.
    Whole,
    /// The connection is closed without a byte.
    Cut,
    /// The header and half of the body are sent, then the connection is closed.
    Truncated,
}

/// One answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) content_type: &'static str,
    pub(crate) body: Bytes,
    pub(crate) ending: Ending,
}

impl Answer {
    pub(crate) fn new(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            headers: Vec::new(),
            content_type,
            body: body.into(),
            ending: Ending::Whole,
        }
    }

    /// A connection closed without an answer.
    pub(crate) fn cut() -> Self {
        Self {
            ending: Ending::Cut,
            ..Self::new(StatusCode::OK, "", Bytes::new())
        }
    }

    /// Adds a header; a value that no header can carry is left out.
    pub(crate) fn set(&mut self, name: &'static str, value: &str) {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((HeaderName::from_static(name), value));
        }
    }
}

/// What a twin does with a request.
pub(crate) trait Service: Send + Sync + 'static {
    fn answer(&self, request: Asked) -> impl Future<Output = Answer> + Send;
}

/// A running server; dropping it closes the port and every connection.
pub(crate) struct Server {
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl Server {
    /// Binds `listen` and serves until dropped.
    pub(crate) async fn start<S: Service>(listen: SocketAddr, service: Arc<S>) -> io::Result<Self> {
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        let accepting = tokio::spawn(accept(listener, service));
        Ok(Self { address, accepting })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept<S: Service>(listener: TcpListener, service: Arc<S>) {
    // Owned by this task: when it is aborted, so is every connection.
    let mut connections = JoinSet::new();
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(10)).await;
                continue;
            }
        };
        let _ = stream.set_nodelay(true);
        let service = Arc::clone(&service);
        connections.spawn(async move {
            let handler = service_fn(|request| exchange(Arc::clone(&service), request));
            // An error here is a client that went away or a cut we were asked for.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), handler)
                .await;
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn exchange<S: Service>(
    service: Arc<S>,
    request: Request<Incoming>,
) -> Result<Response<AnswerBody>, io::Error> {
    let (head, body) = request.into_parts();
    let answer = match Limited::new(body, MAX_BODY).collect().await {
        Ok(body) => {
            let asked = Asked {
                method: head.method,
                uri: head.uri,
                headers: head.headers,
                body: body.to_bytes(),
            };
            service.answer(asked).await
        }
        Err(_) => Answer::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "text/plain",
            "request body too large\n",
        ),
    };
    if answer.ending == Ending::Cut {
        return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "cut on request"));
    }
    let mut response = Response::new(AnswerBody::new(answer.body, answer.ending));
    *response.status_mut() = answer.status;
    if !answer.content_type.is_empty() {
        response
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static(answer.content_type));
    }
    for (name, value) in answer.headers {
        response.headers_mut().append(name, value);
    }
    Ok(response)
}

/// A body that may end halfway.
struct AnswerBody {
    data: Option<Bytes>,
    announced: u64,
    break_off: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl AnswerBody {
    fn new(body: Bytes, ending: Ending) -> Self {
        let announced = body.len() as u64;
        let (data, break_off) = match ending {
            Ending::Truncated => {
                let half = body.slice(..body.len() / 2);
                (half, Some(Box::pin(tokio::time::sleep(HALF_ANSWER_PAUSE))))
            }
            Ending::Whole | Ending::Cut => (body, None),
        };
        Self {
            data: (!data.is_empty()).then_some(data),
            announced,
            break_off,
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Some(data) = self.data.take() {
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        match self.break_off.as_mut() {
            None => Poll::Ready(None),
            Some(pause) => match pause.as_mut().poll(context) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(()) => Poll::Ready(Some(Err(io::Error::other("broken off on request")))),
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_none() && self.break_off.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.announced)
    }
}
