//! The edge's certificates as files: read at the start, and again whenever one of them has changed.
//!
//! What is in them is judged by the edge; what cannot be served there leaves the old certificates in force.

use std::path::{Path, PathBuf};

use anyhow::Context;
use sallyport_gateway::{
    CertificateFault, CertificateRefused, CertificateSettings, Certificates, PemPair, PemSet,
};
use tokio_util::sync::CancellationToken;

use crate::cli::Places;
use crate::dev_certificates;
use crate::file_watch::FileWatch;
use crate::settings::Settings;

/// Where the certificates of one edge lie.
#[derive(Debug)]
pub(crate) struct CertificateFiles {
    default: Files,
    others: Vec<Files>,
}

#[derive(Debug)]
struct Files {
    chain: PathBuf,
    key: PathBuf,
    names: Vec<String>,
}

impl CertificateFiles {
    /// Those that are configured, else the development certificate of this folder. `None` where there is no TLS door.
    pub(crate) fn of(settings: &Settings, places: &Places) -> anyhow::Result<Option<Self>> {
        if settings.gateway.tls.is_none() {
            return Ok(None);
        }
        let mut configured = settings.gateway.configured_certificates().map(Files::of);
        let default = match configured.next() {
            Some(files) => files,
            None => {
                let development = dev_certificates::ensure(&places.data)?;
                Files {
                    chain: development.chain,
                    key: development.key,
                    names: Vec::new(),
                }
            }
        };
        let others = configured.collect();
        Ok(Some(Self { default, others }))
    }

    /// Reads them for the start.
    ///
    /// # Errors
    /// One that cannot be read or used.
    pub(crate) fn load(&self) -> anyhow::Result<Certificates> {
        let set = self.read().context("reading the certificates")?;
        Certificates::load(&set).context("reading the certificates")
    }

    /// Reads them again whenever they have changed, until `stop`.
    pub(crate) async fn watch(self, certificates: Certificates, stop: CancellationToken) {
        let all = std::iter::once(&self.default).chain(&self.others);
        let paths = all.flat_map(|files| [files.chain.clone(), files.key.clone()]);
        let mut watch = FileWatch::over(paths.collect());
        while stop.run_until_cancelled(watch.changed()).await.is_some() {
            // What was refused has been told; the files are tried again when they change again.
            match self.read() {
                Ok(set) => drop(certificates.swap(&set)),
                Err(error) => certificates.refuse(&error),
            }
        }
    }

    fn read(&self) -> Result<PemSet, CertificateRefused> {
        Ok(PemSet {
            default: self.default.read()?,
            others: self
                .others
                .iter()
                .map(Files::read)
                .collect::<Result<_, _>>()?,
        })
    }
}

impl Files {
    fn of(settings: &CertificateSettings) -> Self {
        Self {
            chain: settings.chain_file.clone(),
            key: settings.key_file.clone(),
            names: settings.names.clone(),
        }
    }

    fn read(&self) -> Result<PemPair, CertificateRefused> {
        let label = self.chain.display().to_string();
        let bytes = |path: &Path| {
            std::fs::read(path).map_err(|error| CertificateRefused {
                label: label.clone(),
                fault: CertificateFault::Files(error),
            })
        };
        Ok(PemPair {
            names: self.names.clone(),
            chain: bytes(&self.chain)?,
            key: bytes(&self.key)?,
            label,
        })
    }
}

#[cfg(test)]
mod tests;
