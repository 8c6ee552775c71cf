//! Buttons: a short id on the screen, the meaning in the database.
//!
//! Telegram gives a button 64 bytes, and whatever stands there can be read and sent by anybody's client. So a button
//! carries a random id, and what it means, for whom and until when is stored with the message that shows it. Who may
//! press it is checked by the kit.

use rand::distr::{Alphanumeric, SampleString};
use sallyport_kit::StoredButton;
use sallyport_postgres::{Cached, Connection, Pool};
use sallyport_sources::telegram::STOP_BUTTON;

use crate::delivery::StoreError;

/// Random characters of an id: 95 bits, so nobody finds somebody else's button.
const ID_LENGTH: usize = 16;
/// What ordinary buttons carry before their id.
const PREFIX: &str = "b";
/// Expired buttons still say that they are too old for this long; then they are gone.
const KEPT_AFTER_EXPIRY: &str = "30 days";

/// A button that is about to be shown.
#[derive(Debug, Clone, PartialEq)]
pub struct NewButton {
    /// The id under which its meaning is stored.
    pub id: String,
    /// What it means.
    pub meaning: StoredButton,
}

impl NewButton {
    /// Gives a meaning an id.
    #[must_use]
    pub fn new(meaning: StoredButton) -> Self {
        Self {
            id: Alphanumeric.sample_string(&mut rand::rng(), ID_LENGTH),
            meaning,
        }
    }

    /// What the button carries. Buttons that stop something say so, because they overtake their chat.
    #[must_use]
    pub fn data(&self) -> String {
        let stops = self.meaning.name == STOP_BUTTON;
        let prefix = if stops { STOP_BUTTON } else { PREFIX };
        format!("{prefix}:{}", self.id)
    }
}

/// Stores the meanings of buttons; part of the transaction that also queues the message that shows them.
pub(crate) async fn store(
    transaction: &tokio_postgres::Transaction<'_>,
    bot: &str,
    buttons: &[NewButton],
) -> Result<(), tokio_postgres::Error> {
    for button in buttons {
        let meaning = serde_json::to_vec(&button.meaning).unwrap_or_default();
        transaction
            .execute(
                "insert into buttons (id, bot, meaning, expires_at) values ($1, $2, $3, $4)",
                &[&button.id, &bot, &meaning, &button.meaning.expires_at],
            )
            .await?;
    }
    Ok(())
}

/// Looks up what a pressed button means; `None` for one that nobody stored, or that is long gone.
///
/// # Errors
/// When the database does not answer.
pub async fn look_up(
    pool: &Pool,
    bot: &str,
    data: &str,
) -> Result<Option<StoredButton>, StoreError> {
    let id = data.split_once(':').map_or(data, |(_, id)| id);
    if id.is_empty() || !id.chars().all(|c| c.is_ascii_alphanumeric()) {
        return Ok(None);
    }
    let connection: Connection = pool.get().await?;
    let row = connection
        .query_opt_cached(
            "select meaning from buttons where id = $1 and bot = $2",
            &[&id, &bot],
        )
        .await?;
    let Some(row) = row else { return Ok(None) };
    let meaning: Vec<u8> = row.try_get(0)?;
    Ok(serde_json::from_slice(&meaning).ok())
}

/// Forgets buttons that expired long ago. Safe to run anywhere, any time.
///
/// # Errors
/// When the database does not answer.
pub async fn forget_old(pool: &Pool) -> Result<u64, StoreError> {
    let connection = pool.get().await?;
    let forgotten = connection
        .execute(
            &format!(
                "delete from buttons where expires_at < now() - interval '{KEPT_AFTER_EXPIRY}'"
            ),
            &[],
        )
        .await?;
    Ok(forgotten)
}
