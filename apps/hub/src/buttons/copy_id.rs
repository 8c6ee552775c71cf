//! “Copy id” says the trace id alone and as code, which a tap copies.

use sallyport_kit::{Button, Context, Ended, Outcome, Reply};

pub(crate) struct CopyId;

impl Button for CopyId {
    const NAME: &'static str = "copy_id";
    type Payload = String;

    async fn run(&self, context: &Context, trace_id: String) -> Ended {
        context.reply(Reply::markdown(format!("`{trace_id}`")));
        Ok(Outcome::Done)
    }
}
