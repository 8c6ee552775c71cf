//! The edge: everything that comes into the house comes in here.
//!
//! It exists to be the one guarded door. It accepts connections under its own limits, refuses what can be read in two ways, asks
//! its checks in one written order, and then does one of two things: it takes a webhook, has it stored and answers, or
//! it hands the request on to the workers' API. Every answer carries the security headers and its trace id, every
//! refusal a reason that is counted.
//!
//! It knows no bot's commands and no provider's API. It holds keys to verify webhooks and no token to send with, and it never reads
//! a stored payload back. The only service that it calls by itself is the authority that gives its certificates, if one is configured.
//!
//! Reading order: [`Gateway`] → `listeners` → `head` and `chunks` → `edge` → `checks` → `accept` and `forward`.

#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

mod gateway;
mod settings;

mod listeners;

mod acme;

mod chunks;
mod head;

mod edge;

mod checks;

mod explain;

mod accept;
mod body;
mod forward;
mod health;

mod answer;
mod answers;
mod cache;
mod compress;
mod cors;
mod problem;
mod refusal;

mod described;
mod events;
mod exchange;

mod inspection;
mod limits;
mod networks;
mod recent;
mod routes;
mod rules;
mod shedding;
mod upstreams;

pub use accept::Shelf;
pub use acme::{Acme, Challenges};
pub use cache::{Purge, Purger};
pub use checks::{Rule, Step};
pub use explain::{Explanation, Outcome, Probe, explain};
pub use gateway::{Doors, Gateway, GatewayHandle, Parts, StartError};
pub use listeners::{
    CertificateChanges, CertificateFacts, CertificateFault, CertificateRefused, Certificates,
    PemPair, PemSet, TlsProfile,
};
pub use rules::{Changes, InvalidRules};
pub use sallyport_sources::Source;
pub use settings::{
    AcceptSettings, AcmeChallenge, AcmeSettings, AddressSettings, AuthoritiesError, BotSettings,
    CacheSettings, CertificateSettings, CircuitSettings, ClientCertificateSettings,
    ConnectionSettings, CookieSettings, CookieUse, CorsSettings, Denied, DenyFileError, Dimension,
    DnsSettings, Door, EjectionSettings, Embeddable, EndpointPort, FailureBody, ForwardSettings,
    HealthCheckSettings, HealthPage, HttpService, Importance, KubernetesSettings, LimitSettings,
    OpenApiMode, OpenApiSettings, RateSettings, RetrySettings, RouteSettings, Serves, Settings,
    SheddingSettings, StrangerSettings, TargetSettings, UpstreamSettings,
};
