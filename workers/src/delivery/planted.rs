//! Faults planted on purpose, so that the tests of faults can be seen to fail: a send that is left out, and one that is made twice.

use sallyport_queue::Claimed;
use sallyport_telemetry::points::{Point, is_planted};

use super::Delivery;
use super::outbound::Outbound;
use crate::pool::Handled;

impl Delivery {
    /// What the handler is to report at once, where a fault is due for this send.
    pub(super) async fn planted(&self, message: &Claimed, outbound: &Outbound) -> Option<Handled> {
        if is_planted(Point::Loss) {
            return Some(Handled::done());
        }
        if is_planted(Point::Double)
            && let Some(bot) = self.bots.get(&message.bot)
        {
            // The second send follows as usual.
            drop(self.deliver(bot, message, outbound.clone()).await);
        }
        None
    }
}
