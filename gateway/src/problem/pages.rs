//! The pages: for each kind of problem what it means and what to do about it.
//!
//! They exist as plain constants, so that whoever refuses a request names a page and cannot misspell it. How they are
//! shown is for [`super`].

use super::Page;

pub(crate) const TOO_SLOW: Page = Page {
    name: "too-slow",
    title: "Request too slow",
    meaning: "The request did not arrive completely before its deadline, so the connection was given to others.",
    fix: "Send the whole request at once. If the network is slow, send less, or try again later.",
};

pub(crate) const HEAD_TOO_LARGE: Page = Page {
    name: "head-too-large",
    title: "Head too large",
    meaning: "The request line and header fields together are larger, or more, than this server reads.",
    fix: "Remove header fields that nobody needs; cookies are a frequent cause.",
};

pub(crate) const MALFORMED_REQUEST: Page = Page {
    name: "malformed-request",
    title: "Malformed request",
    meaning: "The request can be read in more than one way, or in none. Such requests are refused, because two programs that \
     read one differently can be played against each other.",
    fix: "Use a current HTTP client. The detail of the answer names what is wrong.",
};

pub(crate) const VERSION_NOT_SUPPORTED: Page = Page {
    name: "version-not-supported",
    title: "HTTP version not supported",
    meaning: "The request names an HTTP version that is not spoken on this port.",
    fix: "Use HTTP/1.1, or HTTP/2 over TLS.",
};

pub(crate) const EXPECTATION_FAILED: Page = Page {
    name: "expectation-failed",
    title: "Expectation failed",
    meaning: "The request has an Expect field that this server cannot meet.",
    fix: "Leave the field out, or send 100-continue.",
};

pub(crate) const ADDRESS_NOT_ALLOWED: Page = Page {
    name: "address-not-allowed",
    title: "Address not allowed",
    meaning: "Nothing is taken at this path from the address that the request came from, or nothing at all.",
    fix: "Send from a network that this path is open to, or ask whoever runs this server to add yours.",
};

pub(crate) const CLIENT_CERTIFICATE_NEEDED: Page = Page {
    name: "client-certificate-needed",
    title: "Client certificate needed",
    meaning: "This path is open to clients that show a certificate in the TLS handshake which one of its authorities has signed. None was \
     shown, or one that is not good enough; the detail of the answer says which.",
    fix: "Connect over https with the certificate and key that you were given, and the certificates between yours and the authority's. If \
     it has expired, ask for a new one.",
};

pub(crate) const HTTPS_REQUIRED: Page = Page {
    name: "https-required",
    title: "Only over https",
    meaning: "The request came over plain HTTP, where everybody on the way can read it. It was refused, and not sent on, so that the mistake \
     is noticed.",
    fix: "Use the same address with https. If the request carried a token or another secret, replace that: it may have been read.",
};

pub(crate) const NOT_FOUND: Page = Page {
    name: "not-found",
    title: "Not found",
    meaning: "Nothing lives at this path, or the bot that it names is not registered here.",
    fix: "Compare the path with the one in your settings, letter by letter.",
};

/// Told by the API behind the edge.
pub(crate) const CONFLICT: Page = Page {
    name: "conflict",
    title: "Not as things stand",
    meaning: "The request was understood, but what it is about has gone on meanwhile: it ended, or was done already.",
    fix: "Read the detail of the answer, look at the thing again, and ask for what still makes sense.",
};

pub(crate) const METHOD_NOT_ALLOWED: Page = Page {
    name: "method-not-allowed",
    title: "Method not allowed",
    meaning: "The path exists, but not for this method.",
    fix: "The Allow field of the answer lists the methods that it takes.",
};

pub(crate) const UNSUPPORTED_TYPE: Page = Page {
    name: "unsupported-type",
    title: "Unsupported media type",
    meaning: "The body is of a type that this path does not take.",
    fix: "Set Content-Type to the type that the answer's Accept field names, and send the body in it.",
};

pub(crate) const COMPRESSED_BODY: Page = Page {
    name: "compressed-body",
    title: "Compressed body",
    meaning: "The body is compressed, and bodies are taken here as they are: what cannot be read is not handed on.",
    fix: "Send the body without compressing it, and without Content-Encoding.",
};

pub(crate) const BODY_TOO_LARGE: Page = Page {
    name: "body-too-large",
    title: "Body too large",
    meaning: "The body is larger than this path takes. Nothing of it was stored.",
    fix: "Send less. The detail of the answer names the limit in bytes.",
};

pub(crate) const LOOKS_LIKE_AN_ATTACK: Page = Page {
    name: "looks-like-an-attack",
    title: "Looks like an attack",
    meaning: "Something in the request has the form of an attack on whatever reads it: SQL, a script, a path that leaves its folder, a \
     command. It was not handed on.",
    fix: "If it is meant as it is, tell whoever runs this server the code of the answer: they see which rule it was and can exclude it.",
};

pub(crate) const NOT_AUTHENTICATED: Page = Page {
    name: "not-authenticated",
    title: "Not authenticated",
    meaning: "The request does not prove who sent it: the secret or token is missing, or it is not a current one.",
    fix: "Send the secret that was agreed on, or an access token that has not expired. For Telegram, set the webhook again with the current secret_token.",
};

pub(crate) const INVALID_BODY: Page = Page {
    name: "invalid-body",
    title: "Invalid body",
    meaning: "The body is not what this path stores. Nothing of it was stored.",
    fix: "The errors of the answer say where in the body, and why.",
};

pub(crate) const RATE_LIMITED: Page = Page {
    name: "rate-limited",
    title: "Too many requests",
    meaning: "More requests came than the limit allows. RateLimit-Policy describes the limit, RateLimit what is left of it.",
    fix: "Wait as many seconds as Retry-After says, then go on more slowly.",
};

pub(crate) const NOT_STORED: Page = Page {
    name: "not-stored",
    title: "Not stored",
    meaning: "The request was fine, but nothing durable can take it now, so it was refused and not half kept.",
    fix: "Send it again after as many seconds as Retry-After says. Nothing needs to be changed.",
};

pub(crate) const OVERLOADED: Page = Page {
    name: "overloaded",
    title: "Overloaded",
    meaning: "The request was fine, but there is more to do here than can be done now, and others are more important. Nothing was stored or \
     handed on.",
    fix: "Send it again after as many seconds as Retry-After says. Nothing needs to be changed.",
};

pub(crate) const ORIGIN_NOT_ALLOWED: Page = Page {
    name: "origin-not-allowed",
    title: "Origin not allowed",
    meaning: "A script of another website asked whether it may use this path, and it may not.",
    fix: "If the website is yours, ask whoever runs this server to list its origin, exactly as the browser's console shows it.",
};

pub(crate) const UPSTREAM_FAILED: Page = Page {
    name: "upstream-failed",
    title: "Service failed",
    meaning: "The service behind this path met an error of its own. What it said about it is not shown.",
    fix: "Try again shortly. If it lasts, tell whoever runs this server and quote the code.",
};

pub(crate) const UPSTREAM_UNREACHABLE: Page = Page {
    name: "upstream-unreachable",
    title: "Service unreachable",
    meaning: "The service behind this path takes no connections, or broke one off.",
    fix: "Try again shortly. If it lasts, tell whoever runs this server and quote the code.",
};

pub(crate) const UPSTREAM_UNAVAILABLE: Page = Page {
    name: "upstream-unavailable",
    title: "Service unavailable",
    meaning: "The service behind this path has as much to do as it may, or fails and is given time to recover. Nothing was handed on.",
    fix: "Send the request again after as many seconds as Retry-After says.",
};

pub(crate) const UPSTREAM_TOO_SLOW: Page = Page {
    name: "upstream-too-slow",
    title: "Service too slow",
    meaning: "The service behind this path did not answer in time. It may still have done what was asked.",
    fix: "Look whether it was done before you send it again.",
};

pub(crate) const INTERNAL_ERROR: Page = Page {
    name: "internal-error",
    title: "Internal error",
    meaning: "Something went wrong here that is not your fault.",
    fix: "Tell whoever runs this server and quote the code.",
};

/// Told by the workers' API, like the next one; the page lives here with the others.
pub(crate) const INVALID_QUERY: Page = Page {
    name: "invalid-query",
    title: "Invalid query",
    meaning: "A parameter of the query, the path or the head is unknown, missing, or not what it should be.",
    fix: "The errors of the answer say which parameter, and why.",
};

/// See [`INVALID_QUERY`].
pub(crate) const UNAVAILABLE: Page = Page {
    name: "unavailable",
    title: "Temporarily unavailable",
    meaning: "What stands behind this path could not be read in time.",
    fix: "Try again after as many seconds as Retry-After says.",
};

/// All of them, for the addresses at which they are served.
pub(super) const ALL: [&Page; 28] = [
    &TOO_SLOW,
    &HEAD_TOO_LARGE,
    &MALFORMED_REQUEST,
    &VERSION_NOT_SUPPORTED,
    &EXPECTATION_FAILED,
    &ADDRESS_NOT_ALLOWED,
    &CLIENT_CERTIFICATE_NEEDED,
    &HTTPS_REQUIRED,
    &NOT_FOUND,
    &CONFLICT,
    &METHOD_NOT_ALLOWED,
    &UNSUPPORTED_TYPE,
    &COMPRESSED_BODY,
    &BODY_TOO_LARGE,
    &LOOKS_LIKE_AN_ATTACK,
    &NOT_AUTHENTICATED,
    &INVALID_BODY,
    &RATE_LIMITED,
    &NOT_STORED,
    &OVERLOADED,
    &ORIGIN_NOT_ALLOWED,
    &UPSTREAM_FAILED,
    &UPSTREAM_UNREACHABLE,
    &UPSTREAM_UNAVAILABLE,
    &UPSTREAM_TOO_SLOW,
    &INTERNAL_ERROR,
    &INVALID_QUERY,
    &UNAVAILABLE,
];
