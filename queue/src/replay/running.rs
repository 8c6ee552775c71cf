//! One step of a replay: what is found next, what of it may be handed in, and what the replay's row says afterwards.

use jiff::civil::Date;
use sallyport_postgres::GenericClient;
use tokio_postgres::Row;

use super::filter::{Candidate, ReplayFilter};
use super::walk::{self, Cursor, Page};
use super::{PAGE_ROWS, STEP_MAX, filter_of};
use crate::error::StoreError;
use crate::partition::{Key, PartitionSet};
use crate::rows;

/// A replay of which a step is due, locked.
pub(super) struct Running {
    pub(super) id: i64,
    pub(super) filter: ReplayFilter,
    pub(super) forced: bool,
    pub(super) per_second: u16,
    pub(super) cursor: Cursor,
    pub(super) until_id: i64,
}

/// What one step comes to.
pub(super) struct Step {
    pub(super) chosen: Vec<Candidate>,
    pub(super) refused: usize,
    pub(super) looked_at: i64,
    pub(super) next: Option<Cursor>,
}

/// What a step put on the queue.
pub(super) struct HandedIn {
    pub(super) partitions: PartitionSet,
    pub(super) handed_in: usize,
}

impl Running {
    pub(super) fn of(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.get("id"),
            filter: filter_of(row)?,
            forced: row.get("forced"),
            per_second: rows::small(row.get("per_second")).max(1),
            cursor: Cursor {
                day: row.get("day"),
                last_id: row.get("last_id"),
            },
            until_id: row.get("until_id"),
        })
    }

    pub(super) async fn page(
        &self,
        client: &impl GenericClient,
        days: &[Date],
    ) -> Result<Page, StoreError> {
        walk::page(
            client,
            &self.filter,
            self.cursor,
            self.until_id,
            PAGE_ROWS,
            days,
        )
        .await
    }

    /// As many as the rate allows; the next step begins behind the last of them.
    pub(super) fn choose(&self, page: Page) -> Step {
        let at_most = (usize::from(self.per_second) / 4).clamp(1, STEP_MAX);
        let mut step = Step {
            chosen: Vec::new(),
            refused: 0,
            looked_at: page.looked_at,
            next: page.next,
        };
        for found in page.found {
            if step.chosen.len() >= at_most {
                step.next = step.chosen.last().map(|last| Cursor {
                    last_id: last.id.0,
                    ..self.cursor
                });
                step.looked_at = 0;
                break;
            }
            match found.refusal(self.forced) {
                Some(_) => step.refused += 1,
                None => step.chosen.push(found),
            }
        }
        step
    }

    pub(super) async fn hand_in(
        &self,
        client: &impl GenericClient,
        step: &Step,
    ) -> Result<HandedIn, StoreError> {
        let failed = || StoreError::postgres("replay");
        let ids: Vec<i64> = step.chosen.iter().map(|found| found.id.0).collect();
        let days: Vec<Option<Date>> = step.chosen.iter().map(|found| found.day).collect();
        let partitions = step
            .chosen
            .iter()
            .map(|found| Key::new(&found.key).partition());
        let numbers: Vec<i16> = partitions
            .map(crate::partition::Partition::to_sql)
            .collect();
        // A dead letter that somebody else replays at this moment is waited for, and left out by the next statement.
        client
            .query(
                "SELECT FROM dead_letters WHERE id = ANY ($1) ORDER BY id FOR UPDATE",
                &[&ids],
            )
            .await
            .map_err(failed())?;
        let put = client
            .query(
                include_str!("put.sql"),
                &[&ids, &days, &numbers, &self.id, &self.forced],
            )
            .await
            .map_err(failed())?;
        let mut partitions = PartitionSet::EMPTY;
        for row in &put {
            partitions.insert(rows::partition(row, "queue")?);
        }
        Ok(HandedIn {
            partitions,
            handed_in: put.len(),
        })
    }

    pub(super) async fn note(
        &self,
        client: &impl GenericClient,
        step: &Step,
        handed_in: usize,
    ) -> Result<(), StoreError> {
        let cursor = step.next.unwrap_or(self.cursor);
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let left_out = step.chosen.len().saturating_sub(handed_in);
        let pause =
            f64::from(u32::try_from(handed_in).unwrap_or(u32::MAX)) / f64::from(self.per_second);
        client
            .execute(
                include_str!("step.sql"),
                &[
                    &self.id,
                    &cursor.day,
                    &cursor.last_id,
                    &step.looked_at,
                    &number(handed_in),
                    &number(step.refused + left_out),
                    &pause,
                    &step.next.is_none(),
                ],
            )
            .await
            .map_err(StoreError::postgres("replay"))?;
        Ok(())
    }
}
