//! One file of a result, from where the account's region keeps it.

use std::io::Read;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use flate2::read::MultiGzDecoder;
use outflow_sdk::ConnectorError;

/// A server that is silent that long is given up.
const SILENCE: Duration = Duration::from_secs(30);
/// The largest file that is read, in bytes.
const MAX_FILE: usize = 1 << 30;
/// What gzip files begin with.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Fetches files. They stay as they are stored, compressed, until they are read: that is what bounds memory.
#[derive(Clone, Debug)]
pub(crate) struct Fetcher {
    client: reqwest::Client,
}

/// Why there is no file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NoFile {
    /// The link is not good any more (or never was).
    Refused(u16),
    /// Trying again may work.
    Passing(String),
}

impl Fetcher {
    /// A client with connection reuse and no redirects.
    ///
    /// # Errors
    /// `Config` when the TLS set-up of the machine cannot be used.
    pub(crate) fn new() -> Result<Self, ConnectorError> {
        let client = reqwest::Client::builder()
            .user_agent(concat!("outflow/", env!("CARGO_PKG_VERSION")))
            .no_gzip()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(10))
            .read_timeout(SILENCE)
            .tcp_nodelay(true)
            .build()
            .map_err(|error| {
                ConnectorError::config(
                    "tls_setup",
                    format!("cannot set up HTTPS: {}", error.without_url()),
                )
            })?;
        Ok(Self { client })
    }

    /// The file behind a link.
    pub(crate) async fn get(&self, url: &str, headers: &[(String, String)]) -> Result<Bytes, NoFile> {
        let mut request = self.client.get(url);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        // The link carries its authorization: errors are told without it.
        let passing = |error: reqwest::Error| NoFile::Passing(innermost(&error.without_url()));
        let mut response = request.send().await.map_err(passing)?;
        match response.status().as_u16() {
            200 => {}
            status @ (408 | 429 | 500..=599) => return Err(NoFile::Passing(format!("HTTP {status}"))),
            status => return Err(NoFile::Refused(status)),
        }
        let mut file = BytesMut::new();
        while let Some(piece) = response.chunk().await.map_err(passing)? {
            if file.len() + piece.len() > MAX_FILE {
                return Err(NoFile::Passing("the file is larger than 1 GiB".into()));
            }
            file.extend_from_slice(&piece);
        }
        Ok(file.freeze())
    }
}

/// What is in a file, appended to `out`; as it is when it is not compressed.
///
/// # Errors
/// When it is damaged, cut short, or larger than a gibibyte.
pub(crate) fn unpack(file: &[u8], out: &mut Vec<u8>) -> std::io::Result<()> {
    if !file.starts_with(&GZIP) {
        out.extend_from_slice(file);
        return Ok(());
    }
    let limit = MAX_FILE as u64;
    let read = MultiGzDecoder::new(file).take(limit).read_to_end(out)?;
    if read as u64 == limit {
        return Err(std::io::Error::other("larger than 1 GiB"));
    }
    Ok(())
}

/// The deepest cause, in a few words.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    #[test]
    fn a_file_is_unpacked_whole_or_not_at_all() {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(&[7; 10_000]).unwrap();
        let packed = encoder.finish().unwrap();
        let mut out = vec![1];
        unpack(&packed, &mut out).unwrap();
        assert_eq!((out.len(), out[0]), (10_001, 1));
        for cut in [packed.len() - 1, packed.len() / 2, 12] {
            assert!(unpack(&packed[..cut], &mut Vec::new()).is_err(), "{cut}");
        }
        let mut damaged = packed.clone();
        let at = damaged.len() - 6;
        damaged[at] ^= 1;
        assert!(unpack(&damaged, &mut Vec::new()).is_err());
        let mut plain = Vec::new();
        unpack(b"plain", &mut plain).unwrap();
        assert_eq!(plain, b"plain");
    }
}
