//! How one request fares on its way to an upstream: whom it tried, and whether it may try again.
//!
//! It exists as the part of an exchange that forwarding adds to, so that every way in which a try can end is told once. What an error
//! of Pingora's means is for [`crate::forward`].

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use http::StatusCode;

use super::group::{Failure, Group, Lease, Tried};
use super::nobody::NoUpstream;
use super::stream_idle_timeout::StreamIdleTimeout;
use crate::shedding::{Gate, Waiting};

/// How often a request is sent. Kept connections die together when a worker leaves, so one more try than two.
pub(crate) const TRIES_MAX: usize = 3;

/// What a request wants of an upstream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Wish {
    /// An answer.
    #[default]
    Answer,
    /// Perhaps a stream of events.
    Events,
    /// A WebSocket.
    WebSocket,
}

/// Empty until the request is handed on.
#[derive(Default)]
pub(crate) struct Passage {
    pub(crate) wish: Wish,
    /// Of the connection of the present try, where it has its own.
    pub(crate) idle_timeout: Option<Arc<StreamIdleTimeout>>,
    /// Whether the WebSocket has begun: what follows is no HTTP.
    pub(crate) is_tunnel: bool,
    /// When an answer without an end began.
    pub(crate) stream_began: Option<Instant>,
    /// From when all of it was sent until the head of its answer.
    waiting: Option<Waiting>,
    lease: Option<Lease>,
    /// The upstream of the present or the last try.
    last: Option<SocketAddr>,
    tried: Tried,
    tries: usize,
}

impl Passage {
    /// Chooses an upstream of the group for the next try.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn choose(&mut self, group: &Arc<Group>) -> Result<SocketAddr, NoUpstream> {
        if self.tries == 0 {
            group.count_request();
        }
        self.tries = self.tries.saturating_add(1);
        self.lease = None;
        if let Some(last) = self.last.take()
            && let Some(free) = self.tried.iter_mut().find(|tried| tried.is_none())
        {
            *free = Some(last);
        }
        let lease = group.choose(&self.tried)?;
        let address = self.lease.insert(lease).address();
        self.last = Some(address);
        Ok(address)
    }

    /// Another try begins.
    pub(crate) fn begin(&mut self) {
        self.waiting = None;
    }

    /// All of the request is on its way; its answer is all that is missing.
    pub(crate) fn sent(&mut self, gate: &Arc<Gate>) {
        if self.waiting.is_none() {
            self.waiting = Some(gate.enter(Instant::now()));
        }
    }

    /// The head of an answer has come. What an upstream refuses, or fails at, says nothing about how quick it is.
    pub(crate) fn answered(&mut self, status: StatusCode) {
        if let Some(waiting) = self.waiting.take()
            && status.as_u16() < 400
        {
            waiting.answered(Instant::now());
        }
        if let Some(lease) = &mut self.lease {
            lease.answered(status);
        }
    }

    /// The try failed. How a tunnel ends says nothing about the upstream.
    pub(crate) fn failed(&mut self, failure: Failure) {
        if let Some(lease) = self.lease.as_mut().filter(|_| !self.is_tunnel) {
            lease.failed(failure);
        }
    }

    /// Whether the connection of the present try was silent for too long.
    pub(crate) fn was_silent(&self) -> bool {
        self.idle_timeout
            .as_ref()
            .is_some_and(|idle_timeout| idle_timeout.is_over())
    }

    /// Whether the request may be sent once more, which counts as done. A single upstream knows no budget.
    pub(crate) fn may_try_again(&self) -> bool {
        match &self.lease {
            Some(lease) => self.tries < TRIES_MAX && lease.group().may_retry(),
            None => true,
        }
    }

    /// The upstream of a group that it came to in the end, and how often it was sent again.
    pub(crate) fn ended_at(&self) -> Option<(SocketAddr, usize)> {
        Some((self.last?, self.tries.saturating_sub(1)))
    }

    /// Whether an upstream was chosen from a group.
    pub(crate) fn is_of_group(&self) -> bool {
        self.lease.is_some()
    }

    /// The request has ended: its place is free.
    pub(crate) fn end(&mut self) {
        self.lease = None;
        self.waiting = None;
    }
}
