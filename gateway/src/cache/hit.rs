//! An answer from what is kept, on its way out.
//!
//! It exists so that the same bytes leave as what each asker may have: a whole answer, a 304 for who has it already, a head alone,
//! in the coding they take. What every answer of the edge carries is put on by the edge.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, header};
use pingora::http::ResponseHeader;

use super::entry::{Entry, Standing};
use super::flights::Ticket;
use super::key::Key;
use super::{Cache, Outcome, cache_status};
use crate::compress;

/// Fields of a kept answer that go with a 304 (RFC 9110, 15.4.5).
const WITH_NOT_MODIFIED: [header::HeaderName; 6] = [
    header::CACHE_CONTROL,
    header::CONTENT_LOCATION,
    header::ETAG,
    header::EXPIRES,
    header::LAST_MODIFIED,
    header::VARY,
];

/// A kept answer for one asker.
pub(crate) struct Hit {
    entry: Arc<Entry>,
    key: Key,
    now: Instant,
    refresh: Option<Ticket>,
}

impl Hit {
    pub(super) fn new(entry: &Arc<Entry>, key: &Key, now: Instant) -> Self {
        Self {
            entry: Arc::clone(entry),
            key: key.clone(),
            now,
            refresh: None,
        }
    }

    /// The same with the duty to fetch another.
    pub(super) fn with_refresh(self, ticket: Ticket) -> Self {
        Self {
            refresh: Some(ticket),
            ..self
        }
    }

    /// The duty to fetch another, for whoever sees to that.
    pub(super) fn take_refresh(&mut self) -> Option<(Key, Ticket)> {
        let ticket = self.refresh.take()?;
        Some((self.key.clone(), ticket))
    }

    /// What it counts as.
    pub(crate) fn outcome(&self) -> Outcome {
        match self.entry.standing(self.now) {
            Standing::Fresh => Outcome::Hit,
            Standing::Revalidating | Standing::OnError | Standing::Gone => Outcome::Stale,
        }
    }

    /// The head and the body for this asker. With `compresses` the body is in the best coding that the asker takes.
    ///
    /// # Errors
    /// When a value is no header's value, which none of ours is.
    pub(crate) async fn answer(
        &self,
        cache: &Cache,
        method: &Method,
        request: &HeaderMap,
        compresses: bool,
    ) -> pingora::Result<(Box<ResponseHeader>, Bytes)> {
        let is_known = self.entry.is_known_to(request);
        let status = match is_known {
            true => StatusCode::NOT_MODIFIED,
            false => self.entry.status,
        };
        let mut response = Box::new(ResponseHeader::build(status, Some(32))?);
        for (name, value) in &self.entry.headers {
            if !is_known || WITH_NOT_MODIFIED.contains(name) {
                response.append_header(name.clone(), value.clone())?;
            }
        }
        response.insert_header(header::AGE, self.entry.age(self.now).as_secs().to_string())?;
        let ttl = self.entry.ttl(self.now);
        response.insert_header(
            "cache-status",
            cache_status(&format!("sallyport; hit; ttl={ttl}")),
        )?;
        let body = self.body(cache, &mut response, request, compresses).await?;
        if is_known {
            return Ok((response, Bytes::new()));
        }
        response.insert_header(header::CONTENT_LENGTH, body.len())?;
        let is_head = *method == Method::HEAD;
        Ok((response, if is_head { Bytes::new() } else { body }))
    }

    /// The body in the coding that is best for this asker, and what the head has to say about it.
    async fn body(
        &self,
        cache: &Cache,
        response: &mut ResponseHeader,
        request: &HeaderMap,
        compresses: bool,
    ) -> pingora::Result<Bytes> {
        let whole = &self.entry.body;
        let is_fit = compress::is_fit(self.entry.status, &self.entry.headers)
            && compress::is_long(whole.len());
        if !compresses || !is_fit {
            return Ok(whole.clone());
        }
        compress::tell_varying(response)?;
        let coding = compress::accepted(request).filter(|_| compress::is_safe_for(request));
        let Some(coding) = coding else {
            return Ok(whole.clone());
        };
        let (form, added) = self.entry.form(coding).await;
        if added > 0 {
            cache.told(cache.store.grown(&self.key, &self.entry, added));
        }
        match form {
            Some(form) => {
                compress::mark(response, coding)?;
                Ok(form)
            }
            None => Ok(whole.clone()),
        }
    }
}
