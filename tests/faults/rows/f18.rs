//! F18: messages that this program cannot read, as a later version of it would write them. They wait, then become dead letters.

use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use sallyport_queue::Key;

use crate::row::{Duplicates, Outcome, Row, Stage, spell};
use crate::site::Site;

pub(crate) const ROW: Row = Row {
    id: "F18",
    fault: "an update and a send of the next version, a send whose bytes do not parse, a kind that nobody knows",
    allowed: "lost 0; duplicates only with their record; backed off, then dead as `schema` with their bytes; never dropped, never spun",
    duplicates: Duplicates::Ambiguous,
    run,
};

/// Kind, version and bytes of each.
const UNREADABLE: [(&str, i16, &str); 4] = [
    ("telegram.update", 2, r#"{"update_id":1,"of":"tomorrow"}"#),
    ("telegram.send", 2, r#"{"chat":1,"of":"tomorrow"}"#),
    ("telegram.send", 1, "this is no JSON"),
    ("telegram.tomorrow", 1, "{}"),
];
/// How many attempts such a message may have made in the time that is watched: a few (a send waits a second at first, with full
/// jitter), and never as many as fit.
const ATTEMPTS_AT_FIRST: i64 = 8;
const WATCHED: Duration = Duration::from_secs(8);
/// The attempts of both policies, and a few to spare.
const ROUNDS: usize = 14;
const ROUND_MAX: Duration = Duration::from_secs(12);
/// What of the attempts a short row passes over.
const PASSED_OVER: i16 = 10;
/// A send is tried for an hour; what of its attempts every row passes over.
const SENDS_PASSED_OVER: i16 = 116;

const PUT: &str = "
    with put as (
        insert into messages (id, day, bot, tenant, source, kind, kind_version, key, partition, priority, payload, payload_format,
                              trace, trace_id)
        values (nextval('message_order'), (now() at time zone 'utc')::date, 'ops', 'house', 'faults', $1, $2, $3, $4, 0, $5, 0,
                decode('0102030405060708090a0b0c0d0e0f10a1a2a3a4a5a6a7a800', 'hex'), decode('0102030405060708090a0b0c0d0e0f10', 'hex'))
        returning id, day, partition, priority, kind, key
    )
    insert into queue (id, day, partition, priority, lane, kind, key)
    select id, day, partition, priority, queue_lane('house'), kind, key from put";
const WAITING: &str = "select count(*) from queue where key like 'in:faults:%'";
const MOST_ATTEMPTS: &str =
    "select coalesce(max(attempts), 0)::bigint from queue where key like 'in:faults:%'";
const DEAD: &str = "
    select count(*) from dead_letters
     where key like 'in:faults:%' and error_kind = 'schema' and length(payload) > 0";

fn run(stage: &mut Stage) -> LocalBoxFuture<'_, Outcome> {
    puzzle(stage).boxed_local()
}

async fn puzzle(stage: &mut Stage) -> Outcome {
    let site = stage.open().await;
    let load = site.load(stage.base);
    put(&site).await;
    tokio::time::sleep(WATCHED).await;
    let (waiting, attempts) = (site.number(WAITING).await, site.number(MOST_ATTEMPTS).await);
    let (began, mut rounds) = (Instant::now(), 0);
    let database = site.database().await;
    if stage.is_short {
        let spent =
            "update queue set attempts = attempts + $1 where key like 'in:faults:%' and state = 1";
        database.execute(spent, &[&PASSED_OVER]).await.unwrap();
    }
    while rounds < ROUNDS && site.number(WAITING).await > 0 {
        // What they wait for is passed over; half an hour in truth.
        let spent = "update queue set attempts = $1 where key like 'in:faults:%' and kind = 'telegram.send' and state = 1 and attempts < $1";
        database
            .execute(spent, &[&SENDS_PASSED_OVER])
            .await
            .unwrap();
        let due = "update queue set ready_at = now() where key like 'in:faults:%' and state = 1";
        database.execute(due, &[]).await.unwrap();
        wait_for_a_change(&site).await;
        rounds += 1;
    }
    let (left, dead) = (site.number(WAITING).await, site.number(DEAD).await);

    let mut outcome = Outcome::of(site.evidence(load).await);
    let all = i64::try_from(UNREADABLE.len()).unwrap();
    outcome.check(
        format!(
            "after {}: {waiting} of {all} wait, {attempts} attempts at most ({ATTEMPTS_AT_FIRST})",
            spell(Some(WATCHED))
        ),
        waiting == all && (1..=ATTEMPTS_AT_FIRST).contains(&attempts),
    );
    outcome.fact(format!(
        "{rounds} rounds of attempts in {}",
        spell(Some(began.elapsed()))
    ));
    outcome.check(
        format!("dead as `schema`, with their bytes: {dead} of {all}; still waiting {left}"),
        dead == all && left == 0,
    );
    outcome
}

async fn put(site: &Site) {
    let database = site.database().await;
    for (number, (kind, version, payload)) in UNREADABLE.into_iter().enumerate() {
        let key = Key::from(format!("in:faults:{number}"));
        let partition = i16::from(key.partition().index());
        let values: [&(dyn tokio_postgres::types::ToSql + Sync); 5] = [
            &kind,
            &version,
            &key.as_str(),
            &partition,
            &payload.as_bytes(),
        ];
        database.execute(PUT, &values).await.unwrap();
    }
}

/// Until each of them was tried once more, or is dead; no longer than a sweep takes.
async fn wait_for_a_change(site: &Site) {
    let began = Instant::now();
    let due = "select count(*) from queue where key like 'in:faults:%' and (state <> 1 or ready_at <= now())";
    while began.elapsed() < ROUND_MAX && site.number(due).await > 0 {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
