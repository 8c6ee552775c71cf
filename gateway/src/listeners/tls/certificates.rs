//! The certificates that are served, by the name that a client asks for, and how they are exchanged while it runs.
//!
//! It exists because certificates change and the edge does not stop for it: they are looked up for every handshake, so new ones count
//! from the next connection on and no open one notices. They are exchanged all at once or not at all. Reading files, and noticing
//! that they have changed, is for the binary.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use rustls::server::ClientHello;
use rustls::sign::CertifiedKey;
use sallyport_telemetry::Event;

use super::certificate::{
    Certificate, CertificateFacts, CertificateFault, CertificateRefused, PemPair,
};
use crate::events::certificates::{CertificateMeters, Invalid, Refused, Swapped};

/// All certificates of an edge.
pub struct PemSet {
    /// Shown to clients that ask for no name, or for one that no certificate is for; by its own names it is found as well.
    pub default: PemPair,
    /// Shown to clients that ask for one of their names.
    pub others: Vec<PemPair>,
}

/// What a swap has changed.
#[derive(Debug, PartialEq, Eq)]
pub struct CertificateChanges {
    /// Served from now on.
    pub added: Vec<CertificateFacts>,
    /// Not served any more.
    pub removed: Vec<CertificateFacts>,
}

/// The certificates that an edge serves, to be exchanged at any time. Clones share them.
#[derive(Clone, Debug)]
pub struct Certificates(Arc<Served>);

struct Served {
    table: ArcSwap<Table>,
    meters: CertificateMeters,
}

impl Certificates {
    /// Reads the certificates with which the edge starts. One that is not valid now is served all the same, since many clients
    /// do without a valid one sooner than without an answer; the log says so as an error.
    ///
    /// # Errors
    /// The first pair that cannot be used.
    pub fn load(set: &PemSet) -> Result<Self, CertificateRefused> {
        let table = Table::new(set)?;
        let meters = CertificateMeters::new();
        let now = Timestamp::now();
        for certificate in &table.all {
            if let Err(fault) = certificate.facts.at(now) {
                let facts = &certificate.facts;
                Invalid { facts, fault }.emit(&meters);
            }
        }
        meters.serving(table.facts());
        let table = ArcSwap::from_pointee(table);
        Ok(Self(Arc::new(Served { table, meters })))
    }

    /// Serves these in place of the present ones from the next handshake on, and tells the log and the metrics.
    ///
    /// # Errors
    /// The first pair that cannot be used or is not valid now. Then nothing has changed.
    pub fn swap(&self, set: &PemSet) -> Result<CertificateChanges, CertificateRefused> {
        let Served { table, meters } = &*self.0;
        let next = match Table::valid_at(set, Timestamp::now()) {
            Ok(next) => Arc::new(next),
            Err(error) => {
                self.refuse(&error);
                return Err(error);
            }
        };
        let previous = table.swap(Arc::clone(&next));
        let changes = CertificateChanges {
            added: next.without(&previous),
            removed: previous.without(&next),
        };
        let serving = next.all.len();
        Swapped {
            changes: &changes,
            serving,
        }
        .emit(meters);
        meters.leaving(previous.facts());
        meters.serving(next.facts());
        Ok(changes)
    }

    /// Tells the log and the metrics that new certificates came to nothing, as [`Self::swap`] does by itself: for whoever could not
    /// even read them.
    pub fn refuse(&self, error: &CertificateRefused) {
        Refused { error }.emit(&self.0.meters);
    }

    /// What is served now, the default first.
    pub fn facts(&self) -> Vec<CertificateFacts> {
        self.0.table.load().facts().cloned().collect()
    }

    /// The certificate for this client.
    pub(super) fn shown_to(&self, hello: &ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let table = self.0.table.load();
        let candidates = table.candidates(hello.server_name());
        // A name may have a certificate of each kind of key; a client that cannot use the first gets the next.
        let fitting = candidates
            .iter()
            .find(|key| key.key.choose_scheme(hello.signature_schemes()).is_some());
        fitting.or(candidates.first()).cloned()
    }
}

impl std::fmt::Debug for Served {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.table.load().facts()).finish()
    }
}

/// Certificates by name, made once per swap.
struct Table {
    /// All of them; the first is the default.
    all: Vec<Certificate>,
    default: [Arc<CertifiedKey>; 1],
    exact: HashMap<String, Vec<Arc<CertifiedKey>>>,
    /// Those for `*.domain`, by domain.
    below: HashMap<String, Vec<Arc<CertifiedKey>>>,
}

impl Table {
    fn new(set: &PemSet) -> Result<Self, CertificateRefused> {
        let default = read(&set.default)?;
        let mut table = Self {
            all: Vec::with_capacity(set.others.len().saturating_add(1)),
            default: [Arc::clone(&default.key)],
            exact: HashMap::new(),
            below: HashMap::new(),
        };
        table.add(default);
        for pair in &set.others {
            let certificate = read(pair)?;
            if certificate.facts.names.is_empty() {
                return Err(refused(pair, CertificateFault::Nameless));
            }
            table.add(certificate);
        }
        Ok(table)
    }

    fn valid_at(set: &PemSet, now: Timestamp) -> Result<Self, CertificateRefused> {
        let table = Self::new(set)?;
        let pairs = std::iter::once(&set.default).chain(&set.others);
        for (pair, certificate) in pairs.zip(&table.all) {
            let judged = certificate.facts.at(now);
            judged.map_err(|fault| refused(pair, fault))?;
        }
        Ok(table)
    }

    fn add(&mut self, certificate: Certificate) {
        for name in &certificate.facts.names {
            let keys = match name.strip_prefix("*.") {
                Some(domain) => self.below.entry(domain.to_owned()),
                None => self.exact.entry(name.clone()),
            };
            keys.or_default().push(Arc::clone(&certificate.key));
        }
        self.all.push(certificate);
    }

    /// The certificates for a client that asks for this name, which rustls gives in small letters.
    fn candidates(&self, name: Option<&str>) -> &[Arc<CertifiedKey>] {
        let named = name.and_then(|name| {
            let name = name.trim_end_matches('.');
            let below = || self.below.get(name.split_once('.')?.1);
            self.exact.get(name).or_else(below)
        });
        named.map_or(self.default.as_slice(), Vec::as_slice)
    }

    fn facts(&self) -> impl Iterator<Item = &CertificateFacts> {
        self.all.iter().map(|certificate| &certificate.facts)
    }

    /// What is served here and not there.
    fn without(&self, other: &Self) -> Vec<CertificateFacts> {
        let is_there = |facts: &&CertificateFacts| other.facts().any(|there| there == *facts);
        self.facts()
            .filter(|facts| !is_there(facts))
            .cloned()
            .collect()
    }
}

fn read(pair: &PemPair) -> Result<Certificate, CertificateRefused> {
    Certificate::read(pair).map_err(|fault| refused(pair, fault))
}

fn refused(pair: &PemPair, fault: CertificateFault) -> CertificateRefused {
    CertificateRefused {
        label: pair.label.clone(),
        fault,
    }
}
