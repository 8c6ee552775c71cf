//! What a model call leaves behind: one span and three metrics per try, from the same facts.
//!
//! It exists so that no way out of a try can forget one of them: whatever is neither success nor failure was hung up
//! by its caller, and is recorded as that when it is dropped. Names follow OpenTelemetry's conventions for generative
//! AI. Neither question nor answer is recorded.

use std::time::Instant;

use sallyport_telemetry::Metric;
use sallyport_telemetry::metrics::Histograms;
use sallyport_telemetry::trace::{self, Span, SpanKind};

use crate::error::ModelError;
use crate::settings::Settings;
use crate::wire::{FinishReason, Usage};

/// The only operation there is so far.
const CHAT: &str = "chat";
/// The `error_type` of a try whose caller stopped listening.
const HUNG_UP: &str = "hung_up";

/// The metrics of all calls, and what is the same in each.
#[derive(Clone)]
pub(crate) struct Instruments(std::sync::Arc<Shared>);

struct Shared {
    provider: &'static str,
    server: String,
    port: Option<u16>,
    durations: Histograms,
    first_chunks: Histograms,
    tokens: Histograms,
}

impl Instruments {
    pub(crate) fn new(settings: &Settings) -> Self {
        let instruments = Self(std::sync::Arc::new(Shared {
            provider: settings.provider(),
            server: settings.base_url.host_str().unwrap_or_default().to_owned(),
            port: settings.base_url.port_or_known_default(),
            durations: Histograms::new(Metric::GenAiClientOperationDuration),
            first_chunks: Histograms::new(Metric::GenAiClientTimeToFirstChunk),
            tokens: Histograms::new(Metric::GenAiClientTokenUsage),
        }));
        for model in settings.aliases.values().flatten() {
            drop(
                instruments
                    .0
                    .durations
                    .of(&[CHAT, settings.provider(), model, ""]),
            );
        }
        instruments
    }

    /// Begins the record of one try. `resent` counts the tries before it.
    pub(crate) fn attempt(&self, alias: &str, model: &str, resent: u32) -> Attempt {
        let shared = &self.0;
        let mut span = trace::start(format!("{CHAT} {model}"), SpanKind::Client);
        span.set("gen_ai.operation.name", CHAT)
            .set("gen_ai.provider.name", shared.provider)
            .set("gen_ai.request.model", model.to_owned())
            .set("sallyport.model.alias", alias.to_owned())
            .set("server.address", shared.server.clone());
        if let Some(port) = shared.port {
            span.set("server.port", port);
        }
        if resent > 0 {
            span.set("http.request.resend_count", resent);
        }
        Attempt {
            instruments: self.clone(),
            span,
            model: model.to_owned(),
            started: Instant::now(),
            saw_text: false,
            over: false,
        }
    }
}

/// One try, from sending the question to the end of the answer.
pub(crate) struct Attempt {
    instruments: Instruments,
    span: Span,
    model: String,
    started: Instant,
    saw_text: bool,
    over: bool,
}

impl Attempt {
    /// Notes a text; the first one is what a person waited for.
    pub(crate) fn saw_text(&mut self) {
        if self.saw_text {
            return;
        }
        self.saw_text = true;
        self.instruments
            .0
            .first_chunks
            .of(&[&self.model])
            .record(self.started.elapsed());
        self.span.event(
            "gen_ai.first_token",
            std::iter::empty::<(&'static str, trace::Value)>(),
        );
    }

    pub(crate) fn succeeded(&mut self, reason: FinishReason, usage: Option<Usage>) {
        self.span
            .set("gen_ai.response.finish_reasons", reason.as_str());
        self.close("", usage);
    }

    pub(crate) fn failed(&mut self, error: &ModelError, usage: Option<Usage>) {
        let kind = error.kind().as_str();
        if let Some(status) = error.status() {
            self.span.set("http.response.status_code", status);
        }
        self.span.fail(kind, error.to_string());
        self.close(kind, usage);
    }

    fn close(&mut self, error_type: &'static str, usage: Option<Usage>) {
        self.over = true;
        let Shared {
            provider,
            durations,
            tokens,
            ..
        } = &*self.instruments.0;
        durations
            .of(&[CHAT, provider, &self.model, error_type])
            .record(self.started.elapsed());
        let Some(usage) = usage else { return };
        self.span
            .set("gen_ai.usage.input_tokens", usage.input_tokens)
            .set("gen_ai.usage.output_tokens", usage.output_tokens);
        for (kind, count) in [
            ("input", usage.input_tokens),
            ("output", usage.output_tokens),
        ] {
            tokens
                .of(&[CHAT, provider, &self.model, kind])
                .observe(count as f64);
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if !self.over {
            self.span.set("sallyport.cancelled", true);
            self.close(HUNG_UP, None);
        }
    }
}
