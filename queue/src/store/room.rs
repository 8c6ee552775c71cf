//! Room for messages that are limited, and setting aside those that may not start now.
//!
//! A round is one short transaction: it locks the groups concerned (advisory locks, in one order), reads how they stand,
//! lets `limits` share out, and writes the result. A message that waits is delayed in the queue with a parked hold on its
//! key, so it occupies nobody's hands, and its key keeps its order. Kinds without limits never come here.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

use jiff::Timestamp;
use sallyport_postgres::{Cached, GenericClient};
use xxhash_rust::xxh3::xxh3_64;

use super::Store;
use crate::control::PAUSE;
use crate::error::StoreError;
use crate::limits::{Asking, Bound, Group, Limit, Share, share_out};
use crate::message::{ClaimRef, MessageId};
use crate::partition::{Partition, PartitionSet, Token};
use crate::rows;

mod aside;
mod resume;

use aside::Aside;

/// A message that waits for a place is looked at again after this at the latest, whatever happened to its call.
const CALLED_WITHIN: Duration = Duration::from_secs(3_600);

/// A message that asks for room before it starts.
#[derive(Debug, Clone)]
pub struct RoomRequest {
    /// Which message, under which ownership.
    pub message: ClaimRef,
    /// What bounds it; all of them apply.
    pub limits: Vec<Limit>,
}

/// The answer to a message that asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Room {
    /// It may start, and has its places until [`Store::leave_room`] or a takeover.
    Starts,
    /// It was set aside: no longer in hand, its key parked for it. It comes back by itself.
    Aside {
        /// What it waits for.
        room: String,
        /// When it comes back, if that is a matter of time alone.
        wait: Option<Duration>,
    },
    /// Another worker owns the partition, or the message is no longer there.
    Gone,
}

/// What was found about rooms when partitions changed hands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoomsFound {
    /// The messages that were set aside, each with what it waits for.
    pub waiting: Vec<(MessageId, String)>,
}

/// How the groups stand at the moment of a round.
struct Moment {
    now: Timestamp,
    groups: HashMap<String, Group>,
    has: HashMap<MessageId, Vec<String>>,
}

impl Store {
    /// Gives room to these messages as far as there is any, oldest first, and sets the others aside. The answers are in the
    /// order of the requests.
    ///
    /// # Errors
    /// The database is away or slow: nothing is known about the answer until the call is repeated, which does no harm.
    pub async fn ask_for_room(&self, asking: &[RoomRequest]) -> Result<Vec<Room>, StoreError> {
        let groups = asking.iter().flat_map(|request| &request.limits);
        self.round(groups, &[], asking).await
    }

    /// Frees the places of messages whose attempt is over, and calls the oldest of those that wait for them.
    ///
    /// # Errors
    /// The database is away or slow: the places stay taken until the call is repeated or the partition is taken over.
    pub async fn leave_room(&self, left: &[(MessageId, Vec<Limit>)]) -> Result<(), StoreError> {
        let groups = left.iter().flat_map(|(_, limits)| limits);
        let ids: Vec<MessageId> = left.iter().map(|(id, _)| *id).collect();
        self.round(groups, &ids, &[]).await.map(drop)
    }

    /// The net under calls that got lost: calls those in these partitions that wait although there is room.
    ///
    /// # Errors
    /// The database is away or slow; the next call goes on.
    pub async fn call_waiting(&self, partitions: &[Partition]) -> Result<(), StoreError> {
        let numbers: Vec<i16> = partitions.iter().map(|one| one.to_sql()).collect();
        let pool = self.pools.settle().map_err(StoreError::pool("call"))?;
        let connection = pool.get().await.map_err(StoreError::pool("call"))?;
        let found = connection
            .query_cached(
                "SELECT DISTINCT ON (room) room, at_once FROM waiting
                 WHERE partition = ANY ($1) AND at_once IS NOT NULL ORDER BY room, message_id LIMIT 1000",
                &[&numbers],
            )
            .await
            .map_err(StoreError::postgres("call"))?;
        drop(connection);
        let groups: Vec<Limit> = found.iter().map(limit_of).collect();
        self.round(groups.iter(), &[], &[]).await.map(drop)
    }

    /// Frees the places that earlier owners of these partitions left behind, calls those that wait for them, and says who
    /// was set aside here. To be called at a takeover, before the first claim.
    ///
    /// # Errors
    /// The database is away or slow; call again.
    pub async fn take_over_rooms(
        &self,
        partitions: &[(Partition, Token)],
    ) -> Result<RoomsFound, StoreError> {
        let failed = || StoreError::postgres("take over rooms");
        let numbers: Vec<i16> = partitions.iter().map(|(one, _)| one.to_sql()).collect();
        let tokens: Vec<i64> = partitions.iter().map(|(_, token)| token.0).collect();
        let pool = self
            .pools
            .settle()
            .map_err(StoreError::pool("take over rooms"))?;
        let connection = pool
            .get()
            .await
            .map_err(StoreError::pool("take over rooms"))?;
        let freed = connection
            .query_cached(
                "WITH mine AS (SELECT * FROM unnest($1::int2[], $2::int8[]) AS m (partition, token)),
                 freed AS (
                     DELETE FROM slots s USING mine m WHERE s.partition = m.partition AND s.token < m.token
                     RETURNING s.room, s.at_once
                 )
                 SELECT DISTINCT ON (room) room, at_once FROM freed",
                &[&numbers, &tokens],
            )
            .await
            .map_err(failed())?;
        let waiting = connection
            .query_cached(
                "SELECT message_id, room FROM waiting WHERE partition = ANY ($1)",
                &[&numbers],
            )
            .await
            .map_err(failed())?;
        drop(connection);
        let groups: Vec<Limit> = freed.iter().map(limit_of).collect();
        self.round(groups.iter(), &[], &[]).await?;
        Ok(RoomsFound {
            waiting: waiting
                .iter()
                .map(|row| (MessageId(row.get("message_id")), row.get("room")))
                .collect(),
        })
    }

    async fn round<'l>(
        &self,
        limits: impl Iterator<Item = &'l Limit>,
        left: &[MessageId],
        asking: &[RoomRequest],
    ) -> Result<Vec<Room>, StoreError> {
        let bounds: BTreeMap<&str, Bound> = limits
            .map(|limit| (limit.group.as_str(), limit.bound))
            .collect();
        if bounds.is_empty() {
            return Ok(vec![Room::Starts; asking.len()]);
        }
        let failed = || StoreError::postgres("share out room");
        let pool = self
            .pools
            .settle()
            .map_err(StoreError::pool("share out room"))?;
        let mut connection = pool
            .get()
            .await
            .map_err(StoreError::pool("share out room"))?;
        let transaction = connection.transaction().await.map_err(failed())?;
        lock(&transaction, &bounds).await?;
        let moment = read(&transaction, &bounds, left, asking).await?;
        let (answers, called) = self.decide_and_write(&transaction, moment, asking).await?;
        transaction.commit().await.map_err(failed())?;
        self.shared.bell.ring(called);
        Ok(answers)
    }

    async fn decide_and_write(
        &self,
        client: &impl GenericClient,
        moment: Moment,
        asking: &[RoomRequest],
    ) -> Result<(Vec<Room>, PartitionSet), StoreError> {
        let Moment {
            now, groups, has, ..
        } = &moment;
        let mut standing: HashMap<&str, Group> = groups
            .iter()
            .map(|(name, group)| (name.as_str(), group.clone()))
            .collect();
        let askers: Vec<Asking<'_>> = asking.iter().map(|one| asker(one, has)).collect();
        let round = share_out(&mut standing, &askers);
        write_rates(client, &standing, *now).await?;

        let mut answers = vec![Room::Gone; asking.len()];
        let (mut starters, mut asides) = (Vec::new(), Vec::new());
        for ((place, request), share) in asking.iter().enumerate().zip(&round.shares) {
            match share {
                Some(Share::Starts) => starters.push((place, request)),
                Some(Share::Waits {
                    group,
                    at_once,
                    wait,
                }) => asides.push((
                    place,
                    Aside {
                        message: &request.message,
                        room: (*group).to_owned(),
                        at_once: *at_once,
                        wait: wait.unwrap_or(CALLED_WITHIN),
                    },
                    *wait,
                )),
                None => {}
            }
        }
        let started = self.take_places(client, &starters).await?;
        for (place, request) in &starters {
            if let Some(answer) = answers.get_mut(*place)
                && started.contains(&request.message.id)
            {
                *answer = Room::Starts;
            }
        }
        let set_aside = self
            .write_asides(client, asides.iter().map(|(_, aside, _)| aside))
            .await?;
        for (place, aside, wait) in asides {
            if let Some(answer) = answers.get_mut(place)
                && set_aside.contains(&aside.message.id)
            {
                *answer = Room::Aside {
                    room: aside.room,
                    wait,
                };
            }
        }
        let called = call(client, &round.called).await?;
        Ok((answers, called))
    }

    /// Writes down the places of those that start, if this worker still owns their partitions; says who they are.
    async fn take_places(
        &self,
        client: &impl GenericClient,
        starters: &[(usize, &RoomRequest)],
    ) -> Result<HashSet<MessageId>, StoreError> {
        if starters.is_empty() {
            return Ok(HashSet::new());
        }
        let mut columns = Places::default();
        for (_, request) in starters {
            for limit in &request.limits {
                columns.push(&request.message, limit);
            }
        }
        let found = client
            .query_cached(
                include_str!("room/take_places.sql"),
                &[
                    &columns.ids,
                    &columns.partitions,
                    &columns.tokens,
                    &columns.rooms,
                    &columns.at_once,
                    &self.worker.as_str(),
                ],
            )
            .await
            .map_err(StoreError::postgres("take a place"))?;
        Ok(found.iter().map(|row| MessageId(row.get(0))).collect())
    }
}

/// The places to be taken as arrays, one per column; a rate has no bound and takes no place.
#[derive(Default)]
struct Places<'r> {
    ids: Vec<i64>,
    partitions: Vec<i16>,
    tokens: Vec<i64>,
    rooms: Vec<&'r str>,
    at_once: Vec<Option<i32>>,
}

impl<'r> Places<'r> {
    fn push(&mut self, message: &ClaimRef, limit: &'r Limit) {
        self.ids.push(message.id.0);
        self.partitions.push(message.partition.to_sql());
        self.tokens.push(message.token.0);
        self.rooms.push(&limit.group);
        self.at_once.push(match limit.bound {
            Bound::AtOnce(max) => Some(i32::try_from(max.get()).unwrap_or(i32::MAX)),
            Bound::Rate { .. } => None,
        });
    }
}

fn limit_of(row: &tokio_postgres::Row) -> Limit {
    let at_once: i32 = row.get("at_once");
    Limit::at_once(
        row.get::<_, String>("room"),
        u32::try_from(at_once).unwrap_or(1),
    )
}

fn asker<'a>(request: &'a RoomRequest, has: &'a HashMap<MessageId, Vec<String>>) -> Asking<'a> {
    Asking {
        id: request.message.id,
        limits: &request.limits,
        has: has
            .get(&request.message.id)
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect(),
    }
}

/// Locks the groups until the commit, always in the same order. Two groups of one number only wait for each other.
async fn lock(
    client: &impl GenericClient,
    bounds: &BTreeMap<&str, Bound>,
) -> Result<(), StoreError> {
    let numbers: BTreeSet<i64> = bounds
        .keys()
        .map(|group| i64::from_ne_bytes(xxh3_64(group.as_bytes()).to_ne_bytes()))
        .collect();
    let numbers: Vec<i64> = numbers.into_iter().collect();
    client
        .query_cached(
            "SELECT pg_advisory_xact_lock(number) FROM unnest($1::int8[]) AS given (number)",
            &[&numbers],
        )
        .await
        .map_err(StoreError::postgres("lock groups"))?;
    Ok(())
}

/// How the groups stand now that nobody else changes them. Places of those that left are freed first.
async fn read(
    client: &impl GenericClient,
    bounds: &BTreeMap<&str, Bound>,
    left: &[MessageId],
    asking: &[RoomRequest],
) -> Result<Moment, StoreError> {
    let failed = || StoreError::postgres("look at groups");
    let left: Vec<i64> = left.iter().map(|id| id.0).collect();
    if !left.is_empty() {
        client
            .execute_cached("DELETE FROM slots WHERE message_id = ANY ($1)", &[&left])
            .await
            .map_err(failed())?;
    }
    let ids: Vec<i64> = asking.iter().map(|request| request.message.id.0).collect();
    let names: Vec<&str> = bounds.keys().copied().collect();
    let groups = client
        .query_cached(include_str!("room/groups.sql"), &[&names, &ids])
        .await
        .map_err(failed())?;
    let mut moment = Moment {
        now: Timestamp::now(),
        groups: HashMap::with_capacity(groups.len()),
        has: HashMap::new(),
    };
    for row in &groups {
        let room: String = row.get("room");
        moment.now = row.get("now");
        let group = group_of(row, bounds.get(room.as_str()).copied());
        for id in row.get::<_, Vec<i64>>("has") {
            moment
                .has
                .entry(MessageId(id))
                .or_default()
                .push(room.clone());
        }
        moment.groups.insert(room, group);
    }
    Ok(moment)
}

fn group_of(row: &tokio_postgres::Row, bound: Option<Bound>) -> Group {
    let ids = |column| {
        let ids: Vec<i64> = row.get(column);
        ids.into_iter().map(MessageId).collect()
    };
    let tokens = match bound {
        Some(Bound::Rate { each, burst }) => {
            let burst = f64::from(burst.get());
            let (left, since): (Option<f64>, Option<f64>) = (row.get("tokens"), row.get("since"));
            let refilled = since.unwrap_or(0.0).max(0.0) / each.as_secs_f64().max(1e-6);
            left.map_or(burst, |left| (left + refilled).min(burst))
        }
        Some(Bound::AtOnce(_)) | None => 0.0,
    };
    Group {
        bound,
        taken: u32::try_from(rows::count(row.get("taken"))).unwrap_or(u32::MAX),
        tokens,
        waiters: ids("waiters"),
        in_line: ids("in_line"),
    }
}

async fn write_rates(
    client: &impl GenericClient,
    groups: &HashMap<&str, Group>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let (mut names, mut tokens) = (Vec::new(), Vec::new());
    for (name, group) in groups {
        if matches!(group.bound, Some(Bound::Rate { .. })) {
            names.push(*name);
            tokens.push(group.tokens);
        }
    }
    if names.is_empty() {
        return Ok(());
    }
    client
        .execute_cached(
            "INSERT INTO rates (room, tokens, at)
             SELECT room, tokens, $3 FROM unnest($1::text[], $2::float8[]) AS given (room, tokens)
             ON CONFLICT (room) DO UPDATE SET tokens = excluded.tokens, at = excluded.at",
            &[&names, &tokens, &now],
        )
        .await
        .map_err(StoreError::postgres("count starts"))?;
    Ok(())
}

/// Gives a place to each of these that still waits, and makes it due: where they are.
async fn call(
    client: &impl GenericClient,
    called: &[(&str, MessageId)],
) -> Result<PartitionSet, StoreError> {
    if called.is_empty() {
        return Ok(PartitionSet::EMPTY);
    }
    let names: Vec<&str> = called.iter().map(|(name, _)| *name).collect();
    let ids: Vec<i64> = called.iter().map(|(_, id)| id.0).collect();
    let found = client
        .query_cached(include_str!("room/call.sql"), &[&names, &ids])
        .await
        .map_err(StoreError::postgres("call the next"))?;
    found
        .iter()
        .map(|row| rows::partition(row, "waiting"))
        .collect()
}

/// What messages of a paused kind wait for.
fn pause_of(kind: &str) -> String {
    format!("{PAUSE}{kind}")
}
