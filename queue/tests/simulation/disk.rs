//! The spool's disk in the simulation: the product's own disk in memory, with a switch that makes its flushes lie.

use std::io;

use sallyport_queue::spool::{Disk, MemoryDisk};

/// A disk in memory; when it `lies`, a flush does nothing and says that all is well.
#[derive(Debug, Clone)]
pub(crate) struct SimDisk {
    pub(crate) memory: MemoryDisk,
    /// After so many operations the power goes.
    power_until: Option<u64>,
    lies: bool,
}

impl SimDisk {
    pub(crate) fn new(lies: bool) -> Self {
        Self {
            memory: MemoryDisk::new(),
            power_until: None,
            lies,
        }
    }

    /// The power goes after so many operations more.
    pub(crate) fn lose_power_after(&mut self, operations: u64) {
        self.memory.lose_power_after(operations);
        self.power_until = Some(self.memory.operations() + operations);
    }

    /// Whether an operation met a disk without power: nobody can be answered any more.
    pub(crate) fn is_without_power(&self) -> bool {
        self.power_until
            .is_some_and(|until| self.memory.operations() > until)
    }

    /// Ends all troubles.
    pub(crate) fn heal(&mut self) {
        self.power_until = None;
        self.memory.set_capacity(None);
        self.memory.heal();
    }

    /// The power goes, if it has not yet, and comes back.
    pub(crate) fn power_cut(&mut self, luck: impl FnMut(usize) -> usize) {
        self.power_until = None;
        self.memory.power_cut_with(luck);
    }
}

impl Disk for SimDisk {
    fn list(&mut self) -> io::Result<Vec<String>> {
        self.memory.list()
    }

    fn size(&mut self, name: &str) -> io::Result<u64> {
        self.memory.size(name)
    }

    fn read(&mut self, name: &str, from: u64, bytes_max: usize) -> io::Result<Vec<u8>> {
        self.memory.read(name, from, bytes_max)
    }

    fn create(&mut self, name: &str) -> io::Result<()> {
        self.memory.create(name)
    }

    fn append(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.memory.append(name, bytes)
    }

    fn sync(&mut self, name: &str) -> io::Result<()> {
        if self.lies {
            return Ok(());
        }
        self.memory.sync(name)
    }

    fn sync_directory(&mut self) -> io::Result<()> {
        self.memory.sync_directory()
    }

    fn truncate(&mut self, name: &str, bytes: u64) -> io::Result<()> {
        self.memory.truncate(name, bytes)
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.memory.rename(from, to)
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        self.memory.remove(name)
    }
}
