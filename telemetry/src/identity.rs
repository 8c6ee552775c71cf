//! Who is speaking: the same few facts on every log line, span and health page.

use crate::catalogue::{Label, Metric};
use crate::metrics::gauge;
use crate::trace::SpanId;

/// What runs here. Made once by the binary.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Identity {
    /// `service.name`: what the process is, `sallyport`.
    pub service: &'static str,
    /// `service.version`.
    pub version: &'static str,
    /// The commit it was built from, or `unknown`.
    pub revision: &'static str,
    /// `service.instance.id`: new at every start.
    pub instance: String,
    /// `deployment.environment.name`: `development`, `production`, …
    pub environment: String,
}

impl Identity {
    /// This process, under a fresh instance id.
    pub fn new(
        version: &'static str,
        revision: &'static str,
        environment: impl Into<String>,
    ) -> Self {
        let instance = SpanId::random().to_string();
        Self {
            service: "sallyport",
            version,
            revision,
            instance,
            environment: environment.into(),
        }
    }

    /// Exposes `sallyport_build_info`.
    pub(crate) fn expose(&self) {
        let labels = [
            (Label::Version, self.version),
            (Label::Revision, self.revision),
        ];
        gauge(Metric::BuildInfo, &labels).set(1.0);
    }
}
