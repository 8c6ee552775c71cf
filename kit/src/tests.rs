//! A small app with one trigger of each kind, on which the kit tests its own rules.

use std::time::Duration;

use crate::{
    Album, App, Button, Command, Context, Edit, Ended, FromText, Language, Media, Misread, Outcome,
    Rate, Reply, Role, Scopes, Task, Text, Texts,
};

pub(crate) const ENGLISH: &str = "
about-start = greets
about-status = says how it is
about-dead = shows dead letters
about-slow = may be used three times a minute
about-add = adds
not-a-number = Numbers, please.
press = Press
";

pub(crate) fn sample() -> App {
    App::new(
        "sample",
        Texts::new(&[(Language::English, ENGLISH), (Language::Russian, ENGLISH)]).unwrap(),
    )
    .command(Start)
    .command(Status)
    .command(Dead)
    .command(Slow)
    .command(Add)
    .text(Echo)
    .media(Count)
    .edit(EditEcho)
    .task(Later)
    .button(Pressed)
}

pub(crate) struct Start;

impl Command for Start {
    const NAME: &'static str = "start";
    const ACCESS: Role = Role::Guest;
    type Arguments = ();

    async fn run(&self, context: &Context, (): ()) -> Ended {
        context.reply(Reply::plain("started"));
        Ok(Outcome::Done)
    }
}

pub(crate) struct Status;

impl Command for Status {
    const NAME: &'static str = "status";
    type Arguments = ();

    async fn run(&self, context: &Context, (): ()) -> Ended {
        let button = context.button::<Pressed>("press", &3)?;
        context.reply(Reply::plain("fine").row([button]));
        Ok(Outcome::Done)
    }
}

pub(crate) struct Dead;

impl Command for Dead {
    const NAME: &'static str = "dead";
    const ACCESS: Role = Role::Operator;
    const SCOPES: Scopes = Scopes::PrivateOnly;
    type Arguments = ();

    async fn run(&self, context: &Context, (): ()) -> Ended {
        context.start_task::<Later>(&"dead".to_owned())?;
        Ok(Outcome::Done)
    }
}

pub(crate) struct Slow;

impl Command for Slow {
    const NAME: &'static str = "slow";
    const RATE: Option<Rate> = Some(Rate::new(3, Duration::from_secs(60)));
    type Arguments = String;

    async fn run(&self, context: &Context, words: String) -> Ended {
        context.reply(Reply::plain(format!("slow {words}")));
        Ok(Outcome::Done)
    }
}

pub(crate) struct Sum(u32);

impl FromText for Sum {
    fn from_text(words: &str) -> Result<Self, Misread> {
        let numbers = words.split_whitespace().map(str::parse::<u32>);
        let sum: Result<u32, _> = numbers.sum();
        sum.map(Self).map_err(|_| Misread::because("not-a-number"))
    }
}

pub(crate) struct Add;

impl Command for Add {
    const NAME: &'static str = "add";
    type Arguments = Sum;

    async fn run(&self, context: &Context, Sum(sum): Sum) -> Ended {
        context.reply(Reply::plain(sum.to_string()));
        Ok(Outcome::Done)
    }
}

pub(crate) struct Echo;

impl Text for Echo {
    async fn run(&self, context: &Context, text: String) -> Ended {
        context.reply(Reply::plain(text));
        Ok(Outcome::Done)
    }
}

pub(crate) struct Count;

impl Media for Count {
    async fn run(&self, context: &Context, album: Album) -> Ended {
        context.reply(Reply::plain(format!(
            "{} files, {:?}",
            album.files.len(),
            album.caption
        )));
        Ok(Outcome::Done)
    }
}

pub(crate) struct EditEcho;

impl Edit for EditEcho {
    async fn run(&self, context: &Context, text: String) -> Ended {
        context.reply(Reply::plain(format!("edited {text}")));
        Ok(Outcome::Done)
    }
}

pub(crate) struct Later;

impl Task for Later {
    const NAME: &'static str = "later";
    type Payload = String;

    async fn run(&self, context: &Context, payload: String) -> Ended {
        context.reply(Reply::plain(format!("later {payload}")));
        Ok(Outcome::Done)
    }
}

pub(crate) struct Pressed;

impl Button for Pressed {
    const NAME: &'static str = "pressed";
    type Payload = u32;

    async fn run(&self, context: &Context, payload: u32) -> Ended {
        context.reply(Reply::plain(format!("pressed {payload}")));
        Ok(Outcome::Done)
    }
}
