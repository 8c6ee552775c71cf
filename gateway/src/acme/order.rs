//! One order: the names are named, shown to be ours, and signed for.

use std::time::Duration;

use instant_acme::{
    Account, AuthorizationHandle, AuthorizationStatus, ChallengeType, Identifier, NewOrder,
    OrderStatus, RetryPolicy,
};

use super::AcmeError;
use super::challenges::{Challenges, Showing};
use crate::settings::AcmeChallenge;

/// How long the authority may take to look, and then to sign. It is asked more and more seldom, or when it says.
const PATIENCE: RetryPolicy = RetryPolicy::new().timeout(Duration::from_secs(90));

/// A certificate as it came: its chain and its key, in PEM form.
pub(super) struct Obtained {
    pub(super) chain: String,
    pub(super) key: String,
}

/// Asks for a certificate for these names. The key is made here and never leaves.
///
/// Cancel safe: what was shown is taken away; the authority forgets an unfinished order by itself.
///
/// # Errors
/// When the authority cannot be reached, refuses, or could not see that a name is ours.
pub(super) async fn obtain(
    account: &Account,
    names: &[String],
    challenge: AcmeChallenge,
    challenges: &Challenges,
) -> Result<Obtained, AcmeError> {
    let identifiers: Vec<_> = names.iter().cloned().map(Identifier::Dns).collect();
    let mut order = account.new_order(&NewOrder::new(&identifiers)).await?;
    let mut showing = Vec::with_capacity(names.len());
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        showing.extend(answer(authorization?, challenge, challenges).await?);
    }
    let status = order.poll_ready(&PATIENCE).await?;
    drop(showing);
    if status != OrderStatus::Ready {
        return Err(AcmeError::NotSeen);
    }
    let key = order.finalize().await?;
    let chain = order.poll_certificate(&PATIENCE).await?;
    Ok(Obtained { chain, key })
}

/// Shows the authority what it wants to see of one name, and tells it to look. Nothing, when it remembers having seen it.
async fn answer(
    mut authorization: AuthorizationHandle<'_>,
    challenge: AcmeChallenge,
    challenges: &Challenges,
) -> Result<Option<Showing>, AcmeError> {
    match authorization.status {
        AuthorizationStatus::Valid => return Ok(None),
        AuthorizationStatus::Pending => {}
        _ => return Err(AcmeError::NotSeen),
    }
    let name = match authorization.identifier().identifier {
        Identifier::Dns(name) => name.clone(),
        _ => return Err(AcmeError::NoChallenge),
    };
    let kind = match challenge {
        AcmeChallenge::Http01 => ChallengeType::Http01,
        AcmeChallenge::TlsAlpn01 => ChallengeType::TlsAlpn01,
    };
    let mut offered = authorization
        .challenge(kind)
        .ok_or(AcmeError::NoChallenge)?;
    let content = offered.key_authorization();
    let showing = match challenge {
        AcmeChallenge::Http01 => challenges.show_page(&offered.token, content.as_str()),
        AcmeChallenge::TlsAlpn01 => {
            challenges.show_certificate(&name, content.digest().as_ref())?
        }
    };
    offered.set_ready().await?;
    Ok(Some(showing))
}
