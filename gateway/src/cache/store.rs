//! The answers that are kept, in so many bytes.
//!
//! It exists as its own map, and not as Pingora's cache storage, so that the bound on memory covers everything that is kept: bodies,
//! heads, keys and compressed forms. What was used least recently goes first, an address with all its variants at once. One
//! lock, held for a lookup and the clone of a pointer, never over an await.

use std::sync::Arc;

use lru::LruCache;
use parking_lot::Mutex;

use super::entry::Entry;
use super::key::{Address, Key, Variant};

/// What a kept answer costs beside its own bytes: map nodes, pointers, headers in their map.
const OVERHEAD_BYTES: usize = 512;

/// Kept answers.
pub(super) struct Store {
    kept: Mutex<Kept>,
    bytes_max: usize,
    variants_max: usize,
}

struct Kept {
    addresses: LruCache<Arc<Address>, Vec<Held>>,
    bytes: usize,
}

struct Held {
    variant: Variant,
    entry: Arc<Entry>,
    /// What it counts for. An entry may grow, so it is not asked twice.
    bytes: usize,
}

impl Store {
    pub(super) fn new(bytes_max: usize, variants_max: usize) -> Self {
        Self {
            kept: Mutex::new(Kept {
                addresses: LruCache::unbounded(),
                bytes: 0,
            }),
            bytes_max,
            variants_max,
        }
    }

    /// How many bytes are kept.
    pub(super) fn bytes(&self) -> usize {
        self.kept.lock().bytes
    }

    /// The answer of this key, fresh or not.
    pub(super) fn get(&self, key: &Key) -> Option<Arc<Entry>> {
        let mut kept = self.kept.lock();
        let variants = kept.addresses.get_mut(&key.address)?;
        let place = variants
            .iter()
            .position(|held| held.variant == key.variant)?;
        // The most recently used stands last.
        let held = variants.remove(place);
        let entry = Arc::clone(&held.entry);
        variants.push(held);
        Some(entry)
    }

    /// Keeps an answer in place of what was there. Returns how many bytes are kept now.
    pub(super) fn put(&self, key: &Key, entry: Arc<Entry>) -> usize {
        let held = Held {
            variant: Arc::clone(&key.variant),
            bytes: OVERHEAD_BYTES
                .saturating_add(key.bytes())
                .saturating_add(entry.bytes()),
            entry,
        };
        let mut kept = self.kept.lock();
        kept.bytes = kept.bytes.saturating_add(held.bytes);
        let mut freed = 0_usize;
        let variants = kept
            .addresses
            .get_or_insert_mut(Arc::clone(&key.address), Vec::new);
        let same = variants
            .iter()
            .position(|known| known.variant == held.variant);
        let is_full = variants.len() >= self.variants_max;
        if let Some(place) = same.or_else(|| is_full.then_some(0)) {
            freed = variants.remove(place).bytes;
        }
        variants.push(held);
        kept.bytes = kept.bytes.saturating_sub(freed);
        kept.shrink_to(self.bytes_max)
    }

    /// An entry that is still kept has grown by so many bytes. Returns how many are kept now.
    pub(super) fn grown(&self, key: &Key, grown: &Arc<Entry>, by: usize) -> usize {
        let mut kept = self.kept.lock();
        let mut variants = kept.addresses.peek_mut(&key.address).into_iter().flatten();
        let held = variants.find(|held| Arc::ptr_eq(&held.entry, grown));
        if let Some(held) = held {
            held.bytes = held.bytes.saturating_add(by);
            kept.bytes = kept.bytes.saturating_add(by);
        }
        kept.shrink_to(self.bytes_max)
    }

    /// Forgets the addresses that are meant, with all variants. Returns how many answers that were, and how many bytes are left.
    /// Walks over everything under the lock: for people, not for requests.
    pub(super) fn purge(&self, is_meant: impl Fn(&Address) -> bool) -> (usize, usize) {
        let mut kept = self.kept.lock();
        let meant: Vec<_> = kept
            .addresses
            .iter()
            .filter(|(address, _)| is_meant(address))
            .map(|(address, _)| Arc::clone(address))
            .collect();
        let mut answers = 0;
        for address in &meant {
            let variants = kept.addresses.pop(address).unwrap_or_default();
            answers += variants.len();
            kept.release(&variants);
        }
        (answers, kept.bytes)
    }
}

impl Kept {
    fn release(&mut self, variants: &[Held]) {
        let freed: usize = variants.iter().map(|held| held.bytes).sum();
        self.bytes = self.bytes.saturating_sub(freed);
    }

    fn shrink_to(&mut self, bytes_max: usize) -> usize {
        while self.bytes > bytes_max {
            let Some((_, variants)) = self.addresses.pop_lru() else {
                break;
            };
            self.release(&variants);
        }
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(path: &str, variant: &str) -> Key {
        Key {
            address: Arc::new(Address {
                scheme: "http",
                host: "edge".to_owned(),
                path: path.to_owned(),
                query: None,
            }),
            variant: Arc::from(variant.as_bytes()),
        }
    }

    fn entry(bytes: usize) -> Arc<Entry> {
        Arc::new(Entry::of_bytes(vec![b'x'; bytes]))
    }

    #[test]
    fn what_was_used_least_recently_makes_room() {
        let store = Store::new(4_000, 8);
        for path in ["/a", "/b", "/c"] {
            store.put(&key(path, ""), entry(600));
        }
        assert!(store.get(&key("/a", "")).is_some());

        let bytes = store.put(&key("/d", ""), entry(1_000));

        assert!(bytes <= 4_000, "{bytes}");
        assert!(store.get(&key("/b", "")).is_none());
        assert!(store.get(&key("/a", "")).is_some() && store.get(&key("/d", "")).is_some());
    }

    #[test]
    fn an_address_has_no_more_variants_than_it_may() {
        let store = Store::new(1_000_000, 3);
        for variant in 0..100 {
            store.put(&key("/a", &variant.to_string()), entry(10));
            assert!(store.get(&key("/a", "0")).is_some() || variant > 0);
        }

        // The one that was asked for again and again is still there, beside the two newest.
        let kept = |variant: &str| store.get(&key("/a", variant)).is_some();
        assert!(kept("0") && kept("98") && kept("99") && !kept("97"));
    }

    #[test]
    fn every_byte_that_is_taken_is_given_back() {
        let store = Store::new(1_000_000, 8);
        let grown = entry(100);
        store.put(&key("/a", ""), entry(500));
        store.put(&key("/a", ""), Arc::clone(&grown));
        store.put(&key("/a", "de"), entry(100));
        store.grown(&key("/a", ""), &grown, 50);

        assert_eq!(store.purge(|address| address.path == "/b").0, 0);
        assert_eq!(store.purge(|address| address.path == "/a"), (2, 0));
    }

    #[test]
    fn more_than_fits_is_not_kept_at_all() {
        let store = Store::new(1_000, 8);

        assert_eq!(store.put(&key("/a", ""), entry(2_000)), 0);
    }
}
