//! A house to be broken: an edge, two workers and the stand-ins as processes of their own, on a Postgres that may be killed, with a TCP
//! proxy before Postgres and one before the provider.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::Value;

use crate::auditor::{Auditor, Audits};
use crate::checker::{Answer, History, Moment, Number, Seen};
use crate::cluster::Cluster;
use crate::latency::Times;
use crate::listener::Listener;
use crate::load::{Base, Load, Told};
use crate::outfit::{self, OWN_SERVER, Outfit, WEBHOOK_SECRET, free_port, tick};
use crate::program::Program;
use crate::proxy::Proxy;
use crate::redis_server::RedisServer;
use crate::witness::{Sight, Witness};

/// Opens the operators' doors.
pub(crate) const OPS_TOKEN: &str = "a-token-of-the-fault-rows";
/// How long accepted messages may take to be answered once the fault is over, as long as nothing more happens.
const STANDSTILL_MAX: Duration = Duration::from_secs(40);
/// A double that is on its way comes within this time after everything has been answered.
const DOUBLES_COME_WITHIN: Duration = Duration::from_secs(2);
/// How long the last updates may take to be accepted.
const LAST_ACCEPTS: Duration = Duration::from_secs(30);

/// How many missing messages are looked up.
const HINTS_MAX: usize = 3;
/// What became of an update and of what it caused, one line each.
const STATES: &str = "
    select m.id || ' ' || m.kind || ' ' || coalesce(
               (select e.outcome || ' after ' || e.attempt || coalesce(', ' || e.error_kind, '') from endings e where e.message_id = m.id limit 1),
               (select 'waits, state ' || q.state || ', attempts ' || q.attempts || ', partition ' || q.partition
                  from queue q where q.id = m.id),
               'nowhere')
           || coalesce((select ' claimed by ' || c.worker from claims c where m.id = any (c.ids) limit 1), '')
           || coalesce((select ' held until ' || coalesce(h.until::text, 'its head is done') from held_keys h where h.key = m.key), '')
      from messages m
     where (m.delivery_id = $1 and m.kind = 'telegram.update')
        or m.cause in (select u.id from messages u where u.delivery_id = $1 and u.kind = 'telegram.update')
     order by m.id";

/// A running house with everything around it. The fields are there to be broken.
pub(crate) struct Site {
    pub(crate) outfit: Outfit,
    pub(crate) gateway: Program,
    pub(crate) workers: Vec<Program>,
    /// Between the house and Postgres.
    pub(crate) postgres: Proxy,
    /// Between the house and Telegram.
    pub(crate) provider: Proxy,
    /// Between the house and Redis.
    pub(crate) redis: Proxy,
    pub(crate) client: reqwest::Client,
    /// Armed in every worker at every start, besides what a row arms.
    pub(crate) planted: String,
    /// When the clocks of this row began.
    pub(crate) origin: Instant,
    /// What the house's own auditor says meanwhile.
    pub(crate) auditor: Auditor,
    origin_ms: i64,
    database: String,
    redis_server: SocketAddr,
    redis_prefix: String,
    playground: Program,
    witness: Witness,
}

/// The servers that a house stands on.
#[derive(Clone, Copy)]
pub(crate) struct Servers<'s> {
    pub(crate) postgres: &'s Cluster,
    pub(crate) redis: &'s RedisServer,
}

/// What clients and stand-in have to say when everything has come to rest.
pub(crate) struct Evidence {
    pub(crate) told: Told,
    pub(crate) sights: Vec<Sight>,
    pub(crate) history: History,
    /// What our tables say about messages that are missing.
    pub(crate) hints: Vec<String>,
    /// What the house's own auditor said, all the time and when everything was at rest.
    pub(crate) audits: Audits,
    origin_ms: i64,
}

impl Site {
    /// A database with the schema, and the stand-ins; nothing of the house runs yet.
    pub(crate) async fn build(servers: Servers<'_>, settings: &[(&str, &str)]) -> Self {
        let cluster = servers.postgres;
        let redis_server = servers.redis.address();
        let redis = Proxy::start(free_port(), redis_server).await.unwrap();
        let redis_url = format!("redis://{}/", redis.address());
        let redis_prefix = format!("row-{}", redis.address().port());
        let postgres = Proxy::start(free_port(), cluster.address()).await.unwrap();
        let database = outfit::create_database(&cluster.url()).await;
        let through_proxy = database.replace(
            &cluster.address().to_string(),
            &postgres.address().to_string(),
        );
        let provider_port = free_port();
        let api = format!("http://127.0.0.1:{provider_port}");
        let mut all = vec![
            OWN_SERVER[0],
            OWN_SERVER[1],
            ("TELEGRAM_OPS_API", api.as_str()),
            ("REDIS_URL", redis_url.as_str()),
            ("REDIS_KEY_PREFIX", redis_prefix.as_str()),
            ("SALLYPORT_LOG", "warn"),
            ("OPS_TOKEN", OPS_TOKEN),
        ];
        all.extend_from_slice(settings);
        let outfit = Outfit::new(&through_proxy, &all);
        let stand_in = SocketAddr::from(([127, 0, 0, 1], outfit.doors.playground));
        let provider = Proxy::start(provider_port, stand_in).await.unwrap();
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(5))
            .build()
            .unwrap();
        let migrated = outfit.command(&["migrate"]).output().unwrap();
        assert!(migrated.status.success(), "{migrated:?}");
        let mut playground = Program::new("playground", "playground".to_owned());
        playground.start(&outfit, "");
        let workers: Vec<Program> = (0..2)
            .map(|number| Program::new("workers", format!("worker-{number}")))
            .collect();
        let doors = workers.iter().map(|worker| worker.door("metrics"));
        let site = Self {
            gateway: Program::new("gateway", "gateway".to_owned()),
            auditor: Auditor::start(client.clone(), doors.collect()),
            workers,
            witness: Witness::start(client.clone(), outfit.doors.playground),
            outfit,
            postgres,
            provider,
            redis,
            client,
            planted: String::new(),
            origin: Instant::now(),
            origin_ms: Timestamp::now().as_millisecond(),
            database,
            redis_server,
            redis_prefix,
            playground,
        };
        site.wait_for_the_stand_in().await;
        site
    }

    /// The whole house, ready.
    pub(crate) async fn open(
        servers: Servers<'_>,
        settings: &[(&str, &str)],
        planted: &str,
    ) -> Self {
        let mut site = Self::build(servers, settings).await;
        planted.clone_into(&mut site.planted);
        site.start().await;
        site
    }

    /// Starts what was built, and waits until it is ready.
    pub(crate) async fn start(&mut self) {
        for number in 0..self.workers.len() {
            self.start_worker(number, "");
        }
        self.gateway.start(&self.outfit, "");
        for worker in &mut self.workers {
            worker.wait_ready(&self.outfit, &self.client).await;
        }
        self.gateway.wait_ready(&self.outfit, &self.client).await;
    }

    async fn wait_for_the_stand_in(&self) {
        let door = format!("http://127.0.0.1:{}/_/faults", self.outfit.doors.playground);
        let began = Instant::now();
        while self.client.get(&door).send().await.is_err() {
            assert!(
                began.elapsed() < STANDSTILL_MAX,
                "the playground does not answer:\n{}",
                self.playground.log(&self.outfit)
            );
            tick().await;
        }
    }

    /// Starts a worker, with these points armed.
    pub(crate) fn start_worker(&mut self, number: usize, points: &str) {
        let armed = format!("{points};{}", self.planted);
        self.workers[number].start(&self.outfit, &armed);
    }

    /// Waits until that worker works.
    pub(crate) async fn wait_for_worker(&mut self, number: usize) -> Duration {
        self.workers[number]
            .wait_ready(&self.outfit, &self.client)
            .await
    }

    /// Whether the edge can keep messages without Postgres.
    pub(crate) async fn has_spool(&self) -> bool {
        let capacity = self
            .gateway
            .metric(&self.client, "sallyport_spool_capacity_bytes")
            .await;
        capacity.is_some_and(|bytes| bytes > 0.0)
    }

    /// How many messages the edge holds without Postgres; none while it does not answer.
    pub(crate) async fn spooled(&self) -> Option<f64> {
        let family = "sallyport_spool_records";
        self.gateway.metric(&self.client, family).await
    }

    /// Waits until the edge holds nothing any more: how long that took, none if it took too long.
    pub(crate) async fn drains(&self, patience: Duration) -> Option<Duration> {
        let began = Instant::now();
        while self.spooled().await != Some(0.0) {
            if began.elapsed() > patience {
                return None;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Some(began.elapsed())
    }

    /// Where the edges of this house keep their spools, unless a row says otherwise.
    pub(crate) fn spool_folder(&self) -> PathBuf {
        self.outfit.home.path().join("spool")
    }

    /// Where Redis is, without a proxy.
    pub(crate) fn redis_url(&self) -> String {
        format!("redis://{}/", self.redis_server)
    }

    /// Somebody who listens to the live bus.
    pub(crate) fn listener(&self) -> Listener {
        Listener::start(self.redis_url(), format!("{}:live", self.redis_prefix))
    }

    /// The events of the live bus that there have to be: one for every message that has ended.
    pub(crate) async fn endings(&self) -> Vec<String> {
        let database = outfit::connect(&self.database).await;
        let question = "select 'message:' || message_id from endings";
        let rows = database.query(question, &[]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// Begins to post.
    pub(crate) fn load(&self, base: Base) -> Load {
        let edge = format!("http://127.0.0.1:{}", self.outfit.doors.http);
        Load::start(&edge, base, self.origin)
    }

    /// Waits until everything that has been accepted so far is answered: how long that took, none if it took too long.
    pub(crate) async fn recovers(&self, load: &Load, patience: Duration) -> Option<Duration> {
        let (began, mut unseen) = (Instant::now(), load.accepted());
        loop {
            unseen = self.witness.unseen(&unseen);
            if unseen.is_empty() {
                return Some(began.elapsed());
            }
            if began.elapsed() > patience {
                return None;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Ends the load, waits until everything that was accepted is answered or nothing happens any more, and takes down the evidence.
    pub(crate) async fn evidence(&self, load: Load) -> Evidence {
        self.evidence_without(load, &BTreeSet::new()).await
    }

    /// The same where the row itself destroyed the only copy of `spoiled`: they may come or not, and nobody waits for them.
    pub(crate) async fn evidence_without(
        &self,
        load: Load,
        spoiled: &BTreeSet<Number>,
    ) -> Evidence {
        let mut told = load.finish(LAST_ACCEPTS).await;
        for asked in &mut told.asked {
            if spoiled.contains(&asked.number) {
                asked.answer = Answer::Unknown;
            }
        }
        self.evidence_of(told).await
    }

    /// The same for what clients of a row's own were told.
    pub(crate) async fn evidence_of(&self, told: Told) -> Evidence {
        let accepted: Vec<Number> = told
            .asked
            .iter()
            .filter(|asked| asked.answer == Answer::Accepted)
            .map(|asked| asked.number)
            .collect();
        let (mut seen, mut since, mut unseen) = (0, Instant::now(), accepted.clone());
        loop {
            let count = self.witness.count();
            if count > seen {
                (seen, since) = (count, Instant::now());
            }
            unseen = self.witness.unseen(&unseen);
            if unseen.is_empty() || since.elapsed() > STANDSTILL_MAX {
                break;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        self.wait_for_doubles().await;
        let sights = self.witness.sights();
        let missing = self.witness.unseen(&accepted);
        let hints = self.hints(missing.iter().take(HINTS_MAX)).await;
        let history = History {
            asked: told.asked.clone(),
            seen: sights.iter().map(|sight| sight.seen).collect::<Vec<Seen>>(),
            ambiguous: self.ambiguous().await,
        };
        Evidence {
            told,
            sights,
            history,
            hints,
            audits: self.auditor.look_again().await,
            origin_ms: self.origin_ms,
        }
    }

    /// How many effects the stand-in has seen so far.
    pub(crate) fn effects(&self) -> usize {
        self.witness.count()
    }

    /// Those of these whose effect it has not seen.
    pub(crate) fn unseen(&self, numbers: &[Number]) -> Vec<Number> {
        self.witness.unseen(numbers)
    }

    /// A connection to the house's database that no fault stands in the way of.
    pub(crate) async fn database(&self) -> tokio_postgres::Client {
        outfit::connect(&self.database).await
    }

    /// The number that one row of this query has in its first column.
    pub(crate) async fn number(&self, query: &str) -> i64 {
        let row = self.database().await.query_one(query, &[]).await.unwrap();
        row.get(0)
    }

    /// A request to the stand-ins' control door, such as `faults`.
    pub(crate) async fn control(&self, path: &str, order: &Value) {
        let url = format!("http://127.0.0.1:{}/_/{path}", self.outfit.doors.playground);
        let answer = self.client.post(url).json(order).send().await.unwrap();
        assert!(answer.status().is_success(), "{path} with {order}");
    }

    /// Ends every fault of the stand-ins.
    pub(crate) async fn mend(&self) {
        let door = self.outfit.doors.playground;
        let url = format!("http://127.0.0.1:{door}/_/faults");
        drop(self.client.delete(url).send().await.unwrap());
    }

    /// What the stand-in shows under this path, such as `telegram/sent?chat_id=7`.
    pub(crate) async fn shown(&self, path_and_query: &str) -> Value {
        let door = self.outfit.doors.playground;
        let url = format!("http://127.0.0.1:{door}/_/{path_and_query}");
        let answer = self.client.get(url).send().await.unwrap();
        answer.json().await.unwrap()
    }

    /// Posts an update as Telegram would: the status of the answer.
    pub(crate) async fn post(&self, update: &Value) -> Option<u16> {
        let url = format!("http://127.0.0.1:{}/telegram/ops", self.outfit.doors.http);
        let posting = self.client.post(url).json(update);
        let answer = posting.header("X-Telegram-Bot-Api-Secret-Token", WEBHOOK_SECRET);
        Some(answer.send().await.ok()?.status().as_u16())
    }

    /// Where the house's own tables say that these got stuck. For whoever looks for the cause; nothing is judged by it.
    async fn hints(&self, numbers: impl Iterator<Item = &Number>) -> Vec<String> {
        let database = outfit::connect(&self.database).await;
        let mut hints = Vec::new();
        for number in numbers {
            let rows = database
                .query(STATES, &[&number.to_string()])
                .await
                .unwrap();
            let states: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
            hints.push(format!("{number} in our tables: {}", states.join(" → ")));
        }
        hints
    }

    /// Waits until nothing waits in the queue (whatever is still in it could be sent again), and a moment more.
    async fn wait_for_doubles(&self) {
        let database = outfit::connect(&self.database).await;
        let began = Instant::now();
        while began.elapsed() < STANDSTILL_MAX {
            let waiting = database.query_one("select count(*) from queue", &[]).await;
            if waiting.is_ok_and(|row| row.get::<_, i64>(0) == 0) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        tokio::time::sleep(DOUBLES_COME_WITHIN).await;
    }

    /// How many ambiguous records there are of the answer to each update.
    async fn ambiguous(&self) -> BTreeMap<Number, u64> {
        let database = outfit::connect(&self.database).await;
        let rows = database
            .query(
                "select heard.delivery_id, count(*) from ambiguous a
                   join messages said on said.id = a.message_id
                   join messages heard on heard.id = said.cause
                  group by 1",
                &[],
            )
            .await
            .unwrap();
        rows.iter()
            .filter_map(|row| {
                let number = row.get::<_, Option<String>>(0)?.parse().ok()?;
                Some((number, row.get::<_, i64>(1).unsigned_abs()))
            })
            .collect()
    }
}

impl Evidence {
    /// The times from an update's 2xx to its first effect, of those accepted between the two moments that are `meant`.
    pub(crate) fn ages(&self, from: Moment, to: Moment, meant: impl Fn(Number) -> bool) -> Times {
        let mut first: HashMap<Number, i64> = HashMap::new();
        for sight in &self.sights {
            first.entry(sight.seen.number).or_insert(sight.at_ms);
        }
        let accepted = self.told.asked.iter().filter_map(|asked| {
            let at = asked.accepted.filter(|at| (from..to).contains(at))?;
            let at_ms = self.origin_ms + i64::try_from(at / 1_000).ok()?;
            let waited = first.get(&asked.number).filter(|_| meant(asked.number))? - at_ms;
            Some(Duration::from_millis(u64::try_from(waited).unwrap_or(0)))
        });
        accepted.collect()
    }

    /// How many effects the stand-in saw in each second, from this moment on.
    pub(crate) fn rates(&self, from: Moment, seconds: usize) -> Vec<usize> {
        let start_ms = self.origin_ms + i64::try_from(from / 1_000).unwrap_or(0);
        let mut rates = vec![0; seconds];
        for sight in &self.sights {
            let second = usize::try_from((sight.at_ms - start_ms).div_euclid(1_000));
            if let Ok(second) = second
                && let Some(rate) = rates.get_mut(second)
            {
                *rate += 1;
            }
        }
        rates
    }

    /// The longest time from an update's 2xx to its first effect, of the updates accepted between the two moments.
    pub(crate) fn longest_wait(&self, from: Moment, to: Moment) -> Option<Duration> {
        let mut first: HashMap<Number, i64> = HashMap::new();
        for sight in &self.sights {
            first.entry(sight.seen.number).or_insert(sight.at_ms);
        }
        let accepted = self.told.asked.iter().filter_map(|asked| {
            let at = asked.accepted.filter(|at| (from..to).contains(at))?;
            let at_ms = self.origin_ms + i64::try_from(at / 1_000).ok()?;
            let waited = first.get(&asked.number)? - at_ms;
            Some(Duration::from_millis(u64::try_from(waited).unwrap_or(0)))
        });
        accepted.max()
    }

    /// The moment at which the last of the updates that were accepted before `moment` was answered.
    pub(crate) fn caught_up(&self, moment: Moment) -> Option<Moment> {
        let before: HashSet<Number> = self
            .told
            .asked
            .iter()
            .filter(|asked| asked.accepted.is_some_and(|at| at < moment))
            .map(|asked| asked.number)
            .collect();
        let mut first: HashMap<Number, i64> = HashMap::new();
        for sight in &self.sights {
            first.entry(sight.seen.number).or_insert(sight.at_ms);
        }
        let times = before.iter().filter_map(|number| first.get(number));
        let last_ms = times.max()? - self.origin_ms;
        Some(u64::try_from(last_ms).unwrap_or(0) * 1_000)
    }
}
