//! How many connections are open, in total and per address.
//!
//! It exists so that neither everybody together nor one address alone can take all file descriptors. A refused connection is
//! closed before a byte of it was read.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use sallyport_security::addresses::limit_key;

/// The counts and their caps.
pub(crate) struct Connections {
    total_max: usize,
    per_address_max: usize,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    total: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// A place among the open connections, given back when it is dropped.
#[must_use = "the place is given back when this is dropped"]
pub(crate) struct Admitted {
    connections: Arc<Connections>,
    key: Option<IpAddr>,
}

impl Connections {
    pub(crate) fn new(total_max: usize, per_address_max: usize) -> Arc<Self> {
        Arc::new(Self {
            total_max,
            per_address_max,
            open: Mutex::new(Open::default()),
        })
    }

    /// A place for a connection from `address`, if there is one. Our own load balancers speak for many, so for them
    /// only the total counts.
    pub(crate) fn admit(self: &Arc<Self>, address: IpAddr, is_ours: bool) -> Option<Admitted> {
        let mut open = self.open.lock();
        if open.total >= self.total_max {
            return None;
        }
        let key = (!is_ours).then(|| limit_key(address));
        if key.is_some_and(|key| !open.take(key, self.per_address_max)) {
            return None;
        }
        open.total = open.total.saturating_add(1);
        Some(Admitted {
            connections: Arc::clone(self),
            key,
        })
    }
}

impl Admitted {
    /// Counts the connection as this client's, for whom one of our own load balancers has opened it. Says whether there is a place.
    pub(crate) fn belongs_to(&mut self, client: IpAddr) -> bool {
        let key = limit_key(client);
        let mut open = self.connections.open.lock();
        let is_new = self.key.is_none();
        let has_place = is_new && open.take(key, self.connections.per_address_max);
        if has_place {
            self.key = Some(key);
        }
        has_place
    }
}

impl Open {
    /// One more connection of this address, if there is a place for it.
    fn take(&mut self, key: IpAddr, per_address_max: usize) -> bool {
        let held = self.by_address.entry(key).or_insert(0);
        let has_place = *held < per_address_max;
        if has_place {
            *held = held.saturating_add(1);
        }
        has_place
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut open = self.connections.open.lock();
        open.total = open.total.saturating_sub(1);
        let Some(key) = self.key else { return };
        if let Some(held) = open.by_address.get_mut(&key) {
            *held = held.saturating_sub(1);
            if *held == 0 {
                open.by_address.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_address_takes_no_more_than_its_share() {
        let connections = Connections::new(10, 2);
        let held: Vec<_> = (0..2)
            .map(|_| connections.admit(ip("192.0.2.1"), false).unwrap())
            .collect();

        assert!(connections.admit(ip("192.0.2.1"), false).is_none());
        assert!(connections.admit(ip("192.0.2.2"), false).is_some());

        drop(held);
        assert!(connections.admit(ip("192.0.2.1"), false).is_some());
    }

    #[test]
    fn all_together_take_no_more_than_the_total_and_leave_nothing_behind() {
        let connections = Connections::new(3, 3);
        let held: Vec<_> = (1..=3)
            .map(|last| {
                connections
                    .admit(IpAddr::from([192, 0, 2, last]), false)
                    .unwrap()
            })
            .collect();

        assert!(connections.admit(ip("198.51.100.1"), true).is_none());

        drop(held);
        assert!(connections.open.lock().by_address.is_empty());
    }

    #[test]
    fn a_client_behind_our_own_load_balancer_has_its_share_too() {
        let connections = Connections::new(10, 1);
        let mut first = connections.admit(ip("10.0.0.1"), true).unwrap();
        let mut second = connections.admit(ip("10.0.0.1"), true).unwrap();

        assert!(first.belongs_to(ip("192.0.2.1")));
        assert!(!second.belongs_to(ip("192.0.2.1")));
        assert!(connections.admit(ip("192.0.2.1"), false).is_none());

        drop(first);
        assert!(second.belongs_to(ip("192.0.2.1")));
        drop(second);
        assert!(connections.open.lock().by_address.is_empty());
    }

    #[test]
    fn our_own_load_balancer_speaks_for_many() {
        let connections = Connections::new(10, 1);

        let held: Vec<_> = (0..10)
            .map(|_| connections.admit(ip("10.0.0.1"), true))
            .collect();

        assert!(held.iter().all(Option::is_some));
    }
}
