//! OTLP: hands kept spans to a collector, when one is configured.
//!
//! The exporter is OpenTelemetry's own; what is ours is the bounded queue before it, so that a collector which is slow or away
//! costs spans (counted) and never a caller's time.

mod convert;

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanExporter as _;
use serde::Deserialize;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::Url;
use validator::Validate;

use super::{Batches, SpanQueue, SpanRecord, SpanSink, span_queue};
use crate::metrics::dropped;
use crate::{Chain, Identity};

/// Spans that wait for export, about 20 MB: the collector may be away for some seconds.
const SPANS_MAX: usize = 20_000;
/// Spans of one request to the collector.
const BATCH_SPANS: usize = 512;
/// How long the first span of a batch waits for company.
const BATCH_WAIT: Duration = Duration::from_secs(1);
/// What is still in the queue at shutdown gets so long in all.
const SHUTDOWN: Duration = Duration::from_secs(5);
/// One request to the collector, retries included.
const TIMEOUT_MS: u64 = 10_000;

/// Where to export spans to.
#[derive(Debug, Clone, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct OtlpSettings {
    /// The collector's address for OTLP over HTTP, `http://127.0.0.1:4318`; `/v1/traces` is added when it has no path.
    pub endpoint: Url,
    /// Headers of every request, such as an API key.
    #[serde(default)]
    pub headers: OtlpHeaders,
    /// Milliseconds for one request.
    #[serde(default = "timeout_ms")]
    #[validate(range(min = 100, max = 60_000, message = "must be between 100 and 60000"))]
    pub timeout_ms: u64,
}

/// Headers with secrets in them: they print their names only.
#[derive(Clone, Default, Deserialize)]
#[serde(transparent)]
pub struct OtlpHeaders(HashMap<String, String>);

impl fmt::Debug for OtlpHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

fn timeout_ms() -> u64 {
    TIMEOUT_MS
}

/// Why export could not be started.
#[derive(Debug, thiserror::Error)]
pub enum OtlpError {
    /// The HTTP client could not be made.
    #[error("could not make the HTTP client for the collector")]
    Client(#[source] reqwest::Error),
    /// The exporter refused its settings.
    #[error("could not make the OTLP exporter")]
    Exporter(#[source] opentelemetry_otlp::ExporterBuildError),
}

/// The sink that exports. Clones share one queue.
#[derive(Clone)]
pub struct Otlp {
    queue: SpanQueue,
}

impl Otlp {
    /// Starts exporting, on a task of `tracker`. After `stop` the task sends what is queued, for at most 5 s, and ends.
    pub fn start(
        settings: &OtlpSettings,
        identity: &Identity,
        tracker: &TaskTracker,
        stop: CancellationToken,
    ) -> Result<Self, OtlpError> {
        let (queue, batches) = span_queue("otlp", SPANS_MAX);
        let worker = Worker {
            exporter: exporter(settings, identity)?,
            in_hand: 0,
            healthy: true,
        };
        tracker.spawn(worker.run(batches, stop));
        Ok(Self { queue })
    }
}

impl SpanSink for Otlp {
    fn keep(&self, spans: Vec<SpanRecord>) {
        self.queue.keep(spans);
    }
}

fn exporter(settings: &OtlpSettings, identity: &Identity) -> Result<SpanExporter, OtlpError> {
    let time = Duration::from_millis(settings.timeout_ms);
    let client = reqwest::Client::builder()
        .timeout(time)
        .build()
        .map_err(OtlpError::Client)?;
    let mut exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(client)
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(traces_url(&settings.endpoint))
        .with_headers(settings.headers.0.clone())
        .with_timeout(time)
        .build()
        .map_err(OtlpError::Exporter)?;
    exporter.set_resource(&resource(identity));
    Ok(exporter)
}

fn traces_url(endpoint: &Url) -> String {
    match endpoint.path() {
        "" | "/" => format!("{}/v1/traces", endpoint.as_str().trim_end_matches('/')),
        _ => endpoint.to_string(),
    }
}

fn resource(identity: &Identity) -> Resource {
    use opentelemetry::KeyValue;
    Resource::builder_empty()
        .with_attributes([
            KeyValue::new("service.name", identity.service),
            KeyValue::new("service.version", identity.version),
            KeyValue::new("service.instance.id", identity.instance.clone()),
            KeyValue::new("deployment.environment.name", identity.environment.clone()),
        ])
        .build()
}

struct Worker {
    exporter: SpanExporter,
    /// Spans that were taken from the queue and are neither exported nor given up.
    in_hand: usize,
    /// Whether the last export went well, so that an outage of the collector makes one line and not one per batch.
    healthy: bool,
}

impl Worker {
    async fn run(mut self, mut batches: Batches, stop: CancellationToken) {
        let too_late = async {
            stop.cancelled().await;
            sleep(SHUTDOWN).await;
        };
        tokio::select! {
            () = self.work(&mut batches, &stop) => {}
            () = too_late => {}
        }
        batches.abandon(self.in_hand);
    }

    async fn work(&mut self, batches: &mut Batches, stop: &CancellationToken) {
        while let Some(batch) = batches.next(BATCH_SPANS, BATCH_WAIT, stop).await {
            self.export(batch).await;
        }
        while let Some(batch) = batches.rest(BATCH_SPANS) {
            self.export(batch).await;
        }
    }

    async fn export(&mut self, batch: Vec<SpanRecord>) {
        self.in_hand = batch.len();
        let spans = batch.into_iter().map(convert::span_data).collect();
        let outcome = self.exporter.export(spans).await;
        let how_many = std::mem::take(&mut self.in_hand);
        match outcome {
            Ok(()) if self.healthy => {}
            Ok(()) => {
                self.healthy = true;
                tracing::info!(name: "otlp.recovered", "The collector takes spans again");
            }
            Err(error) => {
                dropped("otlp", "export_failed", how_many);
                if self.healthy {
                    self.healthy = false;
                    tracing::warn!(name: "otlp.failed", error = %Chain(&error), "The collector takes no spans");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
