//! The live bus: what ends and what else happens reaches Redis from Postgres, so that it catches up after an outage.
//!
//! Nothing is written twice for it: an ending carries the number of its transaction, and one elected publisher reads
//! what has become visible since it looked last. It never remembers "the last one I saw", because transactions become
//! visible in another order than they began: it remembers a snapshot, and what is visible now and was not then is new,
//! however long its transaction took. Other news are rows of their own, put in by whoever makes them happen.
//!
//! At least once: a page that may have been published is published again. What the stream can hold, and who reads it,
//! is for `stores/redis`.

mod lead;
mod page;
mod publisher;

pub(crate) use publisher::{Publisher, run};

use sallyport_postgres::GenericClient;
use serde_json::Value;

use crate::error::StoreError;

/// Something that happened, besides the end of a message. No payload, no person, no secret: whoever may look at the
/// house may read it.
#[derive(Debug, Clone, PartialEq)]
pub struct News {
    /// What happened: `queue.paused`.
    pub name: String,
    /// The trace id in which it happened, as 32 hexadecimal digits; empty when there is none.
    pub trace: String,
    /// The rest, as a JSON object.
    pub data: Value,
}

impl News {
    /// Something of which nothing more is to be said.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            trace: String::new(),
            data: Value::Object(serde_json::Map::new()),
        }
    }
}

/// Tells the news, as part of the transaction that `client` is in: nobody hears of what did not happen.
///
/// # Errors
/// The database is away.
pub async fn tell(client: &impl GenericClient, news: &News) -> Result<(), StoreError> {
    let failed = || StoreError::postgres("tell the news");
    let statement = client
        .prepare_cached("INSERT INTO live_news (name, trace, data) VALUES ($1, $2, $3)")
        .await
        .map_err(failed())?;
    client
        .execute(
            &statement,
            &[&news.name, &news.trace, &news.data.to_string()],
        )
        .await
        .map_err(failed())?;
    Ok(())
}
