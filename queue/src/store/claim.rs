//! Taking messages into hand: one statement finds them, commits the claim and brings their bytes (law L5).
//!
//! A claim changes no row of the queue. It writes one row that names what was taken, so that whoever takes over after a
//! crash knows what had begun. Such a row goes when nothing of it is in hand any more, with the next claim.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use bytes::Bytes;
use jiff::Timestamp;
use sallyport_telemetry::trace::SpanRecord;
use tokio_postgres::Row;

use super::{ClaimRequest, Store};
use crate::error::StoreError;
use crate::message::{ClaimId, ClaimRef, Claimed, MessageId, PayloadFormat};
use crate::partition::{Key, Partition, Token};
use crate::rows;

/// The most urgent and oldest that the filters leave, partition by partition, each a short walk along the index.
const CLAIM: &str = include_str!("claim.sql");

impl Store {
    /// Takes messages into hand. What comes back is committed as begun: start it, settle it or release it.
    ///
    /// Messages come in the order of urgency, then age; a key's oldest always first. A partition whose ownership has moved
    /// brings nothing.
    ///
    /// # Errors
    /// The database is away or slow. Nothing is in hand then; a claim that was committed without our learning of it is
    /// counted as an attempt only if this worker is lost.
    ///
    /// # Cancel safety
    /// Not cancel safe: what a dropped call had claimed is found again by the next claim, but its claim row stays until
    /// the partition changes hands.
    pub async fn claim(&self, request: &ClaimRequest<'_>) -> Result<Vec<Claimed>, StoreError> {
        if request.partitions.is_empty() || request.total_max == 0 {
            return Ok(Vec::new());
        }
        let asked_at = Instant::now();
        let finished = self.shared.open_claims.lock().take_finished();
        match self.run_claim(request, &finished).await {
            Ok(claimed) => {
                self.shared.open_claims.lock().opened(&claimed);
                self.note_low_water(request, &claimed, asked_at);
                self.shared
                    .events
                    .claimed(claimed.len(), asked_at.elapsed());
                Ok(claimed)
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
        finished: &[i64],
    ) -> Result<Vec<Claimed>, StoreError> {
        let pool = self.pools.settle().map_err(StoreError::pool("claim"))?;
        let connection = pool.get().await.map_err(StoreError::pool("claim"))?;
        let statement = connection
            .prepare_cached(CLAIM)
            .await
            .map_err(StoreError::postgres("claim"))?;
        let wanted = self.wanted(request);
        let in_hand: Vec<i64> = request.in_hand.iter().map(|id| id.0).collect();
        let even_so: Vec<i64> = request.even_so.iter().map(|id| id.0).collect();
        let without: Vec<&str> = request.without_keys.iter().map(Key::as_str).collect();
        let total_max = i64::try_from(request.total_max).unwrap_or(i64::MAX);
        let found = connection
            .query(
                &statement,
                &[
                    &wanted.partitions,
                    &wanted.tokens,
                    &wanted.maxima,
                    &wanted.lowest,
                    &self.worker.as_str(),
                    &total_max,
                    &without,
                    &even_so,
                    &in_hand,
                    &finished,
                ],
            )
            .await
            .map_err(StoreError::postgres("claim"))?;
        found.iter().map(claimed).collect()
    }

    fn wanted(&self, request: &ClaimRequest<'_>) -> Wanted {
        let low_water = self.shared.low_water.lock();
        let mut wanted = Wanted::default();
        for asked in request.partitions {
            wanted.partitions.push(asked.partition.to_sql());
            wanted.tokens.push(asked.token.0);
            wanted.maxima.push(i32::from(asked.messages_max));
            wanted.lowest.push(if request.sweep {
                0
            } else {
                low_water.of(asked.partition).0
            });
        }
        wanted
    }

    /// A partition that gave less than it was asked for has shown everything it has, unless keys were left out or the
    /// total cut it short.
    fn note_low_water(&self, request: &ClaimRequest<'_>, claimed: &[Claimed], now: Instant) {
        if !request.without_keys.is_empty() || claimed.len() >= request.total_max {
            return;
        }
        let highest = claimed.iter().map(|message| message.id).max();
        let lowest_in_hand = request.in_hand.iter().min();
        let mut taken: HashMap<Partition, (u16, MessageId)> = HashMap::new();
        for message in claimed {
            let (count, lowest) = taken.entry(message.partition).or_insert((0, message.id));
            *count += 1;
            *lowest = (*lowest).min(message.id);
        }
        let mut low_water = self.shared.low_water.lock();
        for asked in request.partitions {
            let here = taken.get(&asked.partition);
            if here.is_some_and(|(count, _)| *count >= asked.messages_max) {
                continue;
            }
            let candidates = [
                here.map(|(_, lowest)| *lowest),
                lowest_in_hand.copied(),
                highest,
            ];
            if let Some(lowest) = candidates.into_iter().flatten().min() {
                low_water.seen(asked.partition, lowest, now);
            }
        }
    }

    /// Gives messages back without counting an attempt. The next claim finds them again.
    ///
    /// # Errors
    /// The database is away or slow: the messages count as begun until the call is repeated.
    pub async fn release(&self, messages: &[ClaimRef]) -> Result<(), StoreError> {
        if messages.is_empty() {
            return Ok(());
        }
        let pool = self.pools.settle().map_err(StoreError::pool("release"))?;
        let connection = pool.get().await.map_err(StoreError::pool("release"))?;
        let statement = connection
            .prepare_cached(include_str!("release.sql"))
            .await
            .map_err(StoreError::postgres("release"))?;
        let claims: Vec<i64> = messages.iter().map(|message| message.claim.0).collect();
        let ids: Vec<i64> = messages.iter().map(|message| message.id.0).collect();
        connection
            .execute(&statement, &[&claims, &ids])
            .await
            .map_err(StoreError::postgres("release"))?;
        self.out_of_hand(messages.iter());
        Ok(())
    }

    /// Notes that these are no longer in hand.
    pub(super) fn out_of_hand<'m>(&self, messages: impl Iterator<Item = &'m ClaimRef>) {
        let mut open_claims = self.shared.open_claims.lock();
        for message in messages {
            open_claims.out_of_hand(message.claim, message.id);
        }
    }
}

#[derive(Default)]
struct Wanted {
    partitions: Vec<i16>,
    tokens: Vec<i64>,
    maxima: Vec<i32>,
    lowest: Vec<i64>,
}

fn claimed(row: &Row) -> Result<Claimed, StoreError> {
    let format: i16 = row.get("payload_format");
    let payload_format = PayloadFormat::from_sql(format).ok_or_else(|| StoreError::Row {
        table: "messages",
        what: format!("payload format {format}"),
    })?;
    let accepted_at: Timestamp = row.get("accepted_at");
    let waited: f64 = row.get("waited");
    Ok(Claimed {
        id: MessageId(row.get("id")),
        day: row.get("day"),
        kind: row.get("kind"),
        kind_version: rows::small(row.get("kind_version")),
        bot: row.get("bot"),
        tenant: row.get("tenant"),
        source: row.get("source"),
        delivery_id: row.get("delivery_id"),
        key: Key::new(row.get("key")),
        partition: rows::partition(row, "queue")?,
        token: Token(row.get("token")),
        claim: ClaimId(row.get("claim")),
        priority: rows::priority(row, "queue")?,
        attempts: rows::small(row.get("attempts")),
        interrupted: row.get("interrupted"),
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
    })
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
            self.in_hand
                .entry(message.claim)
                .or_default()
                .insert(message.id);
        }
    }

    fn out_of_hand(&mut self, claim: ClaimId, id: MessageId) {
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
