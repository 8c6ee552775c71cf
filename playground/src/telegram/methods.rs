//! What each Bot API method does. Names are compared without regard to case, as the real server does.

mod commands;
mod messages;
mod polling;
mod profile;
mod sending;
mod webhooks;

pub(crate) use sending::kind_of;

use std::sync::Arc;

use super::{
    answer::{Outcome, Refusal, Success},
    bot::Bot,
    parameters::Parameters,
};
use crate::world::World;

/// Does what a bot asks. `method` is in lower case.
pub(crate) async fn call(
    world: &Arc<World>,
    bot: &Arc<Bot>,
    method: &str,
    given: &Parameters,
) -> Outcome {
    match method {
        "getme" => profile::get_me(bot),
        "close" | "logout" => Success::yes(),

        "getupdates" => polling::get_updates(world, bot, given).await,
        "setwebhook" => webhooks::set(world, bot, given),
        "deletewebhook" => webhooks::delete(bot, given),
        "getwebhookinfo" => webhooks::info(bot),

        "sendmessage" => messages::send(world, bot, given),
        "editmessagetext" => messages::edit(world, bot, given),
        "sendmessagedraft" => messages::draft(world, bot, given),
        "sendchataction" => messages::action(world, bot, given),
        "answercallbackquery" => messages::answer_press(world, bot, given),
        "deletemessage" => messages::delete(world, bot, given),
        "getchat" => messages::get_chat(world, bot, given),
        "getfile" => profile::get_file(bot, given),

        "setmycommands" => commands::set(bot, given),
        "getmycommands" => commands::get(bot, given),
        "deletemycommands" => commands::delete(bot, given),

        "setmyname" => profile::set_text(bot, given, profile::NAME),
        "getmyname" => profile::get_text(bot, given, profile::NAME),
        "setmydescription" => profile::set_text(bot, given, profile::DESCRIPTION),
        "getmydescription" => profile::get_text(bot, given, profile::DESCRIPTION),
        "setmyshortdescription" => profile::set_text(bot, given, profile::SHORT_DESCRIPTION),
        "getmyshortdescription" => profile::get_text(bot, given, profile::SHORT_DESCRIPTION),

        _ => Err(Refusal::new(404, "Not Found: method not found")),
    }
}
