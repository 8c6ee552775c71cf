//! What the workers can be told about webhooks that they send.

use sallyport_security::Secret;
use serde::Deserialize;
use validator::{Validate, ValidationError};

/// As many characters as 128 bits take in hexadecimal digits.
const SECRET_CHARACTERS_MIN: usize = 32;

/// Settings of webhooks that are sent.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
#[validate(schema(function = secrets_are_long_enough))]
pub struct Settings {
    /// What every signing key grows from, the same for all workers. Empty: no webhooks are sent.
    pub secret: Secret,
    /// The one before, while receivers are told their new keys: what is sent is signed with both.
    pub old_secret: Secret,
    /// Whom they may call.
    #[validate(nested)]
    pub client: sallyport_webhook::Settings,
}

fn secrets_are_long_enough(settings: &Settings) -> Result<(), ValidationError> {
    let secrets = [&settings.secret, &settings.old_secret];
    let fits =
        |secret: &Secret| secret.is_empty() || secret.expose().len() >= SECRET_CHARACTERS_MIN;
    if secrets.into_iter().all(fits) {
        Ok(())
    } else {
        let text = "each secret must be empty or have 32 characters at least";
        Err(ValidationError::new("secret").with_message(text.into()))
    }
}

#[cfg(test)]
mod tests {
    use validator::Validate;

    use super::Settings;

    #[test]
    fn a_secret_that_could_be_guessed_is_refused() {
        let settings = |secret: &str| Settings {
            secret: secret.into(),
            ..Settings::default()
        };

        assert!(settings("short").validate().is_err());
        assert!(settings(&"x".repeat(32)).validate().is_ok());
        assert!(Settings::default().validate().is_ok());
    }
}
