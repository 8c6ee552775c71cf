//! One file per provider that sends to us: is it really them, which delivery is this, where does it stand in line,
//! and may it wait.
//!
//! It exists so that the edge, which answers webhooks, and the poller, which fetches the same updates, agree on identity and
//! order. It reads no more of a body than that takes: what a delivery *means* is for the workers, and a shape that
//! nobody here has seen yet is still a delivery. It opens no connection and keeps nothing.

#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

pub mod telegram;

/// Whether a delivery may stand in line behind others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// In its chat's order.
    InOrder,
    /// At once: somebody waits for it by the clock, or wants to stop what stands before it.
    Now,
}

/// What the queue must know about a delivery, read from its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Who sent it, for example `telegram:ops`: the space in which `delivery_id` is unique.
    pub source: String,
    /// The sender's own number for it; the same again means the same delivery.
    pub delivery_id: String,
    /// Kind of message on the queue.
    pub kind: &'static str,
    /// Version of that kind's payload.
    pub kind_version: u16,
    /// Deliveries of one key are handled in order.
    pub key: String,
    /// Whether `key` stands in a chat's line or beside it.
    pub urgency: Urgency,
    /// Whom it is about, when known, for example `telegram:123456`: what an erasure looks for.
    pub subject: Option<String>,
    /// The provider's word for what happened, `other` when it is new to us. Few values: good for a span.
    pub what: &'static str,
}
