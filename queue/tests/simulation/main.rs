//! A deterministic simulation of the queue: edges with their spools, workers with their leases and mailboxes, a Postgres that
//! fails in every way it can, and clients that keep book (spec: reliability §2).
//!
//! One seed is one house, from the sizes of its batches to the moment of each crash. Nothing in it knows the real time or draws
//! a number elsewhere, so a seed that shows a violation shows it again. What decides is the product's own code; what is modelled
//! is the world around it, and `conformance` holds the model of Postgres to the real one.
//!
//! `SALLYPORT_SIM_SEEDS=100000` runs more seeds than `make test` does; `SALLYPORT_SIM_SEED=7` tells one of them step by step.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a simulation that cannot go on has failed, and its story is for people"
)]
#![expect(
    clippy::large_enum_variant,
    clippy::result_large_err,
    reason = "a model that is easy to read is worth its copies"
)]

mod checker;
mod client;
mod conformance;
mod constants;
mod context;
mod disk;
mod edge;
mod event;
mod model;
mod nemesis;
mod plant;
mod plants;
mod record;
mod seeds;
mod server;
mod worker;
mod world;
