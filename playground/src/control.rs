//! The control door `/_/`: what people and tests use to play the outside world.
//!
//! | request | what it does |
//! |---|---|
//! | `POST /_/telegram/say` | a person writes; the update goes to the webhook or the poller |
//! | `POST /_/telegram/press` | a person presses a button |
//! | `POST /_/telegram/update` | a raw update of any shape |
//! | `POST /_/telegram/chat` | a chat blocks the bot, disappears, or moves |
//! | `GET /_/telegram/sent?chat_id=` | the bot's messages that the chat now shows |
//! | `GET /_/telegram/chat?chat_id=` | the whole chat with the state of each update |
//! | `GET /_/telegram/bots`, `/deliveries`, `/log`, `/counts` | what is known, delivered, received |
//! | `DELETE /_/telegram/log` | forgets lines and counts |
//! | `POST`, `GET`, `DELETE /_/faults` | breaks something, lists it, mends it |
//! | `GET /_/levers` | what the house lets us break, see [`crate::Lever`] |
//! | `GET /_/live` | server-sent events: which chat changed |

mod acting;
mod breaking;
mod reading;
mod saying;

use std::sync::Arc;

use axum::{
    Router,
    routing::{get, post},
};

use crate::world::World;

pub(crate) fn routes() -> Router<Arc<World>> {
    Router::new()
        .route("/_/telegram/say", post(saying::say))
        .route("/_/telegram/press", post(acting::press))
        .route("/_/telegram/update", post(acting::raw_update))
        .route(
            "/_/telegram/chat",
            get(reading::chat).post(acting::change_chat),
        )
        .route("/_/telegram/sent", get(reading::sent))
        .route("/_/telegram/bots", get(reading::bots))
        .route("/_/telegram/deliveries", get(reading::deliveries))
        .route(
            "/_/telegram/log",
            get(reading::log).delete(reading::clear_log),
        )
        .route("/_/telegram/counts", get(reading::counts))
        .route(
            "/_/faults",
            get(breaking::list)
                .post(breaking::add)
                .delete(breaking::clear),
        )
        .route("/_/levers", get(breaking::levers))
        .route("/_/live", get(reading::live))
}
