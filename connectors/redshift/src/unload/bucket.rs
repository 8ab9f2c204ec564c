//! The bucket: files are fetched from it, and removed.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};
use outflow_sdk::{ConnectorError, ErrorKind};
use tokio::time::timeout;

use super::place::Place;

/// Time for one request; a file of some 32 MB must come within it.
const REQUEST: Duration = Duration::from_secs(120);
/// Time in which a request that fails in passing is made again.
const PATIENCE: Duration = Duration::from_secs(60);
/// Time to remove the files of a read.
const REMOVAL: Duration = Duration::from_secs(30);

/// A bucket of S3, or of a server that speaks its protocol.
#[derive(Debug)]
pub(crate) struct Bucket {
    store: AmazonS3,
    address: String,
}

/// Why there is no file.
#[derive(Debug)]
pub(crate) enum NoFile {
    /// It is not there.
    Missing,
    /// The key may not read it.
    Denied,
    /// It is larger or smaller than was said.
    Length(u64),
    /// No answer, or none that can be used.
    Unreachable,
}

impl From<object_store::Error> for NoFile {
    /// The library's words hold addresses and what the server answered, which may name keys.
    fn from(error: object_store::Error) -> Self {
        use object_store::Error;
        match error {
            Error::NotFound { .. } => NoFile::Missing,
            Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => NoFile::Denied,
            // A list that is refused is not told apart but by S3's own words.
            other => match words(&other) {
                said if said.contains("NoSuchBucket") => NoFile::Missing,
                said if said.contains("AccessDenied") || said.contains("403 Forbidden") => NoFile::Denied,
                _ => NoFile::Unreachable,
            },
        }
    }
}

/// What an error and all its causes say.
fn words(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect()
}

impl Bucket {
    /// The bucket of a place.
    ///
    /// # Errors
    /// `Config` when its address is none.
    pub(crate) fn new(place: &Place) -> Result<Self, ConnectorError> {
        let mut builder = match &place.key {
            Some(key) => {
                let builder = AmazonS3Builder::new()
                    .with_access_key_id(key.id.expose())
                    .with_secret_access_key(key.secret.expose());
                match &key.session_token {
                    Some(token) => builder.with_token(token.expose()),
                    None => builder,
                }
            }
            None => AmazonS3Builder::from_env(),
        };
        let mut options = ClientOptions::new()
            .with_timeout(REQUEST)
            .with_connect_timeout(Duration::from_secs(10));
        if let Some(endpoint) = &place.endpoint {
            builder = builder.with_endpoint(endpoint);
            options = options.with_allow_http(endpoint.starts_with("http://"));
        }
        let store = builder
            .with_client_options(options)
            .with_region(&place.region)
            .with_bucket_name(&place.bucket)
            .with_retry(RetryConfig {
                backoff: BackoffConfig {
                    init_backoff: Duration::from_millis(200),
                    max_backoff: Duration::from_secs(5),
                    base: 2.0,
                },
                max_retries: 4,
                retry_timeout: PATIENCE,
            })
            .build()
            .map_err(|_| {
                ConnectorError::config(
                    "unload_bucket",
                    format!("{}: cannot be used as a bucket of S3", place.address()),
                )
                .with_hint("check `to:`, `region:` and `endpoint:` of `unload:`")
            })?;
        Ok(Self {
            store,
            address: place.address(),
        })
    }

    /// A small file.
    pub(crate) async fn small(&self, key: &str) -> Result<Bytes, NoFile> {
        Ok(self.store.get(&Path::from(key)).await?.bytes().await?)
    }

    /// A file of so many bytes.
    pub(crate) async fn file(&self, key: &str, bytes: u64) -> Result<Bytes, NoFile> {
        let got = self.store.get(&Path::from(key)).await?;
        if got.meta.size != bytes {
            return Err(NoFile::Length(got.meta.size));
        }
        let mut file = BytesMut::with_capacity(usize::try_from(bytes).unwrap_or_default());
        let mut pieces = got.into_stream();
        while let Some(piece) = pieces.next().await {
            file.extend_from_slice(&piece?);
        }
        match file.len() as u64 {
            read if read == bytes => Ok(file.freeze()),
            read => Err(NoFile::Length(read)),
        }
    }

    /// Whether files could be listed and read here.
    ///
    /// # Errors
    /// What is wrong with the bucket, the key or the way there.
    pub(crate) async fn check(&self, folder: &str) -> Result<(), ConnectorError> {
        let prefix = Path::from(folder);
        let mut listed = self.store.list((!folder.is_empty()).then_some(&prefix));
        match listed.next().await {
            None | Some(Ok(_)) => Ok(()),
            Some(Err(error)) => match NoFile::from(error) {
                NoFile::Missing => Err(ConnectorError::config(
                    "missing_bucket",
                    format!("{}: there is no such bucket", self.address),
                )
                .with_hint("check `to:`, `region:` and `endpoint:` of `unload:`")),
                why => Err(self.told("its list of files", &why)),
            },
        }
    }

    /// Removes every file of a folder, if that can be done soon; what stays is for the bucket's own rules.
    pub(crate) async fn remove(&self, folder: &str) {
        let folder = Path::from(folder);
        let removing = async {
            let listed = self.store.list(Some(&folder));
            let files = listed.map(|listed| listed.map(|file| file.location)).boxed();
            let mut removed = self.store.delete_stream(files);
            while removed.next().await.is_some() {}
        };
        let _ = timeout(REMOVAL, removing).await;
    }

    /// Why `what` cannot be had, in our words.
    pub(crate) fn told(&self, what: &str, why: &NoFile) -> ConnectorError {
        let transient = ErrorKind::Source { transient: true };
        let unused = "nothing of this read is used";
        let address = &self.address;
        match why {
            NoFile::Denied => ConnectorError::new(
                ErrorKind::Auth,
                "bucket_denied",
                format!("{address}: the access key may not read {what}"),
            )
            .with_hint(
                "the key of `unload:` needs s3:GetObject and s3:DeleteObject on the folder, and s3:ListBucket on the \
                 bucket; the README of this source has the policy",
            ),
            NoFile::Missing => ConnectorError::new(
                transient,
                "unload_file_missing",
                format!("{address}: {what} is not there; {unused}"),
            )
            .with_hint("does the bucket exist, and does a rule or another program remove files from this folder?"),
            NoFile::Length(read) => ConnectorError::new(
                transient,
                "unload_file_damaged",
                format!("{address}: {what} has {read} bytes, and Redshift wrote another number; {unused}"),
            )
            .with_hint("run it again; does another program write to this folder?"),
            NoFile::Unreachable => ConnectorError::new(
                transient,
                "bucket_unreachable",
                format!("{address}: no usable answer to a request for {what}; {unused}"),
            )
            .with_hint("run it again; if it stays so, check `region:` and `endpoint:` of `unload:`, proxies and firewalls"),
        }
    }
}
