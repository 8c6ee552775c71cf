//! The registry behind all handles and the text that Prometheus reads.

use std::sync::OnceLock;

use metrics::{Recorder, SharedString};
use metrics_exporter_prometheus::{
    Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};

use super::process;
use crate::catalogue::{Kind, Metric};

/// The way to read what was counted.
#[derive(Clone)]
pub struct Exposition(PrometheusHandle);

/// Makes sure that the registry exists and returns the way to read it. Calling it again returns the same one.
pub fn install() -> Exposition {
    Exposition(registry().handle())
}

pub(super) fn registry() -> &'static PrometheusRecorder {
    static REGISTRY: OnceLock<PrometheusRecorder> = OnceLock::new();
    REGISTRY.get_or_init(|| {
        let mut builder = PrometheusBuilder::new();
        for metric in Metric::ALL {
            builder = with_buckets(builder, *metric);
        }
        let recorder = builder.build_recorder();
        Metric::ALL
            .iter()
            .for_each(|metric| describe(&recorder, *metric));
        recorder
    })
}

fn with_buckets(builder: PrometheusBuilder, metric: Metric) -> PrometheusBuilder {
    let Kind::Histogram(buckets) = metric.definition().kind else {
        return builder;
    };
    match builder.set_buckets_for_metric(Matcher::Full(metric.name().to_owned()), buckets.bounds())
    {
        Ok(builder) => builder,
        // The exporter refuses nothing but an empty list, and the catalogue's tests hold that there is none.
        Err(_) => PrometheusBuilder::new(),
    }
}

fn describe(recorder: &PrometheusRecorder, metric: Metric) {
    let definition = metric.definition();
    let name = definition.name.into();
    let help = SharedString::const_str(definition.help);
    match definition.kind {
        Kind::Counter => recorder.describe_counter(name, None, help),
        Kind::Gauge => recorder.describe_gauge(name, None, help),
        Kind::Histogram(_) => recorder.describe_histogram(name, None, help),
    }
}

impl Exposition {
    /// Everything counted so far, in Prometheus's text format, with the process's own numbers read at this moment.
    pub fn render(&self) -> String {
        let mut text = self.0.render();
        process::render(&mut text);
        text
    }

    /// Folds fresh observations into the buckets. Without it they pile up until somebody scrapes; the probe does it every 5 s.
    pub fn upkeep(&self) {
        self.0.run_upkeep();
    }
}
