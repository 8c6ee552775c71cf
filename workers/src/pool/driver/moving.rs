//! Partitions that come and go: taking over, handing over, losing (L4, L5, L14).

use std::sync::Arc;
use std::time::{Duration, Instant};

use sallyport_queue::{
    ClaimRef, HeldKey, Key, MessageId, Partition, PartitionSet, StoreError, TakenOver, Token,
};

use super::{Driver, House, Report};
use crate::pool::events;

/// A takeover that failed is tried again after this long.
const AGAIN_AFTER: Duration = Duration::from_millis(250);
/// Giving back is tried this often; after that the messages count as attempted at the takeover.
const RELEASE_TRIES: u32 = 5;

/// Partitions whose former owner's attempts are counted now; `None` when they went away before that succeeded.
pub(super) struct Arrival {
    partitions: Vec<(Partition, Token)>,
    found: Option<TakenOver>,
    /// Messages that were set aside there.
    waiting: Vec<(MessageId, String)>,
}

impl Driver {
    /// Compares the books with what is held now, and acts on the difference.
    pub(super) fn compare_holdings(&mut self) {
        let holdings = Arc::clone(&self.holdings.borrow_and_update());
        let changes = self.partitions.update(&holdings, Instant::now());
        if !changes.lost.is_empty() {
            events::lost(changes.lost.len());
            self.house.meters.leases_lost(changes.lost.len());
        }
        self.empty_suspects(&changes.lost);
        for partition in changes.lost {
            self.mailboxes.forget(partition);
        }
        self.empty(&changes.leaving);
        if self.draining.is_some() {
            // What came after the drain began is not even looked at.
            let late = self.partitions.leave_all(Instant::now());
            self.empty(&late);
            return;
        }
        if !changes.gained.is_empty() {
            self.arriving += 1;
            self.report_from(take_over(Arc::clone(&self.house), changes.gained));
        }
    }

    /// Gives back what waits in partitions that are about to leave.
    pub(super) fn empty(&mut self, partitions: &[Partition]) {
        self.empty_rooms(partitions);
        self.empty_suspects(partitions);
        for partition in partitions {
            let dropped = self.mailboxes.forget(*partition);
            self.give_back
                .extend(dropped.iter().map(|entry| entry.message.reference()));
        }
    }

    /// Opens newly held partitions for claims, with the holds that were stored.
    pub(super) fn take_arrival(&mut self, arrival: Arrival) {
        self.arriving -= 1;
        let Some(found) = arrival.found else {
            return;
        };
        let now = Instant::now();
        // Some may have gone away meanwhile, and may even be ours again: what was found then is told of another ownership.
        let arrived: PartitionSet = arrival
            .partitions
            .into_iter()
            .filter(|(partition, token)| self.partitions.arrived(*partition, *token))
            .map(|(partition, _)| partition)
            .collect();
        if arrived.is_empty() {
            return;
        }
        for partition in arrived.iter() {
            self.claiming.want(partition);
            self.claiming.look_behind(partition);
        }
        self.room.remember(arrival.waiting);
        self.look_after_orders();
        // A hold of a partition that is not ours would stay here when its head ends elsewhere, and hold its key for ever.
        let ours = |held: &HeldKey| arrived.contains(held.partition);
        for held in found.held.into_iter().filter(ours) {
            let until = held.remaining.map(|remaining| now + remaining);
            self.mailboxes
                .hold(&held.key, held.partition, held.head, until);
        }
    }

    /// Gives away the leaving partitions in which nothing runs any more.
    pub(super) fn hand_over(&mut self) {
        if self.claiming.is_claiming() || self.arriving > 0 {
            return;
        }
        let leases = self.partitions.take_finished();
        if leases.is_empty() {
            return;
        }
        self.releasing += 1;
        let give_back = std::mem::take(&mut self.give_back);
        let behind = std::mem::take(&mut self.put_behind);
        let house = Arc::clone(&self.house);
        self.report_from(async move {
            release(&house, &give_back, &behind).await;
            house.membership.release(leases).await;
            Report::Released
        });
    }
}

async fn take_over(house: Arc<House>, partitions: Vec<(Partition, Token)>) -> Report {
    let (found, waiting) = loop {
        match find_out(&house, &partitions).await {
            Ok((found, waiting)) => break (Some(found), waiting),
            Err(error) => {
                events::take_over_failed(partitions.len(), &error);
            }
        }
        let holdings = house.membership.holdings();
        let still_ours = partitions.iter().any(|(partition, token)| {
            holdings
                .get(partition)
                .is_some_and(|holding| holding.token == *token)
        });
        if !still_ours || house.stop.is_cancelled() {
            break (None, Vec::new());
        }
        tokio::time::sleep(AGAIN_AFTER).await;
    };
    Report::TakenOver(Arrival {
        partitions,
        found,
        waiting,
    })
}

/// Counts what was begun, frees the places that were taken, and says who was set aside. Twice is harmless.
async fn find_out(
    house: &House,
    partitions: &[(Partition, Token)],
) -> Result<(TakenOver, Vec<(MessageId, String)>), StoreError> {
    let found = house
        .store
        .take_over(partitions, &house.kinds.rules())
        .await?;
    let rooms = house.store.take_over_rooms(partitions).await?;
    Ok((found, rooms.waiting))
}

impl Driver {
    /// Lets the keys go on whose failing heads were waited for long enough.
    pub(super) fn lift_holds(&mut self, now: Instant) {
        let lifted: Vec<(Partition, Key, MessageId)> = self
            .mailboxes
            .lift_overdue(now)
            .into_iter()
            .map(|lifted| (lifted.key.partition(), lifted.key, lifted.head))
            .collect();
        if lifted.is_empty() {
            return;
        }
        lifted
            .iter()
            .for_each(|(partition, _, _)| self.claiming.want(*partition));
        let house = Arc::clone(&self.house);
        self.house.tasks.spawn(async move {
            // A hold that stays in the rows has run out there too: at worst a takeover looks at it once more.
            if let Err(error) = house.store.lift(&lifted).await {
                events::lift_failed(&error);
            }
        });
    }
}

/// Gives messages back uncounted before their partitions go.
async fn release(house: &House, messages: &[ClaimRef], behind: &[ClaimRef]) {
    if messages.is_empty() && behind.is_empty() {
        return;
    }
    for _ in 0..RELEASE_TRIES {
        match house.store.give_back(messages, behind).await {
            Ok(()) => return,
            Err(error) => {
                events::release_failed(messages.len() + behind.len(), &error);
            }
        }
        tokio::time::sleep(AGAIN_AFTER).await;
    }
}
