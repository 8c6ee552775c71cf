//! Pages of other rooms behind the admin door.
//!
//! They exist because the door opens before the rooms do, and knows none of them: whoever has something to show hands over
//! what answers for it, once it can.

use std::sync::{Arc, OnceLock};

type Answer = Box<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// What one other room shows to those who hold the token. Nothing until it says so.
#[derive(Clone, Default)]
pub struct Pages(Arc<OnceLock<Answer>>);

impl Pages {
    /// From now on `answer` is asked: it gets a path and returns JSON, or nothing when there is no such page. It must not block. Only the
    /// first call counts.
    pub fn answered_by(&self, answer: impl Fn(&str) -> Option<String> + Send + Sync + 'static) {
        self.0.get_or_init(|| Box::new(answer));
    }

    pub(super) fn json(&self, path: &str) -> Option<String> {
        self.0.get()?(path)
    }
}
