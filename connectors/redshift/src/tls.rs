//! TLS of a connection: whom it trusts.

use std::path::Path;
use std::sync::Arc;

use outflow_sdk::ConnectorError;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::config::{Settings, TlsMode};

/// How connections are made and cancelled.
#[derive(Clone)]
pub(crate) enum Tls {
    /// In the clear.
    Off,
    /// Encrypted.
    On(MakeRustlsConnect),
}

impl Tls {
    /// TLS as the settings ask for it.
    ///
    /// # Errors
    /// `Config` when `ca_file` cannot be read or holds no certificate.
    pub(crate) fn new(settings: &Settings) -> Result<Self, ConnectorError> {
        let extra = match &settings.ca_file {
            Some(file) => certificates(file, &settings.connection)?,
            None => Vec::new(),
        };
        if settings.tls == TlsMode::Disable {
            return Ok(Tls::Off);
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(set_up)?;
        let config = match settings.tls {
            TlsMode::VerifyFull => builder
                .with_root_certificates(roots(extra, true))
                .with_no_client_auth(),
            _ => {
                let chain = if extra.is_empty() {
                    None
                } else {
                    let roots = Arc::new(roots(extra, false));
                    let verifier = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider));
                    Some(verifier.build().map_err(set_up)?)
                };
                builder
                    .dangerous()
                    .with_custom_certificate_verifier(Arc::new(Encrypted { chain, provider }))
                    .with_no_client_auth()
            }
        };
        Ok(Tls::On(MakeRustlsConnect::new(config)))
    }
}

fn set_up(error: impl std::fmt::Display) -> ConnectorError {
    ConnectorError::config("tls_setup", format!("cannot set up TLS: {error}"))
}

fn certificates(file: &Path, connection: &str) -> Result<Vec<CertificateDer<'static>>, ConnectorError> {
    let wrong = |what: &str| {
        ConnectorError::config(
            "ca_file",
            format!("source '{connection}': `ca_file` {} {what}", file.display()),
        )
        .with_hint("it is a PEM file: -----BEGIN CERTIFICATE-----")
    };
    let certificates = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| match error {
            rustls::pki_types::pem::Error::Io(error) => wrong(&format!("cannot be read: {error}")),
            _ => wrong("is no PEM file"),
        })?;
    let mut store = RootCertStore::empty();
    let (added, _) = store.add_parsable_certificates(certificates.iter().cloned());
    if added == 0 {
        return Err(wrong("holds no certificate"));
    }
    Ok(certificates)
}

fn roots(extra: Vec<CertificateDer<'static>>, public: bool) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(extra);
    if public {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        // A machine without certificates of its own still has those above.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    roots
}

/// `require`: encryption for its own sake. With a `ca_file` the chain is checked, the name is not.
#[derive(Debug)]
struct Encrypted {
    chain: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Encrypted {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(chain) = &self.chain else {
            return Ok(ServerCertVerified::assertion());
        };
        match chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
