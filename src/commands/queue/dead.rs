//! `sallyport queue dead`: what gave up, grouped by kind and error, the largest group first.

use std::process::ExitCode;

use serde::Serialize;

use super::Desk;
use super::table::table;

#[derive(Serialize)]
struct Group {
    kind: String,
    error_kind: String,
    count: u64,
    people: u64,
    last: jiff::Timestamp,
    newest: String,
    code: String,
    error: String,
}

pub(super) async fn run(desk: &Desk) -> anyhow::Result<ExitCode> {
    let groups = desk
        .queue
        .dead_letters()
        .groups()
        .await?
        .into_iter()
        .map(|group| Group {
            kind: group.kind,
            error_kind: group.error_kind,
            count: group.count,
            people: group.people,
            last: group.last_at,
            newest: group.newest.to_string(),
            code: group.newest_trace.trace_id.support_code().to_string(),
            error: group.newest_text,
        });
    let groups: Vec<Group> = groups.collect();
    desk.tell(&groups, || lines(&groups))?;
    Ok(ExitCode::SUCCESS)
}

fn lines(groups: &[Group]) -> String {
    if groups.is_empty() {
        return "Nothing gave up.".to_owned();
    }
    let rows: Vec<[String; 6]> = groups
        .iter()
        .map(|group| {
            [
                group.count.to_string(),
                group.kind.clone(),
                group.error_kind.clone(),
                group.newest.clone(),
                group.code.clone(),
                group.error.clone(),
            ]
        })
        .collect();
    table(
        ["COUNT", "KIND", "ERROR", "NEWEST", "CODE", "IN WORDS"],
        &rows,
    )
}
