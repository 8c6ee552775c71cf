//! The kinds of messages a pool knows: each with its handler, the names of its spans and its metrics, looked up once.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sallyport_queue::blame::KindRules;
use sallyport_queue::retry::Backoff;
use sallyport_queue::{Claimed, ErrorNote, Verdict};

use super::meters::KindMeters;
use super::{Handled, Handler, Handlers, KindPolicy, Run};

/// A kind of message and everything that is the same for all of its messages.
pub(super) struct Kind {
    pub(super) handler: Arc<dyn Handler>,
    pub(super) process_name: Cow<'static, str>,
    pub(super) settle_name: Cow<'static, str>,
    pub(super) meters: KindMeters,
}

impl Kind {
    fn new(name: &str, handler: Arc<dyn Handler>) -> Self {
        Self {
            handler,
            process_name: Cow::Owned(format!("process {name}")),
            settle_name: Cow::Owned(format!("settle {name}")),
            meters: KindMeters::of(name),
        }
    }

    pub(super) fn policy(&self) -> &KindPolicy {
        self.handler.policy()
    }
}

/// How often a message is tried that no worker here can read yet, and how long it waits in between: at least 5 s, doubling
/// to at least 5 min, which adds up to more than half an hour. A rolling upgrade is over by then; whoever knows the kind
/// takes it at its next attempt.
const UNREADABLE: Backoff = Backoff {
    first: Duration::from_secs(10),
    longest: Duration::from_secs(600),
};
const UNREADABLE_ATTEMPTS_MAX: u16 = 12;

/// All kinds of a pool.
pub(super) struct Kinds {
    known: HashMap<String, Known>,
    unknown: Arc<Kind>,
}

struct Known {
    kind: Arc<Kind>,
    /// What takes payloads that are newer than the handler.
    newer: Arc<Kind>,
    newest_version: u16,
}

impl Kinds {
    pub(super) fn of(handlers: &Handlers) -> Self {
        let known = handlers
            .kinds()
            .filter_map(|name| {
                let handler = Arc::clone(handlers.of(name)?);
                let known = Known {
                    newest_version: handler.policy().newest_version.unwrap_or(u16::MAX),
                    kind: Arc::new(Kind::new(name, handler)),
                    newer: Arc::new(Kind::new(name, Arc::new(Unreadable::new()))),
                };
                Some((name.to_owned(), known))
            })
            .collect();
        let unknown = Arc::new(Kind::new("unknown", Arc::new(Unreadable::new())));
        Self { known, unknown }
    }

    /// What counting interrupted attempts needs to know of each kind.
    pub(super) fn rules(&self) -> Vec<KindRules<'_>> {
        self.known
            .iter()
            .map(|(name, known)| KindRules {
                kind: name,
                sends: known.kind.policy().sends,
                attempts_max: known.kind.policy().attempts_max,
            })
            .collect()
    }

    pub(super) fn of_message(&self, message: &Claimed) -> &Arc<Kind> {
        match self.known.get(&*message.kind) {
            Some(known) if message.kind_version <= known.newest_version => &known.kind,
            Some(known) => &known.newer,
            None => &self.unknown,
        }
    }
}

/// Takes what nobody here can read: an older worker meets a newer program's messages. They wait for an upgrade, then become
/// dead letters with their bytes kept.
struct Unreadable(KindPolicy);

impl Unreadable {
    fn new() -> Self {
        Self(KindPolicy {
            attempts_max: UNREADABLE_ATTEMPTS_MAX,
            backoff: UNREADABLE,
            ..KindPolicy::default()
        })
    }
}

#[async_trait]
impl Handler for Unreadable {
    fn policy(&self) -> &KindPolicy {
        &self.0
    }

    async fn handle(&self, message: Arc<Claimed>, run: Run) -> Handled {
        let text = format!(
            "Nobody here reads the kind {:?}, version {}",
            message.kind, message.kind_version
        );
        // Jitter may make a wait short; half of it is kept so that the waits add up.
        Handled::from(Verdict::Retry {
            after: UNREADABLE.ceiling(run.attempt) / 2,
            error: ErrorNote::new("schema", text),
        })
    }
}
