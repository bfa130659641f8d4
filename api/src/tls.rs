//! The server's certificate and key, read again when the process is told to (SIGHUP).

use crate::{config::Args, server::Refused};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use std::{
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::aws_lc_rs},
};

/// What connections are secured with.
pub struct Tls {
    cert: PathBuf,
    key: PathBuf,
    config: RwLock<Arc<ServerConfig>>,
}

impl Tls {
    /// Reads what the flags name; none if they name nothing.
    ///
    /// # Errors
    /// One flag without the other, or a file that cannot be used; the message names it.
    pub fn open(args: &Args) -> Result<Option<Self>, Refused> {
        let (cert, key) = match (&args.tls_cert, &args.tls_key) {
            (Some(cert), Some(key)) => (cert.clone(), key.clone()),
            (None, None) => return Ok(None),
            (Some(_), None) => return Err(Refused::new("--tls-cert is of no use without --tls-key".to_owned())),
            (None, Some(_)) => return Err(Refused::new("--tls-key is of no use without --tls-cert".to_owned())),
        };
        let config = RwLock::new(read(&cert, &key).map_err(Refused::new)?);
        Ok(Some(Self { cert, key, config }))
    }

    /// For the next connection.
    pub fn acceptor(&self) -> TlsAcceptor {
        self.config.read().unwrap_or_else(PoisonError::into_inner).clone().into()
    }

    /// Reads both files again. Blocks. Connections that are open go on as they are; where the files cannot be used, so do
    /// new ones.
    pub fn reload(&self) {
        match read(&self.cert, &self.key) {
            Ok(config) => {
                *self.config.write().unwrap_or_else(PoisonError::into_inner) = config;
                tracing::info!(file = %self.cert.display(), "read the certificate again");
            }
            Err(reason) => tracing::error!(reason, "the certificate before stays in use"),
        }
    }
}

fn read(cert: &Path, key: &Path) -> Result<Arc<ServerConfig>, String> {
    let unusable = |flag: &str, path: &Path, reason: String| format!("{flag} {}: {reason}", path.display());
    let chain = CertificateDer::pem_file_iter(cert).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain = chain.map_err(|error| unusable("--tls-cert", cert, error.to_string()))?;
    if chain.is_empty() {
        return Err(unusable("--tls-cert", cert, "there is no certificate in it (PEM)".to_owned()));
    }
    let key_read = PrivateKeyDer::from_pem_file(key);
    let key_read = key_read.map_err(|error| unusable("--tls-key", key, error.to_string()))?;
    let builder = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(|error| error.to_string())?;
    let config = builder.with_no_client_auth().with_single_cert(chain, key_read);
    let mut config =
        config.map_err(|error| unusable("--tls-key", key, format!("does not go with the certificate: {error}")))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
