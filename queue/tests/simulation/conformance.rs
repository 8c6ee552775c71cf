//! The same stories, told to the model of Postgres and to the real one: where they differ, the simulation proves nothing.

mod model;
mod postgres;
mod stories;

use std::time::Duration;

use sallyport_queue::mailboxes::Look;
use sallyport_queue::{
    ClaimRef, Key, MessageId, NewMessage, Settled, Settlement, TakenOver, Token,
};

use crate::model::Taken;

/// What both must do alike. Workers are called by name.
pub(crate) trait Stored {
    /// Accepts a message: its number, and whether it was there before.
    async fn accept(&mut self, message: NewMessage) -> (MessageId, bool);
    /// Begins to accept, and goes away before there is an answer.
    async fn accept_and_leave(&mut self, message: NewMessage);
    /// Makes a worker the owner of everything.
    async fn own(&mut self, worker: &str) -> Token;
    /// Claims whatever there is, but what is in hand.
    async fn claim(&mut self, worker: &str, token: Token, in_hand: &[MessageId]) -> Vec<Taken>;
    async fn settle(&mut self, worker: &str, settlement: Settlement) -> Settled;
    async fn take_over(&mut self, worker: &str, token: Token) -> TakenOver;
    /// Claims what is behind of one key.
    async fn claim_behind(&mut self, worker: &str, token: Token, key: &Key) -> Vec<Taken>;
    async fn release(&mut self, worker: &str, message: ClaimRef, behind: bool);
    /// Makes ready what is due: how many.
    async fn promote(&mut self, worker: &str) -> usize;
    async fn lift(&mut self, worker: &str, key: &Key, head: MessageId);
    /// Lets time pass for whatever waits.
    async fn pass(&mut self, time: Duration);
}

/// Everything of one key that is behind.
fn look(key: &Key) -> Look {
    Look {
        key: key.clone(),
        partition: key.partition(),
        messages_max: 100,
        alone: None,
    }
}

macro_rules! told_to_both {
    ($($story:ident,)*) => {
        mod the_model {
            $(#[tokio::test]
            async fn $story() {
                super::stories::$story(&mut super::model::Model::new()).await;
            })*
        }
        mod a_real_postgres {
            $(#[tokio::test]
            async fn $story() {
                super::stories::$story(&mut super::postgres::Real::new().await).await;
            })*
        }
    };
}

told_to_both!(
    a_repeated_delivery_is_stored_once,
    an_accept_without_an_answer_and_its_repetition_are_one_message,
    a_claim_brings_the_most_urgent_and_the_oldest_first_and_nothing_that_is_in_hand,
    an_end_is_durable_once_and_its_repetition_learns_so,
    a_stale_settlement_changes_nothing_and_causes_nothing,
    a_retry_waits_for_its_time_and_counts_a_snooze_does_not,
    a_settlement_that_arrives_again_after_its_message_came_back_changes_nothing,
    a_takeover_counts_what_was_begun_once,
    what_was_given_back_does_not_count,
    an_unsettled_send_is_ambiguous,
    what_is_put_behind_comes_by_its_key_and_nothing_overtakes_it,
    whatever_is_lost_or_given_back_joins_what_is_behind_of_its_key,
    a_hold_is_found_by_the_heir_until_it_is_lifted,
    a_hold_that_stands_keeps_its_end,
);
