//! From a name to addresses.
//!
//! It exists so that a group can be asked for by name, of this machine's resolver or of a name server that is given. Keeping what was
//! found is for [`super::keeper`].

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::time::timeout;

use crate::settings::{DnsSettings, MEMBERS_MAX};

mod wire;

pub(crate) use wire::AnswerError;

/// The longest that a lookup may take; name servers are near.
const LOOKUP_DEADLINE: Duration = Duration::from_secs(3);

/// Why a name gave no addresses.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LookupError {
    /// The resolver could not be asked, or does not know the name.
    #[error("the name could not be looked up")]
    Resolver(#[source] std::io::Error),
    /// The name server's answer is of no use.
    #[error("the name server's answer is of no use")]
    Answer(#[source] AnswerError),
    /// It took too long.
    #[error("the name was not found within {} s", LOOKUP_DEADLINE.as_secs())]
    Deadline,
    /// The name is there and has no address.
    #[error("the name has no address")]
    Nobody,
}

/// The addresses behind the name, each once, in an order of their own: at least one and at most 64. Cancel safe.
///
/// # Errors
/// When there is none, or nobody says.
pub(super) async fn addresses(dns: &DnsSettings) -> Result<Vec<SocketAddr>, LookupError> {
    let (name, port) = dns.parts().ok_or(LookupError::Nobody)?;
    let found = async {
        match dns.server {
            Some(server) => wire::ask(server, name).await,
            None => of_this_machine(name, port).await,
        }
    };
    let found = timeout(LOOKUP_DEADLINE, found)
        .await
        .map_err(|_elapsed| LookupError::Deadline)??;
    let mut addresses: Vec<_> = found
        .into_iter()
        .map(|address| SocketAddr::new(address, port))
        .collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses.truncate(MEMBERS_MAX);
    if addresses.is_empty() {
        return Err(LookupError::Nobody);
    }
    Ok(addresses)
}

async fn of_this_machine(name: &str, port: u16) -> Result<Vec<IpAddr>, LookupError> {
    let found = tokio::net::lookup_host((name, port)).await;
    let found = found.map_err(LookupError::Resolver)?;
    Ok(found.map(|address| address.ip()).collect())
}
