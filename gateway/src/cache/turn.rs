//! A request that is handed on past the cache, and what the cache makes of its answer on the way back.
//!
//! It exists so that keeping an answer costs the one who fetched it nothing: the pieces go on to the client as they come, and are noted
//! here besides. Half an answer is never kept, and neither is one whose end only the closing of a connection tells.

use std::sync::Arc;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use jiff::Timestamp;
use pingora::http::{RequestHeader, ResponseHeader};

use super::entry::{Entry, lasting};
use super::flights::{Landing, Ticket};
use super::freshness::{Terms, split_list};
use super::hit::Hit;
use super::key::Key;
use super::{Cache, Forwarded, Outcome, cache_status};

/// A request on its way past a cache.
pub(crate) struct Turn {
    cache: Arc<Cache>,
    why: Forwarded,
    /// Present when its answer is one that others could be given.
    key: Option<Key>,
    /// What was kept for it and is too old.
    kept: Option<Arc<Entry>>,
    stage: Stage,
    /// How often something had been purged when it began.
    purges: u64,
    is_shared: bool,
}

enum Stage {
    /// Somebody waits for what it fetches.
    Fetching(Ticket),
    /// Its answer is being noted.
    Noting(Box<Note>),
    /// Nobody waits, or there is nothing more to be had.
    Over,
}

/// An answer of which pieces are still to come.
struct Note {
    ticket: Ticket,
    status: StatusCode,
    headers: HeaderMap,
    terms: Terms,
    body: BytesMut,
    /// How long it says it is.
    length: Option<usize>,
}

impl Turn {
    pub(super) fn new(
        cache: &Arc<Cache>,
        why: Forwarded,
        key: Option<Key>,
        kept: Option<Arc<Entry>>,
    ) -> Self {
        Self {
            cache: Arc::clone(cache),
            why,
            key,
            kept,
            stage: Stage::Over,
            purges: cache.purges(),
            is_shared: false,
        }
    }

    /// One that nobody but the cache has asked for.
    pub(super) fn refreshing(cache: &Arc<Cache>, key: Key, ticket: Ticket) -> Self {
        Self::new(cache, Forwarded::Stale, Some(key), None).fetching(ticket)
    }

    /// The same with the duty to fetch.
    pub(super) fn fetching(self, ticket: Ticket) -> Self {
        Self {
            stage: Stage::Fetching(ticket),
            ..self
        }
    }

    /// What it counts as.
    pub(crate) fn outcome(&self) -> Outcome {
        match self.why {
            Forwarded::Bypass | Forwarded::Method => Outcome::Bypass,
            Forwarded::Miss | Forwarded::Stale => Outcome::Miss,
        }
    }

    /// Whether its answer may be kept by others on the way, too.
    pub(crate) fn is_shared(&self) -> bool {
        self.is_shared
    }

    /// Takes off a request whatever its key does not hold; `ours` are fields that the edge itself has written.
    ///
    /// # Errors
    /// When the host is no header's value, which it was before.
    pub(crate) fn prepare(
        &self,
        request: &mut RequestHeader,
        ours: &[HeaderName],
    ) -> pingora::Result<()> {
        let Some(key) = &self.key else { return Ok(()) };
        self.cache.keying.strip(request, ours);
        // As the key has it: the case in which somebody writes it is not for others to see.
        request.insert_header(header::HOST, &key.address.host)?;
        if request.uri.query() == key.address.query.as_deref() {
            return Ok(());
        }
        // It is made of parts of what was a target already.
        if let Ok(target) = key.address.target().parse::<Uri>() {
            request.set_uri(target);
        }
        Ok(())
    }

    /// The upstream has begun to answer. Gives an older answer back that is to be shown in place of this one.
    pub(crate) fn begun(&mut self, response: &ResponseHeader) -> Option<Box<Hit>> {
        let status = response.status;
        if status.is_informational() {
            return None;
        }
        if status.is_server_error()
            && let Some(hit) = self.failed()
        {
            return Some(hit);
        }
        let Stage::Fetching(ticket) = std::mem::replace(&mut self.stage, Stage::Over) else {
            return None;
        };
        match self.judge(response) {
            Some((terms, length)) => {
                self.is_shared = true;
                let note = Note {
                    ticket,
                    status,
                    headers: lasting(&response.headers),
                    terms,
                    body: BytesMut::with_capacity(length.unwrap_or_default()),
                    length,
                };
                self.stage = Stage::Noting(Box::new(note));
                if length == Some(0) {
                    self.finish();
                }
            }
            None => {
                self.cache.pass(ticket.key());
                ticket.land(Landing::NotKept);
            }
        }
        None
    }

    /// The terms on which an answer is kept, and its length if it says one.
    fn judge(&self, response: &ResponseHeader) -> Option<(Terms, Option<usize>)> {
        let headers = &response.headers;
        let now = Timestamp::now();
        let terms = Terms::of(response.status, headers, self.cache.bounds, now)?;
        let mut varies = Vec::new();
        for value in headers.get_all(header::VARY) {
            let names = split_list(value.to_str().ok()?)?;
            varies.extend(names.into_iter().map(str::to_ascii_lowercase));
        }
        if !self.cache.keying.tells_apart(varies.into_iter()) {
            return None;
        }
        let is_chunked = headers.contains_key(header::TRANSFER_ENCODING);
        let length = match headers.get(header::CONTENT_LENGTH) {
            Some(value) => Some(value.to_str().ok()?.parse::<usize>().ok()?),
            None if is_chunked => None,
            // It ends when the connection does, so half of it looks like all of it.
            None => return None,
        };
        let fits = length.is_none_or(|length| length <= self.cache.settings.entry_bytes_max);
        fits.then_some((terms, length))
    }

    /// A piece of the answer has come.
    pub(crate) fn note(&mut self, piece: Option<&Bytes>, is_last: bool) {
        let Stage::Noting(note) = &mut self.stage else {
            return;
        };
        if let Some(piece) = piece {
            note.body.extend_from_slice(piece);
        }
        if note.body.len() > self.cache.settings.entry_bytes_max {
            // What has been sent so far was sent; the rest follows without being noted.
            if let Stage::Noting(note) = std::mem::replace(&mut self.stage, Stage::Over) {
                self.cache.pass(note.ticket.key());
                note.ticket.land(Landing::NotKept);
            }
        } else if is_last {
            self.finish();
        }
    }

    fn finish(&mut self) {
        let Stage::Noting(note) = std::mem::replace(&mut self.stage, Stage::Over) else {
            return;
        };
        // What has grown piece by piece has room to spare, which nobody would count.
        let body = Bytes::copy_from_slice(&note.body);
        let is_whole = note.length.is_none_or(|length| length == body.len());
        if !is_whole || self.cache.purges() != self.purges {
            return;
        }
        let entry = Entry::new(note.status, note.headers, body, note.terms);
        self.cache.keep(note.ticket.key(), entry);
        note.ticket.land(Landing::Kept);
    }

    /// The upstream fails. Gives an older answer back that may be shown instead; whoever waits asks for their own, or is shown the
    /// same.
    pub(crate) fn failed(&mut self) -> Option<Box<Hit>> {
        if let Stage::Fetching(ticket) = std::mem::replace(&mut self.stage, Stage::Over) {
            // A refresh that failed is not tried again with the very next request.
            if self.why == Forwarded::Stale && self.kept.is_none() {
                self.cache.pass(ticket.key());
            }
            ticket.land(Landing::NotKept);
        }
        let (entry, key, now) = (self.kept.take()?, self.key.as_ref()?, Instant::now());
        entry
            .stands_in(now)
            .then(|| Box::new(Hit::new(&entry, key, now)))
    }

    /// What the answer says about this turn.
    pub(crate) fn status(&self) -> HeaderValue {
        let why = match self.why {
            Forwarded::Bypass => "bypass",
            Forwarded::Method => "method",
            Forwarded::Miss => "miss",
            Forwarded::Stale => "stale",
        };
        let stored = if self.is_shared { "; stored" } else { "" };
        cache_status(&format!("sallyport; fwd={why}{stored}"))
    }
}
