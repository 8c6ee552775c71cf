//! Triggers of different types in one list: each erased to the same few questions.

use std::time::Duration;

use futures::future::BoxFuture;
use serde_json::Value;

use crate::{
    Album, Button, Command, Context, Edit, Failure, FromText, Media, Misread, Rate, Role, Scopes,
    Task, TaskSpec, Text, trigger::Ended,
};

/// A trigger in its erased form.
pub(crate) struct Packed<T>(pub(crate) T);

/// What applies before a trigger runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Terms {
    pub(crate) access: Role,
    pub(crate) scopes: Scopes,
    pub(crate) rate: Option<Rate>,
    pub(crate) late_after: Duration,
}

pub(crate) trait AnyCommand: Send + Sync {
    fn name(&self) -> &'static str;
    fn terms(&self) -> Terms;
    /// Reads the words and runs; the outer error is the text that says why the words were refused.
    fn run<'a>(
        &'a self,
        context: &'a Context,
        words: &str,
    ) -> Result<BoxFuture<'a, Ended>, Misread>;
}

impl<C: Command> AnyCommand for Packed<C> {
    fn name(&self) -> &'static str {
        C::NAME
    }

    fn terms(&self) -> Terms {
        Terms {
            access: C::ACCESS,
            scopes: C::SCOPES,
            rate: C::RATE,
            late_after: C::LATE_AFTER,
        }
    }

    fn run<'a>(
        &'a self,
        context: &'a Context,
        words: &str,
    ) -> Result<BoxFuture<'a, Ended>, Misread> {
        let arguments = C::Arguments::from_text(words)?;
        Ok(Box::pin(self.0.run(context, arguments)))
    }
}

pub(crate) trait AnyText: Send + Sync {
    fn terms(&self) -> Terms;
    fn run<'a>(&'a self, context: &'a Context, text: String) -> BoxFuture<'a, Ended>;
}

impl<T: Text> AnyText for Packed<T> {
    fn terms(&self) -> Terms {
        Terms {
            access: T::ACCESS,
            scopes: Scopes::Everywhere,
            rate: T::RATE,
            late_after: T::LATE_AFTER,
        }
    }

    fn run<'a>(&'a self, context: &'a Context, text: String) -> BoxFuture<'a, Ended> {
        Box::pin(self.0.run(context, text))
    }
}

pub(crate) trait AnyTask: Send + Sync {
    fn spec(&self) -> TaskSpec;
    fn run<'a>(
        &'a self,
        context: &'a Context,
        payload: Value,
    ) -> Result<BoxFuture<'a, Ended>, Failure>;
}

impl<T: Task> AnyTask for Packed<T> {
    fn spec(&self) -> TaskSpec {
        TaskSpec {
            name: T::NAME,
            deadline: T::DEADLINE,
            attempts_max: T::ATTEMPTS_MAX,
            late_after: T::LATE_AFTER,
            at_once: T::AT_ONCE,
        }
    }

    fn run<'a>(
        &'a self,
        context: &'a Context,
        payload: Value,
    ) -> Result<BoxFuture<'a, Ended>, Failure> {
        let payload = serde_json::from_value(payload).map_err(unreadable)?;
        Ok(Box::pin(self.0.run(context, payload)))
    }
}

pub(crate) trait AnyButton: Send + Sync {
    fn name(&self) -> &'static str;
    fn run<'a>(
        &'a self,
        context: &'a Context,
        payload: Value,
    ) -> Result<BoxFuture<'a, Ended>, Failure>;
}

impl<B: Button> AnyButton for Packed<B> {
    fn name(&self) -> &'static str {
        B::NAME
    }

    fn run<'a>(
        &'a self,
        context: &'a Context,
        payload: Value,
    ) -> Result<BoxFuture<'a, Ended>, Failure> {
        let payload = serde_json::from_value(payload)?;
        Ok(Box::pin(self.0.run(context, payload)))
    }
}

pub(crate) trait AnyMedia: Send + Sync {
    fn terms(&self) -> Terms;
    fn run<'a>(&'a self, context: &'a Context, album: Album) -> BoxFuture<'a, Ended>;
}

impl<M: Media> AnyMedia for Packed<M> {
    fn terms(&self) -> Terms {
        Terms {
            access: M::ACCESS,
            scopes: Scopes::Everywhere,
            rate: M::RATE,
            late_after: M::LATE_AFTER,
        }
    }

    fn run<'a>(&'a self, context: &'a Context, album: Album) -> BoxFuture<'a, Ended> {
        Box::pin(self.0.run(context, album))
    }
}

pub(crate) trait AnyEdit: Send + Sync {
    fn terms(&self) -> Terms;
    fn run<'a>(&'a self, context: &'a Context, text: String) -> BoxFuture<'a, Ended>;
}

impl<E: Edit> AnyEdit for Packed<E> {
    fn terms(&self) -> Terms {
        Terms {
            access: E::ACCESS,
            scopes: Scopes::Everywhere,
            rate: None,
            late_after: E::LATE_AFTER,
        }
    }

    fn run<'a>(&'a self, context: &'a Context, text: String) -> BoxFuture<'a, Ended> {
        Box::pin(self.0.run(context, text))
    }
}

impl Terms {
    /// Anybody, anywhere, at any time.
    pub(crate) const ALWAYS: Self = Self {
        access: Role::Guest,
        scopes: Scopes::Everywhere,
        rate: None,
        late_after: Duration::MAX,
    };
}

/// A task outlives deployments: its payload may come from a newer one, whose workers will read it. So it is tried again
/// before it is given up.
fn unreadable(error: serde_json::Error) -> Failure {
    Failure::passing(
        "schema",
        "The task's payload has another shape than this version expects",
    )
    .caused_by(error)
}
