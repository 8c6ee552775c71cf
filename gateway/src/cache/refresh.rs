//! Fetching another answer for one that is shown although it is no longer fresh.
//!
//! It exists because whoever is shown the old one should not wait for the new one (RFC 5861, 3). The request for it is one of Pingora's
//! subrequests, so it goes the way of every other, to the same upstreams under the same deadlines; its answer goes nowhere but
//! into the cache.

use std::sync::Arc;

use http::Method;
use pingora::proxy::Session;
use pingora::proxy::subrequest::Ctx;
use sallyport_telemetry::trace::SpanContext;
use tokio_util::task::TaskTracker;

use super::turn::Turn;
use super::{Cache, Hit};
use crate::routes::Route;
use crate::settings::Importance;

/// What a subrequest is told.
pub(crate) struct Refresh {
    /// The route of the request that caused it.
    pub(crate) route: Arc<Route>,
    pub(crate) turn: Turn,
    /// `http` or `https`, as the key has it.
    pub(crate) scheme: &'static str,
    /// The trace of the request that caused it.
    pub(crate) span: SpanContext,
}

impl Refresh {
    /// Fetches another answer for this one, if that is its duty. Whoever drains waits for it.
    pub(crate) fn begin(
        cache: &Arc<Cache>,
        hit: &mut Hit,
        session: &mut Session,
        route: &Arc<Route>,
        span: SpanContext,
        tracker: &TaskTracker,
    ) {
        let Some((key, ticket)) = hit.take_refresh() else {
            return;
        };
        let gate = route.gate.as_ref();
        if gate.is_some_and(|gate| gate.admit(Importance::Background).is_err()) {
            // Nobody waits for it: what is kept is shown meanwhile, and the next to see it tries again.
            return;
        }
        let Some(spawner) = session.subrequest_spawner.as_ref() else {
            return;
        };
        let refresh = Self {
            route: Arc::clone(route),
            scheme: key.address.scheme,
            turn: Turn::refreshing(cache, key, ticket),
            span,
        };
        let context = Ctx::builder().user_ctx(Box::new(Some(refresh))).build();
        let (prepared, answer) = spawner.create_subrequest(session.as_ref(), context);
        answer.drain_tasks();
        tracker.spawn(prepared.run());
    }

    /// What this session is a subrequest for, if it is one. Once.
    pub(crate) fn take(session: &mut Session) -> Option<Self> {
        let context = session.subrequest_ctx.as_mut()?.user_ctx_mut()?;
        let refresh = context.downcast_mut::<Option<Self>>()?.take()?;
        // It may be a HEAD that found the answer stale.
        session.req_header_mut().set_method(Method::GET);
        Some(refresh)
    }
}
