//! What differs from seed to seed: sizes, times and how often what goes wrong. Small numbers are drawn on purpose: most
//! bugs live where a batch, a segment or a lease ends.

use std::num::NonZeroUsize;
use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;
use sallyport_queue::mailboxes::HeadPolicy;
use sallyport_queue::retry::Backoff;
use sallyport_queue::spool::Limits;

use crate::model::Micros;

pub(crate) const SECOND: Micros = 1_000_000;
pub(crate) const MILLISECOND: Micros = 1_000;

/// The constants of one seed.
#[derive(Debug, Clone)]
pub(crate) struct Constants {
    pub(crate) edges: usize,
    pub(crate) workers: usize,
    pub(crate) clients: usize,
    pub(crate) messages_per_client: u32,
    pub(crate) lease: Duration,
    pub(crate) batch_max: usize,
    pub(crate) spool: Limits,
    pub(crate) disk_bytes: Option<u64>,
    pub(crate) per_key_max: NonZeroUsize,
    pub(crate) in_hand_max: usize,
    pub(crate) slots: usize,
    pub(crate) attempts_max: u16,
    pub(crate) backoff: Backoff,
    pub(crate) head: HeadPolicy,
    pub(crate) handler_max: Micros,
    pub(crate) handover: Duration,
    /// How long faults go on.
    pub(crate) faults_for: Micros,
    pub(crate) fault_every: Micros,
    pub(crate) odds: Odds,
}

/// How often, of a thousand.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Odds {
    /// A request to Postgres, or its answer, is lost.
    pub(crate) lost: u32,
    /// A statement is stuck on its way or while it runs.
    pub(crate) stalled: u32,
    /// A client's request or its answer is lost.
    pub(crate) client_lost: u32,
    /// A provider delivers again what was accepted.
    pub(crate) repeated: u32,
    /// A handler fails, snoozes or ends in a dead letter.
    pub(crate) fails: u32,
    /// A send's answer is lost.
    pub(crate) send_lost: u32,
    /// A wake-up does not come.
    pub(crate) unheard: u32,
}

impl Constants {
    pub(crate) fn draw(rng: &mut StdRng) -> Self {
        let lease_ms = *pick(rng, &[1_000, 1_000, 2_000, 5_000, 15_000, 60_000]);
        let lease = Duration::from_millis(lease_ms);
        let at_most = Duration::from_millis(rng.random_range(100..10_000));
        let head = *pick(
            rng,
            &[
                HeadPolicy::Hold { at_most },
                HeadPolicy::StepOver,
                HeadPolicy::Park,
            ],
        );
        let lease_micros = Micros::try_from(lease.as_micros()).unwrap();
        let clients = rng.random_range(1..=5);
        let per_key_max = *pick(rng, &[1, 2, 4, 16]);
        Self {
            edges: rng.random_range(1..=3),
            workers: rng.random_range(1..=4),
            clients,
            messages_per_client: rng.random_range(1..=10),
            lease,
            batch_max: *pick(rng, &[1, 2, 3, 10, 100]),
            spool: Limits {
                bytes_max: *pick(rng, &[2 << 10, 16 << 10, 1 << 20]),
                segment_bytes: *pick(rng, &[1 << 10, 4 << 10, 64 << 10]),
            },
            disk_bytes: *pick(rng, &[None, None, Some(4 << 10), Some(64 << 10)]),
            per_key_max: NonZeroUsize::new(per_key_max).unwrap(),
            in_hand_max: *pick(rng, &[4, 16, 64]),
            slots: *pick(rng, &[1, 2, 16]),
            attempts_max: *pick(rng, &[1, 2, 5]),
            backoff: Backoff {
                first: Duration::from_millis(rng.random_range(1..2_000)),
                longest: Duration::from_secs(10),
            },
            head,
            handler_max: *pick(rng, &[10 * MILLISECOND, SECOND, lease_micros]),
            handover: Duration::from_millis(*pick(rng, &[0, 500, 5_000])),
            faults_for: (lease_micros * 8).clamp(20 * SECOND, 150 * SECOND),
            fault_every: *pick(rng, &[SECOND, 3 * SECOND, 10 * SECOND]),
            odds: Odds::draw(rng),
        }
    }
}

impl Odds {
    fn draw(rng: &mut StdRng) -> Self {
        Self {
            lost: *pick(rng, &[0, 10, 50]),
            stalled: *pick(rng, &[0, 10, 50]),
            client_lost: *pick(rng, &[0, 50, 200]),
            repeated: *pick(rng, &[0, 50, 200]),
            fails: *pick(rng, &[0, 100, 400]),
            send_lost: *pick(rng, &[0, 50, 200]),
            unheard: *pick(rng, &[0, 200, 1_000]),
        }
    }
}

pub(crate) fn pick<'t, T>(rng: &mut StdRng, from: &'t [T]) -> &'t T {
    &from[rng.random_range(0..from.len())]
}
