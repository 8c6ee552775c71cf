//! The harness in which apps test their commands: a stage with one bot, people who speak to it, and a record of what it did.
//!
//! ```text
//! let stage = Stage::new(app());
//! let told = stage.hears(Scene::says("/status").by(Role::Operator)).await;
//! assert_eq!(told.texts(), ["Working. Nothing waits."]);
//! ```
//!
//! What a handler says, starts and remembers is collected and, if it succeeded, "committed": its changes run in a transaction
//! when the stage has tables, and its tasks wait for [`Stage::runs_tasks`]. Nothing here sleeps; the stage's clock only moves
//! when told.

mod house;
mod scene;
mod services;
mod tables;

use std::{collections::VecDeque, sync::Arc, time::Duration};

use jiff::Timestamp;
use parking_lot::Mutex;

pub use house::FakeHouse;
pub use scene::Scene;
pub use services::{ModelScript, ShownAnswer};

use services::{Collected, FakeServices, World};
use tables::Tables;

use crate::{
    App, Attempt, Incoming, LastPosting, NewTask, Outcome, Posting, Say, StoredButton,
    WebhookProblem, trigger::Ended,
};

/// Tasks that start tasks: more rounds than this are a loop.
const TASK_ROUNDS_MAX: usize = 50;

/// One bot and everything around it.
pub struct Stage {
    app: App,
    world: Arc<World>,
    tasks: Mutex<VecDeque<NewTask>>,
}

/// What one message caused.
#[derive(Debug)]
pub struct Told {
    /// How handling ended.
    pub ended: Ended,
    /// What was said, in order. Empty when it failed, like everything below.
    pub said: Vec<Say>,
    /// Streamed answers, with all their previews.
    pub answers: Vec<ShownAnswer>,
    /// The notice that the presser of a button saw.
    pub notice: Option<String>,
    /// Tasks that were started.
    pub tasks: Vec<NewTask>,
    /// What was posted to webhooks.
    pub posted: Vec<Posting>,
}

impl Stage {
    /// A stage without tables: what handlers remember is dropped, and reading fails.
    #[must_use]
    pub fn new(app: App) -> Self {
        Self::build(app, None)
    }

    /// A stage with a scratch database that holds the kit's and the app's tables; it is dropped with the stage.
    ///
    /// # Panics
    /// When `SALLYPORT_TEST_DATABASE_URL` is not set (run `make test`), or the tables cannot be made.
    pub async fn with_tables(app: App) -> Self {
        let tables = Tables::open(&app).await;
        Self::build(app, Some(tables))
    }

    fn build(app: App, tables: Option<Tables>) -> Self {
        Self {
            app,
            world: Arc::new(World::new(tables)),
            tasks: Mutex::new(VecDeque::new()),
        }
    }

    /// The house that operators ask about.
    #[must_use]
    pub fn house(&self) -> &FakeHouse {
        &self.world.house
    }

    /// What the model says from now on.
    pub fn model_says(&self, script: ModelScript) {
        *self.world.model.lock() = script;
    }

    /// The last question to the model.
    #[must_use]
    pub fn asked(&self) -> Option<crate::Prompt> {
        self.world.asked.lock().clone()
    }

    /// The code with which a person becomes the owner.
    pub fn claim_code(&self, code: &str) {
        *self.world.claim_code.lock() = Some(code.to_owned());
    }

    /// Which attempt handlers believe to be in.
    pub fn is_attempt(&self, number: u16, max: u16) {
        *self.world.attempt.lock() = Attempt { number, max };
    }

    /// What is wrong with every URL that somebody points a webhook at from now on.
    pub fn refuses_urls(&self, problem: WebhookProblem) {
        *self.world.webhook_problem.lock() = Some(problem);
    }

    /// How the last delivery to every webhook went.
    pub fn last_posting_was(&self, last: &LastPosting) {
        for webhook in self.world.webhooks.lock().values_mut() {
            webhook.last = last.clone();
        }
    }

    /// Moves the clock.
    pub fn passes(&self, span: Duration) {
        let mut now = self.world.now.lock();
        *now += span;
    }

    /// The stage's time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        *self.world.now.lock()
    }

    /// The bot hears something now (unless the scene says when).
    pub async fn hears(&self, scene: Scene) -> Told {
        self.handles(scene.at_or(self.now())).await
    }

    /// From now on whoever acts in this scene owns the bot.
    pub fn is_owned_by(&self, scene: Scene) {
        let Incoming { person, chat, .. } = scene.at_or(self.now());
        self.world.owners.lock().push((person, chat));
    }

    /// A schedule is due.
    pub async fn keeps(&self, schedule: &str) -> Told {
        let services = Arc::new(FakeServices::new(Arc::clone(&self.world)));
        let us = Scene::somebody().at_or(self.now()).us;
        match self.app.keep(schedule, us, services.clone()).await {
            Ok(outcome) => self.commit(outcome, services.collected()).await,
            Err(failure) => Told::failed(failure),
        }
    }

    /// Somebody presses the first button of `said` whose label is `label`.
    ///
    /// # Panics
    /// When there is no such button.
    pub async fn presses(&self, scene: Scene, said: &Say, label: &str) -> Told {
        let mut buttons = said.reply.buttons.iter().flatten();
        let Some(button) = buttons.find(|button| button.label == label) else {
            panic!("no button says {label:?}: {:?}", said.reply.buttons);
        };
        let Some(who) = button.who else {
            panic!("nobody may press {label:?}")
        };
        let stored = StoredButton {
            name: button.name.clone(),
            payload: button.payload.clone(),
            who,
            expires_at: self.now() + button.expires_in,
        };
        self.hears(scene.pressing(stored)).await
    }

    /// Runs every task that was started, and those they start, each when its delay is over. What all of them caused, in order.
    ///
    /// # Panics
    /// When tasks go on starting tasks.
    pub async fn runs_tasks(&self) -> Vec<Told> {
        let mut all = Vec::new();
        while let Some(task) = self.next_task() {
            assert!(
                all.len() < TASK_ROUNDS_MAX,
                "tasks go on starting tasks: {task:?}"
            );
            self.passes(task.delay);
            let told = self
                .handles(Incoming {
                    at: self.now(),
                    ..task.call.clone()
                })
                .await;
            if let Ok(Outcome::Snooze { wait }) = told.ended {
                self.tasks.lock().push_back(NewTask {
                    delay: wait,
                    ..task
                });
            }
            all.push(told);
        }
        all
    }

    /// Runs the tasks that wait, after nobody ran them for this long. What they caused, in order.
    pub async fn tasks_run_late_by(&self, span: Duration) -> Vec<Told> {
        self.passes(span);
        let late: Vec<NewTask> = self.tasks.lock().drain(..).collect();
        let mut all = Vec::new();
        for task in late {
            all.push(self.handles(task.call).await);
        }
        all
    }

    fn next_task(&self) -> Option<NewTask> {
        self.tasks.lock().pop_front()
    }

    async fn handles(&self, incoming: Incoming) -> Told {
        let services = Arc::new(FakeServices::new(Arc::clone(&self.world)));
        let ended = self.app.handle(incoming, services.clone()).await;
        let collected = services.collected();
        match ended {
            Ok(outcome) => self.commit(outcome, collected).await,
            Err(failure) => Told::failed(failure),
        }
    }

    async fn commit(&self, outcome: Outcome, collected: Collected) -> Told {
        let Collected {
            said,
            notice,
            tasks,
            effects,
            answers,
            posted,
        } = collected;
        if let Some(tables) = &self.world.tables
            && let Err(failure) = tables.commit(effects).await
        {
            return Told::failed(failure);
        }
        self.tasks.lock().extend(tasks.iter().cloned());
        Told {
            ended: Ok(outcome),
            said,
            answers,
            notice,
            tasks,
            posted,
        }
    }
}

impl Told {
    fn failed(failure: crate::Failure) -> Self {
        Self {
            ended: Err(failure),
            said: Vec::new(),
            answers: Vec::new(),
            notice: None,
            tasks: Vec::new(),
            posted: Vec::new(),
        }
    }

    /// The words of everything that was said, final answers included.
    #[must_use]
    pub fn texts(&self) -> Vec<&str> {
        let said = self.said.iter().map(|say| say.reply.text.as_str());
        let answered = self
            .answers
            .iter()
            .filter_map(|answer| answer.last.as_ref())
            .map(|reply| reply.text.as_str());
        said.chain(answered).collect()
    }

    /// The only thing that was said.
    ///
    /// # Panics
    /// When nothing or several things were said.
    #[must_use]
    pub fn text(&self) -> &str {
        match self.texts().as_slice() {
            [one] => one,
            other => panic!(
                "expected one text, got {other:#?}; it ended {:?}",
                self.ended
            ),
        }
    }

    /// Whether the bot kept silent and left the message to others.
    #[must_use]
    pub fn is_silence(&self) -> bool {
        self.texts().is_empty()
            && self.notice.is_none()
            && matches!(self.ended, Ok(Outcome::Ignored))
    }
}
