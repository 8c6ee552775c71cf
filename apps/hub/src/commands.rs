//! What people write after a slash, one file each.

mod ai;
mod dead;
mod help;
mod new;
mod start;
mod status;
mod trace;
mod webhook;

pub(crate) use {
    ai::{Ai, QUESTIONS},
    dead::Dead,
    help::Help,
    new::New,
    start::Start,
    status::Status,
    trace::Trace,
    webhook::Webhook,
};
