//! Taking messages into hand: one statement finds them, commits the claim and brings their bytes (law L5).
//!
//! A claim changes no row of the queue but those that would overtake an earlier one of their key. It writes one row that names what was taken, so that whoever takes over after a
//! crash knows what had begun. Such a row goes when nothing of it is in hand any more, with the next claim.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use jiff::Timestamp;
use sallyport_telemetry::trace::SpanRecord;
use tokio_postgres::Row;

use super::{Behind, ClaimRequest, Lanes, Store, Taken};
use crate::error::StoreError;
use crate::low_water::{LowWater, Walk};
use crate::message::{ClaimId, ClaimRef, Claimed, Lane, MessageId, PayloadFormat, Priority};
use crate::partition::{Key, Partition, Token};
use crate::rows;

/// Partition by partition and urgency by urgency a short walk along the index, lane by lane.
const CLAIM: &str = include_str!("claim.sql");

impl Store {
    /// Takes messages into hand. What comes back is committed as begun: start it, settle it or give it back.
    ///
    /// A key's oldest comes first, always: a message of whose key an earlier one is behind goes behind itself, unseen. A
    /// partition whose ownership has moved brings nothing.
    ///
    /// # Errors
    /// The database is away or slow. Nothing is in hand then; a claim that was committed without our learning of it is
    /// counted as an attempt only if this worker is lost.
    ///
    /// # Cancel safety
    /// Not cancel safe: what a dropped call had claimed is found again by the next claim, but its claim row stays until
    /// the partition changes hands.
    pub async fn claim(&self, request: &ClaimRequest<'_>) -> Result<Taken, StoreError> {
        if request.partitions.is_empty() && request.looks.is_empty() {
            return Ok(Taken::default());
        }
        let asked_at = Instant::now();
        let finished = self.shared.open_claims.lock().take_finished();
        let asked = Asked::of(request, &self.shared.low_water.lock());
        match self.run_claim(request, &asked, &finished).await {
            Ok(rows) => {
                let taken = self.sort(request, &asked, &rows, asked_at)?;
                let mut open_claims = self.shared.open_claims.lock();
                open_claims.opened(&taken.messages);
                open_claims.opened(&taken.looked);
                self.shared.events.claimed(
                    taken.messages.len() + taken.looked.len(),
                    asked_at.elapsed(),
                );
                Ok(taken)
            }
            Err(error) => {
                self.shared.open_claims.lock().put_back(finished);
                self.shared
                    .events
                    .failed("claim", asked_at.elapsed(), &error);
                Err(error)
            }
        }
    }

    async fn run_claim(
        &self,
        request: &ClaimRequest<'_>,
        asked: &Asked,
        finished: &[i64],
    ) -> Result<Vec<Row>, StoreError> {
        let pool = self.pools.settle().map_err(StoreError::pool("claim"))?;
        let connection = pool.get().await.map_err(StoreError::pool("claim"))?;
        let statement = connection
            .prepare_cached(CLAIM)
            .await
            .map_err(StoreError::postgres("claim"))?;
        let in_hand: Vec<i64> = request.in_hand.iter().map(|held| held.id.0).collect();
        let looks = Looks::of(request);
        connection
            .query(
                &statement,
                &[
                    &asked.partitions,
                    &asked.tokens,
                    &asked.priorities,
                    &asked.maxima,
                    &asked.lowest,
                    &asked.lanes_from,
                    &asked.lanes_to,
                    &asked.wraps,
                    &asked.watched,
                    &self.worker.as_str(),
                    &finished,
                    &in_hand,
                    &looks.partitions,
                    &looks.tokens,
                    &looks.keys,
                    &looks.maxima,
                    &looks.alone,
                ],
            )
            .await
            .map_err(StoreError::postgres("claim"))
    }

    /// Tells what was taken from what went behind, and remembers where the next claim begins.
    fn sort(
        &self,
        request: &ClaimRequest<'_>,
        asked: &Asked,
        rows: &[Row],
        now: Instant,
    ) -> Result<Taken, StoreError> {
        let mut taken = Taken::default();
        let (mut walked, mut names) = (Walked::default(), Names::default());
        let mut behind: HashMap<Key, Behind> = HashMap::new();
        for row in rows {
            let standing: i32 = row.get("standing");
            let partition = rows::partition(row, "queue")?;
            let id = MessageId(row.get("id"));
            if standing != BEHIND {
                walked.met(
                    partition,
                    rows::priority(row, "queue")?,
                    Lane(row.get("lane")),
                    id,
                );
            }
            if standing == OVERTAKES {
                let key = Key::new(row.get("key"));
                let from = behind.entry(key.clone()).or_insert(Behind {
                    key,
                    partition,
                    from: id,
                });
                from.from = from.from.min(id);
            } else if let Some(message) = claimed(row, partition, id, &mut names)? {
                match standing {
                    BEHIND => taken.looked.push(message),
                    _ => taken.messages.push(message),
                }
            }
        }
        taken.behind = behind.into_values().collect();
        taken.more = self.note_walk(request, asked, &walked, now);
        Ok(taken)
    }

    /// Whoever gave less than was asked for has shown everything there is; the others go on with the next lane.
    fn note_walk(
        &self,
        request: &ClaimRequest<'_>,
        asked: &Asked,
        walked: &Walked,
        now: Instant,
    ) -> Vec<(Partition, Priority)> {
        let mut in_hand: HashMap<Partition, MessageId> = HashMap::new();
        for held in request.in_hand {
            let lowest = in_hand.entry(held.partition).or_insert(held.id);
            *lowest = (*lowest).min(held.id);
        }
        let mut low_water = self.shared.low_water.lock();
        let mut more = Vec::new();
        for (claim, turn) in request.partitions.iter().zip(&asked.lanes_from) {
            let shelf = (claim.partition, claim.priority);
            let walk = Walk {
                partition: claim.partition,
                priority: claim.priority,
                messages_max: usize::from(claim.messages_max),
                turn: (claim.lanes == Lanes::InTurn).then_some(Lane(*turn)),
                met: walked.shelves.get(&shelf).map_or(&[], Vec::as_slice),
                lowest_in_hand: in_hand.get(&shelf.0).copied(),
                highest: walked.highest,
            };
            if low_water.note(&walk, now) {
                more.push(shelf);
            }
        }
        more
    }

    /// Notes that the claims of these are not ours to forget any more: whoever owns their partitions now has to find what
    /// we had begun, and may not have looked yet.
    pub(super) fn leave_to_the_heir<'m>(&self, messages: impl Iterator<Item = &'m ClaimRef>) {
        let mut open_claims = self.shared.open_claims.lock();
        for message in messages {
            open_claims.in_hand.remove(&message.claim);
        }
    }

    /// Notes that these are no longer in hand.
    pub(super) fn out_of_hand<'m>(&self, messages: impl Iterator<Item = &'m ClaimRef>) {
        let mut open_claims = self.shared.open_claims.lock();
        for message in messages {
            open_claims.out_of_hand(message.claim, message.id);
        }
    }
}

/// What a row of the claim's answer is about: one that went behind, or one that was behind and is taken.
const OVERTAKES: i32 = 1;
const BEHIND: i32 = 2;

/// What the claim met on its way: lanes and numbers.
#[derive(Default)]
struct Walked {
    shelves: HashMap<(Partition, Priority), Vec<(Lane, MessageId)>>,
    highest: Option<MessageId>,
}

impl Walked {
    fn met(&mut self, partition: Partition, priority: Priority, lane: Lane, id: MessageId) {
        let shelf = self.shelves.entry((partition, priority)).or_default();
        shelf.push((lane, id));
        self.highest = self.highest.max(Some(id));
    }
}

/// What is asked, as arrays.
#[derive(Default)]
struct Asked {
    partitions: Vec<i16>,
    tokens: Vec<i64>,
    priorities: Vec<i16>,
    maxima: Vec<i32>,
    lowest: Vec<i64>,
    lanes_from: Vec<i16>,
    lanes_to: Vec<i16>,
    wraps: Vec<bool>,
    watched: Vec<bool>,
}

impl Asked {
    fn of(request: &ClaimRequest<'_>, low_water: &LowWater) -> Self {
        let mut asked = Self::default();
        for claim in request.partitions {
            let lowest = match claim.sweep {
                true => MessageId(0),
                false => low_water.of(claim.partition, claim.priority),
            };
            let (from, to, wraps) = match claim.lanes {
                Lanes::InTurn => (
                    low_water.turn(claim.partition, claim.priority),
                    Lane::LAST,
                    true,
                ),
                Lanes::Between(from, to) => (from, to, false),
            };
            asked.partitions.push(claim.partition.to_sql());
            asked.tokens.push(claim.token.0);
            asked.priorities.push(claim.priority.to_sql());
            asked.maxima.push(i32::from(claim.messages_max));
            asked.lowest.push(lowest.0);
            asked.lanes_from.push(from.0);
            asked.lanes_to.push(to.0);
            asked.wraps.push(wraps);
            asked
                .watched
                .push(request.watched.contains(claim.partition));
        }
        asked
    }
}

/// The keys that are looked for behind, as arrays.
#[derive(Default)]
struct Looks<'r> {
    partitions: Vec<i16>,
    tokens: Vec<i64>,
    keys: Vec<&'r str>,
    maxima: Vec<i32>,
    alone: Vec<Option<i64>>,
}

impl<'r> Looks<'r> {
    fn of(request: &ClaimRequest<'r>) -> Self {
        let mut looks = Self::default();
        for (look, token) in request.looks {
            looks.partitions.push(look.partition.to_sql());
            looks.tokens.push(token.0);
            looks.keys.push(look.key.as_str());
            looks.maxima.push(i32::from(look.messages_max));
            looks.alone.push(look.alone.map(|id| id.0));
        }
        looks
    }
}

/// The few names that many messages of a claim share: of bots, tenants, sources and kinds.
#[derive(Default)]
struct Names(HashSet<Arc<str>>);

impl Names {
    fn shared(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.0.get(name) {
            return Arc::clone(known);
        }
        let new: Arc<str> = Arc::from(name);
        self.0.insert(Arc::clone(&new));
        new
    }
}

/// A message as it was claimed; `None` when its bytes are gone, which the janitor does not let happen.
fn claimed(
    row: &Row,
    partition: Partition,
    id: MessageId,
    names: &mut Names,
) -> Result<Option<Claimed>, StoreError> {
    let Some(format) = row.get::<_, Option<i16>>("payload_format") else {
        return Ok(None);
    };
    let payload_format = PayloadFormat::from_sql(format).ok_or_else(|| StoreError::Row {
        table: "messages",
        what: format!("payload format {format}"),
    })?;
    let accepted_at: Timestamp = row.get("accepted_at");
    let waited: f64 = row.get("waited");
    Ok(Some(Claimed {
        id,
        day: row.get("day"),
        kind: names.shared(row.get("kind")),
        kind_version: rows::small(row.get("kind_version")),
        bot: names.shared(row.get("bot")),
        tenant: names.shared(row.get("tenant")),
        source: names.shared(row.get("source")),
        delivery_id: row.get("delivery_id"),
        key: Key::new(row.get("key")),
        partition,
        token: Token(row.get("token")),
        claim: ClaimId(row.get("claim")),
        priority: rows::priority(row, "queue")?,
        lane: Lane(row.get("lane")),
        attempts: rows::small(row.get("attempts")),
        interrupted: row.get("interrupted"),
        stepped_over: row.get("stepped_over"),
        payload: Bytes::copy_from_slice(row.get("payload")),
        payload_format,
        subject: row.get("subject"),
        cause: row.get::<_, Option<i64>>("cause").map(MessageId),
        trace: rows::trace(row, "messages")?,
        edge_spans: edge_spans(row),
        accepted_at,
        expires_at: row.get("expires_at"),
        ready_at: row.get("ready_at"),
        waited: Duration::try_from_secs_f64(waited).unwrap_or_default(),
        first_queued_at: accepted_at,
        taken: Instant::now(),
    }))
}

/// Spans are worth less than the message: those that cannot be read are left out.
fn edge_spans(row: &Row) -> Option<Vec<SpanRecord>> {
    let stored: Option<&[u8]> = row.get("edge_spans");
    serde_json::from_slice(stored?).ok()
}

/// The claims of which something is in hand, and those whose row may go.
#[derive(Debug, Default)]
pub(super) struct OpenClaims {
    in_hand: HashMap<ClaimId, HashSet<MessageId>>,
    finished: Vec<i64>,
}

impl OpenClaims {
    fn opened(&mut self, claimed: &[Claimed]) {
        for message in claimed {
            self.took(message.claim, message.id);
        }
    }

    pub(super) fn took(&mut self, claim: ClaimId, id: MessageId) {
        self.in_hand.entry(claim).or_default().insert(id);
    }

    pub(super) fn out_of_hand(&mut self, claim: ClaimId, id: MessageId) {
        let Some(ids) = self.in_hand.get_mut(&claim) else {
            return;
        };
        ids.remove(&id);
        if ids.is_empty() {
            self.in_hand.remove(&claim);
            self.finished.push(claim.0);
        }
    }

    fn take_finished(&mut self) -> Vec<i64> {
        std::mem::take(&mut self.finished)
    }

    fn put_back(&mut self, finished: Vec<i64>) {
        self.finished.extend(finished);
    }
}
