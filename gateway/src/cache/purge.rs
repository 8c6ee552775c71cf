//! Forgetting what is kept, because somebody who knows better says so.

use std::sync::atomic::Ordering;

use super::Cache;
use super::key::Address;
use crate::rules::CurrentRules;

/// Which kept answers are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purge {
    /// Their host, in lower case and with its port if that is part of the address; every host if absent.
    pub host: Option<String>,
    /// Their path as requests have it, without a query. One that ends in `*` stands for all that begin so.
    pub path: String,
}

impl Purge {
    fn means(&self, address: &Address) -> bool {
        let host = self.host.as_ref();
        if host.is_some_and(|host| !host.eq_ignore_ascii_case(&address.host)) {
            return false;
        }
        match self.path.strip_suffix('*') {
            Some(prefix) => address.path.starts_with(prefix),
            None => address.path == self.path,
        }
    }
}

/// Forgets, whatever the rules of the moment are.
#[derive(Clone)]
pub struct Purger(CurrentRules);

impl Purger {
    pub(crate) fn of(rules: &CurrentRules) -> Self {
        Self(CurrentRules::clone(rules))
    }

    /// Forgets kept answers of all routes, and returns how many that were.
    pub fn purge(&self, purge: &Purge) -> usize {
        let rules = self.0.load();
        let caches = rules.table.caches();
        caches.map(|(_, cache)| cache.purge(purge)).sum()
    }
}

impl Cache {
    /// Forgets what is meant, with all queries and variants, and returns how many answers that were. Nothing is kept that was asked
    /// for before.
    pub(crate) fn purge(&self, purge: &Purge) -> usize {
        self.purges.fetch_add(1, Ordering::AcqRel);
        let (answers, bytes) = self.store.purge(|address| purge.means(address));
        self.told(bytes);
        answers
    }
}
