mod stories;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::plan::{Lease, Plan};
use super::roster::{Beat, Crowd, Look, Roster, may_work};
use crate::ownership::{WorkerId, assign};
use crate::{Partition, Token};

const LEASE: Duration = Duration::from_secs(1);

fn plan(me: &WorkerId, crowd: &Crowd, leases: &[Lease]) -> Plan {
    let wanted = assign(&crowd.staying, Partition::COUNT);
    super::plan::plan(me, crowd, &wanted, leases)
}

fn worker(number: usize) -> WorkerId {
    WorkerId::new(&format!("worker-{number}"))
}

fn beat(number: usize, beat: i64) -> Beat {
    Beat {
        worker: worker(number),
        beat,
        leaving: false,
    }
}

fn look(at: Instant) -> Look {
    Look {
        sent: at,
        answered: at,
    }
}

#[test]
fn a_worker_seen_for_the_first_time_gets_a_whole_lease() {
    let start = Instant::now();
    let mut roster = Roster::new(LEASE);

    let first = roster.observe(&[beat(1, 5)], look(start));
    let just_before = roster.observe(
        &[beat(1, 5)],
        look(start + LEASE - Duration::from_millis(1)),
    );
    let after = roster.observe(&[beat(1, 5)], look(start + LEASE));

    assert!(first.alive.contains(&worker(1)));
    assert!(just_before.alive.contains(&worker(1)));
    assert!(!after.alive.contains(&worker(1)));
}

#[test]
fn a_beat_that_changes_again_revives_its_worker() {
    let start = Instant::now();
    let mut roster = Roster::new(LEASE);
    roster.observe(&[beat(1, 5)], look(start));
    roster.observe(&[beat(1, 5)], look(start + LEASE * 2));

    let crowd = roster.observe(&[beat(1, 6)], look(start + LEASE * 3));

    assert!(crowd.alive.contains(&worker(1)));
}

#[test]
fn silence_is_counted_from_an_answer_to_a_question() {
    let start = Instant::now();
    let mut roster = Roster::new(LEASE);
    roster.observe(
        &[beat(1, 5)],
        Look {
            sent: start,
            answered: start + LEASE / 2,
        },
    );

    let asked_too_early = Look {
        sent: start + LEASE,
        answered: start + LEASE * 5,
    };
    let crowd = roster.observe(&[beat(1, 5)], asked_too_early);

    assert!(crowd.alive.contains(&worker(1)));
}

#[test]
fn a_leaving_worker_keeps_its_leases_but_gets_no_share() {
    let mut leaving = beat(1, 1);
    leaving.leaving = true;
    let crowd = Roster::new(LEASE).observe(&[leaving, beat(2, 1)], look(Instant::now()));
    let leases = leases_of(&worker(1));

    let leavers_plan = plan(&worker(1), &crowd, &leases);
    let stayers_plan = plan(&worker(2), &crowd, &leases);

    assert!(leavers_plan.ours.iter().all(|ours| !ours.keep));
    assert_eq!(leavers_plan.ours.len(), leases.len());
    assert_eq!(
        stayers_plan,
        Plan::default(),
        "the leaver has not let go yet"
    );
}

#[test]
fn the_dead_lose_their_leases_and_the_living_keep_theirs() {
    let crowd = Crowd {
        alive: BTreeSet::from([worker(2)]),
        staying: BTreeSet::from([worker(2)]),
        beats: BTreeMap::from([(worker(1), 9), (worker(2), 1)]),
        long_dead: Vec::new(),
    };

    let plan = plan(&worker(2), &crowd, &leases_of(&worker(1)));

    assert_eq!(plan.take.len(), usize::from(Partition::COUNT));
    assert!(
        plan.take
            .iter()
            .all(|take| take.from == Some((worker(1), Some(9))))
    );
}

fn leases_of(owner: &WorkerId) -> Vec<Lease> {
    (0..=u8::MAX)
        .map(|index| Lease {
            partition: Partition(index),
            owner: Some(owner.clone()),
            token: Token(1),
        })
        .collect()
}

/// A model of the store and of some workers, in which time passes and anybody may stall. Each worker has a clock of its
/// own, with its own beginning.
struct World {
    now: Duration,
    beats: BTreeMap<WorkerId, Beat>,
    leases: Vec<Lease>,
    workers: Vec<Actor>,
}

struct Actor {
    id: WorkerId,
    born: Instant,
    roster: Roster,
    last_beat: Option<Duration>,
    holds: BTreeMap<Partition, Token>,
    stalled_until: Duration,
}

impl Actor {
    fn clock(&self, now: Duration) -> Instant {
        self.born + now
    }

    fn works(&self, now: Duration) -> bool {
        self.last_beat
            .is_some_and(|sent| may_work(self.clock(sent), self.clock(now), LEASE))
    }
}

impl World {
    fn new(workers: usize) -> Self {
        let leases = leases_of(&worker(0))
            .into_iter()
            .map(|lease| Lease {
                owner: None,
                ..lease
            })
            .collect();
        let actor = |number: usize| Actor {
            id: worker(number),
            born: Instant::now() + Duration::from_secs(1_000) * u32::try_from(number).unwrap(),
            roster: Roster::new(LEASE),
            last_beat: None,
            holds: BTreeMap::new(),
            stalled_until: Duration::ZERO,
        };
        Self {
            now: Duration::ZERO,
            beats: BTreeMap::new(),
            leases,
            workers: (0..workers).map(actor).collect(),
        }
    }

    /// One round of one worker: beat, look, take, and give back at once what should be another's.
    fn round(&mut self, number: usize) {
        let Some(actor) = self.workers.get_mut(number) else {
            return;
        };
        if actor.stalled_until > self.now {
            return;
        }
        let row = self.beats.entry(actor.id.clone()).or_insert_with(|| Beat {
            worker: actor.id.clone(),
            beat: 0,
            leaving: false,
        });
        row.beat += 1;
        let beats: Vec<Beat> = self.beats.values().cloned().collect();
        let crowd = actor.roster.observe(&beats, look(actor.born + self.now));
        let plan = plan(&actor.id, &crowd, &self.leases);
        actor.last_beat = Some(self.now);
        actor.holds.clear();
        for ours in plan.ours {
            if ours.keep {
                actor.holds.insert(ours.partition, ours.token);
            } else {
                self.leases[usize::from(ours.partition.index())].owner = None;
            }
        }
        for take in plan.take {
            let lease = &mut self.leases[usize::from(take.partition.index())];
            lease.owner = Some(actor.id.clone());
            lease.token = Token(lease.token.0 + 1);
            actor.holds.insert(take.partition, lease.token);
        }
    }

    fn assert_nobody_works_on_the_same(&self) {
        let mut busy = BTreeMap::new();
        for actor in self.workers.iter().filter(|actor| actor.works(self.now)) {
            for partition in actor.holds.keys() {
                let other = busy.insert(*partition, &actor.id);
                assert!(
                    other.is_none(),
                    "{} and {:?} both work on {partition:?}",
                    actor.id,
                    other
                );
            }
        }
    }
}

#[derive(Debug, Clone)]
enum Turn {
    Round(usize),
    Stall(usize, u64),
    Pass(u64),
}

fn turns(workers: usize) -> impl Strategy<Value = Vec<Turn>> {
    let turn = prop_oneof![
        5 => (0..workers).prop_map(Turn::Round),
        1 => (0..workers, 0_u64..3_000).prop_map(|(who, ms)| Turn::Stall(who, ms)),
        4 => (1_u64..400).prop_map(Turn::Pass),
    ];
    prop::collection::vec(turn, 1..150)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_two_workers_ever_work_on_one_partition_at_once(turns in turns(4)) {
        let mut world = World::new(4);

        for turn in turns {
            match turn {
                Turn::Round(who) => world.round(who),
                Turn::Stall(who, ms) => world.workers[who].stalled_until = world.now + Duration::from_millis(ms),
                Turn::Pass(ms) => world.now += Duration::from_millis(ms),
            }
            world.assert_nobody_works_on_the_same();
        }
    }

    #[test]
    fn a_dead_workers_partitions_are_taken_over_within_a_lease_and_a_half(workers in 2_usize..6, dead in 0_usize..6) {
        let mut world = World::new(workers);
        let dead = dead % workers;
        let beat = LEASE / 5;
        for _ in 0..3 {
            (0..workers).for_each(|who| world.round(who));
            world.now += beat;
        }

        world.workers[dead].stalled_until = Duration::MAX;
        let died = world.now;
        while world.now <= died + LEASE * 3 / 2 {
            (0..workers).for_each(|who| world.round(who));
            world.now += beat;
        }

        prop_assert!(world.leases.iter().all(|lease| lease.owner.as_ref().is_some_and(|owner| *owner != worker(dead))));
    }
}
