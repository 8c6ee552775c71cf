//! “Replay” below a story: puts its dead messages back on the queue. What was replayed is no longer dead, so twice is harmless.

use sallyport_kit::{Button, Context, Ended, Outcome};

pub(crate) struct ReplayStory;

impl Button for ReplayStory {
    const NAME: &'static str = "replay_story";
    type Payload = String;

    async fn run(&self, context: &Context, trace_id: String) -> Ended {
        let replayed = context.house().replay_story(&trace_id).await?;
        context.notice("replayed", &[("count", replayed.count.into())]);
        Ok(Outcome::Done)
    }
}
