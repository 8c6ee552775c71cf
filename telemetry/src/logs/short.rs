//! A line for a person at a terminal: when, how bad, what, the particulars, and the support code of its trace.

use tracing::Level;

use super::line::{Line, Value};
use super::misleading::misleads;

const DIM: &str = "\x1b[2m";
const PLAIN: &str = "\x1b[0m";

/// Writes short lines.
#[derive(Debug, Clone, Copy)]
pub(super) struct Short {
    pub(super) colours: bool,
}

impl Short {
    pub(super) fn render(self, line: &Line) -> String {
        let mut out = String::with_capacity(160);
        out.push_str(&line.at.strftime("%H:%M:%S%.3f").to_string());
        out.push(' ');
        self.coloured(&mut out, colour(line.level), word(line.level));
        out.push(' ');
        if line.name.is_none() {
            escaped(&mut out, &line.target);
            out.push_str(": ");
        }
        escaped(&mut out, &line.body);
        let mut particulars = String::new();
        for (name, value) in &line.fields {
            particulars.push(' ');
            particulars.push_str(name);
            particulars.push('=');
            write_value(&mut particulars, value);
        }
        if let Some(context) = line.trace {
            particulars.push(' ');
            particulars.push_str(&context.trace_id.support_code().to_string());
        }
        if !particulars.is_empty() {
            self.coloured(&mut out, DIM, &particulars);
        }
        out.push('\n');
        out
    }

    fn coloured(self, out: &mut String, colour: &str, text: &str) {
        if self.colours {
            out.push_str(colour);
            out.push_str(text);
            out.push_str(PLAIN);
        } else {
            out.push_str(text);
        }
    }
}

fn word(level: Level) -> &'static str {
    match level {
        Level::ERROR => "ERROR",
        Level::WARN => "WARN ",
        Level::INFO => "INFO ",
        Level::DEBUG => "DEBUG",
        Level::TRACE => "TRACE",
    }
}

fn colour(level: Level) -> &'static str {
    match level {
        Level::ERROR => "\x1b[31m",
        Level::WARN => "\x1b[33m",
        Level::INFO => "\x1b[32m",
        Level::DEBUG | Level::TRACE => DIM,
    }
}

fn write_value(out: &mut String, value: &Value) {
    match value {
        Value::Text(text) if text.contains(char::is_whitespace) || text.is_empty() => {
            out.push('"');
            escaped(out, text);
            out.push('"');
        }
        Value::Text(text) => escaped(out, text),
        Value::Int(number) => out.push_str(&number.to_string()),
        Value::Uint(number) => out.push_str(&number.to_string()),
        Value::Float(number) => out.push_str(&number.to_string()),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
    }
}

/// What misleads a reader is written by its number: a stranger's bytes must not drive somebody's terminal.
fn escaped(out: &mut String, text: &str) {
    for character in text.chars() {
        if misleads(character) {
            out.extend(character.escape_default());
        } else {
            out.push(character);
        }
    }
}
