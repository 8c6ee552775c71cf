//! Forgetting what nobody needs any more: expired buttons, finished answers, parts of texts long sent.
//!
//! The queue's own tables have their janitor; these are the workers'. Every worker does it now and then: the statements
//! bear being run by several at once.

use std::time::Duration;

use sallyport_postgres::Pool;
use sallyport_telemetry::Chain;

use crate::buttons;
use crate::delivery::StoreError;

/// How often.
const EVERY: Duration = Duration::from_secs(60 * 60);
/// Answers can be edited for two days, and asked about for a while longer.
const ANSWERS_KEPT: &str = "30 days";
/// A send is given up long before this.
const PARTS_KEPT: &str = "7 days";

/// Cleans up for ever.
pub(crate) async fn run(pool: Pool) {
    loop {
        tokio::time::sleep(EVERY).await;
        if let Err(error) = clean(&pool).await {
            tracing::warn!(name: "housekeeping.failed", { error = %Chain(&error) }, "Housekeeping failed and is tried again later");
        }
    }
}

/// Cleans up once.
async fn clean(pool: &Pool) -> Result<(), StoreError> {
    buttons::forget_old(pool).await?;
    let connection = pool.get().await?;
    connection
        .batch_execute(&format!(
            "delete from answers where touched_at < now() - interval '{ANSWERS_KEPT}';
             delete from sent_parts where sent_at < now() - interval '{PARTS_KEPT}';"
        ))
        .await?;
    Ok(())
}
