//! Clients that keep their connections, and what they were told in the words of the checker.

use crate::checker::{Answer, Asked, Number};
use crate::keep_alive::{self, KeepAlive, Target};
use crate::load::{MARK, Told, Try, moment};
use crate::site::{OPS_TOKEN, Site};
use crate::updates;

/// The chats that they write in begin here.
const FIRST_CHAT: i64 = 1_000;

/// Begins with them; each message says its chat's number.
pub(crate) fn clients(site: &Site) -> KeepAlive {
    KeepAlive::start(&Target {
        doors: &site.outfit.doors,
        data: site.outfit.home.path(),
        ops_token: OPS_TOKEN,
        update: |chat| updates::text(chat, chat, &format!("{MARK}{chat}")),
        first_chat: FIRST_CHAT,
    })
}

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
