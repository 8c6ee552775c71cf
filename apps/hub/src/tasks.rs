//! The hub's long work, one file each.

mod answer;
mod digest;

pub(crate) use answer::{Answer, Due};
pub(crate) use digest::{DIGEST_WEBHOOK, Digest, DigestDue};
