//! What Slack's requests are: the part that a new event or a new kind of button touches.

use serde_json::value::RawValue;

use super::{COMMAND_KIND, EVENT_KIND, INTERACTION_KIND, KIND_VERSION, form};
use crate::{Arrival, Delivery, ReadError, Reply, Urgency, fields};

/// Events that a bot is commonly subscribed to.
const EVENTS: [&str; 16] = [
    "app_home_opened",
    "app_mention",
    "app_rate_limited",
    "app_uninstalled",
    "channel_archive",
    "channel_created",
    "channel_rename",
    "link_shared",
    "member_joined_channel",
    "member_left_channel",
    "message",
    "reaction_added",
    "reaction_removed",
    "team_join",
    "tokens_revoked",
    "user_change",
];

/// What a form's `payload` can be.
const INTERACTIONS: [&str; 5] = [
    "block_actions",
    "message_action",
    "shortcut",
    "view_closed",
    "view_submission",
];

/// An event, or Slack's question whether this is the right door. `name` identifies what has no id.
pub(super) fn event(source: String, name: String, body: &[u8]) -> Result<Arrival, ReadError> {
    let wanted = ["/type", "/challenge", "/event_id", "/team_id", "/event"];
    let [kind, challenge, event_id, team, event] = fields::of_body(body, wanted)?;
    let kind = fields::text(kind).ok_or(ReadError::Field {
        name: "type",
        pointer: "/type",
        what: "a string",
    })?;
    if kind == "url_verification" {
        return Ok(Arrival::Question(challenged(challenge)?));
    }
    let [what, channel, item, person] = fields::of(event, ["type", "channel", "item", "user"]);
    let [channel_of_item] = fields::of(item, ["channel"]);
    let place = Place {
        team: fields::id(team),
        channel: channel_id(channel).or_else(|| fields::id(channel_of_item)),
        person: person_id(person),
    };
    let what = fields::text(what).unwrap_or(kind);
    Ok(stored(
        place.delivery(source, EVENT_KIND, known(&EVENTS, &what)),
        fields::id(event_id).unwrap_or(name),
        None,
    ))
}

/// A slash command, or something that was pressed or filled in.
pub(super) fn form(source: String, name: String, body: &[u8]) -> Result<Arrival, ReadError> {
    let fields = form::read(body)?;
    if let Some(payload) = fields.get("payload") {
        return interaction(source, name, payload);
    }
    if fields.contains_key("ssl_check") {
        // Slack looks now and then whether the certificate is sound.
        return Ok(Arrival::Question(Reply::empty()));
    }
    if !fields.contains_key("command") {
        return Err(ReadError::Field {
            name: "payload or command",
            pointer: "",
            what: "in the form",
        });
    }
    let id = |field: &str| {
        let text = fields.get(field).filter(|text| !text.is_empty());
        text.map(|text| crate::delivery::plain(text))
    };
    let place = Place {
        team: id("team_id"),
        channel: id("channel_id"),
        person: id("user_id"),
    };
    let payload = serde_json::to_vec(&fields).map_err(ReadError::Unreadable)?;
    Ok(stored(
        place.delivery(source, COMMAND_KIND, "command"),
        name,
        Some(payload),
    ))
}

fn interaction(source: String, name: String, payload: &str) -> Result<Arrival, ReadError> {
    let wanted = ["/type", "/team", "/channel", "/user", "/actions"];
    let [kind, team, channel, person, actions] = fields::of_body(payload.as_bytes(), wanted)?;
    let kind = fields::text(kind).unwrap_or_default();
    if kind == "block_suggestion" {
        // A menu that asks for its entries cannot wait for a worker.
        return Ok(Arrival::Question(Reply::json(r#"{"options":[]}"#)));
    }
    let [team] = fields::of(team, ["id"]);
    let place = Place {
        team: fields::id(team),
        channel: channel_id(channel),
        person: person_id(person),
    };
    let mut delivery = place.delivery(source, INTERACTION_KIND, known(&INTERACTIONS, &kind));
    if let Some(data) = first_action(actions) {
        let place = place.text();
        (delivery.key, delivery.urgency) =
            Urgency::of_button(&data).line(&delivery.source, place.as_deref());
    }
    Ok(stored(delivery, name, Some(payload.as_bytes().to_vec())))
}

/// The `action_id` of the button that was pressed.
fn first_action(actions: Option<&RawValue>) -> Option<String> {
    let actions: Vec<&RawValue> = serde_json::from_str(actions?.get()).ok()?;
    let [id] = fields::of(actions.first().copied(), ["action_id"]);
    fields::text(id)
}

/// Slack wants to see what it sent: then it believes that this door is the app's.
fn challenged(challenge: Option<&RawValue>) -> Result<Reply, ReadError> {
    let text = fields::text(challenge).ok_or(ReadError::Field {
        name: "challenge",
        pointer: "/challenge",
        what: "a string",
    })?;
    let answer = serde_json::json!({ "challenge": text });
    Ok(Reply::json(answer.to_string()))
}

/// A channel is an id in most events, and an object in those about the channel itself.
fn channel_id(channel: Option<&RawValue>) -> Option<String> {
    let [inner] = fields::of(channel, ["id"]);
    fields::id(inner).or_else(|| fields::id(channel))
}

/// As with channels.
fn person_id(person: Option<&RawValue>) -> Option<String> {
    channel_id(person)
}

/// Where something happened, and who did it.
struct Place {
    team: Option<String>,
    channel: Option<String>,
    person: Option<String>,
}

impl Place {
    /// The channel, or the whole team; ids of channels and people are unique within a team only.
    fn text(&self) -> Option<String> {
        let team = self.team.as_ref()?;
        Some(match &self.channel {
            Some(channel) => format!("{team}:{channel}"),
            None => team.clone(),
        })
    }

    fn delivery(&self, source: String, kind: &'static str, what: &'static str) -> Delivery {
        let (key, urgency) = Urgency::InOrder.line(&source, self.text().as_deref());
        let person = self.team.as_ref().zip(self.person.as_ref());
        Delivery {
            delivery_id: None,
            kind,
            kind_version: KIND_VERSION,
            key,
            urgency,
            subject: person.map(|(team, person)| format!("slack:{team}:{person}")),
            what,
            payload: None,
            source,
        }
    }
}

fn known(words: &[&'static str], word: &str) -> &'static str {
    let word = words.iter().find(|known| **known == word);
    word.copied().unwrap_or("other")
}

/// A body would be shown to whoever typed the command, and keep a dialogue open.
fn stored(delivery: Delivery, delivery_id: String, payload: Option<Vec<u8>>) -> Arrival {
    Arrival::Delivery {
        delivery: Delivery {
            delivery_id: Some(delivery_id),
            payload,
            ..delivery
        },
        reply: Some(Reply::empty()),
    }
}
