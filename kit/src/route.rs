//! Which trigger a message goes to, if any. A pure function of the app's list and the message: nothing is read, said or counted
//! here, so every rule of a chat can be tested without one.

use crate::{
    App, Attachment, ChatKind, Incoming, PersonKind, Role, What, Who, away, erased::Terms,
    said::Said, whole,
};

/// Where a message goes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Routed {
    /// To the trigger at this place of its list.
    Run(Target, Terms),
    /// To one of the kit's own.
    Own(Own),
    /// Nowhere; the kit answers itself.
    Tell(Word),
    /// Nowhere, and nothing is said.
    Silent,
}

/// A trigger, by its list and place, with what it gets.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Target {
    Command {
        place: usize,
        words: String,
    },
    Text {
        place: usize,
        text: String,
    },
    Media {
        place: usize,
        caption: Option<String>,
    },
    Edit {
        place: usize,
        text: String,
    },
    Task {
        place: usize,
    },
    Button {
        place: usize,
    },
}

/// What the kit does itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Own {
    /// A message that had to wait, or was chosen after an absence.
    Again,
    /// The end of a split paste or an album.
    Gather,
    /// The choice after an absence.
    Away,
}

/// What the kit says when no trigger runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    UnknownCommand {
        command: String,
        near: Option<&'static str>,
    },
    UnknownWords,
    NotForYou {
        command: &'static str,
        access: Role,
    },
    NotKnown,
    OnlyPrivate {
        command: &'static str,
    },
    PrivateBot,
    ButtonExpired,
    ButtonNotYours,
}

impl App {
    /// Decides where a message goes.
    pub(crate) fn route(&self, incoming: &Incoming, now: jiff::Timestamp) -> Routed {
        if incoming.chat.kind == ChatKind::Channel
            || matches!(incoming.person.kind, PersonKind::Bot | PersonKind::Channel)
        {
            return Routed::Silent;
        }
        match &incoming.what {
            What::Text { text } => self.route_text(incoming, text),
            What::Edited { text } => self.route_edit(incoming, text),
            What::Media(file) => self.route_media(incoming, file),
            What::Button(press) => self.route_press(incoming, press.button.as_ref(), now),
            What::Task(call) => self.route_task(&call.name),
            What::Other { .. } => Routed::Silent,
        }
    }

    fn route_text(&self, incoming: &Incoming, text: &str) -> Routed {
        match Said::read(text, &incoming.us) {
            Said::ForAnother => Routed::Silent,
            Said::Command { name, words } => self.route_command(incoming, name, words),
            Said::Words { mentioned, .. } if !is_for_us(incoming, mentioned) => Routed::Silent,
            Said::Words { text, .. } => {
                let found = first(
                    &self.texts,
                    |trigger| trigger.terms(),
                    incoming.known_role(),
                );
                match found {
                    Some((place, terms)) => Routed::Run(Target::Text { place, text }, terms),
                    None => refused(incoming, Word::UnknownWords),
                }
            }
        }
    }

    fn route_command(&self, incoming: &Incoming, name: String, words: String) -> Routed {
        let Some((place, command)) = self
            .commands
            .iter()
            .enumerate()
            .find(|(_, command)| command.name() == name)
        else {
            let near = self.nearest(&name, incoming);
            return refused(
                incoming,
                Word::UnknownCommand {
                    command: name,
                    near,
                },
            );
        };
        let terms = command.terms();
        if !terms.scopes.covers(incoming.chat.kind) {
            return Routed::Tell(Word::OnlyPrivate {
                command: command.name(),
            });
        }
        if terms.access > incoming.known_role() {
            return not_allowed(incoming, command.name(), terms.access);
        }
        Routed::Run(Target::Command { place, words }, terms)
    }

    fn route_edit(&self, incoming: &Incoming, text: &str) -> Routed {
        let (text, for_us) = match Said::read(text, &incoming.us) {
            Said::ForAnother => return Routed::Silent,
            Said::Command { words, .. } => (words, true),
            Said::Words { text, mentioned } => (text, is_for_us(incoming, mentioned)),
        };
        match first(
            &self.edits,
            |trigger| trigger.terms(),
            incoming.known_role(),
        ) {
            Some((place, terms)) if for_us => Routed::Run(Target::Edit { place, text }, terms),
            _ => Routed::Silent,
        }
    }

    fn route_media(&self, incoming: &Incoming, file: &Attachment) -> Routed {
        let said = file
            .caption
            .as_deref()
            .map(|caption| Said::read(caption, &incoming.us));
        let (caption, for_us) = match said {
            Some(Said::ForAnother) => return Routed::Silent,
            Some(Said::Command { words, .. }) => (Some(words), true),
            Some(Said::Words { text, mentioned }) => (Some(text), is_for_us(incoming, mentioned)),
            None => (None, is_for_us(incoming, false)),
        };
        match first(
            &self.media,
            |trigger| trigger.terms(),
            incoming.known_role(),
        ) {
            Some((place, terms)) if for_us => Routed::Run(Target::Media { place, caption }, terms),
            None if for_us && incoming.known_role() == Role::Guest => {
                refused(incoming, Word::PrivateBot)
            }
            _ => Routed::Silent,
        }
    }

    fn route_press(
        &self,
        incoming: &Incoming,
        button: Option<&crate::StoredButton>,
        now: jiff::Timestamp,
    ) -> Routed {
        let Some(button) = button.filter(|button| button.expires_at > now) else {
            return Routed::Tell(Word::ButtonExpired);
        };
        let may = match button.who {
            Who::Person(person) => person == incoming.person.id,
            Who::Role(role) => incoming.known_role() >= role,
        };
        if !may {
            return Routed::Tell(Word::ButtonNotYours);
        }
        if button.name == away::BUTTON {
            return Routed::Own(Own::Away);
        }
        match self
            .buttons
            .iter()
            .position(|trigger| trigger.name() == button.name)
        {
            Some(place) => Routed::Run(Target::Button { place }, Terms::ALWAYS),
            None => Routed::Tell(Word::ButtonExpired),
        }
    }

    fn route_task(&self, name: &str) -> Routed {
        match name {
            away::AGAIN => return Routed::Own(Own::Again),
            whole::GATHER => return Routed::Own(Own::Gather),
            _ => {}
        }
        let place = self.tasks.iter().position(|task| task.spec().name == name);
        place.map_or(Routed::Silent, |place| {
            let terms = self.tasks.get(place).map_or(Terms::ALWAYS, |task| Terms {
                late_after: task.spec().late_after,
                ..Terms::ALWAYS
            });
            Routed::Run(Target::Task { place }, terms)
        })
    }

    /// The command that was probably meant: one that this person may use here, a third of its letters away at most.
    fn nearest(&self, name: &str, incoming: &Incoming) -> Option<&'static str> {
        let menu = self.shell.menu.iter();
        let usable = menu.filter(|entry| {
            entry.access <= incoming.known_role() && entry.scopes.covers(incoming.chat.kind)
        });
        let distances =
            usable.map(|entry| (strsim::damerau_levenshtein(name, entry.name), entry.name));
        distances
            .filter(|(distance, near)| *distance <= near.len().div_ceil(3))
            .min()
            .map(|(_, near)| near)
    }
}

/// Whether words are for the bot: all are in private, in groups a mention or a reply to it.
fn is_for_us(incoming: &Incoming, mentioned: bool) -> bool {
    let replies_to_us = incoming.quoted.as_ref().is_some_and(|quoted| quoted.by_us);
    incoming.chat.kind == ChatKind::Private || mentioned || replies_to_us
}

/// The first trigger of a list that this role may use.
fn first<T: ?Sized>(
    list: &[Box<T>],
    terms: impl Fn(&T) -> Terms,
    role: Role,
) -> Option<(usize, Terms)> {
    list.iter()
        .map(|trigger| terms(trigger))
        .enumerate()
        .find(|(_, terms)| terms.access <= role)
}

/// What is said when nothing fits: in private a helpful word, or to a guest that the bot is private; in groups nothing.
fn refused(incoming: &Incoming, word: Word) -> Routed {
    match (incoming.chat.kind, incoming.known_role()) {
        (ChatKind::Private, Role::Guest) => Routed::Tell(Word::PrivateBot),
        (ChatKind::Private, _) => Routed::Tell(word),
        (ChatKind::Group | ChatKind::Channel, _) => Routed::Silent,
    }
}

/// What is said to somebody who may not use a command that exists.
fn not_allowed(incoming: &Incoming, command: &'static str, access: Role) -> Routed {
    if incoming.person.kind == PersonKind::AnonymousAdmin {
        return Routed::Tell(Word::NotKnown);
    }
    match incoming.known_role() {
        Role::Guest => refused(incoming, Word::PrivateBot),
        Role::Member | Role::Operator | Role::Owner => {
            Routed::Tell(Word::NotForYou { command, access })
        }
    }
}

#[cfg(test)]
mod tests;
