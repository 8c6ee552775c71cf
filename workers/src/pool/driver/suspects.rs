//! Suspects: messages that may be the cause of crashes run one at a time, each under a claim of its own (law L5).
//!
//! Everything else goes on beside them. They wait outside: they take no slot and no room in the hands from anybody. Whoever
//! was blamed least goes first, so that in a series of crashes the blame does not fall on the same one again.

use std::collections::BTreeMap;
use std::sync::Arc;

use sallyport_queue::blame::is_suspect;
use sallyport_queue::{ClaimId, Claimed, MessageId, Partition};

use super::room::{Limited, Patience};
use super::steering::Out;
use super::{Driver, House, Report};
use crate::pool::events;

/// The books about suspects.
#[derive(Default)]
pub(super) struct Suspects {
    /// By what they were blamed for so far, then by age.
    waiting: BTreeMap<(u16, MessageId), Limited>,
    /// Its own claim is being made or it runs.
    alone: Option<MessageId>,
    /// Its own claim is made.
    ready: Option<Limited>,
}

/// A suspect and the claim that was made for it; `None` when it is no longer ours.
pub(super) struct Charged {
    suspect: Limited,
    claim: Option<ClaimId>,
}

impl Suspects {
    /// A message is settled, given back or set aside.
    pub(super) fn is_back(&mut self, id: MessageId) {
        self.alone.take_if(|alone| *alone == id);
    }

    fn extract(&mut self, leaves: impl Fn(&Claimed) -> bool) -> Vec<Limited> {
        let mut extracted: Vec<Limited> = self
            .waiting
            .extract_if(.., |_, limited| leaves(&limited.message))
            .map(|(_, limited)| limited)
            .collect();
        extracted.extend(self.ready.take_if(|limited| leaves(&limited.message)));
        extracted
    }
}

impl Driver {
    /// Starts a message whose turn it is, or lets it wait until it may run alone.
    pub(super) fn admit(&mut self, limited: Limited) {
        let attempts_max = limited.kind.policy().attempts_max;
        if !is_suspect(&limited.message, attempts_max) {
            self.start(limited);
            return;
        }
        let message = &limited.message;
        self.out.insert(message.id, Out::Unstarted);
        if self.suspects.waiting.len() < self.house.settings.in_hand_max.get() {
            self.mailboxes.step_aside(&message.key, message.id);
        }
        let place = (message.attempts, message.id);
        self.suspects.waiting.insert(place, limited);
    }

    /// Lets the next suspect run, if none does.
    pub(super) fn try_suspect(&mut self) {
        if let Some(suspect) = self.suspects.ready.take() {
            let message = &suspect.message;
            self.mailboxes.step_forward(&message.key, message.id);
            events::suspect_runs(message.id, &message.kind, message.attempts);
            self.start(suspect);
        }
        if self.suspects.alone.is_some() {
            return;
        }
        let Some((_, suspect)) = self.suspects.waiting.pop_first() else {
            return;
        };
        self.suspects.alone = Some(suspect.message.id);
        self.report_from(claim_alone(Arc::clone(&self.house), suspect));
    }

    /// Takes in a claim for one message.
    pub(super) fn take_charged(&mut self, charged: Charged) {
        let Charged { mut suspect, claim } = charged;
        let Some(claim) = claim else {
            self.is_gone(&suspect.message.reference());
            return;
        };
        Arc::make_mut(&mut suspect.message).claim = claim;
        let message = &suspect.message;
        if self.partitions.works(message.partition, message.token) {
            self.suspects.ready = Some(suspect);
        } else {
            self.acquit(&suspect);
        }
    }

    /// Gives back the suspects of partitions that leave, and forgets those of partitions that are lost.
    pub(super) fn empty_suspects(&mut self, partitions: &[Partition]) {
        let leaves = |message: &Claimed| partitions.contains(&message.partition);
        for suspect in self.suspects.extract(leaves) {
            self.acquit(&suspect);
        }
    }

    fn acquit(&mut self, suspect: &Limited) {
        let message = suspect.message.reference();
        if self.partitions.owns(message.partition, message.token) {
            self.room.leave(message.id, &suspect.limits);
        }
        self.take_back(message);
    }
}

async fn claim_alone(house: Arc<House>, suspect: Limited) -> Report {
    let message = suspect.message.reference();
    let mut patience = Patience::NEW;
    let claim = loop {
        match house.store.claim_alone(&message).await {
            Ok(claim) => break claim,
            Err(error) if patience.wait(&house, &error).await => {}
            Err(_the_pool_stops) => break None,
        }
    };
    Report::Charged(Box::new(Charged { suspect, claim }))
}
