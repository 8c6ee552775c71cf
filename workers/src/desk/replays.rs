//! Replays as the desk shows them: what one would do, and what became of it.

use jiff::Timestamp;
use sallyport_queue::{Candidate, CandidateStanding, DryRun, ReplayFilter, ReplayStory};
use serde::Serialize;
use utoipa::ToSchema;

/// One replay.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ReplayLine {
    /// Its number.
    pub id: String,
    /// `running`, `done` or `cancelled`.
    pub state: String,
    /// When it was asked for.
    pub asked_at: Timestamp,
    /// By whom.
    pub by: String,
    /// Why.
    pub why: String,
    /// Which messages.
    pub filter: FilterLine,
    /// Whether what is done is done again.
    pub forced: bool,
    /// How many per second.
    pub per_second: u16,
    /// Rows that were looked at.
    pub looked_at: u64,
    /// Messages handed in.
    pub replayed: u64,
    /// Messages refused.
    pub refused: u64,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

/// Which messages a replay takes, as it was asked for.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct FilterLine {
    /// These.
    pub ids: Vec<i64>,
    /// Accepted since.
    pub from: Option<Timestamp>,
    /// Accepted until.
    pub until: Option<Timestamp>,
    /// Whose last error was of this kind.
    pub error_kind: Option<String>,
    /// Of this kind.
    pub kind: Option<String>,
    /// Of this bot.
    pub bot: Option<String>,
    /// Of this tenant.
    pub tenant: Option<String>,
    /// That ended like this, in the queue's word.
    pub outcome: Option<String>,
}

/// What a replay would do.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct DryRunSheet {
    /// How many messages would be handed in.
    pub count: u64,
    /// Those by kind.
    pub by_kind: std::collections::BTreeMap<String, u64>,
    /// The first of them.
    pub first: Option<CandidateLine>,
    /// The last of them.
    pub last: Option<CandidateLine>,
    /// What would be refused.
    pub refused: Vec<RefusedLine>,
    /// Whether everything was looked at.
    pub complete: bool,
    /// Since when there is a log.
    pub log_begins_at: Option<Timestamp>,
}

/// Messages that a replay refuses for one reason.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RefusedLine {
    /// How many.
    pub count: u64,
    /// Why.
    pub reason: &'static str,
}

/// A message that a replay would hand in, as its handler would be given it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct CandidateLine {
    /// Its number.
    pub id: String,
    /// What it is.
    pub kind: String,
    /// The version of its payload.
    pub kind_version: u16,
    /// Its bot.
    pub bot: String,
    /// Its tenant.
    pub tenant: String,
    /// Where it came from.
    pub source: String,
    /// Its key.
    pub key: String,
    /// Whom it concerns.
    pub subject: Option<String>,
    /// How long its payload is.
    pub payload_bytes: u64,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// How it stands.
    pub standing: String,
}

impl ReplayLine {
    /// The line of a replay.
    #[must_use]
    pub fn of(replay: ReplayStory) -> Self {
        Self {
            id: replay.id.to_string(),
            state: replay.state,
            asked_at: replay.asked_at,
            by: replay.by,
            why: replay.why,
            filter: FilterLine::of(replay.filter),
            forced: replay.forced,
            per_second: replay.per_second,
            looked_at: replay.looked_at,
            replayed: replay.replayed,
            refused: replay.refused,
            ended_at: replay.ended_at,
        }
    }
}

impl FilterLine {
    fn of(filter: ReplayFilter) -> Self {
        Self {
            ids: filter.ids.into_iter().map(|id| id.0).collect(),
            from: filter.from,
            until: filter.until,
            error_kind: filter.error_kind,
            kind: filter.kind,
            bot: filter.bot,
            tenant: filter.tenant,
            outcome: filter.outcome,
        }
    }
}

impl DryRunSheet {
    /// The sheet of a dry run.
    #[must_use]
    pub fn of(run: DryRun) -> Self {
        let refused = run.refused.into_iter().map(|(refusal, count)| RefusedLine {
            count,
            reason: refusal.reason(),
        });
        Self {
            count: run.count,
            by_kind: run.by_kind,
            first: run.first.map(CandidateLine::of),
            last: run.last.map(CandidateLine::of),
            refused: refused.collect(),
            complete: run.complete,
            log_begins_at: run.log_begins_at,
        }
    }
}

impl CandidateLine {
    fn of(candidate: Candidate) -> Self {
        Self {
            id: candidate.id.to_string(),
            kind: candidate.kind,
            kind_version: candidate.kind_version,
            bot: candidate.bot,
            tenant: candidate.tenant,
            source: candidate.source,
            key: candidate.key,
            subject: candidate.subject,
            payload_bytes: candidate.payload_bytes,
            accepted_at: candidate.accepted_at,
            standing: match candidate.standing {
                CandidateStanding::Live => "waits or runs".to_owned(),
                CandidateStanding::Ended(outcome, _) => outcome.as_str().to_owned(),
                CandidateStanding::Replayed(new) => format!("replayed as {new}"),
                CandidateStanding::Unknown => "unknown".to_owned(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_filter_is_shown_as_it_is_kept() {
        let filter = ReplayFilter {
            ids: vec![sallyport_queue::MessageId(812)],
            error_kind: Some("unreachable".to_owned()),
            ..ReplayFilter::default()
        };

        assert_eq!(json!(FilterLine::of(filter.clone())), json!(filter));
    }
}
