//! Why a token is not believed.
//!
//! It exists for the house's own eyes: whoever showed the token reads the same words for each of these, or a stranger would learn
//! from them what to try next. No variant holds anything of the token.

/// What is wrong with a token, or with how it was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// None was shown, or several were.
    #[error("no token was shown, or several were")]
    Missing,
    /// It has more bytes than any of ours.
    #[error("the token is too large")]
    TooLarge,
    /// It has no parts, letters or JSON of a token, or an algorithm that nobody uses here.
    #[error("it is no token, or one of an unknown algorithm")]
    Malformed,
    /// It brings a key, or says where one can be fetched.
    #[error("the token brings or points to a key of its own")]
    BringsKey,
    /// It asks for something in its header that must not be passed over and is not known.
    #[error("the token's header asks for what is not known")]
    Critical,
    /// It is of another type, or does not say of which.
    #[error("the token is of another type")]
    Type,
    /// No key has the name and the algorithm that it names.
    #[error("no key has this name and algorithm")]
    UnknownKey,
    /// Nobody with a key has signed it.
    #[error("the signature is wrong")]
    Signature,
    /// A claim is missing, stands there twice, or is of another kind.
    #[error("a claim is missing, doubled or of another kind")]
    Claims,
    /// Somebody else has issued it.
    #[error("the token is of another issuer")]
    Issuer,
    /// It is meant for others.
    #[error("the token is for another audience")]
    Audience,
    /// It is not valid any more.
    #[error("the token has expired")]
    Expired,
    /// It is not valid yet.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// It would be valid for longer than any of ours.
    #[error("the token expires too late")]
    LivesTooLong,
    /// It names nobody, or in letters that cannot be handed on.
    #[error("the subject cannot be handed on")]
    Subject,
}

impl Rejected {
    /// All of them, for what is prepared for each.
    pub const ALL: [Self; 15] = [
        Self::Missing,
        Self::TooLarge,
        Self::Malformed,
        Self::BringsKey,
        Self::Critical,
        Self::Type,
        Self::UnknownKey,
        Self::Signature,
        Self::Claims,
        Self::Issuer,
        Self::Audience,
        Self::Expired,
        Self::NotYetValid,
        Self::LivesTooLong,
        Self::Subject,
    ];

    /// As metrics and logs spell it.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::TooLarge => "too_large",
            Self::Malformed => "malformed",
            Self::BringsKey => "brings_key",
            Self::Critical => "critical",
            Self::Type => "type",
            Self::UnknownKey => "unknown_key",
            Self::Signature => "signature",
            Self::Claims => "claims",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::LivesTooLong => "lives_too_long",
            Self::Subject => "subject",
        }
    }
}
