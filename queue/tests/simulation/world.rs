//! One simulated house from its first event to its last: whoever it concerns is told what happens, one event at a time, and
//! the checker looks after each.

use std::collections::BTreeSet;

use sallyport_queue::Partition;

use crate::client::Client;
use crate::constants::{MILLISECOND, SECOND};
use crate::context::{Context, micros};
use crate::edge::Edge;
use crate::event::{Actor, Event, Timer};
use crate::model::Micros;
use crate::nemesis;
use crate::plant::Plant;
use crate::server::Server;
use crate::worker::Worker;

/// After the faults a house has this many events to finish everything.
const STEPS_MAX: u64 = 400_000;

/// A house.
pub(crate) struct World {
    pub(crate) context: Context,
    pub(crate) server: Server,
    pub(crate) edges: Vec<Edge>,
    pub(crate) workers: Vec<Worker>,
    clients: Vec<Client>,
    steps: u64,
    finish_by: Micros,
}

/// What became of one seed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) seed: u64,
    pub(crate) hash: u64,
    pub(crate) steps: u64,
    pub(crate) messages: usize,
    pub(crate) violation: Option<String>,
}

/// Runs one seed to its end.
pub(crate) fn run(seed: u64, plant: Option<Plant>, prints: bool) -> Outcome {
    let mut world = World::new(seed, plant, prints);
    let is_complete = world.run();
    world.context.checker.at_the_end(is_complete);
    let violation = world.context.checker.violation().map(str::to_owned);
    if let Some(violation) = &violation {
        world
            .context
            .say("checker", format_args!("VIOLATION {violation}"));
    }
    Outcome {
        seed,
        hash: world.context.record.hash(),
        steps: world.steps,
        messages: world.context.checker.messages(),
        violation,
    }
}

impl World {
    fn new(seed: u64, plant: Option<Plant>, prints: bool) -> Self {
        let mut context = Context::new(seed, plant, prints);
        let constants = context.constants.clone();
        context.say("seed", format_args!("{seed}: {constants:?}"));
        let clients: Vec<Client> = (0..constants.clients)
            .map(|index| Client::new(index, &mut context))
            .collect();
        let partitions: BTreeSet<Partition> = clients
            .iter()
            .flat_map(|client| client.partitions())
            .collect();
        let server = Server::new(partitions, plant);
        let edges = (0..constants.edges)
            .map(|index| Edge::new(index, &mut context))
            .collect();
        let workers = (0..constants.workers)
            .map(|index| Worker::new(index, &mut context))
            .collect();
        context.after(constants.fault_every, Event::Nemesis);
        context.after(constants.faults_for, Event::FaultsEnd);
        Self {
            context,
            server,
            edges,
            workers,
            clients,
            steps: 0,
            finish_by: constants.faults_for + 4 * micros(constants.lease) + 300 * SECOND,
        }
    }

    /// Whether everything came to its end.
    fn run(&mut self) -> bool {
        while let Some(event) = self.context.next() {
            self.steps += 1;
            self.handle(event);
            self.power_goes_where_it_must();
            if self.context.checker.violation().is_some() {
                return false;
            }
            if !self.context.faults {
                if self.is_complete() {
                    return true;
                }
                if self.context.now > self.finish_by || self.steps > STEPS_MAX {
                    return false;
                }
            }
        }
        false
    }

    fn is_complete(&self) -> bool {
        self.clients.iter().all(Client::is_done)
            && self.edges.iter().all(Edge::is_empty)
            && self.context.checker.is_settled()
    }

    fn handle(&mut self, event: Event) {
        let context = &mut self.context;
        match event {
            Event::ToServer(number, ask) => self.server.receive(number, *ask, context),
            Event::Commit(number) => self.server.commit(number, self.workers.len(), context),
            Event::TooLong(number) => self.server.too_long(number, context),
            Event::Reply(..) | Event::ConnectionLost(_) | Event::Deadline(_) => self.reply(event),
            Event::Timer(actor, generation, timer) => self.timer(actor, generation, timer),
            Event::ToEdge(index, envelope) => {
                let edge = &mut self.edges[index];
                if edge.up {
                    edge.receive(envelope, context);
                }
            }
            Event::ToClient {
                client,
                origin,
                accepted,
            } => self.clients[client].answered(origin, accepted, context),
            Event::Sent {
                worker,
                generation,
                id,
                claim,
            } => {
                context.say("provider", format_args!("receives {}", id.0));
                context.checker.sent(id);
                if !context.happens(context.constants.odds.send_lost) {
                    let way = context.between(MILLISECOND, 50 * MILLISECOND);
                    let answered = Timer::SendAnswered(id, claim);
                    context.timer(way, Actor::Worker(worker), generation, answered);
                }
            }
            Event::Woken(index, partition) => {
                let worker = &mut self.workers[index];
                if worker.up && worker.stopped_until <= context.now {
                    worker.woken(partition, context);
                }
            }
            Event::Nemesis => nemesis::strike(self),
            Event::FaultsEnd => nemesis::give_up(self),
            Event::ServerUp => self.server.start(context),
            Event::DiskHeals(index) => self.edges[index].disk.memory.heal(),
            Event::EdgeUp(index) => self.edges[index].start(context),
            Event::WorkerUp(index) => self.workers[index].start(context),
        }
    }

    /// How long somebody is stopped yet, if it is.
    fn stopped_for(&self, actor: Actor) -> Option<Micros> {
        match actor {
            Actor::Worker(index) => {
                let wait = self.workers[index].stopped_until - self.context.now;
                (wait > 0).then_some(wait)
            }
            Actor::Client(_) | Actor::Edge(_) => None,
        }
    }

    fn reply(&mut self, event: Event) {
        let (number, answer) = match event {
            Event::Reply(number, answer) => (number, answer),
            Event::ConnectionLost(number) => (number, Err(crate::event::Failure::Lost)),
            Event::Deadline(number) => (number, Err(crate::event::Failure::Late)),
            _ => return,
        };
        let Some(request) = self.context.requests.get(&number) else {
            return;
        };
        if let Some(wait) = self.stopped_for(request.from) {
            self.context.after(wait, Event::Reply(number, answer));
            return;
        }
        let Some(request) = self.context.requests.remove(&number) else {
            return;
        };
        let context = &mut self.context;
        if let Err(failure) = &answer {
            let what = request.tag.word();
            context.say(
                request.from,
                format_args!("gets no answer to {what}: {failure:?}"),
            );
        }
        match request.from {
            Actor::Edge(index) => {
                let edge = &mut self.edges[index];
                if edge.up && edge.generation == request.generation {
                    edge.answered(request.tag, answer, context);
                }
            }
            Actor::Worker(index) => {
                let worker = &mut self.workers[index];
                if worker.up && worker.generation == request.generation {
                    worker.answered(request.tag, answer, context);
                }
            }
            Actor::Client(_) => {}
        }
    }

    fn timer(&mut self, actor: Actor, generation: u32, timer: Timer) {
        if let Some(wait) = self.stopped_for(actor) {
            self.context.timer(wait, actor, generation, timer);
            return;
        }
        let context = &mut self.context;
        match actor {
            Actor::Client(index) => self.clients[index].hear(timer, context),
            Actor::Edge(index) => {
                let edge = &mut self.edges[index];
                if edge.up && edge.generation == generation {
                    edge.hear(timer, context);
                }
            }
            Actor::Worker(index) => {
                let worker = &mut self.workers[index];
                if worker.up && worker.generation == generation {
                    worker.hear(timer, context);
                }
            }
        }
    }

    /// An edge whose disk met the end of its power in the last event goes down with it.
    fn power_goes_where_it_must(&mut self) {
        for index in 0..self.edges.len() {
            if self.edges[index].disk.is_without_power() {
                nemesis::power_cut(self, index);
            }
        }
    }
}
