//! What clients that keep their connections were told, in the words of the checker.

use crate::checker::{Answer, Asked, Number};
use crate::keep_alive;
use crate::load::{Told, Try, moment};
use crate::site::Site;

/// Each request as the checker knows one. Calls that the edge hands on say nothing in a chat, and are left out.
pub(crate) fn told(site: &Site, all: &[keep_alive::Asked]) -> Told {
    let mut told = Told::default();
    for asked in all {
        let Some(chat) = asked.chat else { continue };
        let began = moment(site.origin, asked.began);
        let is_accepted = asked.came_to.is_ok();
        let at = began + u64::try_from(asked.took.as_micros()).unwrap();
        told.tries.push(Try {
            due: began,
            took: asked.took,
            status: is_accepted.then_some(200),
            says_when: false,
        });
        told.asked.push(Asked {
            number: Number::try_from(chat).unwrap(),
            key: chat,
            began,
            answer: if is_accepted {
                Answer::Accepted
            } else {
                Answer::Unknown
            },
            accepted: is_accepted.then_some(at),
        });
    }
    told
}
