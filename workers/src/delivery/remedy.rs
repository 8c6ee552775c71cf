//! What to do about a send that failed: the table of refusals, as decisions.
//!
//! Pure, so that the whole table is tested without a network. It decides about one call; what was already sent before
//! it, and how a decision is carried out, is for the delivery.

use std::time::Duration;

use sallyport_telegram::{CallError, Refusal};

/// A bot whose token was refused asks again this seldom.
pub(crate) const PAUSE: Duration = Duration::from_secs(30);

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Remedy {
    /// What we wanted is already so.
    AlreadySo,
    /// Once more, without quoting.
    WithoutQuote,
    /// Once more, without formatting.
    AsPlainText,
    /// Once more, to the chat's new id.
    ToChat(i64),
    /// As a new message, since the one to edit is gone.
    AsNewMessage,
    /// The chat cannot be reached until it writes again.
    Unreachable,
    /// Nothing to this chat before the time is over; this was no failure.
    Wait(Duration),
    /// Nothing by this bot until its token is valid again; this was no failure.
    Pause,
    /// Again later, as a failed attempt.
    Again {
        /// Whether it may have arrived all the same.
        ambiguous: bool,
    },
    /// Nothing helps: a person has to look at it.
    GiveUp,
}

/// Decides about one failed call. `plain` says that there is no formatting left to leave out.
#[must_use]
pub(super) fn remedy(error: &CallError, plain: bool) -> Remedy {
    let Some(refusal) = error.refusal() else {
        return Remedy::Again {
            ambiguous: error.is_ambiguous(),
        };
    };
    match refusal {
        Refusal::NotModified | Refusal::StalePress => Remedy::AlreadySo,
        Refusal::ReplyGone => Remedy::WithoutQuote,
        Refusal::MessageGone => Remedy::AsNewMessage,
        Refusal::Formatting(_) if plain => Remedy::GiveUp,
        Refusal::Formatting(_) => Remedy::AsPlainText,
        Refusal::Migrated { to } => Remedy::ToChat(*to),
        Refusal::Unreachable(_) => Remedy::Unreachable,
        Refusal::TooFast { retry_after } => Remedy::Wait(*retry_after),
        Refusal::Unauthorized => Remedy::Pause,
        Refusal::Conflict(_) => Remedy::Again { ambiguous: false },
        Refusal::Trouble { .. } => Remedy::Again { ambiguous: true },
        Refusal::Other { .. } => Remedy::GiveUp,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sallyport_telegram::{CallError, Refusal};

    use super::{Remedy, remedy};

    fn of(refusal: Refusal) -> Remedy {
        remedy(
            &CallError::Refused {
                method: "sendMessage",
                refusal,
            },
            false,
        )
    }

    #[test]
    fn every_row_of_the_table_has_its_action() {
        let wait = Duration::from_secs(3);
        assert_eq!(
            of(Refusal::Unreachable("blocked".to_owned())),
            Remedy::Unreachable
        );
        assert_eq!(of(Refusal::NotModified), Remedy::AlreadySo);
        assert_eq!(of(Refusal::ReplyGone), Remedy::WithoutQuote);
        assert_eq!(of(Refusal::Migrated { to: -1 }), Remedy::ToChat(-1));
        assert_eq!(of(Refusal::Formatting(String::new())), Remedy::AsPlainText);
        assert_eq!(of(Refusal::Unauthorized), Remedy::Pause);
        assert_eq!(
            of(Refusal::TooFast { retry_after: wait }),
            Remedy::Wait(wait)
        );
        assert_eq!(of(Refusal::MessageGone), Remedy::AsNewMessage);
    }

    #[test]
    fn trouble_on_their_side_is_tried_again_and_may_have_arrived() {
        assert_eq!(
            of(Refusal::Trouble { code: 502 }),
            Remedy::Again { ambiguous: true }
        );
    }

    #[test]
    fn plain_text_that_is_refused_for_its_formatting_does_not_go_round_in_circles() {
        let error = CallError::Refused {
            method: "sendMessage",
            refusal: Refusal::Formatting(String::new()),
        };

        assert_eq!(remedy(&error, true), Remedy::GiveUp);
    }
}
