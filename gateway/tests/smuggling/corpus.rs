//! Requests that somebody would send to smuggle another one past the edge, each with what must become of it.
//!
//! Shared by the edge's own tests and by row F26 of the fault table. Each file has one way to hide a request; [`sending`] sends them and
//! [`origins`] sees what arrives. Every case carries [`PATH`], which the sender replaces by a path of its own, so that whatever arrives
//! can be told apart, smuggled or not.

use std::fmt::Write;

mod chunks;
mod codings;
mod fields;
mod frames;
mod lengths;
mod lines;
pub(crate) mod origins;
mod queued;
pub(crate) mod sending;

/// Stands in every case for the path of its own, which is as long.
pub(crate) const PATH: &str = "/X/0000";

/// What must become of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Its head is refused with this status, the connection ends, and nobody behind the edge hears of it.
    Refused(u16),
    /// Its head is fine and its body is not: 400, the connection ends, and nobody behind the edge ever has the whole request.
    Cut,
    /// It arrives once, with this body, and nothing that follows it on the connection is answered or arrives.
    One(&'static str),
    /// HTTP/2: its stream, or the connection, is reset or answered with an error, and nobody behind the edge has a whole request.
    Reset,
    /// The same, where what came before is a whole request already: that may have arrived, once, with this body.
    ResetBehind(&'static str),
}

/// How a case is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    /// These bytes on a plain connection.
    Plain,
    /// These bytes on a TLS connection that speaks HTTP/2.
    Http2,
}

/// One request, or what looks like one.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) over: Over,
    pub(crate) fate: Fate,
}

impl Case {
    fn plain(name: impl Into<String>, bytes: impl Into<Vec<u8>>, fate: Fate) -> Self {
        Self {
            name: name.into(),
            bytes: bytes.into(),
            over: Over::Plain,
            fate,
        }
    }
}

/// All of them.
pub(crate) fn cases() -> Vec<Case> {
    [
        lengths::cases(),
        codings::cases(),
        chunks::cases(),
        lines::cases(),
        fields::cases(),
        queued::cases(),
        frames::cases(),
    ]
    .concat()
}

/// The request that must never arrive.
fn smuggled() -> String {
    format!("GET {PATH}/smuggled HTTP/1.1\r\nHost: edge\r\n\r\n")
}

/// A request with these field lines, each ended as it says, and whatever stands behind the head.
fn post(lines: &str, behind: &str) -> String {
    format!("POST {PATH} HTTP/1.1\r\nHost: edge\r\n{lines}\r\n{behind}")
}

/// A name for a case that is one odd text: every byte can be read.
fn spelled(text: &str) -> String {
    text.chars().fold(String::new(), |mut name, letter| {
        match letter {
            ' '..='~' => name.push(letter),
            // Writing into a string cannot fail.
            other => drop(write!(name, "<{:02x}>", u32::from(other))),
        }
        name
    })
}
