//! The route table as it is used: settings turned into things that answer quickly.
//!
//! It exists so that nothing is compiled, hashed or allocated per request that could have been at the start. What is done on
//! a route is for [`crate::accept`], [`crate::forward`] and [`crate::health`].

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::Method;
use sallyport_security::Digest;
use sallyport_security::headers::RouteClass;
use sallyport_security::inspection::{InspectionSettings, Inspector};

use crate::answers::Answers;
use crate::cache::Cache;
use crate::limits::{Limit, Limits};
use crate::networks::OpenTo;
use crate::rules::InvalidRules;
use crate::settings::{
    ForwardSettings, HealthPage, Importance, NAME_ENDS, RouteSettings, Settings,
};
use crate::shedding::{Gate, Shedding};
use crate::upstreams::{Group, Upstreams};

mod accepting;
mod client_check;
mod contract_check;
mod token_check;

pub(crate) use accepting::{Accepting, Bot};
pub(crate) use client_check::{ClientCheck, NotThisClient};
pub(crate) use contract_check::ContractCheck;
pub(crate) use token_check::TokenCheck;

/// All routes, in the order in which they are tried.
pub(crate) struct RouteTable(Vec<Arc<Route>>);

/// One route.
pub(crate) struct Route {
    /// The path as it stands in the settings: what spans and metrics call it.
    pub(crate) template: Arc<str>,
    shape: Shape,
    /// The methods it takes, ready for an `Allow` header.
    pub(crate) allow: Arc<str>,
    methods: Vec<Method>,
    /// The limits with names that its requests count against.
    pub(crate) limits: Vec<Arc<Limit>>,
    /// The networks that it is open to.
    pub(crate) open_to: OpenTo,
    /// Who looks at its requests, if anybody does.
    pub(crate) inspector: Option<Inspector>,
    /// Which client certificates open it, if it asks for one.
    pub(crate) client_check: Option<ClientCheck>,
    /// How much is lost when its requests are turned away; of webhooks their hook knows.
    pub(crate) importance: Importance,
    /// What stands before that to which it leads, if anybody is ever turned away.
    pub(crate) gate: Option<Arc<Gate>>,
    /// What it does.
    pub(crate) action: Action,
}

enum Shape {
    Exact,
    /// The path up to and with the slash before the bot's name.
    Bot(String),
    /// The path up to and with the slash before everything below.
    Below(String),
}

/// What a route does.
pub(crate) enum Action {
    /// Takes webhooks.
    Accept(Accepting),
    /// Hands requests on.
    Forward(Forwarding),
    /// Shows the process's health to everybody.
    Health(HealthPage),
    /// Shows all of it to those who hold one of these tokens.
    Status(Vec<Digest>),
    /// Explains a kind of problem.
    Problems,
}

/// How a route hands requests on.
pub(crate) struct Forwarding {
    pub(crate) to: Target,
    pub(crate) body_bytes_max: usize,
    pub(crate) body_deadline: Duration,
    pub(crate) connect_deadline: Duration,
    pub(crate) answer_deadline: Duration,
    pub(crate) websocket: bool,
    pub(crate) stream_idle: Duration,
    /// How it knows its callers, if it does.
    pub(crate) access_token: Option<TokenCheck>,
    /// What its requests are held to, if to anything.
    pub(crate) contract: Option<ContractCheck>,
    /// What becomes of its answers.
    pub(crate) answers: Box<Answers>,
}

/// Where a route hands requests on to.
pub(crate) enum Target {
    /// Always there.
    One(SocketAddr),
    /// To one of these.
    Group(Arc<Group>),
}

/// A path that was found.
pub(crate) struct Found<'p> {
    pub(crate) route: Arc<Route>,
    /// The part of the path that the template names `{bot}` or `{name}`, or what lies below.
    pub(crate) rest: &'p str,
}

impl RouteTable {
    /// Builds the table; the pages of `/problems/` come with every edge. Limits that have not changed go on counting where
    /// they stand in `before`.
    ///
    /// # Errors
    /// When something was never validated and makes no sense.
    pub(crate) fn new(
        settings: &Settings,
        limits: &Limits,
        upstreams: &Upstreams,
        shedding: &Shedding,
        origin: Instant,
        before: Option<&Self>,
    ) -> Result<Self, InvalidRules> {
        let route = |route: &RouteSettings| {
            let before = before.and_then(|table| table.named(&route.path));
            let made = Route::new(route, limits, upstreams, origin, before)?;
            Ok(Arc::new(Route {
                open_to: OpenTo::new(&settings.addresses, &route.from),
                inspector: inspector(route.inspection(&settings.inspection).as_ref()),
                importance: route.importance(),
                gate: shedding.gate_of(route),
                ..made
            }))
        };
        let mut routes = settings
            .routes
            .iter()
            .map(route)
            .collect::<Result<Vec<_>, InvalidRules>>()?;
        routes.push(Arc::new(Route::problems()));
        Ok(Self(routes))
    }

    /// The first route that `path` belongs to.
    pub(crate) fn find<'p>(&self, path: &'p str) -> Option<Found<'p>> {
        self.0.iter().find_map(|route| {
            let rest = route.rest_of(path)?;
            Some(Found {
                route: Arc::clone(route),
                rest,
            })
        })
    }

    /// The route of this template.
    fn named(&self, template: &str) -> Option<&Route> {
        let mut routes = self.0.iter();
        routes
            .find(|route| &*route.template == template)
            .map(|route| &**route)
    }

    /// What routes keep.
    pub(crate) fn caches(&self) -> impl Iterator<Item = (&str, &Cache)> {
        self.0.iter().filter_map(|route| {
            let cache = route.answers()?.cache.as_deref()?;
            Some((&*route.template, cache))
        })
    }

    /// Counts what these routes keep, and no longer what those of `before` kept.
    pub(crate) fn take_over_from(&self, before: &Self) {
        for (_, old) in before.caches() {
            if !self.caches().any(|(_, cache)| std::ptr::eq(cache, old)) {
                old.retire();
            }
        }
        self.caches().for_each(|(_, cache)| cache.take_over());
    }

    /// All routes, for what is prepared per route at the start.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Route>> {
        self.0.iter()
    }
}

impl Route {
    fn new(
        settings: &RouteSettings,
        limits: &Limits,
        upstreams: &Upstreams,
        origin: Instant,
        before: Option<&Self>,
    ) -> Result<Self, InvalidRules> {
        let (action, methods) = if let Some(accept) = &settings.accept {
            (
                Action::Accept(Accepting::new(
                    &settings.path,
                    accept,
                    settings.importance,
                    origin,
                    before.and_then(Self::accepting),
                )?),
                vec![Method::POST],
            )
        } else if let Some(forward) = &settings.forward {
            let mut methods = methods_of(forward);
            let before = before.and_then(Self::answers);
            let answers = Answers::new(forward, &settings.path, &methods, before);
            // Whether a script may ask is asked by OPTIONS, and answered here.
            if answers.cors.is_some() && !methods.contains(&Method::OPTIONS) {
                methods.push(Method::OPTIONS);
            }
            let forwarding = Forwarding::new(&settings.path, forward, upstreams, answers)?;
            (Action::Forward(forwarding), methods)
        } else {
            let tokens = settings.tokens.iter().filter(|token| !token.is_empty());
            let tokens: Vec<_> = tokens
                .map(|token| Digest::of(token.expose().as_bytes()))
                .collect();
            let action = match settings.health.unwrap_or(HealthPage::Live) {
                HealthPage::Status => Action::Status(tokens),
                page @ (HealthPage::Live | HealthPage::Ready) => Action::Health(page),
            };
            (action, vec![Method::GET, Method::HEAD])
        };
        Ok(Self {
            limits: limits.named(&settings.limits),
            client_check: settings
                .client_certificate
                .as_ref()
                .map(|asked| ClientCheck::new(&settings.path, asked))
                .transpose()?,
            ..Self::with(&settings.path, methods, action)
        })
    }

    /// How it takes webhooks, if it does.
    pub(crate) fn accepting(&self) -> Option<&Accepting> {
        match &self.action {
            Action::Accept(accepting) => Some(accepting),
            Action::Forward(_) | Action::Health(_) | Action::Status(_) | Action::Problems => None,
        }
    }

    /// How it hands requests on, if it does.
    pub(crate) fn forwarding(&self) -> Option<&Forwarding> {
        match &self.action {
            Action::Forward(forwarding) => Some(forwarding),
            Action::Accept(_) | Action::Health(_) | Action::Status(_) | Action::Problems => None,
        }
    }

    /// What its requests are held to, if to anything.
    pub(crate) fn contract_check(&self) -> Option<&ContractCheck> {
        self.forwarding()?.contract.as_ref()
    }

    /// How it knows its callers by their access tokens, if it does.
    pub(crate) fn token_check(&self) -> Option<&TokenCheck> {
        self.forwarding()?.access_token.as_ref()
    }

    pub(crate) fn problems() -> Self {
        let template = format!("{}*", crate::problem::PREFIX);
        Self::with(&template, vec![Method::GET, Method::HEAD], Action::Problems)
    }

    fn with(template: &str, methods: Vec<Method>, action: Action) -> Self {
        let named = NAME_ENDS.iter().find(|end| template.ends_with(*end));
        let prefix = named.and_then(|end| template.strip_suffix(end.trim_start_matches('/')));
        let shape = if let Some(prefix) = prefix {
            Shape::Bot(prefix.to_owned())
        } else if let Some(prefix) = template.strip_suffix('*') {
            Shape::Below(prefix.to_owned())
        } else {
            Shape::Exact
        };
        let names: Vec<_> = methods.iter().map(Method::as_str).collect();
        Self {
            template: Arc::from(template),
            shape,
            allow: Arc::from(names.join(", ")),
            methods,
            limits: Vec::new(),
            open_to: OpenTo::default(),
            inspector: None,
            client_check: None,
            importance: Importance::Vital,
            gate: None,
            action,
        }
    }

    /// What becomes of its answers, if it hands on.
    pub(crate) fn answers(&self) -> Option<&Answers> {
        match &self.action {
            Action::Forward(forwarding) => Some(&forwarding.answers),
            Action::Accept(_) | Action::Health(_) | Action::Status(_) | Action::Problems => None,
        }
    }

    /// What kind of answers it gives.
    pub(crate) fn class(&self) -> RouteClass {
        match &self.action {
            Action::Problems => RouteClass::Page,
            Action::Forward(forwarding) => forwarding.answers.class,
            Action::Accept(_) | Action::Health(_) | Action::Status(_) => RouteClass::Api,
        }
    }

    /// Whether it serves people with browsers, rather than programs.
    pub(crate) fn is_page(&self) -> bool {
        self.class() != RouteClass::Api
    }

    /// Whether this method is taken.
    pub(crate) fn takes(&self, method: &Method) -> bool {
        self.methods.contains(method)
    }

    fn rest_of<'p>(&self, path: &'p str) -> Option<&'p str> {
        match &self.shape {
            Shape::Exact => (path == &*self.template).then_some(""),
            Shape::Below(prefix) => path.strip_prefix(prefix.as_str()),
            Shape::Bot(prefix) => path
                .strip_prefix(prefix.as_str())
                .filter(|name| !name.is_empty() && !name.contains('/')),
        }
    }
}

fn inspector(settings: Option<&InspectionSettings>) -> Option<Inspector> {
    settings.map(Inspector::new)
}

fn methods_of(forward: &ForwardSettings) -> Vec<Method> {
    forward
        .methods
        .iter()
        .filter_map(|name| Method::from_bytes(name.as_bytes()).ok())
        .collect()
}

impl Forwarding {
    fn new(
        path: &str,
        settings: &ForwardSettings,
        upstreams: &Upstreams,
        answers: Answers,
    ) -> Result<Self, InvalidRules> {
        let access_token = settings.access_token.as_ref();
        let group = settings.upstreams.as_deref();
        let group = group.and_then(|name| upstreams.named(name));
        let to = match (settings.upstream, group) {
            (Some(address), _) => Target::One(address),
            (None, Some(group)) => Target::Group(Arc::clone(group)),
            (None, None) => return Err(InvalidRules::NoUpstream(path.to_owned())),
        };
        Ok(Self {
            to,
            body_bytes_max: settings.body_bytes_max,
            body_deadline: Duration::from_millis(settings.body_deadline_ms),
            connect_deadline: Duration::from_millis(settings.connect_deadline_ms),
            answer_deadline: Duration::from_millis(settings.answer_deadline_ms),
            answers: Box::new(answers),
            access_token: access_token
                .map(|settings| TokenCheck::new(path, settings))
                .transpose()?,
            contract: settings
                .openapi
                .as_ref()
                .map(|settings| ContractCheck::new(path, settings))
                .transpose()?,
            websocket: settings.websocket,
            stream_idle: Duration::from_millis(settings.stream_idle_ms),
        })
    }
}

/// As `sallyport explain` tells it: `127.0.0.1:8081`, or `the group api (127.0.0.1:8081, 127.0.0.1:8082)`.
impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(address) => address.fmt(formatter),
            Self::Group(group) => group.fmt(formatter),
        }
    }
}
