//! The `tracing` layer that turns events into lines and counts them.

use std::sync::Arc;

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use super::json::Json;
use super::line::Line;
use super::queue::Queue;
use super::short::Short;
use crate::Identity;
use crate::catalogue::{Label, Metric};
use crate::metrics::{Counter, Gauge, counter, dropped, gauge};

/// Turns events into lines of one form for one writer.
pub struct Lines {
    form: Form,
    queue: Option<Arc<Queue>>,
    waiting: Gauge,
    /// By severity; empty when another layer counts.
    counted: Vec<(Level, Counter)>,
}

enum Form {
    Json(Json),
    Short(Short),
}

impl Lines {
    /// Lines as JSON.
    pub(super) fn json(identity: &Identity) -> Self {
        Self::of(Form::Json(Json::new(identity)))
    }

    /// Short lines.
    pub(super) fn short(colours: bool) -> Self {
        Self::of(Form::Short(Short { colours }))
    }

    fn of(form: Form) -> Self {
        let severities = [
            (Level::ERROR, "error"),
            (Level::WARN, "warn"),
            (Level::INFO, "info"),
            (Level::DEBUG, "debug"),
            (Level::TRACE, "trace"),
        ];
        let count = |(level, name)| {
            (
                level,
                counter(Metric::LogEvents, &[(Label::Severity, name)]),
            )
        };
        Self {
            form,
            queue: None,
            waiting: gauge(Metric::TelemetryQueueLength, &[(Label::Signal, "logs")]),
            counted: severities.into_iter().map(count).collect(),
        }
    }

    /// Sends lines to this queue.
    pub(super) fn to(mut self, queue: Arc<Queue>) -> Self {
        self.queue = Some(queue);
        self
    }

    /// Leaves counting to the layer that writes the same lines elsewhere.
    pub(super) fn uncounted(mut self) -> Self {
        self.counted.clear();
        self
    }

    fn render(&self, line: &Line) -> String {
        match &self.form {
            Form::Json(json) => json.render(line),
            Form::Short(short) => short.render(line),
        }
    }
}

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let line = Line::capture(event);
        if let Some((_, counter)) = self.counted.iter().find(|(level, _)| *level == line.level) {
            counter.increment();
        }
        let Some(queue) = &self.queue else { return };
        if !queue.put(line.level, self.render(&line)) {
            dropped("logs", "queue_full", 1);
        }
        if !self.counted.is_empty() {
            self.waiting.set_count(queue.len());
        }
    }
}
