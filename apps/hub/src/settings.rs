//! What an operator may set about the hub.

use std::time::Duration;

use sallyport_kit::ModelClass;
use serde::Deserialize;
use validator::Validate;

/// The hub's settings.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Validate)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Which kind of model answers questions.
    pub model: ModelClass,
    /// How many questions and answers of a chat the model remembers: enough for a conversation, few enough to be cheap.
    #[validate(range(max = 50, message = "must be 0–50"))]
    pub memory_turns: u16,
    /// For how long it remembers them, in minutes: after half an hour people mean something else.
    #[validate(range(max = 1440, message = "must be 0–1440"))]
    pub memory_minutes: u16,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            model: ModelClass::Fast,
            memory_turns: 10,
            memory_minutes: 30,
        }
    }
}

impl Settings {
    /// For how long turns are remembered.
    pub(crate) fn memory_span(&self) -> Duration {
        Duration::from_secs(60 * u64::from(self.memory_minutes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid() {
        assert!(Settings::default().validate().is_ok());
    }

    #[test]
    fn a_memory_beyond_its_limit_is_refused() {
        let settings = Settings {
            memory_turns: 51,
            ..Settings::default()
        };

        assert!(settings.validate().is_err());
    }

    #[test]
    fn an_unknown_setting_is_refused() {
        assert!(serde_json::from_str::<Settings>(r#"{"memory": 3}"#).is_err());
        assert_eq!(
            serde_json::from_str::<Settings>("{}").unwrap(),
            Settings::default()
        );
    }
}
