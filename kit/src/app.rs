//! An app: its name, its list of triggers, its words and its tables; and what happens to one message that reaches it.
//!
//! Routing is decided in `route` without touching anything; `handle` carries the decision out.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;

use crate::{
    AtOnce, Button, ChatKind, Command, Edit, Incoming, Language, Media, NewTask,
    QUESTIONS_LATE_AFTER, Role, Scopes, Task, TaskCall, Text, Texts, What, away,
    erased::{AnyButton, AnyCommand, AnyEdit, AnyMedia, AnyTask, AnyText, Packed},
    pace::Pacer,
    schedule::AnySchedule,
    whole,
};

/// A message that had to wait runs as a task; what it may take is what a command may take.
const AGAIN_SPEC: TaskSpec = TaskSpec {
    name: away::AGAIN,
    deadline: Duration::from_secs(30),
    attempts_max: 5,
    late_after: QUESTIONS_LATE_AFTER,
    at_once: None,
};

/// Gathering reads one row and then does what a message does.
const GATHER_SPEC: TaskSpec = TaskSpec {
    name: whole::GATHER,
    deadline: Duration::from_secs(30),
    attempts_max: 5,
    late_after: QUESTIONS_LATE_AFTER,
    at_once: None,
};

/// A step of an app's tables: applied once, in order, never changed after it shipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Migration {
    /// Counts from 1 without gaps.
    pub version: u32,
    /// A few words with underscores.
    pub name: &'static str,
    /// The statements.
    pub sql: &'static str,
}

/// A bot's app: one list.
pub struct App {
    pub(crate) shell: Arc<Shell>,
    pub(crate) commands: Vec<Box<dyn AnyCommand>>,
    pub(crate) texts: Vec<Box<dyn AnyText>>,
    pub(crate) tasks: Vec<Box<dyn AnyTask>>,
    pub(crate) buttons: Vec<Box<dyn AnyButton>>,
    pub(crate) media: Vec<Box<dyn AnyMedia>>,
    pub(crate) edits: Vec<Box<dyn AnyEdit>>,
    pub(crate) schedules: Vec<Box<dyn AnySchedule>>,
    migrations: Vec<Migration>,
}

/// What handlers need of their app.
pub(crate) struct Shell {
    pub(crate) name: &'static str,
    pub(crate) texts: Texts,
    pub(crate) menu: Vec<MenuEntry>,
    /// Per person and use.
    pub(crate) pacer: Pacer<(i64, &'static str)>,
}

/// One command of the table that feeds `/help` and the menus.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MenuEntry {
    pub(crate) name: &'static str,
    pub(crate) access: Role,
    pub(crate) scopes: Scopes,
}

/// A command as a person reads it, in `/help` and in their menu.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandLine {
    /// The word after the slash.
    pub name: &'static str,
    /// What it is for.
    pub about: String,
    /// A whole command to tap, if it has one that says more than its name.
    pub example: Option<String>,
}

/// How the queue is to treat an app's tasks of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskSpec {
    /// Its name; the queue's kind is `task.<app>.<name>`.
    pub name: &'static str,
    /// One attempt may take this long.
    pub deadline: Duration,
    /// How often it is tried.
    pub attempts_max: u16,
    /// How late it may still run. The kit itself holds it to that: a person is asked before late work is dropped.
    pub late_after: Duration,
    /// How many of them may run at the same time.
    pub at_once: Option<AtOnce>,
}

impl App {
    /// An app without triggers.
    #[must_use]
    pub fn new(name: &'static str, texts: Texts) -> Self {
        Self {
            shell: Arc::new(Shell {
                name,
                texts,
                menu: Vec::new(),
                pacer: Pacer::new(),
            }),
            commands: Vec::new(),
            texts: Vec::new(),
            tasks: Vec::new(),
            buttons: Vec::new(),
            media: Vec::new(),
            edits: Vec::new(),
            schedules: Vec::new(),
            migrations: Vec::new(),
        }
    }

    /// Adds a command. The order of the list is the order of `/help`.
    #[must_use]
    pub fn command<C: Command>(mut self, command: C) -> Self {
        if let Some(shell) = Arc::get_mut(&mut self.shell) {
            shell.menu.push(MenuEntry {
                name: C::NAME,
                access: C::ACCESS,
                scopes: C::SCOPES,
            });
        }
        self.commands.push(Box::new(Packed(command)));
        self
    }

    /// Adds what plain words do; the first whose access fits gets them.
    #[must_use]
    pub fn text<T: Text>(mut self, text: T) -> Self {
        self.texts.push(Box::new(Packed(text)));
        self
    }

    /// Adds a task.
    #[must_use]
    pub fn task<T: Task>(mut self, task: T) -> Self {
        self.tasks.push(Box::new(Packed(task)));
        self
    }

    /// Adds what a button does.
    #[must_use]
    pub fn button<B: Button>(mut self, button: B) -> Self {
        self.buttons.push(Box::new(Packed(button)));
        self
    }

    /// Adds what files do.
    #[must_use]
    pub fn media<M: Media>(mut self, media: M) -> Self {
        self.media.push(Box::new(Packed(media)));
        self
    }

    /// Adds what edits do.
    #[must_use]
    pub fn edit<E: Edit>(mut self, edit: E) -> Self {
        self.edits.push(Box::new(Packed(edit)));
        self
    }

    /// Adds the app's tables. They live in a schema of the app's name.
    #[must_use]
    pub fn tables(mut self, migrations: &[Migration]) -> Self {
        self.migrations.extend_from_slice(migrations);
        self
    }

    /// The app's name, part of its tasks' kinds and the name of its schema.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.shell.name
    }

    /// The app's words.
    #[must_use]
    pub fn words(&self) -> &Texts {
        &self.shell.texts
    }

    /// The app's tables.
    #[must_use]
    pub fn migrations(&self) -> &[Migration] {
        &self.migrations
    }

    /// The commands of a menu: what somebody with this role may use in such a chat, described in this language.
    #[must_use]
    pub fn menu(&self, language: Language, kind: ChatKind, role: Role) -> Vec<CommandLine> {
        self.shell.menu(language, kind, role)
    }

    /// How the queue is to treat each kind of task, the kit's own included.
    #[must_use]
    pub fn tasks(&self) -> Vec<TaskSpec> {
        self.tasks
            .iter()
            .map(|task| task.spec())
            .chain([AGAIN_SPEC, GATHER_SPEC])
            .collect()
    }
}

impl Shell {
    pub(crate) fn menu(&self, language: Language, kind: ChatKind, role: Role) -> Vec<CommandLine> {
        let offered = |entry: &&MenuEntry| entry.access <= role && entry.scopes.covers(kind);
        self.menu
            .iter()
            .filter(offered)
            .map(|entry| self.line(entry, language))
            .collect()
    }

    fn line(&self, entry: &MenuEntry, language: Language) -> CommandLine {
        let example = format!("example-{}", entry.name);
        CommandLine {
            name: entry.name,
            about: self
                .texts
                .get(language, &format!("about-{}", entry.name), &[]),
            example: self
                .texts
                .has(&example)
                .then(|| self.texts.get(language, &example, &[])),
        }
    }

    /// A task to start from the handling of `cause`.
    pub(crate) fn task(
        &self,
        cause: &Incoming,
        key: &str,
        call: TaskCall,
        now: Timestamp,
        delay: Duration,
    ) -> NewTask {
        let at = now.checked_add(delay).unwrap_or(now);
        NewTask {
            app: self.name,
            name: call.name.clone(),
            key: format!("{key}:{}:{}", cause.us.bot, cause.chat.id.0),
            call: Incoming {
                what: What::Task(call),
                at,
                ..cause.clone()
            },
            delay,
            once: None,
        }
    }
}
