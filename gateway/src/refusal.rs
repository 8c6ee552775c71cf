//! Every way in which the edge says no, and the one place that turns each into a status, a reason and words.
//!
//! It exists so that a reason has one spelling in answers, metrics, logs and spans, and so that no check invents a status of
//! its own. How the words are wrapped is for [`crate::problem`]; who is told is for [`crate::answer`].

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use sallyport_security::Decision;
use sallyport_security::access_token::Rejected;
use sallyport_security::openapi::Misfit;
use sallyport_sources::Provider;

use crate::inspection::Findings;
use crate::problem::{Page, pages};
use crate::routes::NotThisClient;
use crate::upstreams::NoUpstream;

/// Why a request gets no 2xx.
#[derive(Clone, Debug)]
pub(crate) enum Refusal {
    /// The head was not complete in time.
    HeadTooSlow(Duration),
    /// The head has more bytes than this.
    HeadTooLarge(usize),
    /// The head has more fields than this.
    TooManyFields(usize),
    /// The head can be read in two ways, or in none.
    Malformed(&'static str),
    /// An HTTP version that is not spoken here.
    Version,
    /// An `Expect` that cannot be met.
    Expectation,
    /// Nothing is taken here from this address.
    Address,
    /// It must come over TLS.
    PlainHttp,
    /// The route asks for a client certificate, and this one, or none, is not good enough.
    ClientCertificate(NotThisClient),
    /// No route has this path.
    NoRoute,
    /// The route knows no such bot or hook.
    UnknownBot,
    /// The route takes these methods only.
    Method(Arc<str>),
    /// The route takes these types only.
    ContentType(&'static [&'static str]),
    /// The body is compressed.
    Coding,
    /// The body is, or says that it is, larger than this.
    BodyTooLarge(usize),
    /// The body was not complete in time.
    BodyTooSlow(Duration),
    /// The body came slower than so many bytes a second.
    BodyDribbles(u32),
    /// The body ended before it was complete.
    BodyCut,
    /// It looks like an attack; how.
    Attack(Box<Findings>),
    /// The document of the API has no such request; how it does not fit.
    Misfit(Box<Misfit>),
    /// The webhook's sender did not prove who it is.
    Signature(sallyport_sources::Refusal),
    /// The page needs a token, and none of those it takes was shown.
    Token,
    /// The route needs an access token, and none that is believed was shown; why is for our own eyes.
    AccessToken(Rejected),
    /// The body cannot be a delivery; where and why.
    NotADelivery(&'static str, String),
    /// A bucket is empty; the status by which the sender understands that it should send again later.
    TooFast(Limited, StatusCode),
    /// Nothing durable takes messages now.
    NotStored(Duration),
    /// The house is slow, and others are more important; how long to stay away.
    Shed(Duration),
    /// Scripts of this origin may not do this.
    Origin,
    /// The upstream says itself that it failed, by this status, and perhaps when to come again. What else it says is not told.
    UpstreamFailed(StatusCode, Option<Duration>),
    /// No upstream of a group is asked.
    NoUpstream(NoUpstream),
    /// The upstream takes no connection, or broke it.
    Upstream,
    /// The upstream did not answer in time.
    UpstreamTooSlow,
    /// Our own fault.
    Internal,
}

/// A bucket that was empty.
#[derive(Clone, Debug)]
pub(crate) struct Limited {
    /// Which one, as in `RateLimit-Policy`.
    pub(crate) limiter: Cow<'static, str>,
    /// How it is filled.
    pub(crate) quota: sallyport_security::Quota,
    /// What it said.
    pub(crate) decision: Decision,
}

impl Refusal {
    /// A bucket is empty, for anybody.
    pub(crate) fn too_fast(limited: Limited) -> Self {
        Self::TooFast(limited, StatusCode::TOO_MANY_REQUESTS)
    }

    /// A bucket is empty, for a provider that has its own idea of how it is told.
    pub(crate) fn slow_down(limited: Limited, provider: &dyn Provider) -> Self {
        let status = StatusCode::from_u16(provider.slow_down_status());
        Self::TooFast(limited, status.unwrap_or(StatusCode::TOO_MANY_REQUESTS))
    }

    /// The status of the answer.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::HeadTooSlow(_) | Self::BodyTooSlow(_) | Self::BodyDribbles(_) => {
                StatusCode::REQUEST_TIMEOUT
            }
            Self::PlainHttp => StatusCode::FORBIDDEN,
            Self::HeadTooLarge(_) | Self::TooManyFields(_) => {
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
            }
            Self::Malformed(_) | Self::BodyCut | Self::NotADelivery(..) => StatusCode::BAD_REQUEST,
            Self::Misfit(misfit) => match **misfit {
                Misfit::Path => StatusCode::NOT_FOUND,
                Misfit::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
                Misfit::ContentType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
                Misfit::Parameters(_) | Misfit::Body(_) => StatusCode::BAD_REQUEST,
            },
            Self::Version => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            Self::Expectation => StatusCode::EXPECTATION_FAILED,
            Self::Address | Self::ClientCertificate(_) | Self::Attack(_) | Self::Origin => {
                StatusCode::FORBIDDEN
            }
            Self::UpstreamFailed(status, _) => *status,
            Self::NoRoute | Self::UnknownBot => StatusCode::NOT_FOUND,
            Self::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::ContentType(_) | Self::Coding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::BodyTooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Signature(_) | Self::Token | Self::AccessToken(_) => StatusCode::UNAUTHORIZED,
            Self::TooFast(_, status) => *status,
            Self::NotStored(_) | Self::NoUpstream(_) | Self::Shed(_) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Upstream => StatusCode::BAD_GATEWAY,
            Self::UpstreamTooSlow => StatusCode::GATEWAY_TIMEOUT,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The reason as metrics, logs and spans spell it. Few values.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::HeadTooSlow(_) => "head_too_slow",
            Self::HeadTooLarge(_) => "head_too_large",
            Self::TooManyFields(_) => "too_many_fields",
            Self::Malformed(_) => "malformed",
            Self::Version => "version",
            Self::Expectation => "expectation",
            Self::Address => "address",
            Self::ClientCertificate(_) => "client_certificate",
            Self::NoRoute => "no_route",
            Self::UnknownBot => "unknown_bot",
            Self::Method(_) => "method",
            Self::ContentType(_) => "content_type",
            Self::Coding => "coding",
            Self::BodyTooLarge(_) => "body_too_large",
            Self::BodyTooSlow(_) => "body_too_slow",
            Self::BodyDribbles(_) => "body_dribbles",
            Self::BodyCut => "body_cut",
            Self::PlainHttp => "plain_http",
            Self::Attack(_) => "inspection",
            Self::Misfit(_) => "openapi",
            Self::Signature(_) => "signature",
            Self::Token => "token",
            Self::AccessToken(_) => "access_token",
            Self::NotADelivery(..) => "not_a_delivery",
            Self::TooFast(..) => "rate_limited",
            Self::NotStored(_) => "not_stored",
            Self::Shed(_) => "shed",
            Self::Origin => "origin",
            Self::UpstreamFailed(..) => "upstream_failed",
            Self::NoUpstream(why) => why.reason(),
            Self::Upstream => "upstream",
            Self::UpstreamTooSlow => "upstream_too_slow",
            Self::Internal => "internal",
        }
    }

    /// The page that explains it.
    pub(crate) fn page(&self) -> &'static Page {
        match self {
            Self::HeadTooSlow(_) | Self::BodyTooSlow(_) | Self::BodyDribbles(_) => &pages::TOO_SLOW,
            Self::PlainHttp => &pages::HTTPS_REQUIRED,
            Self::HeadTooLarge(_) | Self::TooManyFields(_) => &pages::HEAD_TOO_LARGE,
            Self::Malformed(_) | Self::BodyCut => &pages::MALFORMED_REQUEST,
            Self::Version => &pages::VERSION_NOT_SUPPORTED,
            Self::Expectation => &pages::EXPECTATION_FAILED,
            Self::Address => &pages::ADDRESS_NOT_ALLOWED,
            Self::ClientCertificate(_) => &pages::CLIENT_CERTIFICATE_NEEDED,
            Self::Attack(_) => &pages::LOOKS_LIKE_AN_ATTACK,
            Self::Misfit(misfit) => match **misfit {
                Misfit::Path => &pages::NOT_FOUND,
                Misfit::Method(_) => &pages::METHOD_NOT_ALLOWED,
                Misfit::ContentType(_) => &pages::UNSUPPORTED_TYPE,
                Misfit::Parameters(_) => &pages::INVALID_QUERY,
                Misfit::Body(_) => &pages::INVALID_BODY,
            },
            Self::NoRoute | Self::UnknownBot => &pages::NOT_FOUND,
            Self::Method(_) => &pages::METHOD_NOT_ALLOWED,
            Self::ContentType(_) => &pages::UNSUPPORTED_TYPE,
            Self::Coding => &pages::COMPRESSED_BODY,
            Self::BodyTooLarge(_) => &pages::BODY_TOO_LARGE,
            Self::Signature(_) | Self::Token | Self::AccessToken(_) => &pages::NOT_AUTHENTICATED,
            Self::NotADelivery(..) => &pages::INVALID_BODY,
            Self::TooFast(..) => &pages::RATE_LIMITED,
            Self::NotStored(_) => &pages::NOT_STORED,
            Self::Shed(_) => &pages::OVERLOADED,
            Self::Origin => &pages::ORIGIN_NOT_ALLOWED,
            Self::UpstreamFailed(..) => &pages::UPSTREAM_FAILED,
            Self::NoUpstream(_) => &pages::UPSTREAM_UNAVAILABLE,
            Self::Upstream => &pages::UPSTREAM_UNREACHABLE,
            Self::UpstreamTooSlow => &pages::UPSTREAM_TOO_SLOW,
            Self::Internal => &pages::INTERNAL_ERROR,
        }
    }

    /// What happened and what to do, for whoever sent the request. Holds nothing that they did not send.
    pub(crate) fn detail(&self) -> String {
        match self {
            Self::HeadTooSlow(deadline) => format!(
                "The head was not complete within {} s.",
                deadline.as_secs_f32()
            ),
            Self::HeadTooLarge(max) => {
                format!("The head has more than {max} bytes. Send fewer or shorter fields.")
            }
            Self::TooManyFields(max) => format!("The head has more than {max} fields. Send fewer."),
            Self::Malformed(complaint) => format!("The request is malformed: {complaint}."),
            Self::Version => "This server speaks HTTP/1.1 and, over TLS, HTTP/2.".to_owned(),
            Self::Expectation => {
                "The only expectation that can be met here is 100-continue.".to_owned()
            }
            Self::Address => {
                "Nothing is taken here from your address. Ask whoever runs this server.".to_owned()
            }
            Self::ClientCertificate(why) => format!("Not let in: {why}."),
            Self::NoRoute => "Nothing lives at this path. Check it for typing mistakes.".to_owned(),
            Self::UnknownBot => {
                "No bot or hook of this name is registered here. Check the webhook's URL.".to_owned()
            }
            Self::Method(allowed) => format!("This path takes {allowed}."),
            Self::ContentType(accepted) => format!("Send the body as {}.", accepted.join(" or ")),
            Self::Coding => {
                "The body is compressed. Send it as it is, without Content-Encoding.".to_owned()
            }
            Self::BodyTooLarge(max) => format!("The body has more than {max} bytes."),
            Self::BodyTooSlow(deadline) => format!(
                "The body was not complete within {} s.",
                deadline.as_secs_f32()
            ),
            Self::BodyDribbles(min) => format!("The body came slower than {min} bytes a second."),
            Self::PlainHttp => "This path is answered over https alone.".to_owned(),
            Self::BodyCut => {
                "The body ended before it was complete. Send the request again.".to_owned()
            }
            Self::Attack(_) => "Something in the request looks like an attack, so it was not handed on. If it is none, quote the code."
                .to_owned(),
            Self::Misfit(misfit) => misfit_detail(misfit),
            Self::Signature(step) => format!("Not verified: {step}."),
            Self::Token => "Send the token as Authorization: Bearer.".to_owned(),
            // The same whatever was wrong, or a stranger would learn what to try next.
            Self::AccessToken(_) => {
                "Send a valid access token as Authorization: Bearer.".to_owned()
            }
            Self::NotADelivery(_, complaint) => format!("The body was not stored: {complaint}."),
            Self::TooFast(limited, _) => used_up(limited),
            Self::NotStored(after) => format!(
                "Nothing was stored, because the store is away. Send it again in {} s.",
                whole_seconds(*after)
            ),
            Self::Shed(after) => overloaded(*after),
            Self::Origin => "Scripts of this origin may not use this path, or not in this way.".to_owned(),
            Self::UpstreamFailed(..) => {
                "The service behind this path failed. Quote the code when you report it.".to_owned()
            }
            Self::NoUpstream(why) => why.detail(),
            Self::Upstream => {
                "The service behind this path does not answer. Try again shortly.".to_owned()
            }
            Self::UpstreamTooSlow => {
                "The service behind this path took too long. Try again shortly.".to_owned()
            }
            Self::Internal => {
                "Something went wrong here. Quote the code when you report it.".to_owned()
            }
        }
    }

    /// What stands in log, trace and `sallyport explain` beside the reason, and no caller reads.
    pub(crate) fn note(&self) -> Option<String> {
        match self {
            Self::AccessToken(rejected) => Some(rejected.to_string()),
            Self::Misfit(misfit) => Some(misfit.to_string()),
            _ => None,
        }
    }

    /// When it makes sense to try again, if waiting helps.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::TooFast(limited, _) => Some(limited.decision.retry_after),
            Self::NotStored(after) | Self::Shed(after) => Some(*after),
            Self::UpstreamFailed(_, after) => *after,
            Self::NoUpstream(why) => Some(why.retry_after()),
            Self::Upstream | Self::UpstreamTooSlow => Some(Duration::from_secs(1)),
            Self::HeadTooSlow(_)
            | Self::HeadTooLarge(_)
            | Self::TooManyFields(_)
            | Self::Malformed(_)
            | Self::Version
            | Self::Expectation
            | Self::Address
            | Self::ClientCertificate(_)
            | Self::NoRoute
            | Self::UnknownBot
            | Self::Method(_)
            | Self::ContentType(_)
            | Self::Coding
            | Self::BodyTooLarge(_)
            | Self::BodyTooSlow(_)
            | Self::BodyDribbles(_)
            | Self::PlainHttp
            | Self::BodyCut
            | Self::Attack(_)
            | Self::Misfit(_)
            | Self::Signature(_)
            | Self::Token
            | Self::AccessToken(_)
            | Self::NotADelivery(..)
            | Self::Origin
            | Self::Internal => None,
        }
    }

    /// Whether it is the house's fault and not the sender's.
    pub(crate) fn is_ours(&self) -> bool {
        self.status().is_server_error() && !matches!(self, Self::Version | Self::TooFast(..))
    }
}

/// Seconds as headers have them: whole, and never less than what is meant.
pub(crate) fn whole_seconds(duration: Duration) -> u64 {
    let rest = u64::from(duration.subsec_nanos() > 0);
    duration.as_secs().saturating_add(rest)
}

fn overloaded(after: Duration) -> String {
    format!(
        "There is more to do than can be done now, so nothing was done about this. Send it again in {} s.",
        whole_seconds(after)
    )
}

fn misfit_detail(misfit: &Misfit) -> String {
    match misfit {
        Misfit::Path => Refusal::NoRoute.detail(),
        Misfit::Method(allowed) => format!("This path takes {allowed}."),
        Misfit::ContentType(accepted) => format!("Send the body as {accepted}."),
        Misfit::Parameters(_) => "Parameters are not what this path takes; see errors.".to_owned(),
        Misfit::Body(_) => "The body is not what this path takes; see errors.".to_owned(),
    }
}

fn used_up(limited: &Limited) -> String {
    format!(
        "The limit of {} requests in {} s is used up. Try again in {} s.",
        limited.quota.burst(),
        limited.quota.window().as_secs(),
        whole_seconds(limited.decision.retry_after)
    )
}
