//! Looking up names, and letting through what may be called.
//!
//! The HTTP client asks for a name's addresses once for each connection and connects to what it is given, so an answer that was
//! judged here is the one that is used: there is no second lookup that could say something else. An answer with one address that is
//! not to be called is refused whole: a name of the public internet has no reason to lead inside as well.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use thiserror::Error;
use tokio::sync::Semaphore;

use crate::address::Reach;

/// The system's resolver holds a thread for as long as a stranger's name server likes; no more than this many at a time.
const LOOKUPS_MAX: usize = 32;
/// More addresses than this are of no use to anybody.
const ADDRESSES_MAX: usize = 32;

/// A name that leads nowhere.
#[derive(Debug, Error)]
#[error("the name has no address")]
pub(crate) struct NoAddress;

/// The system's resolver: its hosts file, its name servers.
pub(crate) struct SystemNames(Arc<Semaphore>);

impl SystemNames {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Semaphore::new(LOOKUPS_MAX)))
    }
}

impl Resolve for SystemNames {
    fn resolve(&self, name: Name) -> Resolving {
        let places = Arc::clone(&self.0);
        Box::pin(async move {
            let place = places.acquire_owned().await?;
            let looked_up = tokio::task::spawn_blocking(move || {
                // Held by the thread, which goes on when nobody waits for it any more.
                let _place = place;
                (name.as_str(), 0).to_socket_addrs()
            });
            let addresses: Addrs = Box::new(looked_up.await??);
            Ok(addresses)
        })
    }
}

/// What others look up, judged.
pub(crate) struct JudgedNames {
    inner: Arc<dyn Resolve>,
    reach: Arc<Reach>,
}

impl JudgedNames {
    pub(crate) fn new(inner: Arc<dyn Resolve>, reach: Arc<Reach>) -> Self {
        Self { inner, reach }
    }
}

impl Resolve for JudgedNames {
    fn resolve(&self, name: Name) -> Resolving {
        let (looking_up, reach) = (self.inner.resolve(name), Arc::clone(&self.reach));
        Box::pin(async move {
            let found = looking_up.await?.take(ADDRESSES_MAX);
            let judged = found.map(|address| reach.judge(address.ip()));
            let judged = judged.collect::<Result<Vec<IpAddr>, _>>()?;
            if judged.is_empty() {
                return Err(NoAddress.into());
            }
            let addresses = judged
                .into_iter()
                .map(|address| SocketAddr::new(address, 0));
            let addresses: Addrs = Box::new(addresses);
            Ok(addresses)
        })
    }
}
