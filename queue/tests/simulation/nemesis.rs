//! Whoever breaks things: crashes, power cuts, full and failing disks, stopped processes, a Postgres that is gone or swallows
//! everything, clocks that jump. It ends, and then everything is repaired.

use rand::Rng;
use sallyport_queue::spool::{Operation, Trouble};

use crate::constants::{MILLISECOND, SECOND, pick};
use crate::context::micros;
use crate::event::Event;
use crate::world::World;

/// Breaks one thing, and comes again.
pub(crate) fn strike(world: &mut World) {
    if !world.context.faults {
        return;
    }
    match world.context.between(0, 11) {
        0 => crash_edge(world),
        1 => {
            let edge = any(world, world.edges.len());
            power_cut(world, edge);
        }
        2 => lose_power_soon(world),
        3 | 4 => trouble_disk(world),
        5 => crash_worker(world),
        6 | 7 => stop_worker(world),
        8 => drain_worker(world),
        9 => crash_postgres(world),
        10 => black_hole(world),
        _ => jump_clock(world),
    }
    let every = world.context.constants.fault_every;
    let wait = world.context.between(every / 4, every * 2);
    world.context.after(wait, Event::Nemesis);
}

fn any(world: &mut World, among: usize) -> usize {
    world.context.rng.random_range(0..among)
}

fn crash_edge(world: &mut World) {
    let index = any(world, world.edges.len());
    if world.edges[index].up {
        world
            .context
            .say("nemesis", format_args!("kills edge {index}"));
        world.edges[index].crash();
        let wait = world.context.between(10 * MILLISECOND, 3 * SECOND);
        world.context.after(wait, Event::EdgeUp(index));
    }
}

/// The machine of an edge loses its power; of what was not flushed some may have arrived.
pub(crate) fn power_cut(world: &mut World, index: usize) {
    world
        .context
        .say("nemesis", format_args!("cuts the power of edge {index}"));
    let kind = world.context.between(0, 2);
    let rng = &mut world.context.rng;
    world.edges[index].disk.power_cut(|most| match kind {
        0 => 0,
        1 => most,
        _ => rng.random_range(0..=most),
    });
    world.edges[index].crash();
    let wait = world.context.between(100 * MILLISECOND, 5 * SECOND);
    world.context.after(wait, Event::EdgeUp(index));
}

fn lose_power_soon(world: &mut World) {
    let index = any(world, world.edges.len());
    let operations = world.context.rng.random_range(0..8);
    world.edges[index].disk.lose_power_after(operations);
}

fn trouble_disk(world: &mut World) {
    let index = any(world, world.edges.len());
    let rng = &mut world.context.rng;
    let operation = *pick(
        rng,
        &[
            Operation::Sync,
            Operation::Sync,
            Operation::SyncDirectory,
            Operation::Append,
            Operation::Create,
            Operation::Truncate,
            Operation::Rename,
            Operation::Remove,
        ],
    );
    let trouble = *pick(rng, &[Trouble::Device, Trouble::NoSpace]);
    let lasts = rng.random_range(0..3) == 0;
    let memory = &world.edges[index].disk.memory;
    if lasts {
        memory.fail_always(operation, trouble);
    } else {
        memory.fail_next(operation, trouble);
    }
    world.context.say(
        "nemesis",
        format_args!("troubles the disk of edge {index}: {operation:?} {trouble:?} {lasts}"),
    );
    let wait = world.context.between(SECOND, 10 * SECOND);
    world.context.after(wait, Event::DiskHeals(index));
}

fn crash_worker(world: &mut World) {
    let index = any(world, world.workers.len());
    if world.workers[index].up {
        world
            .context
            .say("nemesis", format_args!("kills worker {index}"));
        world.workers[index].crash();
        let wait = world.context.between(10 * MILLISECOND, 5 * SECOND);
        world.context.after(wait, Event::WorkerUp(index));
    }
}

/// STOP, and CONT after up to two leases.
fn stop_worker(world: &mut World) {
    let index = any(world, world.workers.len());
    let lease = micros(world.context.constants.lease);
    let wait = world.context.between(lease / 10, lease * 2);
    world.workers[index].stopped_until = world.context.now + wait;
    world.context.say(
        "nemesis",
        format_args!("stops worker {index} for {} ms", wait / MILLISECOND),
    );
}

fn drain_worker(world: &mut World) {
    let index = any(world, world.workers.len());
    if world.workers[index].stopped_until <= world.context.now {
        world.workers[index].drain(&mut world.context);
    }
}

fn crash_postgres(world: &mut World) {
    if world.server.up {
        world.context.say("nemesis", format_args!("kills postgres"));
        world.server.crash(&mut world.context);
        let wait = world.context.between(100 * MILLISECOND, 20 * SECOND);
        world.context.after(wait, Event::ServerUp);
    }
}

/// Nothing arrives and nobody is told.
fn black_hole(world: &mut World) {
    let wait = world.context.between(100 * MILLISECOND, 15 * SECOND);
    world.server.black_hole_until = world.context.now + wait;
    world.context.say(
        "nemesis",
        format_args!("lets postgres vanish for {} ms", wait / MILLISECOND),
    );
}

/// The clock of Postgres jumps.
fn jump_clock(world: &mut World) {
    let jump = world.context.between(-60 * SECOND, 60 * SECOND);
    world.server.clock_offset += jump;
    world.context.say(
        "nemesis",
        format_args!("moves the clock of postgres by {} ms", jump / MILLISECOND),
    );
}

/// The faults are over: everything is repaired and started.
pub(crate) fn give_up(world: &mut World) {
    world.context.say("nemesis", format_args!("gives up"));
    world.context.faults = false;
    world.server.black_hole_until = 0;
    // Whoever sets a clock right makes no message wait for what the wrong one promised.
    world.server.clock_offset = world.server.clock_offset.max(120 * SECOND);
    world.server.start(&mut world.context);
    for edge in &mut world.edges {
        edge.disk.heal();
        edge.start(&mut world.context);
    }
    for worker in &mut world.workers {
        worker.stopped_until = 0;
        worker.start(&mut world.context);
    }
}
