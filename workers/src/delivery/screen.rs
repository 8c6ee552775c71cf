//! Bringing one message of the queue onto a screen, part by part.
//!
//! A part is a message of its own, or new text for a message that is there already (an edit, a streamed answer). Each
//! part that was sent is remembered before the next one goes out, so that an attempt that comes later goes on behind it.

use std::time::{Duration, Instant};

use sallyport_postgres::PoolError;
use sallyport_queue::Claimed;
use sallyport_telegram::wire::{InlineKeyboardButton, InlineKeyboardMarkup};
use sallyport_telegram::{CallError, Formatted, NewText, TextEdit, plain};
use sallyport_telemetry::Event;
use thiserror::Error;

use super::Delivery;
use super::outbound::{Form, Outbound, OutboundButton};
use super::pacing::Step;
use super::remedy::{Remedy, remedy};
use crate::bots::Bot;
use crate::events::SendTried;

/// Different remedies that one part may need; after that the refusals make no sense.
const REMEDIES_MAX: usize = 5;

/// Why it is not on the screen yet.
pub(super) enum Obstacle {
    /// It has to wait this long, which is nobody's failure.
    Wait(Duration),
    /// The bot's token was refused.
    Paused,
    /// The chat cannot be reached.
    Unreachable,
    /// A call failed; again later.
    Call { error: CallError, ambiguous: bool },
    /// A call was refused, and will be again.
    GiveUp(CallError),
    /// What was sent could not be looked up or remembered.
    Store(StoreError),
}

/// What was sent could not be looked up or remembered. Passes.
#[derive(Debug, Error)]
pub enum StoreError {
    /// No connection in time.
    #[error("no connection to remember what was sent")]
    Pool(#[from] PoolError),
    /// A statement failed.
    #[error("what was sent could not be remembered")]
    Statement(#[from] tokio_postgres::Error),
}

impl From<StoreError> for Obstacle {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// One message of the queue on its way to the screen.
pub(super) struct Screen<'a> {
    delivery: &'a Delivery,
    bot: &'a Bot,
    message: &'a Claimed,
    outbound: Outbound,
}

impl<'a> Screen<'a> {
    pub(super) fn new(
        delivery: &'a Delivery,
        bot: &'a Bot,
        message: &'a Claimed,
        outbound: Outbound,
    ) -> Self {
        Self {
            delivery,
            bot,
            message,
            outbound,
        }
    }

    /// The chat, under the id it has now.
    pub(super) fn chat(&self) -> i64 {
        self.outbound.chat
    }

    /// Shows all parts; those that are there already are left alone or edited.
    pub(super) async fn show(&mut self, parts: &[Formatted]) -> Result<(), Obstacle> {
        match self.outbound.form.clone() {
            Form::New => self.show_new(parts).await,
            Form::Edit { message } => self.show_over(parts, vec![message]).await.map(|_| ()),
            Form::AnswerBegins(answer) => {
                let chat = self.outbound.chat;
                let shown = self
                    .delivery
                    .answers
                    .messages(&self.bot.name, chat, &answer)
                    .await?;
                if shown.is_empty()
                    && let Some(part) = parts.first()
                {
                    let sent = self.send(part, self.outbound.quote, false).await?;
                    self.delivery
                        .answers
                        .shown(&self.bot.name, chat, &answer, &[sent])
                        .await?;
                }
                Ok(())
            }
            Form::AnswerIs(answer) => {
                let chat = self.outbound.chat;
                let shown = self
                    .delivery
                    .answers
                    .messages(&self.bot.name, chat, &answer)
                    .await?;
                self.show_over(parts, shown).await.map(|_| ())
            }
        }
    }

    async fn show_new(&mut self, parts: &[Formatted]) -> Result<(), Obstacle> {
        let is_long = parts.len() > 1;
        let sent = &self.delivery.ambiguities.sent;
        let mut shown = if is_long {
            sent.of(self.message.id).await?
        } else {
            Vec::new()
        };
        let done = shown.len();
        for (index, part) in parts.iter().enumerate().skip(done) {
            let quote = if index == 0 {
                self.outbound.quote
            } else {
                shown.first().copied()
            };
            let message = self.send(part, quote, index + 1 == parts.len()).await?;
            shown.push(message);
            if is_long {
                self.delivery
                    .ambiguities
                    .sent
                    .remember(self.message.id, index, message)
                    .await?;
            }
        }
        Ok(())
    }

    /// Edits what is there and sends the rest as replies to its first message. Edits bear repetition, and what is sent
    /// is remembered with the answer, so a retry finds all of it.
    async fn show_over(
        &mut self,
        parts: &[Formatted],
        mut shown: Vec<i32>,
    ) -> Result<Vec<i32>, Obstacle> {
        for (index, part) in parts.iter().enumerate() {
            let is_last = index + 1 == parts.len();
            let now = match shown.get(index) {
                Some(message) => self.edit(*message, part, is_last).await?,
                None => {
                    let quote = shown.first().copied().or(self.outbound.quote);
                    self.send(part, quote, is_last).await?
                }
            };
            let is_new = shown.get(index) != Some(&now);
            match shown.get_mut(index) {
                Some(message) => *message = now,
                None => shown.push(now),
            }
            if is_new && let Form::AnswerIs(answer) = &self.outbound.form {
                let chat = self.outbound.chat;
                self.delivery
                    .answers
                    .shown(&self.bot.name, chat, answer, &shown)
                    .await?;
            }
        }
        Ok(shown)
    }

    async fn send(
        &mut self,
        part: &Formatted,
        quote: Option<i32>,
        with_buttons: bool,
    ) -> Result<i32, Obstacle> {
        let mut new = NewText {
            chat: self.outbound.chat,
            topic: self.outbound.topic,
            text: part.clone(),
            reply_to: quote,
            buttons: self.buttons(with_buttons),
        };
        for _ in 0..REMEDIES_MAX {
            self.wait_for_turn().await?;
            let on_its_way = self.delivery.ambiguities.on_its_way(self.message);
            let asked = Instant::now();
            let called = self.bot.api.send_text(&new).await;
            on_its_way.arrived();
            let error = match called {
                Ok(message) => {
                    self.bot.answered(asked.elapsed());
                    SendTried::Sent.emit(&self.delivery.ambiguities.meters);
                    return Ok(message);
                }
                Err(error) => error,
            };
            match self.judge(error, &new.text)? {
                Correction::Unquoted => new.reply_to = None,
                Correction::Unformatted => new.text = plain(&new.text.text),
                Correction::Elsewhere(chat) => {
                    self.outbound.chat = chat;
                    new.chat = chat;
                }
                Correction::AsNew | Correction::None => break,
            }
        }
        Err(Obstacle::Wait(Duration::from_secs(1)))
    }

    /// Edits a message and returns its id, or the id of the new message that had to take its place.
    async fn edit(
        &mut self,
        message: i32,
        part: &Formatted,
        with_buttons: bool,
    ) -> Result<i32, Obstacle> {
        let mut edit = TextEdit {
            chat: self.outbound.chat,
            message,
            text: part.clone(),
            buttons: self.buttons(with_buttons),
        };
        for _ in 0..REMEDIES_MAX {
            self.wait_for_turn().await?;
            let asked = Instant::now();
            let error = match self.bot.api.edit_text(&edit).await {
                Ok(()) => {
                    self.bot.answered(asked.elapsed());
                    SendTried::Sent.emit(&self.delivery.ambiguities.meters);
                    return Ok(message);
                }
                Err(error) => error,
            };
            match self.judge(error, &edit.text)? {
                Correction::None => return Ok(message),
                Correction::Unformatted => edit.text = plain(&edit.text.text),
                Correction::Elsewhere(chat) => {
                    self.outbound.chat = chat;
                    edit.chat = chat;
                }
                Correction::AsNew | Correction::Unquoted => {
                    return self.send(part, self.outbound.quote, with_buttons).await;
                }
            }
        }
        Err(Obstacle::Wait(Duration::from_secs(1)))
    }

    async fn wait_for_turn(&self) -> Result<(), Obstacle> {
        self.delivery
            .turn(self.bot, self.step())
            .await
            .map_err(Obstacle::Wait)
    }

    fn step(&self) -> Step {
        Step {
            chat: self.outbound.chat,
            to_group: self.outbound.to_group,
            bulk: self.message.priority == sallyport_queue::Priority::Background,
        }
    }

    /// What a failed call means: how to correct it, or why to stop.
    fn judge(&self, error: CallError, text: &Formatted) -> Result<Correction, Obstacle> {
        let decision = remedy(&error, text.entities.is_empty());
        let tried = match (&decision, error.refusal()) {
            (Remedy::Wait(_), _) => SendTried::Throttled,
            (_, Some(_)) => SendTried::Refused,
            (_, None) => SendTried::Failed,
        };
        tried.emit(&self.delivery.ambiguities.meters);
        match decision {
            Remedy::AlreadySo => Ok(Correction::None),
            Remedy::WithoutQuote => Ok(Correction::Unquoted),
            Remedy::AsPlainText => Ok(Correction::Unformatted),
            Remedy::ToChat(chat) => Ok(Correction::Elsewhere(chat)),
            Remedy::AsNewMessage => Ok(Correction::AsNew),
            Remedy::Unreachable => Err(Obstacle::Unreachable),
            Remedy::Wait(wait) => {
                self.bot
                    .told_to_wait(self.step(), wait, std::time::Instant::now());
                Err(Obstacle::Wait(wait))
            }
            Remedy::Pause => Err(Obstacle::Paused),
            Remedy::Again { ambiguous } => Err(Obstacle::Call { error, ambiguous }),
            Remedy::GiveUp => Err(Obstacle::GiveUp(error)),
        }
    }

    fn buttons(&self, wanted: bool) -> Option<InlineKeyboardMarkup> {
        if !wanted || self.outbound.buttons.is_empty() {
            return None;
        }
        let row = |row: &Vec<OutboundButton>| row.iter().map(wire_button).collect();
        Some(
            InlineKeyboardMarkup::builder()
                .inline_keyboard(self.outbound.buttons.iter().map(row).collect())
                .build(),
        )
    }
}

/// How to make the same call again so that it may succeed.
enum Correction {
    None,
    Unquoted,
    Unformatted,
    Elsewhere(i64),
    AsNew,
}

fn wire_button(button: &OutboundButton) -> InlineKeyboardButton {
    InlineKeyboardButton::builder()
        .text(button.label.clone())
        .callback_data(button.data.clone())
        .build()
}
