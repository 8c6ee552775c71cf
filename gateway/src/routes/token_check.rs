//! How a route knows its callers by their access tokens, once its settings have become keys.

use sallyport_security::access_token::{AccessTokenSettings, AccessTokens};

use crate::rules::InvalidRules;

/// How a route knows its callers.
pub(crate) struct TokenCheck {
    pub(crate) tokens: AccessTokens,
    /// Whether what stands behind gets the token, too.
    pub(crate) hand_on: bool,
}

impl TokenCheck {
    pub(super) fn new(path: &str, settings: &AccessTokenSettings) -> Result<Self, InvalidRules> {
        let tokens = AccessTokens::try_new(settings);
        let tokens = tokens.map_err(|source| InvalidRules::TokenKey {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self {
            tokens,
            hand_on: settings.hand_on,
        })
    }
}
