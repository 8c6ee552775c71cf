//! What the hub's buttons do, one file each. Names and payloads are stored with every button and outlive a deployment.

mod copy_id;
mod group;
mod replay_story;
mod try_again;

pub(crate) use {
    copy_id::CopyId,
    group::{LeaveGroup, OfferReplay, ReplayGroup},
    replay_story::ReplayStory,
    try_again::{CutOff, TryAgain},
};
