//! The services of the stage: they collect what handlers cause, and play the model by a script.

use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;
use futures::{StreamExt, stream};
use jiff::Timestamp;
use parking_lot::Mutex;

use super::{house::FakeHouse, tables::Tables};
use crate::{
    AnswerSink, AnswerSlot, Attempt, Chat, Claim, Effect, Failure, House, LastPosting, ModelError,
    ModelStream, NewTask, NewWebhook, Person, Place, Posting, Prompt, Reading, Reply, Say,
    Services, Webhook, WebhookName, WebhookProblem,
};

/// What the model does when it is asked.
#[derive(Clone, Debug)]
pub enum ModelScript {
    /// Says these pieces, one after another.
    Says(Vec<&'static str>),
    /// Says these pieces and breaks off.
    BreaksOff(Vec<&'static str>),
    /// Does not begin.
    Fails(ModelError),
}

/// A streamed answer as people saw it.
#[derive(Clone, Debug, PartialEq)]
pub struct ShownAnswer {
    /// Where it appeared.
    pub slot: AnswerSlot,
    /// Every preview.
    pub previews: Vec<String>,
    /// The last form; `None` when it was never finished.
    pub last: Option<Reply>,
}

/// What outlives one message.
pub(super) struct World {
    pub(super) now: Mutex<Timestamp>,
    pub(super) attempt: Mutex<Attempt>,
    pub(super) model: Mutex<ModelScript>,
    pub(super) asked: Mutex<Option<Prompt>>,
    pub(super) claim_code: Mutex<Option<String>>,
    pub(super) owners: Mutex<Vec<(Person, Chat)>>,
    pub(super) webhooks: Mutex<HashMap<WebhookName, Webhook>>,
    /// What is wrong with every URL, if something is.
    pub(super) webhook_problem: Mutex<Option<WebhookProblem>>,
    pub(super) house: FakeHouse,
    pub(super) tables: Option<Tables>,
}

impl World {
    pub(super) fn new(tables: Option<Tables>) -> Self {
        Self {
            now: Mutex::new(Timestamp::from_second(1_790_000_000).unwrap_or_default()),
            attempt: Mutex::new(Attempt { number: 1, max: 5 }),
            model: Mutex::new(ModelScript::Fails(ModelError::NotConfigured)),
            asked: Mutex::new(None),
            claim_code: Mutex::new(None),
            owners: Mutex::default(),
            webhooks: Mutex::default(),
            webhook_problem: Mutex::default(),
            house: FakeHouse::default(),
            tables,
        }
    }
}

/// What one message caused.
#[derive(Default)]
pub(super) struct Collected {
    pub(super) said: Vec<Say>,
    pub(super) notice: Option<String>,
    pub(super) tasks: Vec<NewTask>,
    pub(super) effects: Vec<Effect>,
    pub(super) posted: Vec<Posting>,
    pub(super) answers: Vec<ShownAnswer>,
}

/// The services for one message.
pub(super) struct FakeServices {
    world: Arc<World>,
    collected: Arc<Mutex<Collected>>,
}

impl FakeServices {
    pub(super) fn new(world: Arc<World>) -> Self {
        Self {
            world,
            collected: Arc::default(),
        }
    }

    pub(super) fn collected(&self) -> Collected {
        std::mem::take(&mut *self.collected.lock())
    }
}

#[async_trait]
impl Services for FakeServices {
    fn now(&self) -> Timestamp {
        *self.world.now.lock()
    }

    fn attempt(&self) -> Attempt {
        *self.world.attempt.lock()
    }

    fn support_code(&self) -> String {
        "K7QF-3M2X".into()
    }

    fn say(&self, say: Say) {
        self.collected.lock().said.push(say);
    }

    fn notice(&self, text: String) {
        self.collected.lock().notice = Some(text);
    }

    fn typing(&self, _: &Place) {}

    fn start_task(&self, task: NewTask) {
        self.collected.lock().tasks.push(task);
    }

    fn remember(&self, effect: Effect) {
        self.collected.lock().effects.push(effect);
    }

    fn post(&self, posting: Posting) {
        self.collected.lock().posted.push(posting);
    }

    /// The stage does not wait for the commit: whatever is handled next finds it.
    fn point_webhook(&self, which: WebhookName, url: &str) -> Result<NewWebhook, WebhookProblem> {
        if let Some(problem) = self.world.webhook_problem.lock().clone() {
            return Err(problem);
        }
        let host = url.split('/').nth(2).unwrap_or_default().to_owned();
        let webhook = Webhook {
            host: host.clone(),
            last: LastPosting::None,
        };
        self.world.webhooks.lock().insert(which, webhook);
        let key = "whsec_of-the-stage".to_owned();
        Ok(NewWebhook { host, key })
    }

    fn forget_webhook(&self, which: WebhookName) {
        self.world.webhooks.lock().remove(&which);
    }

    async fn webhook(&self, which: &WebhookName) -> Result<Option<Webhook>, Failure> {
        Ok(self.world.webhooks.lock().get(which).cloned())
    }

    async fn read(&self) -> Result<Reading, Failure> {
        match &self.world.tables {
            Some(tables) => Ok(tables.read()),
            None => Err(Failure::lasting(
                "no_tables",
                "This stage has no tables; make it with Stage::with_tables",
            )),
        }
    }

    async fn ask_model(&self, prompt: Prompt) -> Result<ModelStream, ModelError> {
        *self.world.asked.lock() = Some(prompt);
        let (pieces, end) = match self.world.model.lock().clone() {
            ModelScript::Says(pieces) => (pieces, None),
            ModelScript::BreaksOff(pieces) => (pieces, Some(Err(ModelError::CutOff))),
            ModelScript::Fails(error) => return Err(error),
        };
        let pieces = pieces.into_iter().map(|piece| Ok(piece.to_owned()));
        Ok(stream::iter(pieces.chain(end)).boxed())
    }

    async fn open_answer(&self, slot: AnswerSlot) -> Result<Box<dyn AnswerSink>, Failure> {
        let mut collected = self.collected.lock();
        collected.answers.push(ShownAnswer {
            slot,
            previews: Vec::new(),
            last: None,
        });
        let place = collected.answers.len() - 1;
        Ok(Box::new(FakeAnswer {
            place,
            collected: Arc::clone(&self.collected),
        }))
    }

    async fn claim_ownership(&self, _: &Person, code: &str) -> Result<Claim, Failure> {
        let mut right = self.world.claim_code.lock();
        if right.as_deref() == Some(code) {
            *right = None;
            return Ok(Claim::Granted);
        }
        Ok(Claim::Refused)
    }

    async fn owners(&self) -> Result<Vec<(Person, Chat)>, Failure> {
        Ok(self.world.owners.lock().clone())
    }

    fn house(&self) -> &dyn House {
        &self.world.house
    }
}

/// Writes previews into the record.
struct FakeAnswer {
    place: usize,
    collected: Arc<Mutex<Collected>>,
}

impl FakeAnswer {
    fn change(&self, change: impl FnOnce(&mut ShownAnswer)) {
        if let Some(answer) = self.collected.lock().answers.get_mut(self.place) {
            change(answer);
        }
    }
}

#[async_trait]
impl AnswerSink for FakeAnswer {
    async fn preview(&mut self, markdown: &str) -> Result<(), Failure> {
        self.change(|answer| answer.previews.push(markdown.to_owned()));
        Ok(())
    }

    fn finish(self: Box<Self>, reply: Reply) {
        self.change(|answer| answer.last = Some(reply));
    }
}
