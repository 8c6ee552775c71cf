//! An edge: takes deliveries in, to Postgres or to its spool, and replays. The spool and the switch are the product's own; what
//! is around them does what the product's intake does, one step at a time.

use std::collections::BTreeMap;

use bytes::Bytes;
use sallyport_queue::spool::{NewRecord, Record, Route, Spool, Switch, Writer};
use sallyport_queue::{Key, NewMessage, PayloadFormat, Priority};
use sallyport_telemetry::trace::{SpanContext, SpanId, TraceId};

use crate::checker::{IN, SEND};
use crate::constants::{MILLISECOND, SECOND};
use crate::context::Context;
use crate::disk::SimDisk;
use crate::event::{Actor, Envelope, Event, Failure, Tag, Timer};
use crate::model::{Answer, Ask, Micros};
use crate::plant::Plant;

/// Commits that are under way at once, as in the product.
const COMMITS_AT_ONCE: usize = 2;
/// A replay that takes longer shows that Postgres is still slow.
const SLOW: Micros = SECOND;

/// One edge process and its disk.
pub(crate) struct Edge {
    index: usize,
    pub(crate) generation: u32,
    pub(crate) up: bool,
    pub(crate) disk: SimDisk,
    spool: Option<Spool<SimDisk>>,
    switch: Switch,
    waiting: Vec<Envelope>,
    commits: BTreeMap<u64, Vec<Envelope>>,
    last_commit: u64,
    /// What is about to be appended.
    appending: Vec<Envelope>,
    replaying: bool,
    run: u64,
}

impl Edge {
    pub(crate) fn new(index: usize, context: &mut Context) -> Self {
        let disk = SimDisk::new(context.has(Plant::AckBeforeFsync));
        disk.memory.set_capacity(context.constants.disk_bytes);
        let mut edge = Self {
            index,
            generation: 0,
            up: false,
            disk,
            spool: None,
            switch: Switch::default(),
            waiting: Vec::new(),
            commits: BTreeMap::new(),
            last_commit: 0,
            appending: Vec::new(),
            replaying: false,
            run: 0,
        };
        edge.start(context);
        edge
    }

    fn me(&self) -> Actor {
        Actor::Edge(self.index)
    }

    /// Opens the spool; an edge whose disk fails tries again later.
    pub(crate) fn start(&mut self, context: &mut Context) {
        if self.up {
            return;
        }
        self.run += 1;
        let mut salt = context.next_trace();
        let writer = Writer {
            run: self.run,
            salts: Box::new(move || {
                salt = salt.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1);
                salt
            }),
        };
        match Spool::open(self.disk.clone(), context.constants.spool, writer) {
            Ok(spool) => {
                let holds = spool.emptied_up_to().is_none();
                self.switch = Switch::new(holds.then(|| spool.up_to()));
                context.say(
                    self.me(),
                    format_args!("starts, its spool holds something: {holds}"),
                );
                self.spool = Some(spool);
                self.up = true;
                self.replay(context);
            }
            Err(error) => {
                context.say(self.me(), format_args!("cannot open its spool: {error}"));
                context.after(SECOND, Event::EdgeUp(self.index));
            }
        }
    }

    /// The process is gone, and everything in its memory.
    pub(crate) fn crash(&mut self) {
        self.generation += 1;
        self.up = false;
        self.spool = None;
        self.waiting.clear();
        self.commits.clear();
        self.appending.clear();
        self.replaying = false;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.up && !self.switch.holds() && self.waiting.is_empty() && self.appending.is_empty()
    }

    pub(crate) fn receive(&mut self, envelope: Envelope, context: &mut Context) {
        self.waiting.push(envelope);
        self.proceed(context);
    }

    /// Sends what waits on its way, all of it on the same.
    fn proceed(&mut self, context: &mut Context) {
        let spools = self.switch.route() == Route::Spool
            && !(context.has(Plant::BackTooEarly) && self.appending.is_empty());
        while !self.waiting.is_empty() {
            let count = self.waiting.len().min(context.constants.batch_max);
            if spools {
                if self.appending.is_empty() {
                    let batch = self.waiting.drain(..count).collect();
                    self.append(batch, context);
                }
                return;
            }
            if self.commits.len() >= COMMITS_AT_ONCE {
                return;
            }
            let mut batch: Vec<Envelope> = self.waiting.drain(..count).collect();
            // In the order of the pairs, like the product's committer.
            batch.sort_by_key(|envelope| envelope.origin.to_string());
            self.commit(batch, context);
        }
    }

    fn commit(&mut self, batch: Vec<Envelope>, context: &mut Context) {
        self.last_commit += 1;
        let number = self.last_commit;
        let messages = batch
            .iter()
            .map(|envelope| delivery(envelope.origin, context))
            .collect();
        let ask = Ask::Accept {
            messages,
            is_replay: false,
        };
        self.commits.insert(number, batch);
        context.ask(self.me(), self.generation, Tag::Commit(number), ask);
    }

    /// Begins an append, which takes as long as a disk does.
    fn append(&mut self, batch: Vec<Envelope>, context: &mut Context) {
        self.switch.append_begins();
        self.appending.extend(batch);
        let flush = if context.happens(50) {
            2 * SECOND
        } else {
            10 * MILLISECOND
        };
        let flush = context.between(MILLISECOND, flush);
        context.timer(flush, self.me(), self.generation, Timer::Append);
    }

    fn appended(&mut self, context: &mut Context) {
        let me = self.me();
        let batch = std::mem::take(&mut self.appending);
        let Some(spool) = self.spool.as_mut().filter(|_| !batch.is_empty()) else {
            // Another append took these with it.
            self.switch.append_ended(None);
            return;
        };
        let records: Vec<NewRecord> = batch
            .iter()
            .map(|envelope| NewRecord {
                at_us: context.now,
                payload: Bytes::from(envelope.origin.to_string()),
            })
            .collect();
        let appended = spool.append(&records);
        self.switch
            .append_ended(appended.as_ref().ok().map(|appended| appended.up_to));
        let origins: Vec<u32> = batch.iter().map(|envelope| envelope.origin).collect();
        match &appended {
            Ok(appended) => context.say(
                me,
                format_args!("spooled {origins:?} up to {}", appended.up_to),
            ),
            Err(error) => {
                context.say(me, format_args!("cannot spool {origins:?}: {error}"));
            }
        }
        let (bytes, most) = (spool.fill_level().bytes, spool.limits().bytes_max);
        if bytes > most {
            context
                .checker
                .fail(format!("bytes: a spool holds {bytes} of {most}"));
        }
        if !self.disk.is_without_power() {
            for envelope in &batch {
                self.answer(envelope, appended.is_ok(), context);
            }
        }
        self.replay(context);
    }

    fn answer(&self, envelope: &Envelope, accepted: bool, context: &mut Context) {
        if context.happens(context.constants.odds.client_lost) {
            return;
        }
        let way = context.between(100, 5 * MILLISECOND);
        let answer = Event::ToClient {
            client: envelope.client,
            origin: envelope.origin,
            accepted,
        };
        context.after(way, answer);
    }

    /// Sends the oldest records to Postgres, one batch at a time.
    fn replay(&mut self, context: &mut Context) {
        if self.replaying || !self.switch.holds() {
            return;
        }
        let Some(spool) = &mut self.spool else {
            return;
        };
        let batch = spool.peek(context.constants.batch_max, 1 << 20);
        let records = match batch {
            Ok(records) => records,
            Err(error) => {
                context.say(self.me(), format_args!("cannot read its spool: {error}"));
                context.timer(SECOND, self.me(), self.generation, Timer::Replay);
                return;
            }
        };
        let Some(up_to) = records.last().map(|record| record.sequence + 1) else {
            self.switch.emptied(spool.emptied_up_to());
            self.look_again(context);
            return;
        };
        self.replaying = true;
        let messages = records
            .iter()
            .map(|record| delivery(origin_of(record), context))
            .collect();
        let ask = Ask::Accept {
            messages,
            is_replay: true,
        };
        let tag = Tag::Replay {
            up_to,
            sent: context.now,
        };
        context.ask(self.me(), self.generation, tag, ask);
    }

    /// A spool that holds nothing readable and is not empty yet is asked again later.
    fn look_again(&mut self, context: &mut Context) {
        if self.switch.holds() {
            context.timer(SECOND, self.me(), self.generation, Timer::Replay);
        }
        self.proceed(context);
    }

    pub(crate) fn answered(
        &mut self,
        tag: Tag,
        answer: Result<Answer, Failure>,
        context: &mut Context,
    ) {
        match tag {
            Tag::Commit(number) => self.committed(number, &answer, context),
            Tag::Replay { up_to, sent } => self.replayed(up_to, sent, &answer, context),
            _ => {}
        }
        self.proceed(context);
    }

    fn committed(&mut self, number: u64, answer: &Result<Answer, Failure>, context: &mut Context) {
        let Some(batch) = self.commits.remove(&number) else {
            return;
        };
        if answer.is_ok() {
            for envelope in &batch {
                self.answer(envelope, true, context);
            }
            return;
        }
        // Nobody knows whether they are stored: the unique pair will tell at the replay, where there is one.
        let unsure = !matches!(answer, Err(Failure::Refused));
        let (batch, alone): (Vec<Envelope>, Vec<Envelope>) = batch
            .into_iter()
            .partition(|envelope| !unsure || has_id(envelope.origin, context));
        for envelope in &alone {
            self.answer(envelope, false, context);
        }
        if !batch.is_empty() {
            self.append(batch, context);
        }
    }

    fn replayed(
        &mut self,
        up_to: u64,
        sent: Micros,
        answer: &Result<Answer, Failure>,
        context: &mut Context,
    ) {
        self.replaying = false;
        let Some(spool) = &mut self.spool else {
            return;
        };
        if answer.is_err() {
            context.timer(200 * MILLISECOND, self.me(), self.generation, Timer::Replay);
            return;
        }
        if up_to > spool.up_to() {
            context
                .checker
                .fail(format!("spool: replayed {up_to} of {}", spool.up_to()));
        }
        // What cannot be remembered comes again after a crash, and is found to be a repeat.
        let remembered = spool.advance(up_to).is_ok();
        let is_slow = context.now - sent > SLOW;
        self.switch.replayed(is_slow, spool.emptied_up_to());
        let me = self.me();
        context.say(
            me,
            format_args!("replayed up to {up_to}, remembered: {remembered}, slow: {is_slow}"),
        );
        self.replay(context);
    }

    pub(crate) fn hear(&mut self, timer: Timer, context: &mut Context) {
        match timer {
            Timer::Append => self.appended(context),
            Timer::Replay => self.replay(context),
            _ => {}
        }
        self.proceed(context);
    }
}

fn origin_of(record: &Record) -> u32 {
    String::from_utf8_lossy(&record.payload)
        .parse()
        .unwrap_or(0)
}

fn has_id(origin: u32, context: &Context) -> bool {
    context
        .checker
        .origins
        .get(&origin)
        .is_some_and(|origin| origin.has_id)
}

/// The message of a delivery.
fn delivery(origin: u32, context: &mut Context) -> NewMessage {
    let known = context.checker.origins.get(&origin);
    let key = known.map_or_else(|| Key::new("in:nobody"), |known| known.key.clone());
    let delivery_id = known
        .is_some_and(|known| known.has_id)
        .then(|| origin.to_string());
    NewMessage {
        delivery_id,
        ..message(IN, key, origin, context.next_trace())
    }
}

/// What the handling of a delivery sends out.
pub(crate) fn send_for(origin: u32, key: &Key, context: &mut Context) -> NewMessage {
    NewMessage {
        priority: Priority::Delivery,
        ..message(SEND, out_of(key), origin, context.next_trace())
    }
}

/// The key of what is said to a chat.
pub(crate) fn out_of(key: &Key) -> Key {
    Key::from(key.as_str().replacen("in:", "out:", 1))
}

/// A message whose payload is the number of the delivery that it comes from.
pub(crate) fn message(kind: &str, key: Key, origin: u32, trace: u64) -> NewMessage {
    let bytes = trace.to_be_bytes();
    let mut long = [1; 16];
    long[8..].copy_from_slice(&bytes);
    NewMessage {
        bot: "sim".to_owned(),
        tenant: "sim".to_owned(),
        source: "sim".to_owned(),
        delivery_id: None,
        kind: kind.to_owned(),
        kind_version: 1,
        key,
        priority: Priority::Interactive,
        payload: Bytes::from(origin.to_string()),
        payload_format: PayloadFormat::Bytes,
        subject: None,
        cause: None,
        trace: SpanContext {
            trace_id: TraceId::from_bytes(long),
            span_id: SpanId::from_bytes(bytes),
            sampled: false,
        },
        edge_spans: None,
        delay: None,
        expires_in: None,
        unique: None,
    }
}
