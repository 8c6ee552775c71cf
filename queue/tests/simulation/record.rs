//! The trace of a run: hashed always, printed when somebody wants to read one seed step by step.

use std::fmt::{self, Write};

use crate::constants::SECOND;
use crate::model::Micros;

/// What happened, as a number that changes with every letter of it.
#[derive(Debug)]
pub(crate) struct Record {
    hash: Fnv,
    prints: bool,
}

impl Record {
    pub(crate) fn new(prints: bool) -> Self {
        Self {
            hash: Fnv(0xcbf2_9ce4_8422_2325),
            prints,
        }
    }

    pub(crate) fn say(&mut self, now: Micros, who: impl fmt::Display, what: fmt::Arguments<'_>) {
        let (seconds, micros) = (now / SECOND, now % SECOND);
        if self.prints {
            println!("{seconds:>5}.{micros:06} {who:<10} {what}");
        }
        writeln!(self.hash, "{now} {who} {what}").expect("a hash takes everything");
    }

    /// Two runs with the same hash said the same.
    pub(crate) fn hash(&self) -> u64 {
        self.hash.0
    }
}

/// FNV-1a: short, and not keyed like the standard library's.
#[derive(Debug)]
struct Fnv(u64);

impl Write for Fnv {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        Ok(())
    }
}
