//! Faults as a habit: the house is broken on purpose, row by row of the fault table, and judged by what clients were answered and what
//! the stand-ins received. Both outlive every kill; our own tables are never asked whether something was lost. The house's auditor is heard
//! besides: it must have found nothing missing, all the way through.
//!
//! `make faults` runs every row at full length; `make test` runs five of them for 20 s each, since it runs every test program.
//!
//! ```text
//! make faults ROWS=F1,F5 SECONDS=20 SEED=7     some rows, short, as a failing run printed it
//! make faults WRITE=yes                        and write the table to docs/faults.md
//! make faults ROWS=F5 PLANT=loss               one accepted message dropped on purpose: the row must turn red
//! ```
//!
//! # A new row
//!
//! A file `rows/fN.rs` with one constant, and its two lines in `rows.rs`. The file says what it injects:
//!
//! ```text
//! pub(crate) const ROW: Row = Row { id: "F99", fault: "…", allowed: "…", duplicates: Duplicates::Never, run };
//!
//! async fn break_it(stage: &mut Stage) -> Outcome {
//!     let mut site = stage.open().await;              // edge, two workers, stand-ins, own Postgres and Redis, proxies
//!     let load = site.load(stage.base);               // open loop, from now on
//!     tokio::time::sleep(stage.lasting / 2).await;
//!     site.workers[0].kill();                         // or site.postgres.switch(Way::BlackHole), stage.redis.kill(), …
//!     site.start_worker(0, "K7=1*return");            // armed fail points, if any
//!     let mut outcome = Outcome::of(site.evidence(load).await);
//!     outcome.check("what else must hold", true);     // lost, phantom, duplicates and order are judged for every row
//!     outcome
//! }
//! ```
//!
//! Every row plants a loss and a double into its own history, too, and is red when the checker does not notice them.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a fault that cannot be injected has to be seen, and the table is what this program is for"
)]

mod auditor;
mod background;
mod checker;
mod clock;
mod cluster;
mod crowd;
mod frames;
mod front;
mod idlers;
#[path = "../house/keep_alive.rs"]
mod keep_alive;
mod kept;
mod kill_plan;
mod latency;
mod limits;
mod listener;
mod load;
mod memory_group;
mod name_server;
mod order;
#[path = "../house/outfit.rs"]
mod outfit;
mod power_disk;
mod program;
mod proxy;
mod redis_server;
mod report;
mod row;
mod rows;
mod site;
mod slow;
mod small_disk;
mod traps;
#[path = "../stories/updates.rs"]
mod updates;
mod vitals;
mod witness;

use std::panic::AssertUnwindSafe;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use futures::FutureExt;
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::checker::Plant;
use crate::cluster::Cluster;
use crate::load::Base;
use crate::order::Order;
use crate::redis_server::RedisServer;
use crate::report::Line;
use crate::row::{Outcome, Planted, Row, Stage, Verdict};
use crate::rows::ROWS;

/// What `make test` runs.
const SHORT_ROWS: [&str; 5] = ["F2", "F5", "F3", "F10", "F7"];
/// How long each of them takes.
const SHORT: Duration = Duration::from_secs(20);
/// How long a row takes at full length, as far as time decides.
const FULL: Duration = Duration::from_secs(180);
/// How long a row with a planted fault of the house takes.
const PLANTED: Duration = Duration::from_secs(6);
/// Rows that `make test` also runs with a fault planted in the house, and the fault.
const PLANTED_ROWS: [(&str, Planted); 2] = [
    ("F34", Planted::House(Plant::Loss)),
    ("F34", Planted::House(Plant::Double)),
];

fn main() -> ExitCode {
    let order = match Order::read(std::env::args().skip(1)) {
        Ok(order) => order,
        Err(mistake) => {
            println!("{mistake}");
            return ExitCode::from(64);
        }
    };
    if order.lists || order.is_for_others {
        return ExitCode::SUCCESS;
    }
    if !cfg!(feature = "fail-points") {
        println!(
            "The fault rows need the feature `fail-points`; `make test` and `make faults` build with it."
        );
        return ExitCode::FAILURE;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(Box::pin(run(order)))
}

async fn run(order: Order) -> ExitCode {
    println!("\nfaults: seed {}", order.seed);
    let mut stage = Stage {
        cluster: Cluster::start().await,
        redis: RedisServer::start().await,
        base: Base {
            rate: order.rate,
            chats: 120,
        },
        lasting: order.lasting,
        is_short: order.is_short,
        rng: StdRng::seed_from_u64(order.seed),
        planted: order.planted,
    };
    let mut lines = Vec::new();
    for id in &order.rows {
        let line = run_row(&mut stage, id, &order).await;
        if order.writes {
            report::write(&line);
        }
        lines.push(line);
    }
    let mut failed = lines.iter().any(|line| line.fails(order.is_test));
    if order.is_test {
        for (id, planted) in PLANTED_ROWS {
            failed |= !turns_red(&mut stage, id, planted).await;
        }
    }
    report::sum_up(&lines, order.is_test);
    if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

async fn run_row(stage: &mut Stage, id: &str, order: &Order) -> Line {
    let row = find(id).expect("an order names rows that there are");
    // Each row has its own stream, so that a row can be run again alone.
    stage.rng = StdRng::seed_from_u64(order.seed.wrapping_add(number_of(id)));
    let mut line = Line::new(row.id, row.fault, row.allowed, order);
    let began = Instant::now();
    let mut outcome = play(stage, row).await;
    line.took = began.elapsed();
    let judgement = outcome.judged(row, stage.planted);
    line.finish(outcome, judgement);
    line.print();
    line
}

/// Runs a row; a panic of its is its end and not ours.
async fn play(stage: &mut Stage, row: &Row) -> Outcome {
    let playing = AssertUnwindSafe((row.run)(stage)).catch_unwind();
    playing.await.unwrap_or_else(|_| {
        let mut outcome = Outcome::default();
        outcome.check("it ran to its end (see the panic above)", false);
        outcome
    })
}

/// Whether a fault of the house's own is found by this row.
async fn turns_red(stage: &mut Stage, id: &str, planted: Planted) -> bool {
    let row = find(id).expect("a row that there is");
    let (lasting, before) = (stage.lasting, stage.planted);
    (stage.lasting, stage.planted) = (PLANTED, Some(planted));
    let mut outcome = play(stage, row).await;
    let judgement = outcome.judged(row, stage.planted);
    (stage.lasting, stage.planted) = (lasting, before);
    let found = judgement.is_some_and(|judgement| match planted {
        Planted::House(Plant::Loss) | Planted::Observation(Plant::Loss) => {
            !judgement.lost.is_empty()
        }
        Planted::House(Plant::Double) | Planted::Observation(Plant::Double) => {
            judgement.unexplained() > 0
        }
    });
    let is_red = found && outcome.verdict() == Verdict::Broken;
    let words = if is_red {
        "red, as it must be"
    } else {
        "NOT NOTICED"
    };
    println!("{id} with {planted:?}: {words}");
    is_red
}

fn find(id: &str) -> Option<&'static Row> {
    ROWS.iter().copied().find(|row| row.id == id)
}

/// The number in a row's name.
fn number_of(id: &str) -> u64 {
    let digits: String = id.chars().filter(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(0)
}
