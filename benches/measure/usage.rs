//! Where the time goes: the processor time of a process, and of everything that Postgres runs.

use std::fs;
use std::time::Duration;

use tokio_postgres::Client;

/// User and system time of a process so far; clock ticks are hundredths of a second on Linux.
pub(crate) fn of_process(process: &str) -> Duration {
    let ticks = |stat: String| -> Option<u64> {
        let (_, fields) = stat.rsplit_once(')')?;
        let numbers = fields.split_whitespace().skip(11).take(2);
        Some(numbers.filter_map(|field| field.parse::<u64>().ok()).sum())
    };
    let stat = fs::read_to_string(format!("/proc/{process}/stat"));
    Duration::from_millis(stat.ok().and_then(ticks).unwrap_or_default() * 10)
}

/// The same of all processes of a Postgres server that work now.
pub(crate) async fn of_database(client: &Client) -> Result<Duration, tokio_postgres::Error> {
    let rows = client
        .query("SELECT pid FROM pg_stat_activity", &[])
        .await?;
    Ok(rows
        .iter()
        .map(|row| of_process(&row.get::<_, i32>(0).to_string()))
        .sum())
}

/// A share of some time in microseconds.
pub(crate) fn each_us(time: Duration, count: usize) -> f64 {
    time.as_secs_f64() * 1e6 / count as f64
}
