//! Results by the Storage Read API: Arrow over gRPC, several streams at once, each taken up again where
//! it broke (<https://cloud.google.com/bigquery/docs/reference/storage/rpc>).
//!
//! The messages are those of `gcloud-googleapis`; connections, tokens and time-outs are ours.

use std::sync::Arc;
use std::time::Duration;

use arrow_buffer::Buffer;
use gcloud_googleapis::cloud::bigquery::storage::v1 as proto;
use outflow_sdk::{ConnectorError, ErrorKind};
use proto::big_query_read_client::BigQueryReadClient;
use proto::read_session::TableReadOptions;
use tonic::transport::{Channel, ClientTlsConfig, Endpoint};
use tonic::{Code, Request, Status, Streaming};

use crate::api::{Api, jittered};
use crate::failure::passing;

/// Streams read at once. One already outruns the diff, several even out slow ones, and each may hold messages
/// of many megabytes.
const STREAMS: i32 = 3;
/// Largest message taken, in bytes; BigQuery's own limit is 128 MB.
const LARGEST_MESSAGE: usize = 128 << 20;
/// What may be on its way to a reader that waits, in bytes, for a stream and for all.
const STREAM_WINDOW: u32 = 2 << 20;
const CONNECTION_WINDOW: u32 = 8 << 20;
/// Time for a connection, for a session, and for the next message of a stream.
const CONNECT: Duration = Duration::from_secs(10);
const SESSION: Duration = Duration::from_secs(60);
pub(crate) const MESSAGE: Duration = Duration::from_secs(120);
/// A connection that is silent that long is asked whether it is still there.
const KEEPALIVE: Duration = Duration::from_secs(30);
/// Pauses before what failed in passing is tried again.
pub(crate) const PAUSES: [Duration; 4] = [
    Duration::from_millis(100),
    Duration::from_millis(500),
    Duration::from_secs(2),
    Duration::from_secs(8),
];
/// Marks the end of an Arrow stream; one behind a schema would end it before its first batch.
const END_OF_STREAM: [u8; 8] = [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];

/// The API of one source.
#[derive(Clone)]
pub(crate) struct Storage {
    api: Arc<Api>,
    client: BigQueryReadClient<Channel>,
}

/// A session: a table as it is now, in streams.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) name: String,
    /// The Arrow schema of every stream, as a message.
    pub(crate) schema: Buffer,
    pub(crate) streams: Vec<String>,
    /// An estimate of what it reads.
    pub(crate) bytes: Option<u64>,
}

impl Storage {
    /// A client of the API at `url`; connects when it is used.
    ///
    /// # Errors
    /// `Config` when the address is none or TLS cannot be set up.
    pub(crate) fn new(api: &Arc<Api>, url: &str) -> Result<Self, ConnectorError> {
        let wrong = |error: tonic::transport::Error| {
            let reason = innermost(&error);
            ConnectorError::config("bigquery_settings", format!("{url}: cannot be used: {reason}"))
                .with_hint("check `storage_base_url:` of the source")
        };
        let mut endpoint = Endpoint::from_shared(url.to_owned())
            .map_err(wrong)?
            .connect_timeout(CONNECT)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .http2_keep_alive_interval(KEEPALIVE)
            .keep_alive_timeout(CONNECT)
            .tcp_nodelay(true);
        if url.starts_with("https://") {
            endpoint = endpoint
                .tls_config(ClientTlsConfig::new().with_enabled_roots())
                .map_err(wrong)?;
        }
        let client =
            BigQueryReadClient::new(endpoint.connect_lazy()).max_decoding_message_size(LARGEST_MESSAGE);
        Ok(Self {
            api: Arc::clone(api),
            client,
        })
    }

    /// Opens a session over these columns of a table, tried again while it fails in passing.
    ///
    /// # Errors
    /// Whatever keeps it from being opened; the result may be had by REST then.
    pub(crate) async fn open(&self, table: &str, columns: &[String]) -> Result<Session, ConnectorError> {
        let message = proto::CreateReadSessionRequest {
            parent: format!("projects/{}", self.api.settings.project),
            read_session: Some(proto::ReadSession {
                table: table.to_owned(),
                data_format: proto::DataFormat::Arrow.into(),
                read_options: Some(TableReadOptions {
                    selected_fields: columns.to_vec(),
                    ..TableReadOptions::default()
                }),
                ..proto::ReadSession::default()
            }),
            max_stream_count: STREAMS,
            preferred_min_stream_count: 0,
        };
        let route = format!("read_session.table={table}");
        let mut pauses = PAUSES.into_iter();
        let mut renewed = false;
        loop {
            let asked = self.request(message.clone(), &route).await?;
            let mut client = self.client.clone();
            let answer = tokio::time::timeout(SESSION, client.create_read_session(asked)).await;
            let status = match answer {
                Ok(Ok(session)) => return opened(session.into_inner()),
                Ok(Err(status)) => status,
                Err(_) => Status::deadline_exceeded("no session"),
            };
            if status.code() == Code::Unauthenticated && !renewed {
                self.forget_token().await;
                renewed = true;
                continue;
            }
            match pauses.next().filter(|_| is_passing(&status)) {
                Some(pause) => tokio::time::sleep(jittered(pause)).await,
                None => return Err(told(&status, self.host())),
            }
        }
    }

    /// The messages of a stream from its row `offset` on.
    pub(crate) async fn rows(
        &self,
        stream: &str,
        offset: u64,
    ) -> Result<Streaming<proto::ReadRowsResponse>, StreamFault> {
        let message = proto::ReadRowsRequest {
            read_stream: stream.to_owned(),
            offset: i64::try_from(offset).unwrap_or(i64::MAX),
        };
        let route = format!("read_stream={stream}");
        let asked = self.request(message, &route).await.map_err(StreamFault::Told)?;
        let mut client = self.client.clone();
        match tokio::time::timeout(SESSION, client.read_rows(asked)).await {
            Ok(Ok(streaming)) => Ok(streaming.into_inner()),
            Ok(Err(status)) => Err(StreamFault::Status(status)),
            Err(_) => Err(StreamFault::Status(Status::deadline_exceeded("no rows"))),
        }
    }

    /// Forgets the token, because it was refused.
    pub(crate) async fn forget_token(&self) {
        if let Some(tokens) = &self.api.tokens {
            tokens.forget().await;
        }
    }

    /// The server, as messages name it.
    pub(crate) fn host(&self) -> &str {
        let url = self.api.settings.storage_url.as_deref().unwrap_or_default();
        url.split_once("://").map_or(url, |(_, host)| host)
    }

    async fn request<T>(&self, message: T, route: &str) -> Result<Request<T>, ConnectorError> {
        let mut request = Request::new(message);
        let odd = |_| crate::api::internal("a request's header has something that no header may have");
        let metadata = request.metadata_mut();
        metadata.insert("x-goog-request-params", route.parse().map_err(odd)?);
        if let Some(tokens) = &self.api.tokens {
            let mut bearer: tonic::metadata::AsciiMetadataValue =
                tokens.bearer().await?.parse().map_err(odd)?;
            bearer.set_sensitive(true);
            metadata.insert("authorization", bearer);
        }
        Ok(request)
    }
}

/// Why a stream gave no more.
pub(crate) enum StreamFault {
    Status(Status),
    /// Already told.
    Told(ConnectorError),
}

fn opened(session: proto::ReadSession) -> Result<Session, ConnectorError> {
    let Some(proto::read_session::Schema::ArrowSchema(schema)) = session.schema else {
        return Err(ConnectorError::new(
            ErrorKind::Contract,
            "unexpected_answer",
            "a read session came without an Arrow schema",
        ));
    };
    let mut bytes = schema.serialized_schema;
    if bytes.ends_with(&END_OF_STREAM) {
        bytes.truncate(bytes.len() - END_OF_STREAM.len());
    }
    Ok(Session {
        name: session.name,
        schema: bytes.into(),
        streams: session.streams.into_iter().map(|stream| stream.name).collect(),
        bytes: u64::try_from(session.estimated_total_bytes_scanned)
            .ok()
            .filter(|bytes| *bytes > 0),
    })
}

/// Whether the same call may succeed at once.
pub(crate) fn is_passing(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::Unavailable
            | Code::DeadlineExceeded
            | Code::Aborted
            | Code::Internal
            | Code::Unknown
            | Code::Cancelled
            | Code::ResourceExhausted
            | Code::DataLoss
    )
}

/// A status in our words. Its own are repeated for a permission alone.
pub(crate) fn told(status: &Status, host: &str) -> ConnectorError {
    let words = status.message().lines().next().unwrap_or_default();
    match status.code() {
        Code::PermissionDenied => {
            ConnectorError::new(ErrorKind::Auth, "permission_denied", format!("{host}: {words}"))
                .with_hint("grant the principal roles/bigquery.readSessionUser on the project of `project:`")
        }
        Code::Unauthenticated => ConnectorError::new(
            ErrorKind::Auth,
            "credentials_refused",
            format!("{host}: the access token is refused"),
        )
        .with_hint("check `credentials:` of the source"),
        code if is_passing(status) => {
            let reason = match cause(status) {
                Some(cause) => cause,
                None => format!("{code:?}"),
            };
            passing("storage_unavailable", format!("{host}: gives no rows: {reason}")).with_hint(
                "run it again later; check `storage_base_url:`, proxies and firewalls if it stays so",
            )
        }
        code => ConnectorError::new(
            ErrorKind::Source { transient: false },
            "storage_refused",
            format!("{host}: the Storage Read API refuses the table ({code:?})"),
        )
        .with_hint("results also come by REST: leave `storage_base_url:` out beside a `base_url:`"),
    }
}

/// What broke the connection, if anything did.
fn cause(status: &Status) -> Option<String> {
    std::error::Error::source(status).map(innermost)
}

fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
