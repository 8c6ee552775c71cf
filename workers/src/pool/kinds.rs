//! The kinds of messages a pool knows: each with its handler, the names of its spans and its metrics, looked up once.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use sallyport_queue::{Claimed, ErrorNote};

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

/// All kinds of a pool.
pub(super) struct Kinds {
    known: HashMap<String, Arc<Kind>>,
    unknown: Arc<Kind>,
}

impl Kinds {
    pub(super) fn of(handlers: &Handlers) -> Self {
        let known = handlers
            .kinds()
            .filter_map(|name| {
                let handler = Arc::clone(handlers.of(name)?);
                Some((name.to_owned(), Arc::new(Kind::new(name, handler))))
            })
            .collect();
        let unknown = Arc::new(Kind::new(
            "unknown",
            Arc::new(Unknown(KindPolicy::default())),
        ));
        Self { known, unknown }
    }

    /// The kinds whose interrupted attempts may have left the house.
    pub(super) fn sends(&self) -> Vec<&str> {
        self.known
            .iter()
            .filter(|(_, kind)| kind.policy().sends)
            .map(|(name, _)| name.as_str())
            .collect()
    }

    pub(super) fn of_message(&self, message: &Claimed) -> &Arc<Kind> {
        self.known.get(&message.kind).unwrap_or(&self.unknown)
    }
}

/// Takes what nobody handles: an older worker meets a newer program's messages. They wait for an upgrade, then become
/// dead letters with their bytes kept.
struct Unknown(KindPolicy);

#[async_trait]
impl Handler for Unknown {
    fn policy(&self) -> &KindPolicy {
        &self.0
    }

    async fn handle(&self, message: Arc<Claimed>, _run: Run) -> Handled {
        let text = format!(
            "No handler for the kind {:?}, version {}",
            message.kind, message.kind_version
        );
        Handled::retry(ErrorNote::new("schema", text))
    }
}
