//! The kit's own tables, in the schema `kit`: what must survive a restart between two messages of one thought or absence.
//!
//! The statements that use them stand where they are used, in `whole` and `away`.

use crate::Migration;

/// The kit's tables, to be applied before those of any app.
pub const MIGRATIONS: &[Migration] = &[Migration {
    version: 1,
    name: "thoughts_and_absences",
    sql: include_str!("tables/V1.sql"),
}];
