//! Backup, restore to a moment, and the drill that proves both.
//!
//! A backup is a folder: a physical copy of the database made by `pg_basebackup`, the settings and secrets sealed under a
//! password, and a manifest that is written last. Beside the backups lies the archive of the write-ahead log, so that any
//! moment since the oldest backup can be restored. This room exists because "it is backed up" is worth nothing until a
//! restore of it has been timed: so [`drill`] is part of it, and what it finds is exported like any other number.
//!
//! It refuses to know what a message means. It reads the tables of the house only to count rows and to ask whether they fit
//! together, and writes to them only once: after a restore it clears the leases and makes the workers wait (law L15). It reads
//! no environment and finds no file by itself: the binary hands in where programs may lie and which files are to be kept.

mod archive;
mod backup;
mod chore;
mod cluster;
mod consistency;
mod counts;
mod disk;
mod drill;
mod error;
mod events;
mod follow;
mod kept;
mod manifest;
mod plan;
mod programs;
mod restore;
mod retention;
mod scratch;
mod session;
mod settings;
mod shelf;
mod timetable;
mod wal;

pub use backup::{BackupError, Made, backup};
pub use chore::{Chore, Keeper};
pub use drill::{DrillError, Report, drill};
pub use error::Trouble;
pub use follow::{FollowError, follow};
pub use kept::{KeptFile, unpack as unpack_settings};
pub use manifest::Manifest;
pub use plan::{PlanError, Target};
pub use restore::{Request, RestoreError, Restored, restore};
pub use settings::{Place, Settings};
pub use shelf::{Named, Shelf, Standing};
