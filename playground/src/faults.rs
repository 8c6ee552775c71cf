//! Faults on demand: what the stand-ins do wrong next, how often, and to whom.
//!
//! A fault is a row with conditions (target, method, chat) and effects (wait, answer with a status, cut, repeat). The stand-ins ask before they answer;
//! the first fault that fits and still has uses left applies. Deciding is pure; waiting and cutting are done by whoever asked.

use std::time::Duration;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use validator::{Validate, ValidationError};

/// More faults than this at once are a mistake in a script.
const FAULTS_MAX: usize = 200;

/// Whose behaviour a fault changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Target {
    Telegram,
    Openai,
    /// A lever of the house, see [`crate::Lever`].
    House,
}

/// What to break, as `POST /_/faults` takes it.
#[derive(Clone, Debug, Serialize, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
#[validate(schema(function = "has_an_effect"))]
pub(crate) struct FaultOrder {
    pub(crate) target: Target,
    /// A Bot API method (`sendMessage`), `webhook` for deliveries to the bot, or an OpenAI path (`chat/completions`). Absent: every method but deliveries.
    #[validate(length(min = 1, max = 64, message = "must have 1–64 characters"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) method: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) chat_id: Option<i64>,
    /// Waits this long before the answer (for a model: before the first word).
    #[validate(range(max = 600_000, message = "must be 0–600000 milliseconds"))]
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) latency_ms: u64,
    #[validate(range(min = 300, max = 599, message = "must be 300–599"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<u16>,
    /// The error's words; a fitting one is used when absent.
    #[validate(length(min = 1, max = 300, message = "must have 1–300 characters"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    #[validate(range(min = 1, max = 3_600, message = "must be 1–3600 seconds"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) retry_after: Option<u32>,
    /// A model's stream ends in the middle of a word, without `[DONE]`.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) cut_stream: bool,
    /// How many words a cut stream still says.
    #[validate(range(max = 10_000, message = "must be 0–10000 words"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cut_after_words: Option<u32>,
    /// The update is delivered a second time after it was accepted.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) duplicate: bool,
    /// The work is done, but the connection dies before the answer: the caller cannot know.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) lose_answer: bool,
    /// A lever to pull; needs `target: house`.
    #[validate(length(min = 1, max = 64, message = "must have 1–64 characters"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) lever: Option<String>,
    /// How long a lever's damage lasts.
    #[validate(range(min = 100, max = 60_000, message = "must be 100–60000 milliseconds"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) lasting_ms: Option<u64>,
    /// How many times; absent means until it is cleared.
    #[validate(range(min = 1, max = 1_000_000, message = "must be 1–1000000"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) times: Option<u32>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands skip_serializing_if a reference"
)]
fn is_zero(value: &u64) -> bool {
    *value == 0
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands skip_serializing_if a reference"
)]
fn is_false(value: &bool) -> bool {
    !*value
}

fn has_an_effect(order: &FaultOrder) -> Result<(), ValidationError> {
    let wire = order.latency_ms > 0
        || order.status.is_some()
        || order.retry_after.is_some()
        || order.cut_stream
        || order.duplicate
        || order.lose_answer;
    let refused = match order.target {
        Target::House if order.lever.is_none() => "names no lever, which target house needs",
        Target::Telegram | Target::Openai if order.lever.is_some() => {
            "names a lever, which only target house has"
        }
        Target::Telegram | Target::Openai if !wire => {
            "breaks nothing; give one of latency_ms, status, retry_after, cut_stream, duplicate, lose_answer"
        }
        Target::Telegram | Target::Openai | Target::House => return Ok(()),
    };
    Err(ValidationError::new("effect").with_message(refused.into()))
}

/// One active fault, as `GET /_/faults` shows it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Fault {
    pub(crate) id: u64,
    #[serde(flatten)]
    pub(crate) order: FaultOrder,
    /// How often it has applied.
    pub(crate) hits: u64,
    /// How often it still will; `null` means until it is cleared.
    pub(crate) left: Option<u32>,
}

/// What a stand-in must do to the request at hand.
#[derive(Clone, Debug, Default)]
pub(crate) struct Effect {
    pub(crate) latency: Duration,
    pub(crate) status: Option<u16>,
    pub(crate) description: Option<String>,
    pub(crate) retry_after: Option<u32>,
    pub(crate) cut_after_words: Option<u32>,
    pub(crate) duplicate: bool,
    pub(crate) lose_answer: bool,
}

/// The list of active faults.
#[derive(Default)]
pub(crate) struct Faults {
    rows: Mutex<Rows>,
}

#[derive(Default)]
struct Rows {
    next_id: u64,
    active: Vec<Fault>,
}

impl Faults {
    /// Adds a fault; `None` when there are too many.
    pub(crate) fn add(&self, order: FaultOrder) -> Option<Fault> {
        let mut rows = self.rows.lock();
        if rows.active.len() >= FAULTS_MAX {
            return None;
        }
        rows.next_id += 1;
        let fault = Fault {
            id: rows.next_id,
            left: order.times,
            order,
            hits: 0,
        };
        rows.active.push(fault.clone());
        Some(fault)
    }

    pub(crate) fn list(&self) -> Vec<Fault> {
        self.rows.lock().active.clone()
    }

    /// Removes one fault, or all; returns how many went.
    pub(crate) fn clear(&self, id: Option<u64>) -> usize {
        let mut rows = self.rows.lock();
        let before = rows.active.len();
        rows.active
            .retain(|fault| id.is_some_and(|id| fault.id != id));
        before - rows.active.len()
    }

    /// The effect on this request, using up one of the fault's times. Case of the method does not matter, as in the Bot API.
    pub(crate) fn strike(
        &self,
        target: Target,
        method: &str,
        chat_id: Option<i64>,
    ) -> Option<Effect> {
        let mut rows = self.rows.lock();
        if rows.active.is_empty() {
            return None;
        }
        let position = rows
            .active
            .iter()
            .position(|fault| fits(&fault.order, target, method, chat_id))?;
        let fault = rows.active.get_mut(position)?;
        fault.hits += 1;
        fault.left = fault.left.map(|left| left.saturating_sub(1));
        let effect = effect_of(&fault.order);
        if fault.left == Some(0) {
            rows.active.remove(position);
        }
        Some(effect)
    }
}

fn fits(order: &FaultOrder, target: Target, method: &str, chat_id: Option<i64>) -> bool {
    let delivery = method == DELIVERY;
    let method_fits = match &order.method {
        Some(wanted) => wanted.eq_ignore_ascii_case(method),
        None => delivery == order.duplicate,
    };
    order.target == target
        && method_fits
        && order.chat_id.is_none_or(|wanted| chat_id == Some(wanted))
}

/// The name under which a delivery to the bot's webhook asks for faults.
pub(crate) const DELIVERY: &str = "webhook";

/// A cut stream says a few words first, so that there is something to cut.
const CUT_AFTER_WORDS_DEFAULT: u32 = 12;

fn effect_of(order: &FaultOrder) -> Effect {
    let status = order.status.or_else(|| order.retry_after.map(|_| 429));
    Effect {
        latency: Duration::from_millis(order.latency_ms),
        status,
        description: order.description.clone(),
        retry_after: order.retry_after,
        cut_after_words: order
            .cut_stream
            .then(|| order.cut_after_words.unwrap_or(CUT_AFTER_WORDS_DEFAULT)),
        duplicate: order.duplicate,
        lose_answer: order.lose_answer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(json: &str) -> FaultOrder {
        serde_json::from_str(json).expect("a fault")
    }

    #[test]
    fn a_fault_applies_as_often_as_it_says_and_then_is_gone() {
        let faults = Faults::default();
        faults.add(order(
            r#"{"target":"telegram","method":"sendMessage","status":500,"times":2}"#,
        ));

        let hits: Vec<_> = (0..3)
            .map(|_| {
                faults
                    .strike(Target::Telegram, "sendmessage", Some(1))
                    .is_some()
            })
            .collect();

        assert_eq!(hits, [true, true, false]);
        assert!(faults.list().is_empty());
    }

    #[test]
    fn a_fault_for_one_chat_leaves_the_others_alone() {
        let faults = Faults::default();
        faults.add(order(
            r#"{"target":"telegram","chat_id":7,"retry_after":3}"#,
        ));

        assert!(
            faults
                .strike(Target::Telegram, "sendMessage", Some(8))
                .is_none()
        );
        let effect = faults
            .strike(Target::Telegram, "sendMessage", Some(7))
            .expect("an effect");
        assert_eq!((effect.status, effect.retry_after), (Some(429), Some(3)));
    }

    #[test]
    fn a_duplicate_concerns_deliveries_and_a_status_concerns_calls() {
        let faults = Faults::default();
        faults.add(order(r#"{"target":"telegram","duplicate":true}"#));
        faults.add(order(r#"{"target":"telegram","status":502}"#));

        assert!(
            faults
                .strike(Target::Telegram, DELIVERY, None)
                .expect("an effect")
                .duplicate
        );
        assert_eq!(
            faults
                .strike(Target::Telegram, "getMe", None)
                .expect("an effect")
                .status,
            Some(502)
        );
    }

    #[test]
    fn a_fault_that_breaks_nothing_is_refused_with_its_reason() {
        let errors = order(r#"{"target":"openai"}"#)
            .validate()
            .expect_err("refused");

        assert!(errors.to_string().contains("breaks nothing"));
    }
}
