//! The auditor's way through the tables: the newest rows at every turn, and a bounded part of all others.

use jiff::civil::Date;
use tokio_postgres::{Client, Statement};

use super::book::{Book, Place};
use crate::error::StoreError;
use crate::partition::Partition;
use crate::rows;

/// How many rows one statement compares: some tens of milliseconds.
const WINDOW_ROWS: usize = 10_000;

/// What one turn has done.
#[derive(Debug, Default)]
pub(super) struct Turn {
    /// How many rows were compared.
    pub(super) rows: usize,
    /// Whether everything there is was compared.
    pub(super) whole: bool,
}

/// A place on the round through the log and the endings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Position {
    day: Date,
    table: Table,
    after: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Table {
    Log,
    Endings,
}

/// Where the auditor stands.
#[derive(Debug, Default)]
pub(super) struct Walk {
    /// The newest message of the log that was compared at the head of it.
    head: Option<Position>,
    /// The next stop of the round.
    round: Option<Position>,
    /// The next partition of what is not finished.
    partition: i16,
}

impl Walk {
    /// Compares at most about `rows_max` rows: first what is new, then the unfinished, then a part of the round.
    pub(super) async fn turn(
        &mut self,
        client: &Client,
        book: &mut Book,
        rows_max: usize,
    ) -> Result<Turn, StoreError> {
        let days = days(client).await?;
        book.keep_days(&days);
        // Planned once for all partitions: planning costs ten times what looking at an empty one does.
        let unfinished = client
            .prepare(include_str!("unfinished.sql"))
            .await
            .map_err(StoreError::postgres("audit the ledger"))?;
        let mut eyes = Eyes {
            client,
            book,
            unfinished,
            left: rows_max,
        };
        self.look_at_the_head(&mut eyes, &days).await?;
        let all_partitions = self.look_at_the_unfinished(&mut eyes).await?;
        let all_days = self.go_round(&mut eyes, &days).await?;
        Ok(Turn {
            rows: rows_max.saturating_sub(eyes.left),
            whole: all_partitions && all_days,
        })
    }

    async fn look_at_the_head(
        &mut self,
        eyes: &mut Eyes<'_>,
        days: &[Date],
    ) -> Result<(), StoreError> {
        let Some(today) = days.last() else {
            return Ok(());
        };
        let mut head = match self.head {
            Some(head) if head.day == *today => head,
            Some(_) | None => Position::first(*today),
        };
        // What is newer than the budget of one turn is left to the round.
        while eyes.left > 0 {
            match eyes.look(head).await? {
                Some(last) => head.after = last,
                None => break,
            }
        }
        self.head = Some(head);
        Ok(())
    }

    async fn look_at_the_unfinished(&mut self, eyes: &mut Eyes<'_>) -> Result<bool, StoreError> {
        for _ in 0..Partition::COUNT {
            if eyes.left == 0 {
                return Ok(false);
            }
            eyes.look_at_partition(self.partition).await?;
            self.partition =
                (self.partition + 1) % i16::try_from(Partition::COUNT).unwrap_or(i16::MAX);
        }
        Ok(true)
    }

    /// Goes on with the round; true when it came back to where it began within this turn.
    async fn go_round(&mut self, eyes: &mut Eyes<'_>, days: &[Date]) -> Result<bool, StoreError> {
        let (Some(first), Some(last)) = (days.first(), days.last()) else {
            return Ok(true);
        };
        let start = self
            .round
            .filter(|position| days.contains(&position.day))
            .unwrap_or(Position::first(*first));
        let is_whole = start == Position::first(*first);
        let mut position = start;
        while eyes.left > 0 {
            position = match eyes.look(position).await? {
                Some(last) => Position {
                    after: last,
                    ..position
                },
                None => match position.next(days) {
                    Some(next) => next,
                    None => {
                        self.round = None;
                        return Ok(is_whole && position.day == *last);
                    }
                },
            };
        }
        self.round = Some(position);
        Ok(false)
    }
}

impl Position {
    fn first(day: Date) -> Self {
        Self {
            day,
            table: Table::Log,
            after: 0,
        }
    }

    /// The beginning of what comes after this table.
    fn next(self, days: &[Date]) -> Option<Self> {
        match self.table {
            Table::Log => Some(Self {
                table: Table::Endings,
                after: 0,
                ..self
            }),
            Table::Endings => {
                let next = days.iter().find(|day| **day > self.day)?;
                Some(Self::first(*next))
            }
        }
    }

    fn place(self) -> Place {
        match self.table {
            Table::Log => Place::Log(self.day),
            Table::Endings => Place::Ending(self.day),
        }
    }
}

/// One turn's connection, its book, and the rows it may still compare.
struct Eyes<'a> {
    client: &'a Client,
    book: &'a mut Book,
    unfinished: Statement,
    left: usize,
}

impl Eyes<'_> {
    /// Compares one window from here; the last row of it when there may be more behind.
    async fn look(&mut self, from: Position) -> Result<Option<i64>, StoreError> {
        let sql = match from.table {
            Table::Log => include_str!("log.sql"),
            Table::Endings => include_str!("endings.sql"),
        };
        let window = WINDOW_ROWS.min(self.left);
        let limit = i64::try_from(window).unwrap_or(i64::MAX);
        let row = self
            .client
            .query_one(sql, &[&from.day, &from.after, &limit])
            .await
            .map_err(StoreError::postgres("audit the ledger"))?;
        let walked = self.spend(row.get("rows"));
        let last = row
            .get::<_, Option<i64>>("last")
            .filter(|_| walked >= window);
        let found: Vec<i64> = row.get("found");
        self.book.looked(from.place(), from.after, last, &found);
        Ok(last)
    }

    async fn look_at_partition(&mut self, partition: i16) -> Result<(), StoreError> {
        let row = self
            .client
            .query_one(&self.unfinished, &[&partition])
            .await
            .map_err(StoreError::postgres("audit the ledger"))?;
        self.spend(row.get("rows"));
        let found: Vec<i64> = row.get("found");
        self.book
            .looked(Place::Unfinished(partition), 0, None, &found);
        Ok(())
    }

    fn spend(&mut self, rows: i64) -> usize {
        let walked = usize::try_from(rows::count(rows)).unwrap_or(usize::MAX);
        self.left = self.left.saturating_sub(walked);
        walked
    }
}

/// The days that the log has, oldest first: those with a partition up to today, and those of rows that still wait for one.
async fn days(client: &Client) -> Result<Vec<Date>, StoreError> {
    let found = client
        .query(include_str!("days.sql"), &[])
        .await
        .map_err(StoreError::postgres("audit the ledger"))?;
    Ok(found.iter().map(|row| row.get(0)).collect())
}
