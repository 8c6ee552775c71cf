//! Messages that do harm on command, so that the tests of faults can see what becomes of their neighbours.
//!
//! Built for tests only, and harmless unless the point is armed.

use sallyport_telemetry::points::{Point, is_planted};

/// What a greedy handler takes before the process dies.
const GREED_BYTES: usize = 256 << 20;
/// How long a handler that never yields sleeps at a time: its thread is gone, the processor is left to others.
const NAP: std::time::Duration = std::time::Duration::from_millis(50);

/// Does what the text of this message asks for.
pub(crate) fn strike(payload: &[u8]) {
    let Some(poison) = [PANIC, MEMORY, LOOP].into_iter().find(|poison| {
        payload
            .windows(poison.len())
            .any(|part| part == poison.as_bytes())
    }) else {
        return;
    };
    if !is_planted(Point::Poison) {
        return;
    }
    match poison {
        PANIC => fall(),
        MEMORY => {
            let greed = vec![1_u8; GREED_BYTES];
            // As the kernel does it to whoever takes too much.
            if greed.iter().all(|byte| *byte == 1) {
                std::process::abort();
            }
        }
        _ => loop {
            std::thread::sleep(NAP);
        },
    }
}

const PANIC: &str = "/poison-panic";
const MEMORY: &str = "/poison-memory";
const LOOP: &str = "/poison-loop";

#[expect(clippy::panic, reason = "that is what was asked for")]
fn fall() {
    panic!("poisoned on purpose");
}
