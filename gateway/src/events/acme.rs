//! What comes of asking an authority for certificates.

use jiff::Timestamp;
use sallyport_telemetry::metrics::Counters;
use sallyport_telemetry::{Chain, Event, Metric};

use crate::acme::AcmeError;
use crate::listeners::CertificateFacts;

/// The series about orders.
pub(crate) struct AcmeMeters {
    orders: Counters,
}

impl AcmeMeters {
    pub(crate) fn new() -> Self {
        Self {
            orders: Counters::with(Metric::AcmeOrders, [["ok"], ["failed"]]),
        }
    }
}

/// A certificate came.
pub(crate) struct Obtained<'a> {
    pub(crate) facts: &'a CertificateFacts,
    /// When the next one is asked for.
    pub(crate) again: Timestamp,
}

impl Event for Obtained<'_> {
    type Meters = AcmeMeters;

    fn emit(&self, meters: &AcmeMeters) {
        meters.orders.of(&["ok"]).increment();
        tracing::info!(
            name: "edge.certificate_obtained",
            {
                tls.server.names = self.facts.names.join(" "),
                tls.server.hash.sha256 = self.facts.fingerprint,
                tls.server.not_after = %self.facts.not_after,
                again_at = %self.again,
            },
            "The authority gave a certificate"
        );
    }
}

/// None came. What is served goes on being served; how long that is good is a metric of its own.
pub(crate) struct Failed<'a> {
    pub(crate) names: &'a [String],
    pub(crate) error: &'a AcmeError,
    /// When it is tried again.
    pub(crate) again: Timestamp,
}

impl Event for Failed<'_> {
    type Meters = AcmeMeters;

    fn emit(&self, meters: &AcmeMeters) {
        meters.orders.of(&["failed"]).increment();
        tracing::warn!(
            name: "edge.certificate_not_obtained",
            {
                tls.server.names = self.names.join(" "),
                error = %Chain(self.error),
                again_at = %self.again,
            },
            "The authority gave no certificate; it is asked again"
        );
    }
}
