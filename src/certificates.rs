//! The edge's certificates as files: read at the start, and again whenever one of them has changed.
//!
//! What is in them is judged by the edge; what cannot be served there leaves the old certificates in force.

use std::path::{Path, PathBuf};

use anyhow::Context;
use sallyport_gateway::{
    Acme, CertificateFault, CertificateRefused, CertificateSettings, Certificates, PemPair, PemSet,
};
use tokio_util::sync::CancellationToken;

use crate::cli::Places;
use crate::dev_certificates;
use crate::file_watch::FileWatch;
use crate::settings::Settings;

/// Where the certificates of one edge lie.
#[derive(Debug)]
pub(crate) struct CertificateFiles {
    configured: Vec<Files>,
    /// From an authority; they may not be there yet.
    given: Vec<Files>,
    /// Shown while there is no other.
    development: Option<Files>,
}

#[derive(Debug)]
struct Files {
    chain: PathBuf,
    key: PathBuf,
    names: Vec<String>,
}

impl CertificateFiles {
    /// Those that are configured, then those of an authority; without any the development certificate of this folder. `None` where
    /// there is no TLS door.
    pub(crate) fn of(settings: &Settings, places: &Places) -> anyhow::Result<Option<Self>> {
        let edge = &settings.gateway;
        if edge.tls.is_none() {
            return Ok(None);
        }
        let configured: Vec<_> = edge.configured_certificates().map(Files::of).collect();
        let development = match configured.is_empty() {
            true => {
                let made = dev_certificates::ensure(&places.data)?;
                Some(Files::new(made.chain, made.key))
            }
            false => None,
        };
        let given = match edge.acme.is_on() {
            true => Acme::files(&edge.acme, given_folder(places)),
            false => Vec::new(),
        };
        Ok(Some(Self {
            configured,
            given: given.into_iter().map(Files::whole).collect(),
            development,
        }))
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
        let all = [&self.configured, &self.given];
        let all = all.into_iter().flatten().chain(&self.development);
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
        let given = self.given.iter().filter(|files| files.chain.exists());
        let mut pairs = self.configured.iter().chain(given).map(Files::read);
        let fallback = || self.development.iter().map(Files::read).next();
        let nothing = || {
            Err(CertificateRefused {
                label: "the edge".to_owned(),
                fault: CertificateFault::Empty,
            })
        };
        Ok(PemSet {
            default: pairs.next().or_else(fallback).unwrap_or_else(nothing)?,
            others: pairs.collect::<Result<_, _>>()?,
        })
    }
}

/// Where certificates of an authority are kept, and our account there.
pub(crate) fn given_folder(places: &Places) -> PathBuf {
    places.data.join("acme")
}

impl Files {
    fn of(settings: &CertificateSettings) -> Self {
        Self {
            names: settings.names.clone(),
            ..Self::new(settings.chain_file.clone(), settings.key_file.clone())
        }
    }

    fn new(chain: PathBuf, key: PathBuf) -> Self {
        let names = Vec::new();
        Self { chain, key, names }
    }

    /// One file with both in it.
    fn whole(path: PathBuf) -> Self {
        Self::new(path.clone(), path)
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
