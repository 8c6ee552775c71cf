//! What happens to the certificates of the TLS door.
//!
//! It exists because a certificate is the one thing of an edge that stops working by itself: how long each is good for is a metric from
//! the start, and a renewal that went wrong is one until it has gone right.

use std::collections::HashMap;

use jiff::Timestamp;
use sallyport_telemetry::metrics::{Gauge, Gauges};
use sallyport_telemetry::{Chain, Event, Metric, gauge};

use crate::listeners::{
    CertificateChanges, CertificateFacts, CertificateFault, CertificateRefused,
};

/// The series about certificates.
pub(crate) struct CertificateMeters {
    not_after: Gauges,
    reload_successful: Gauge,
}

impl CertificateMeters {
    pub(crate) fn new() -> Self {
        let meters = Self {
            not_after: Gauges::new(Metric::TlsCertificateNotAfter),
            reload_successful: gauge(Metric::TlsCertificatesReloadSuccessful, &[]),
        };
        meters.reload_successful.set(1);
        meters
    }

    /// These are served now.
    pub(crate) fn serving<'f>(&self, facts: impl Iterator<Item = &'f CertificateFacts>) {
        let mut first_to_expire: HashMap<&str, Timestamp> = HashMap::new();
        for facts in facts {
            first_to_expire
                .entry(facts.server_name())
                .and_modify(|known| *known = facts.not_after.min(*known))
                .or_insert(facts.not_after);
        }
        for (name, not_after) in first_to_expire {
            // Until the year 9999: far below the first whole number that this form of number cannot hold.
            let seconds = not_after.as_second() as f64;
            self.not_after.of(&[name]).set(seconds);
        }
    }

    /// These are served no more: a series without a value raises no alarm.
    pub(crate) fn leaving<'f>(&self, facts: impl Iterator<Item = &'f CertificateFacts>) {
        for facts in facts {
            self.not_after.of(&[facts.server_name()]).set(f64::NAN);
        }
    }
}

/// A certificate is served that clients will not accept.
pub(crate) struct Invalid<'a> {
    pub(crate) facts: &'a CertificateFacts,
    pub(crate) fault: CertificateFault,
}

impl Event for Invalid<'_> {
    type Meters = CertificateMeters;

    fn emit(&self, _meters: &CertificateMeters) {
        tracing::error!(
            name: "edge.certificate_invalid",
            {
                tls.server.subject = self.facts.server_name(),
                tls.server.hash.sha256 = self.facts.fingerprint,
                tls.server.not_after = %self.facts.not_after,
                error = %Chain(&self.fault),
            },
            "A certificate is served that clients will refuse"
        );
    }
}

/// Certificates were exchanged.
pub(crate) struct Swapped<'a> {
    pub(crate) changes: &'a CertificateChanges,
    /// How many are served now.
    pub(crate) serving: usize,
}

impl Event for Swapped<'_> {
    type Meters = CertificateMeters;

    fn emit(&self, meters: &CertificateMeters) {
        meters.reload_successful.set(1);
        let each = |name: &'static str, facts: &[CertificateFacts]| {
            for facts in facts {
                tracing::info!(
                    name: "edge.certificate_changed",
                    {
                        change = name,
                        tls.server.names = facts.names.join(" "),
                        tls.server.hash.sha256 = facts.fingerprint,
                        tls.server.not_after = %facts.not_after,
                    },
                    "A certificate has changed"
                );
            }
        };
        each("added", &self.changes.added);
        each("removed", &self.changes.removed);
        tracing::info!(
            name: "edge.certificates_swapped",
            {
                added = self.changes.added.len(),
                removed = self.changes.removed.len(),
                serving = self.serving,
            },
            "Certificates read again"
        );
    }
}

/// New certificates cannot be served; the old ones stay.
pub(crate) struct Refused<'a> {
    pub(crate) error: &'a CertificateRefused,
}

impl Event for Refused<'_> {
    type Meters = CertificateMeters;

    fn emit(&self, meters: &CertificateMeters) {
        meters.reload_successful.set(0);
        tracing::error!(
            name: "edge.certificates_refused",
            { error = %Chain(self.error) },
            "New certificates are refused; the old ones stay in force"
        );
    }
}
