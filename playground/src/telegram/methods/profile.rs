//! What a bot says of itself, and the files it may fetch.

use serde_json::{Map, Value, json};

use super::super::{
    answer::{Outcome, Refusal, Success},
    bot::Bot,
    files::DOWNLOAD_BYTES_MAX,
    parameters::Parameters,
    wire::Me,
};

/// A text that a bot sets per language: the parameter's name and its longest length.
pub(super) type Text = (&'static str, usize);
pub(super) const NAME: Text = ("name", 64);
pub(super) const DESCRIPTION: Text = ("description", 512);
pub(super) const SHORT_DESCRIPTION: Text = ("short_description", 120);

pub(super) fn get_me(bot: &Bot) -> Outcome {
    let user = bot.lock().me.clone();
    Success::of(&Me {
        user,
        can_join_groups: true,
        can_read_all_group_messages: false,
        supports_guest_queries: false,
        supports_inline_queries: false,
        can_connect_to_business: false,
        has_main_web_app: false,
        has_topics_enabled: false,
        allows_users_to_create_topics: false,
        can_manage_bots: false,
    })
}

pub(super) fn set_text(bot: &Bot, given: &Parameters, (which, length_max): Text) -> Outcome {
    let text = given.text(which).trim();
    if text.chars().count() > length_max {
        return Err(Refusal::bad_request(&format!(
            "{} is too long",
            which.replace('_', " ")
        )));
    }
    let language = language(given)?;
    bot.lock().texts.insert((which, language), text.to_owned());
    Success::yes()
}

pub(super) fn get_text(bot: &Bot, given: &Parameters, (which, _): Text) -> Outcome {
    let language = language(given)?;
    let state = bot.lock();
    let own = state
        .texts
        .get(&(which, language))
        .filter(|text| !text.is_empty());
    let text = own
        .or_else(|| state.texts.get(&(which, String::new())))
        .cloned();
    let text = match text {
        Some(text) => text,
        None if which == NAME.0 => state.me.first_name.clone(),
        None => String::new(),
    };
    Success::of(&Map::from_iter([(which.to_owned(), Value::String(text))]))
}

fn language(given: &Parameters) -> Result<String, Refusal> {
    let language = given.text("language_code");
    if language.is_empty()
        || (language.len() == 2 && language.chars().all(|c| c.is_ascii_lowercase()))
    {
        return Ok(language.to_owned());
    }
    Err(Refusal::bad_request("Invalid language code specified"))
}

pub(super) fn get_file(bot: &Bot, given: &Parameters) -> Outcome {
    let file_id = given.text("file_id");
    if file_id.is_empty() {
        return Err(Refusal::bad_request("File_id not specified"));
    }
    let state = bot.lock();
    let Some(file) = state.files.find(file_id) else {
        return Err(Refusal::bad_request(
            "Wrong file_id or the file is temporarily unavailable",
        ));
    };
    if file.size > DOWNLOAD_BYTES_MAX {
        return Err(Refusal::bad_request("File is too big"));
    }
    let shown = json!({
        "file_id": file.file_id, "file_unique_id": file.unique_id, "file_size": file.size, "file_path": file.path,
    });
    Success::of(&shown)
}
