//! The hub's long work, one file each.

mod answer;

pub(crate) use answer::{Answer, Due};
