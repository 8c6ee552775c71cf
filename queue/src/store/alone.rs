//! A claim of its own for a suspect, so that a crash tells something about it (law L5).

use super::Store;
use crate::error::StoreError;
use crate::message::{ClaimId, ClaimRef};

impl Store {
    /// Gives a message in hand a claim of its own, committed before it starts; a crash from then on counts against it
    /// alone. `None` when the ownership has moved: then it is no longer in our hands. From now on the message is to be
    /// settled under the new claim.
    ///
    /// # Errors
    /// The database is away or slow; the message must not start. Twice is fine.
    pub async fn claim_alone(&self, message: &ClaimRef) -> Result<Option<ClaimId>, StoreError> {
        let failed = || StoreError::postgres("claim alone");
        let pool = self
            .pools
            .settle()
            .map_err(StoreError::pool("claim alone"))?;
        let connection = pool.get().await.map_err(StoreError::pool("claim alone"))?;
        let statement = connection
            .prepare_cached(include_str!("alone.sql"))
            .await
            .map_err(failed())?;
        let row = connection
            .query_opt(
                &statement,
                &[
                    &message.partition.to_sql(),
                    &message.token.0,
                    &self.worker.as_str(),
                    &message.claim.0,
                    &message.priority.to_sql(),
                    &message.id.0,
                ],
            )
            .await
            .map_err(failed())?;
        let claim = row.map(|row| ClaimId(row.get(0)));
        if let Some(claim) = claim {
            let mut open_claims = self.shared.open_claims.lock();
            open_claims.out_of_hand(message.claim, message.id);
            open_claims.took(claim, message.id);
        }
        Ok(claim)
    }
}
