//! The live bus: what has just happened, for dashboards, WebSockets and caches, at least once.
//!
//! A stream in Redis, written from Postgres by one elected publisher (`queue`), read by groups of consumers. Events are
//! numbered without holes, and the number is the entry's id; so a reader notices when something is gone before it was
//! read (the stream is bounded, and Redis may lose its data) and is told to read the state from Postgres again. Nothing
//! is lost by losing the stream.

mod publish;
mod subscriber;

pub use subscriber::{Heard, Subscriber};

/// The stream, under the prefix of the house.
const STREAM: &str = "live";

/// Something that has happened. Carries no payload and names no person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveEvent {
    /// Its own name, the same whenever it is published again: `message:4711`, `event:12`.
    pub id: String,
    /// What happened: `message.ended`.
    pub name: String,
    /// The correlation id: the trace, as 32 hexadecimal digits.
    pub trace: String,
    /// When, by the clock of Postgres, as RFC 3339.
    pub at: String,
    /// The rest, as a JSON object.
    pub data: String,
}

/// The fields of an entry, in the order in which the publishing script is given them.
const FIELDS: [&str; 5] = ["id", "name", "trace", "at", "data"];
