//! Where people write: each channel turns its provider's wire format into the kit's words, and nothing more.
//!
//! It exists so that handlers never see a provider. A channel knows neither persons nor queues: who somebody is here,
//! and what follows from it, is for `persons` and `conversation`.

pub mod telegram;
