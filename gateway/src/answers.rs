//! What a forward route makes of its upstream's answers, beyond what every answer of the edge has.
//!
//! It exists so that each route says once what browsers may do with what lies behind it, and an upstream's slip reaches nobody: a cookie
//! without its attributes, leave for any origin, a stack trace. Off is what a route does not ask for, and costs a comparison.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use pingora::http::{RequestHeader, ResponseHeader};
use sallyport_security::cookies::{CookieRules, Unfit};
use sallyport_security::headers::{RouteClass, must_be_removed};

use crate::cache::Cache;
use crate::cors::{self, Cors};
use crate::refusal::Refusal;
use crate::settings::{Embeddable, FailureBody, ForwardSettings};

const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// How a route treats answers.
pub(crate) struct Answers {
    pub(crate) class: RouteClass,
    resource_policy: HeaderValue,
    replaces_failures: bool,
    /// Whether text is compressed.
    pub(crate) compresses: bool,
    cookies: CookieRules,
    pub(crate) cors: Option<Cors>,
    pub(crate) cache: Option<Arc<Cache>>,
}

impl Answers {
    /// What `before` keeps goes on being kept, if its settings are the same.
    pub(crate) fn new(
        settings: &ForwardSettings,
        route: &str,
        methods: &[Method],
        before: Option<&Self>,
    ) -> Self {
        let class = settings.serves.class();
        let kept = before.and_then(|before| before.cache.as_ref());
        let cache = settings.cache.as_ref();
        let failures = settings.failures.unwrap_or(match class {
            RouteClass::Api => FailureBody::Pass,
            RouteClass::Page | RouteClass::Asset => FailureBody::Replace,
        });
        Self {
            class,
            resource_policy: HeaderValue::from_static(match settings.embeddable {
                Embeddable::SameOrigin => "same-origin",
                Embeddable::SameSite => "same-site",
                Embeddable::Anyone => "cross-origin",
            }),
            replaces_failures: failures == FailureBody::Replace,
            compresses: settings.compress,
            cookies: settings.cookies.rules(),
            cors: settings.cors.as_ref().map(|cors| Cors::new(cors, methods)),
            cache: cache.map(|cache| Cache::new(cache, route, kept)),
        }
    }

    /// Whether a request asks in a script's name what it may do here. Such a one is answered at the edge, one way or the other.
    pub(crate) fn is_question(&self, request: &RequestHeader) -> bool {
        self.cors.is_some()
            && request.method == Method::OPTIONS
            && request
                .headers
                .contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
    }

    /// What a caller reads in place of an answer by which the upstream says that it failed.
    pub(crate) fn failure(&self, response: &ResponseHeader) -> Option<Refusal> {
        let is_hidden = self.replaces_failures && response.status.is_server_error();
        is_hidden.then(|| {
            let after = response.headers.get(header::RETRY_AFTER);
            let seconds = after.and_then(|after| after.to_str().ok()?.parse().ok());
            Refusal::UpstreamFailed(response.status, seconds.map(Duration::from_secs))
        })
    }

    /// Whether the answer keeps what it says about how long it may be kept: it is one for everybody, or something that pages load.
    pub(crate) fn keeps_its_caching(&self, response: &ResponseHeader, is_shared: bool) -> bool {
        let headers = &response.headers;
        (is_shared || self.class == RouteClass::Asset)
            && headers.contains_key(header::CACHE_CONTROL)
            && !headers.contains_key(header::SET_COOKIE)
    }

    /// Puts on what this route asks for. Comes last: it says more than the class of the route does.
    ///
    /// # Errors
    /// When a value is no header's value, which none of ours is.
    pub(crate) fn dress(
        &self,
        request: &HeaderMap,
        response: &mut ResponseHeader,
    ) -> pingora::Result<()> {
        if self.class == RouteClass::Asset {
            response.insert_header(RESOURCE_POLICY, self.resource_policy.clone())?;
        }
        let Some(cors) = &self.cors else {
            return Ok(());
        };
        for (name, value) in cors.fields(request) {
            match name {
                header::VARY => response.append_header(name, value)?,
                name => {
                    response.insert_header(name, value)?;
                    true
                }
            };
        }
        Ok(())
    }

    /// Writes the cookies of an answer anew; those that must not be set are left out, and told.
    ///
    /// # Errors
    /// When a value is no header's value, which none of ours is.
    pub(crate) fn harden_cookies(
        &self,
        response: &mut ResponseHeader,
    ) -> pingora::Result<Vec<Unfit>> {
        // Looked up before anything is collected: most answers set none.
        if !response.headers.contains_key(header::SET_COOKIE) {
            return Ok(Vec::new());
        }
        let sent = response.headers.get_all(header::SET_COOKIE).iter();
        let hardened: Vec<_> = sent
            .map(|value| self.cookies.harden(value.as_bytes()))
            .collect();
        response.remove_header(&header::SET_COOKIE);
        let mut dropped = Vec::new();
        for cookie in hardened {
            match cookie {
                Ok(cookie) => {
                    response.append_header(header::SET_COOKIE, cookie)?;
                }
                Err(unfit) => dropped.push(unfit),
            }
        }
        Ok(dropped)
    }
}

/// Takes off what tells strangers what runs behind the edge, and what an upstream says to browsers about other origins.
pub(crate) fn undress(response: &mut ResponseHeader) {
    let is_telling = |name: &&HeaderName| {
        must_be_removed(name) || name.as_str().starts_with(cors::FROM_UPSTREAMS)
    };
    let telling: Vec<HeaderName> = response
        .headers
        .keys()
        .filter(is_telling)
        .cloned()
        .collect();
    for name in &telling {
        response.remove_header(name);
    }
}
