//! Messages that may not start when it is their turn: their group is full, or their kind is paused.
//!
//! They leave the hands at once: set aside in the rows, their keys parked for them, so that they occupy no slot and stand
//! in nobody's way. When there is room again they are called, become ready and come back like any other message.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sallyport_queue::mailboxes::Fate;
use sallyport_queue::{
    ClaimRef, Claimed, Limit, MessageId, Partition, Room, RoomRequest, StoreError,
};

use super::{Driver, House, Report};
use crate::pool::events;
use crate::pool::kinds::Kind;

/// How many messages ask or are set aside with one transaction.
const BATCH_MAX: usize = 256;
/// The first wait before a failed transaction is sent again; it doubles up to a second.
const AGAIN_AFTER: Duration = Duration::from_millis(20);
const AGAIN_AFTER_MAX: Duration = Duration::from_secs(1);
/// What messages of a paused kind wait for begins with this.
const PAUSE: &str = "pause:";

/// A message whose turn it is, and what bounds it.
pub(super) struct Limited {
    pub(super) message: Arc<Claimed>,
    pub(super) kind: Arc<Kind>,
    pub(super) limits: Vec<Limit>,
}

/// The books about room.
#[derive(Default)]
pub(super) struct Rooms {
    asking: Vec<Limited>,
    is_asking: bool,
    /// Have room, and wait for a slot.
    pub(super) admitted: VecDeque<Limited>,
    paused: Vec<ClaimRef>,
    is_setting_aside: bool,
    left: Vec<(MessageId, Vec<Limit>)>,
    is_leaving: bool,
    /// Set aside in our partitions, each with what it waits for.
    waiting: HashMap<MessageId, String>,
    is_resuming: bool,
    is_calling: bool,
}

/// What came of asking for room.
pub(super) struct Answered {
    asked: Vec<Limited>,
    rooms: Vec<Room>,
}

/// What came of setting aside.
pub(super) struct SetAside {
    asked: Vec<ClaimRef>,
    set_aside: HashSet<MessageId>,
}

impl Rooms {
    pub(super) fn ask(&mut self, limited: Limited) {
        self.asking.push(limited);
    }

    pub(super) fn pause(&mut self, message: ClaimRef) {
        self.paused.push(message);
    }

    pub(super) fn leave(&mut self, id: MessageId, limits: &[Limit]) {
        let has_place = |limit: &Limit| matches!(limit.bound, sallyport_queue::Bound::AtOnce(_));
        if limits.iter().any(has_place) {
            self.left.push((id, limits.to_vec()));
        }
    }

    /// It is no longer set aside.
    pub(super) fn forget(&mut self, id: MessageId) {
        if !self.waiting.is_empty() {
            self.waiting.remove(&id);
        }
    }

    pub(super) fn remember(&mut self, waiting: Vec<(MessageId, String)>) {
        self.waiting.extend(waiting);
    }

    /// Whether somebody who was set aside may have been called.
    pub(super) fn is_awaited(&self) -> bool {
        !self.waiting.is_empty()
    }

    pub(super) fn is_busy(&self) -> bool {
        self.is_asking || self.is_setting_aside || self.is_leaving || !self.left.is_empty()
    }
}

impl Driver {
    /// Sends what asks for room and what is to be set aside, each as one transaction; meanwhile the next gathers.
    pub(super) fn see_to_room(&mut self) {
        if !self.room.asking.is_empty() && !self.room.is_asking {
            let count = self.room.asking.len().min(BATCH_MAX);
            let asked: Vec<Limited> = self.room.asking.drain(..count).collect();
            self.room.is_asking = true;
            self.report_from(ask(Arc::clone(&self.house), asked));
        }
        if !self.room.paused.is_empty() && !self.room.is_setting_aside {
            let count = self.room.paused.len().min(BATCH_MAX);
            let asked: Vec<ClaimRef> = self.room.paused.drain(..count).collect();
            self.room.is_setting_aside = true;
            self.report_from(set_aside(Arc::clone(&self.house), asked));
        }
    }

    /// Frees the places of what is settled.
    pub(super) fn leave_rooms(&mut self) {
        if self.room.left.is_empty() || self.room.is_leaving {
            return;
        }
        self.room.is_leaving = true;
        let left = std::mem::take(&mut self.room.left);
        let house = Arc::clone(&self.house);
        self.report_from(async move {
            let mut patience = Patience::NEW;
            while let Err(error) = house.store.leave_room(&left).await {
                if !patience.wait(&house, &error).await {
                    break;
                }
            }
            Report::RoomLeft
        });
    }

    pub(super) fn take_left(&mut self) {
        self.room.is_leaving = false;
    }

    /// Takes in who has room and who was set aside.
    pub(super) fn take_answered(&mut self, answered: Answered) {
        self.room.is_asking = false;
        for (limited, room) in answered.asked.into_iter().zip(answered.rooms) {
            let message = &limited.message;
            let (partition, token) = (message.partition, message.token);
            match room {
                Room::Starts if self.partitions.works(partition, token) => {
                    self.room.admitted.push_back(limited);
                }
                Room::Starts => {
                    let reference = message.reference();
                    self.room.leave(reference.id, &limited.limits);
                    self.take_back(reference);
                }
                Room::Aside { room, wait } => {
                    if let Some(wait) = wait {
                        self.claiming.due_in(wait, Instant::now());
                    }
                    self.was_set_aside(&message.reference(), room);
                }
                Room::Gone => self.is_gone(&message.reference()),
            }
        }
    }

    /// Takes in what was set aside because of a pause.
    pub(super) fn take_set_aside(&mut self, done: SetAside) {
        self.room.is_setting_aside = false;
        for message in done.asked {
            if done.set_aside.contains(&message.id) {
                let room = format!("{PAUSE}{}", message.kind);
                self.was_set_aside(&message, room);
            } else {
                self.is_gone(&message);
            }
        }
    }

    /// A message handed out by the mailboxes is delayed now, and its key waits for it.
    fn was_set_aside(&mut self, message: &ClaimRef, room: String) {
        self.is_back(message.id);
        if self.partitions.owns(message.partition, message.token) {
            self.partitions.end(message.partition, message.token);
            self.mailboxes
                .settled(&message.key, message.id, Fate::Parked);
            self.room.waiting.insert(message.id, room);
        }
    }

    pub(super) fn is_gone(&mut self, message: &ClaimRef) {
        self.is_back(message.id);
        if self.partitions.owns(message.partition, message.token) {
            self.partitions.end(message.partition, message.token);
            if self
                .mailboxes
                .settled(&message.key, message.id, Fate::Ended)
            {
                self.claiming.want(message.partition);
            }
        }
    }

    /// A message that was handed out goes back uncounted, because its partition leaves.
    pub(super) fn take_back(&mut self, message: ClaimRef) {
        self.is_back(message.id);
        if self.partitions.owns(message.partition, message.token) {
            self.partitions.end(message.partition, message.token);
            self.give_back.push(message);
        }
    }

    /// Gives back what has not started in partitions that leave.
    pub(super) fn empty_rooms(&mut self, partitions: &[Partition]) {
        let leaves = |message: &Claimed| partitions.contains(&message.partition);
        let mut back: Vec<ClaimRef> = self
            .room
            .asking
            .extract_if(.., |limited| leaves(&limited.message))
            .map(|limited| limited.message.reference())
            .collect();
        back.extend(
            self.room
                .paused
                .extract_if(.., |message| partitions.contains(&message.partition)),
        );
        for limited in std::mem::take(&mut self.room.admitted) {
            if leaves(&limited.message) {
                self.room.leave(limited.message.id, &limited.limits);
                back.push(limited.message.reference());
            } else {
                self.room.admitted.push_back(limited);
            }
        }
        back.into_iter().for_each(|message| self.take_back(message));
    }

    /// Makes messages ready whose kinds are no longer paused.
    pub(super) fn let_resumed_go_on(&mut self) {
        if self.room.is_resuming || self.room.waiting.is_empty() {
            return;
        }
        let kinds: HashSet<String> = self
            .room
            .waiting
            .values()
            .filter_map(|room| room.strip_prefix(PAUSE))
            .filter(|kind| !self.steering.is_paused(kind))
            .map(str::to_owned)
            .collect();
        let partitions: Vec<Partition> = self
            .partitions
            .claimable()
            .map(|(partition, _)| partition)
            .collect();
        if kinds.is_empty() || partitions.is_empty() {
            return;
        }
        self.room.is_resuming = true;
        let house = Arc::clone(&self.house);
        self.report_from(resume(house, kinds, partitions));
    }

    /// Takes in what goes on after a pause. More may wait: it is asked for until nothing comes.
    pub(super) fn take_resumed(&mut self, resumed: Vec<MessageId>) {
        self.room.is_resuming = false;
        for id in &resumed {
            self.room.waiting.remove(id);
        }
        if resumed.is_empty() {
            return;
        }
        self.claiming.woken(sallyport_queue::PartitionSet::ALL);
        self.let_resumed_go_on();
    }

    /// The net under calls that got lost.
    pub(super) fn call_waiting(&mut self) {
        let waits_for_room = |room: &String| !room.starts_with(PAUSE);
        if self.room.is_calling || !self.room.waiting.values().any(waits_for_room) {
            return;
        }
        let partitions: Vec<Partition> = self
            .partitions
            .claimable()
            .map(|(partition, _)| partition)
            .collect();
        self.room.is_calling = true;
        let house = Arc::clone(&self.house);
        self.report_from(async move {
            if let Err(error) = house.store.call_waiting(&partitions).await {
                events::room_failed(&error);
            }
            Report::Called
        });
    }

    pub(super) fn take_called(&mut self) {
        self.room.is_calling = false;
    }
}

async fn ask(house: Arc<House>, asked: Vec<Limited>) -> Report {
    let requests: Vec<RoomRequest> = asked
        .iter()
        .map(|limited| RoomRequest {
            message: limited.message.reference(),
            limits: limited.limits.clone(),
        })
        .collect();
    let mut patience = Patience::NEW;
    let rooms = loop {
        match house.store.ask_for_room(&requests).await {
            Ok(rooms) => break rooms,
            Err(error) if patience.wait(&house, &error).await => {}
            Err(_the_pool_stops) => break Vec::new(),
        }
    };
    Report::Room(Answered { asked, rooms })
}

async fn set_aside(house: Arc<House>, asked: Vec<ClaimRef>) -> Report {
    let mut patience = Patience::NEW;
    let set_aside = loop {
        match house.store.set_aside(&asked).await {
            Ok(set_aside) => break set_aside,
            Err(error) if patience.wait(&house, &error).await => {}
            Err(_the_pool_stops) => break HashSet::new(),
        }
    };
    Report::SetAside(SetAside { asked, set_aside })
}

async fn resume(house: Arc<House>, kinds: HashSet<String>, partitions: Vec<Partition>) -> Report {
    let mut resumed = Vec::new();
    for kind in &kinds {
        match house.store.resume_waiting(kind, &partitions).await {
            Ok(ids) => resumed.extend(ids),
            Err(error) => events::room_failed(&error),
        }
    }
    Report::Resumed(resumed)
}

/// Patience with the database: until it answers, nobody knows who has room.
pub(super) struct Patience(Duration);

impl Patience {
    pub(super) const NEW: Self = Self(AGAIN_AFTER);

    /// Waits before another try; `false` when the pool stops hard.
    pub(super) async fn wait(&mut self, house: &House, error: &StoreError) -> bool {
        events::room_failed(error);
        let pause = tokio::time::sleep(self.0);
        self.0 = (self.0 * 2).min(AGAIN_AFTER_MAX);
        house.stop.run_until_cancelled(pause).await.is_some()
    }
}
