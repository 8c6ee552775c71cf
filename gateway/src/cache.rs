//! Answers of an upstream that are kept and given to others who ask the same.
//!
//! It exists because most of what pages load is the same for everybody, and an upstream that is asked once for it has time for what is
//! not. What may be kept is decided by `freshness`, under what by `key`, in how many bytes by `store`, and who fetches it
//! by `flights`. It is made of these small parts, and not of Pingora's cache phases: those break off an answer without a length that
//! turns out too large to keep, and bound neither heads nor variants.
//!
//! It knows no upstream and sends nothing to one: a miss goes the way of every request, with a [`Turn`] that looks on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http::{HeaderValue, Method};
use lru::LruCache;
use parking_lot::Mutex;
use pingora::http::RequestHeader;
use sallyport_telemetry::metrics::{Gauge, gauge};
use sallyport_telemetry::{Label, Metric};
use tokio::time::{Instant as Deadline, timeout_at};

use crate::settings::CacheSettings;

mod entry;
mod flights;
mod freshness;
mod hit;
mod key;
mod purge;
mod refresh;
mod store;
mod turn;

use entry::{Entry, Standing};
use flights::{Flights, Landing, Seat, landed};
use freshness::Bounds;
use key::{Key, Keying};
use store::Store;

pub(crate) use hit::Hit;
pub use purge::{Purge, Purger};
pub(crate) use refresh::Refresh;
pub(crate) use turn::Turn;

/// For how long nobody waits for an answer that turned out to be one that is not kept.
const PASS: Duration = Duration::from_secs(10);
/// Addresses of which that is remembered.
const PASSES_MAX: usize = 1_024;

/// What one route keeps.
pub(crate) struct Cache {
    settings: CacheSettings,
    keying: Keying,
    store: Store,
    flights: Arc<Flights>,
    /// Keys whose last answer was not kept, and when that was.
    passes: Mutex<LruCache<Key, Instant>>,
    bounds: Bounds,
    /// How often something was purged. What was asked for before a purge is not kept after it.
    purges: AtomicU64,
    bytes: Gauge,
    is_retired: AtomicBool,
}

/// What a look at the cache comes to.
pub(crate) enum Look {
    /// It is answered from here.
    Hit(Box<Hit>),
    /// It is handed on.
    Forward(Box<Turn>),
}

/// How a request was served, as metrics spell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// From what is kept, fresh.
    Hit,
    /// From what is kept, no longer fresh.
    Stale,
    /// By the upstream, for others to come.
    Miss,
    /// By the upstream: its answer is its own.
    Bypass,
    /// By the upstream, for nobody but the cache.
    Refresh,
}

impl Outcome {
    pub(crate) const ALL: [Self; 5] = [
        Self::Hit,
        Self::Stale,
        Self::Miss,
        Self::Bypass,
        Self::Refresh,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Stale => "stale",
            Self::Miss => "miss",
            Self::Bypass => "bypass",
            Self::Refresh => "refresh",
        }
    }
}

/// Why a request is handed on, as `Cache-Status` spells it (RFC 9211, 2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Forwarded {
    /// Its answer is its own.
    Bypass,
    /// What it asks for is kept, but not for its method.
    Method,
    /// Nothing is kept for it.
    Miss,
    /// What is kept for it is too old.
    Stale,
}

impl Cache {
    /// An empty cache, or the one from `before` with all that it keeps, if that went by the same settings.
    pub(crate) fn new(
        settings: &CacheSettings,
        route: &str,
        before: Option<&Arc<Self>>,
    ) -> Arc<Self> {
        if let Some(same) = before.filter(|before| before.settings == *settings) {
            return Arc::clone(same);
        }
        let bytes_max = usize::try_from(settings.bytes_max).unwrap_or(usize::MAX);
        let passes_max = std::num::NonZeroUsize::new(PASSES_MAX);
        Arc::new(Self {
            keying: Keying::new(settings),
            store: Store::new(bytes_max, settings.variants_max),
            flights: Arc::default(),
            passes: Mutex::new(passes_max.map_or_else(LruCache::unbounded, LruCache::new)),
            bounds: Bounds {
                fresh: Duration::from_secs(settings.fresh_seconds_max),
                stale: Duration::from_secs(settings.stale_seconds_max),
            },
            purges: AtomicU64::new(0),
            bytes: gauge(Metric::CacheBytes, &[(Label::HttpRoute, route)]),
            is_retired: AtomicBool::new(false),
            settings: settings.clone(),
        })
    }

    /// Looks for the answer to a request, and waits while somebody else fetches it.
    ///
    /// Cancel safe: a request that goes away gives its place in the flight back.
    pub(crate) async fn look(
        self: &Arc<Self>,
        request: &RequestHeader,
        scheme: &'static str,
        has_body: bool,
    ) -> Look {
        let Some(key) = self.keying.of(request, scheme, has_body) else {
            return self.forward(Forwarded::Bypass, None, None);
        };
        let deadline = Deadline::now() + Duration::from_millis(self.settings.wait_ms);
        loop {
            let kept = self.store.get(&key);
            if let Some(hit) = self.serve(kept.as_ref(), &key) {
                return Look::Hit(hit);
            }
            if request.method == Method::HEAD {
                return self.forward(Forwarded::Method, Some(key), kept);
            }
            let why = kept.as_ref().map_or(Forwarded::Miss, |_| Forwarded::Stale);
            if self.passes(&key) {
                return self.forward(why, Some(key), kept);
            }
            let landing = match self.flights.board(&key) {
                // It may have been kept between the look and the boarding.
                Seat::First(ticket) => match self.serve(self.store.get(&key).as_ref(), &key) {
                    Some(hit) => return Look::Hit(hit),
                    None => {
                        let turn = Turn::new(self, why, Some(key), kept).fetching(ticket);
                        return Look::Forward(Box::new(turn));
                    }
                },
                Seat::Later(landing) => landing,
            };
            match timeout_at(deadline, landed(landing)).await {
                Ok(Landing::Kept | Landing::Abandoned) => {}
                Ok(Landing::NotKept | Landing::None) | Err(_) => {
                    return self.forward(why, Some(key), kept);
                }
            }
        }
    }

    /// An answer from what is kept, if that is good enough; with the duty to fetch another when it is no longer fresh and nobody does.
    fn serve(&self, kept: Option<&Arc<Entry>>, key: &Key) -> Option<Box<Hit>> {
        let (entry, now) = (kept?, Instant::now());
        let standing = entry.standing(now);
        let hit = Hit::new(entry, key, now);
        match standing {
            Standing::Fresh => Some(Box::new(hit)),
            Standing::Revalidating if self.passes(key) => Some(Box::new(hit)),
            Standing::Revalidating => Some(Box::new(match self.flights.board(key) {
                Seat::First(ticket) => hit.with_refresh(ticket),
                Seat::Later(_) => hit,
            })),
            Standing::OnError | Standing::Gone => None,
        }
    }

    fn forward(
        self: &Arc<Self>,
        why: Forwarded,
        key: Option<Key>,
        kept: Option<Arc<Entry>>,
    ) -> Look {
        Look::Forward(Box::new(Turn::new(self, why, key, kept)))
    }

    /// Whether the answer of this key was lately one that is not kept.
    fn passes(&self, key: &Key) -> bool {
        let mut passes = self.passes.lock();
        passes.get(key).is_some_and(|since| since.elapsed() < PASS)
    }

    fn pass(&self, key: &Key) {
        self.passes.lock().put(key.clone(), Instant::now());
    }

    /// How often something was purged so far.
    fn purges(&self) -> u64 {
        self.purges.load(Ordering::Acquire)
    }

    fn keep(&self, key: &Key, entry: Entry) {
        self.passes.lock().pop(key);
        self.told(self.store.put(key, Arc::new(entry)));
    }

    /// Tells how many bytes are kept.
    fn told(&self, bytes: usize) {
        if !self.is_retired.load(Ordering::Acquire) {
            self.bytes.set_count(bytes);
        }
    }

    /// No route keeps its answers here any more. Requests that are under way may still use it, and nobody counts that.
    pub(crate) fn retire(&self) {
        self.told(0);
        self.is_retired.store(true, Ordering::Release);
    }

    /// Tells how many bytes are kept, where another was counted until now.
    pub(crate) fn take_over(&self) {
        self.told(self.store.bytes());
    }
}

/// The field by which a cache says what it did (RFC 9211).
fn cache_status(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static("sallyport"))
}
