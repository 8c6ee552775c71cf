//! The questions of the edge by name, for whoever wants to know which of them a request passed.
//!
//! It exists so that `sallyport explain` goes the same way as a request: the questions are asked in the same order by the same
//! code, and each leaves its name behind. When nobody wants to know, a question costs one comparison more.

use std::cell::RefCell;

use crate::refusal::Refusal;

/// A question that is asked of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// The head on the wire.
    Head,
    /// The address.
    Address,
    /// The head's fields.
    Shape,
    /// The path's form.
    Path,
    /// The path's owner.
    Route,
    /// Plain HTTP.
    Plain,
    /// The networks that the route is open to.
    From,
    /// The method.
    Method,
    /// The client's certificate.
    ClientCertificate,
    /// The bot or hook that the path names.
    Bot,
    /// The limit of strangers by address.
    AddressLimit,
    /// What the body is said to be.
    ContentType,
    /// Whether the body is packed.
    Coding,
    /// How long the body is said to be.
    Length,
    /// What the head looks like.
    Inspection,
    /// What the document of the API says.
    OpenApi,
    /// Whether the head is one that its sender would have signed.
    SignedHead,
    /// The refused requests of the address.
    FailureLimit,
    /// Who sends it.
    Signature,
    /// The token of a page.
    Token,
    /// The caller's access token.
    AccessToken,
    /// The limits of a bot or hook and of its route.
    BotLimit,
    /// The body itself.
    Body,
    /// A delivery's shape.
    Delivery,
}

impl Rule {
    /// As `sallyport explain` spells it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Head => "head",
            Self::Address => "address",
            Self::Shape => "shape",
            Self::Path => "path",
            Self::Route => "route",
            Self::Plain => "plain http",
            Self::From => "from",
            Self::Method => "method",
            Self::ClientCertificate => "certificate",
            Self::Bot => "bot",
            Self::AddressLimit => "limit address",
            Self::ContentType => "content type",
            Self::Coding => "coding",
            Self::Length => "length",
            Self::Inspection => "inspection",
            Self::OpenApi => "openapi",
            Self::SignedHead => "signed head",
            Self::FailureLimit => "limit failures",
            Self::Signature => "signature",
            Self::Token => "token",
            Self::AccessToken => "access token",
            Self::BotLimit => "limit bot",
            Self::Body => "body",
            Self::Delivery => "delivery",
        }
    }

    /// What it asks, as a sentence that is true of a request that passes.
    #[must_use]
    pub fn asks(self) -> &'static str {
        match self {
            Self::Head => "every reader reads the head alike",
            Self::Address => "nobody has denied the address",
            Self::Shape => "few enough fields, one length, an expectation that can be met",
            Self::Path => "the path means the same to everybody",
            Self::Route => "the path belongs to a route",
            Self::Plain => "it comes over TLS, or the door answers without",
            Self::From => "the route is open to the address",
            Self::Method => "the route takes the method",
            Self::ClientCertificate => {
                "the client holds a certificate that an authority of the route has signed, for one of its names"
            }
            Self::Bot => "a bot or hook of this name is registered on the route",
            Self::AddressLimit => "the address has requests left",
            Self::ContentType => "the body is said to be of a type that the source sends",
            Self::Coding => "the body is not compressed",
            Self::Length => "the body is not said to be too long",
            Self::Inspection => "nothing in it looks like an attack",
            Self::OpenApi => "the API's document has such a request",
            Self::SignedHead => "the head is signed as the source signs, and not too long ago",
            Self::FailureLimit => "the address has not been refused too often",
            Self::Signature => "the sender has proved who it is",
            Self::Token => "the caller shows a token of this page",
            Self::AccessToken => "the caller's token is genuine, for this route, and valid now",
            Self::BotLimit => "the bot or hook and the route have requests left",
            Self::Body => "the body is not too long",
            Self::Delivery => "the body is a delivery, or a question, that everybody reads alike",
        }
    }
}

/// A question that was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Which.
    pub rule: Rule,
    /// Whether the request passed it.
    pub passed: bool,
}

/// The questions that were asked so far, if anybody wants to know.
#[derive(Default)]
pub(crate) struct Steps(RefCell<Vec<Step>>);

impl Steps {
    pub(crate) fn note<T>(&self, rule: Rule, outcome: Result<T, Refusal>) -> Result<T, Refusal> {
        let passed = outcome.is_ok();
        self.0.borrow_mut().push(Step { rule, passed });
        outcome
    }

    pub(crate) fn into_vec(self) -> Vec<Step> {
        self.0.into_inner()
    }
}
