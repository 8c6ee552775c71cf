//! The edge through real sockets: what each kind of request is answered, and what it costs.
//!
//! Each file is one promise; [`door`] opens an edge on ports of its own with a shelf that can be taken away.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "in a test a panic is the report"
)]

mod cluster;
mod door;
mod origin;
mod replica;
mod senders;
mod upstream;

mod accepting;
mod access_tokens;
mod acme;
mod bad_input;
mod caching;
mod certificates;
mod client_certificates;
mod compressing;
mod connections;
mod cookies;
mod deliveries;
mod draining;
mod explaining;
mod flood;
mod forwarding;
mod frames;
mod github;
mod health;
mod hooks;
mod inspecting;
mod kubernetes;
mod limits;
mod names;
mod openapi;
mod origins;
mod plain;
mod poisoning;
mod profiles;
mod protocols;
mod proxy_protocol;
mod reload;
mod rotating;
mod shedding;
mod slow_bodies;
mod smuggling;
mod streams;
mod tracing;
mod unread;
mod upstreams;
