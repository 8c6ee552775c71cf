//! “Try again” below an answer that was cut off or failed: asks the same question once more, and the new answer takes the place
//! of the old one. The payload names the try that failed, so that a second press finds it already tried again.

use sallyport_kit::{Button, Context, Ended};
use serde::{Deserialize, Serialize};

use crate::conversation;

pub(crate) struct TryAgain;

/// Which answer was cut off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CutOff {
    /// The message with the question.
    pub(crate) question: String,
    /// The version of the question that was answered in vain.
    pub(crate) version: i32,
}

impl Button for TryAgain {
    const NAME: &'static str = "try_again";
    type Payload = CutOff;

    async fn run(&self, context: &Context, cut_off: CutOff) -> Ended {
        conversation::ask_again(context, cut_off)
    }
}
