//! A line as JSON, with OpenTelemetry's field names and the trace id at the top level, where collectors look for it.

use tracing::Level;

use super::line::{Line, Value};
use super::misleading::misleads;
use crate::Identity;

/// Writes lines as JSON objects.
#[derive(Debug, Clone)]
pub(super) struct Json {
    /// `,"service.name":"…",…`: the same on every line, so it is made once.
    identity: String,
}

impl Json {
    pub(super) fn new(identity: &Identity) -> Self {
        let mut fields = String::new();
        pair(&mut fields, "service.name", identity.service);
        pair(&mut fields, "service.version", identity.version);
        pair(&mut fields, "service.instance.id", &identity.instance);
        pair(
            &mut fields,
            "deployment.environment.name",
            &identity.environment,
        );
        Self { identity: fields }
    }

    pub(super) fn render(&self, line: &Line) -> String {
        let mut out = String::with_capacity(384);
        let (severity, number) = severity(line.level);
        out.push_str("{\"timestamp\":\"");
        out.push_str(&format!("{:.6}", line.at));
        out.push('"');
        pair(&mut out, "severity_text", severity);
        key(&mut out, "severity_number");
        out.push_str(number);
        match line.name {
            Some(name) => pair(&mut out, "event.name", name),
            None => pair(&mut out, "target", &line.target),
        }
        pair(&mut out, "body", &line.body);
        if let Some(context) = line.trace {
            pair(&mut out, "trace_id", &context.trace_id.to_string());
            pair(&mut out, "span_id", &context.span_id.to_string());
            pair(
                &mut out,
                "trace_flags",
                if context.sampled { "01" } else { "00" },
            );
        }
        out.push_str(&self.identity);
        for (name, value) in &line.fields {
            key(&mut out, name);
            write_value(&mut out, value);
        }
        out.push_str("}\n");
        out
    }
}

/// The names and numbers of severities in OpenTelemetry's log model.
fn severity(level: Level) -> (&'static str, &'static str) {
    match level {
        Level::ERROR => ("ERROR", "17"),
        Level::WARN => ("WARN", "13"),
        Level::INFO => ("INFO", "9"),
        Level::DEBUG => ("DEBUG", "5"),
        Level::TRACE => ("TRACE", "1"),
    }
}

fn key(out: &mut String, name: &str) {
    out.push(',');
    quoted(out, name);
    out.push(':');
}

fn pair(out: &mut String, name: &str, value: &str) {
    key(out, name);
    quoted(out, value);
}

fn write_value(out: &mut String, value: &Value) {
    match value {
        Value::Text(text) => quoted(out, text),
        Value::Int(number) => out.push_str(&number.to_string()),
        Value::Uint(number) => out.push_str(&number.to_string()),
        Value::Float(number) if number.is_finite() => out.push_str(&number.to_string()),
        Value::Float(number) => quoted(out, &number.to_string()),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
    }
}

/// A text in quotes, with quotes, backslashes and whatever misleads a reader escaped; all of that lies below U+10000: a stranger's line break makes no second line.
fn quoted(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            hidden if misleads(hidden) => out.push_str(&format!("\\u{:04x}", u32::from(hidden))),
            other => out.push(other),
        }
    }
    out.push('"');
}
