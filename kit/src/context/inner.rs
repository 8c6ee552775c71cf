//! The verbs of a context that only the kit itself uses.

use std::{sync::Arc, time::Duration};

use super::Context;
use crate::{
    Failure, Incoming, MessageRef, Place, Rate, Reply, Say, StoredButton, TaskCall, What, away,
    pace::Pace,
};

impl Context {
    pub(crate) fn incoming(&self) -> &Incoming {
        &self.incoming
    }

    pub(crate) fn place(&self) -> Place {
        Place {
            chat: self.chat().id.clone(),
            topic: self.chat().topic.clone(),
            message: self.message().cloned(),
        }
    }

    /// The same attempt, about another form of its message.
    pub(crate) fn about(&self, incoming: Incoming) -> Self {
        Self {
            shell: Arc::clone(&self.shell),
            incoming: Arc::new(incoming),
            services: Arc::clone(&self.services),
        }
    }

    /// What the pressed button means.
    pub(crate) fn pressed(&self) -> Option<&StoredButton> {
        match &self.incoming.what {
            What::Button(press) => press.button.as_ref(),
            What::Text { .. }
            | What::Edited { .. }
            | What::Media(_)
            | What::Task(_)
            | What::Other { .. } => None,
        }
    }

    /// Takes this person's next place in a use; the same message tried again takes none.
    pub(crate) fn take_place(&self, usage: &'static str, rate: Rate) -> Pace {
        let message = self.message().map_or("", |message| message.0.as_str());
        let taker = format!("{}:{message}", self.chat().id.0);
        let key = (self.person().id.0, usage);
        self.shell.pacer.take(key, rate, self.now(), &taker)
    }

    /// Starts a task of the kit's own.
    pub(crate) fn start_own_task(&self, name: &str, payload: serde_json::Value, delay: Duration) {
        self.start(&self.incoming, name, name, payload, delay);
    }

    /// Runs a message again as a task, free of limits: they were met when this was decided.
    pub(crate) fn again(&self, incoming: &Incoming, delay: Duration) -> Result<(), Failure> {
        let payload = serde_json::to_value(&incoming.what)?;
        self.start(incoming, away::AGAIN, away::AGAIN, payload, delay);
        Ok(())
    }

    /// Collects a task that goes on from `cause`.
    pub(super) fn start(
        &self,
        cause: &Incoming,
        key: &str,
        name: &str,
        payload: serde_json::Value,
        delay: Duration,
    ) {
        let call = TaskCall {
            name: name.to_owned(),
            payload,
        };
        let task = self.shell.task(cause, key, call, self.now(), delay);
        self.services.start_task(task);
    }

    pub(super) fn addressed(&self, reply: Reply, replaces: Option<MessageRef>) -> Say {
        Say::answering(&self.incoming, reply, replaces)
    }
}
