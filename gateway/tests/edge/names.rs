//! Groups that are found by name: what a name server may say, and what becomes of it.
//!
//! The name server here says what pebble's cannot: SRV records, lifetimes, answers that do not fit into a datagram.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hickory_resolver::proto::op::{Message, MessageType, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, SRV};
use hickory_resolver::proto::rr::{Name, RData, Record};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinSet;

use crate::door::{Door, get};
use crate::replica::Replica;
use crate::upstreams::{asks_until, called, lookups, statuses, times, wait_until, with_group};

/// What fits into a datagram on every network.
const DATAGRAM_BYTES_MAX: usize = 1_232;
/// Longer than any test.
const HOUR_MS: u64 = 3_600_000;

type Known = Arc<Mutex<BTreeMap<String, Vec<RData>>>>;

/// A name server with names of its own, all of which are good for no time at all.
struct NameServer {
    address: SocketAddr,
    known: Known,
    over_tcp: Arc<AtomicUsize>,
    _serving: JoinSet<()>,
}

impl NameServer {
    async fn start() -> Self {
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = tcp.local_addr().unwrap();
        let udp = UdpSocket::bind(address).await.unwrap();
        let (known, over_tcp) = (Known::default(), Arc::<AtomicUsize>::default());
        let mut serving = JoinSet::new();
        serving.spawn(over_udp(udp, Arc::clone(&known)));
        let (of_tcp, count) = (Arc::clone(&known), Arc::clone(&over_tcp));
        serving.spawn(async move {
            loop {
                let (mut stream, _) = tcp.accept().await.unwrap();
                let length = stream.read_u16().await.unwrap();
                let mut question = vec![0; length.into()];
                stream.read_exact(&mut question).await.unwrap();
                count.fetch_add(1, Ordering::SeqCst);
                let answer = answer(&question, &of_tcp).to_vec().unwrap();
                let length = u16::try_from(answer.len()).unwrap();
                let answer = [&length.to_be_bytes()[..], &answer].concat();
                stream.write_all(&answer).await.unwrap();
            }
        });
        Self {
            address,
            known,
            over_tcp,
            _serving: serving,
        }
    }

    fn says(&self, name: &str, records: Vec<RData>) {
        self.known.lock().insert(name.to_owned(), records);
    }

    /// A group that is found here.
    fn group(&self, name: &str, more: Value) -> Value {
        let mut dns = json!({"name": name, "server": self.address, "every_ms": 100});
        let fields = more.as_object().unwrap().clone();
        dns.as_object_mut().unwrap().extend(fields);
        with_group(json!({"dns": dns}), json!({}))
    }
}

async fn over_udp(socket: UdpSocket, known: Known) {
    let mut question = [0; DATAGRAM_BYTES_MAX];
    loop {
        let (length, from) = socket.recv_from(&mut question).await.unwrap();
        let answer = answer(&question[..length], &known);
        let mut bytes = answer.to_vec().unwrap();
        if bytes.len() > DATAGRAM_BYTES_MAX {
            bytes = answer.truncate().to_vec().unwrap();
        }
        socket.send_to(&bytes, from).await.unwrap();
    }
}

fn answer(question: &[u8], known: &Known) -> Message {
    let question = Message::from_vec(question).unwrap();
    let query = question.queries[0].clone();
    let mut answer = Message::new(question.id, MessageType::Response, question.op_code);
    let known = known.lock();
    match known.get(&query.name().to_ascii()) {
        Some(records) => {
            let of_kind = records
                .iter()
                .filter(|data| data.record_type() == query.query_type());
            answer.add_answers(
                of_kind.map(|data| Record::from_rdata(query.name().clone(), 0, data.clone())),
            );
        }
        None => answer.metadata.response_code = ResponseCode::NXDomain,
    }
    answer.add_query(query);
    answer
}

fn here(last: u8) -> RData {
    RData::A(A(Ipv4Addr::new(127, 0, 0, last)))
}

fn service(priority: u16, port: u16, target: &str) -> RData {
    let target = Name::from_ascii(target).unwrap();
    RData::SRV(SRV::new(priority, 1, port, target))
}

#[tokio::test]
async fn srv_records_say_ports_and_who_comes_first() {
    let (one, two, spare) = (
        Replica::start().await,
        Replica::start().await,
        Replica::start().await,
    );
    let names = NameServer::start().await;
    let port = |replica: &Replica| replica.address.port();
    names.says("here.test.", vec![here(1)]);
    names.says(
        "_http._tcp.api.test.",
        vec![
            service(20, port(&spare), "here.test."),
            service(10, port(&one), "here.test."),
            service(10, port(&two), "here.test."),
            service(5, 1, "nowhere.test."),
        ],
    );
    let door = Door::with(names.group("_http._tcp.api.test", json!({}))).await;

    asks_until(&door, || one.asked() > 0 && two.asked() > 0).await;
    assert_eq!(statuses(&door, 10).await, [200; 10]);
    assert_eq!(spare.asked(), 0);

    names.says(
        "_http._tcp.api.test.",
        vec![service(20, port(&spare), "here.test.")],
    );
    asks_until(&door, || spare.asked() > 0).await;
}

#[tokio::test]
async fn a_name_is_looked_up_again_when_its_answer_is_no_longer_good() {
    let one = Replica::start().await;
    let twin = SocketAddr::from(([127, 0, 0, 2], one.address.port()));
    let other = Replica::at(twin).await;
    let names = NameServer::start().await;
    names.says("api.test.", vec![here(1)]);
    let name = format!("api.test:{}", one.address.port());
    let often = json!({"every_ms": HOUR_MS, "every_min_ms": 100});
    let door = Door::with(names.group(&name, often)).await;
    asks_until(&door, || one.asked() > 0).await;

    names.says("api.test.", vec![here(2)]);

    asks_until(&door, || other.asked() > 0).await;
}

#[tokio::test]
async fn a_name_that_vanishes_leaves_who_was_found() {
    let one = Replica::start().await;
    let names = NameServer::start().await;
    names.says("api.test.", vec![here(1)]);
    let name = format!("api.test:{}", one.address.port());
    let door = Door::with(called("n-vanishes", names.group(&name, json!({})))).await;
    asks_until(&door, || one.asked() > 0).await;

    names.known.lock().clear();
    wait_until(|| lookups("n-vanishes", "failed") >= 2).await;
    assert_eq!(statuses(&door, 10).await, [200; 10]);

    names.says("api.test.", Vec::new());
    let failed = lookups("n-vanishes", "failed");
    wait_until(|| lookups("n-vanishes", "failed") >= failed + 2).await;
    assert_eq!(statuses(&door, 10).await, [200; 10], "nor does nobody");
}

#[tokio::test]
async fn what_does_not_fit_into_a_datagram_is_taken_over_tcp_up_to_64() {
    let names = NameServer::start().await;
    names.says("api.test.", (1..=200).map(here).collect());
    let door = Door::with(called("n-many", names.group("api.test:1", json!({})))).await;

    wait_until(|| lookups("n-many", "ok") >= 1).await;

    assert!(names.over_tcp.load(Ordering::SeqCst) > 0);
    assert_eq!(times("n-many", "joined"), 64);
    drop(door);
}

#[tokio::test]
async fn a_name_server_that_says_nothing_is_given_up_on() {
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let server = silent.local_addr().unwrap();
    let dns = json!({"name": "api.test:1", "server": server});
    let group = called("n-silent", with_group(json!({"dns": dns}), json!({})));
    let door = Door::with(group).await;

    wait_until(|| lookups("n-silent", "failed") >= 1).await;

    let answer = door.ask(get("/ops/queue")).await;
    answer.is_problem(503, "upstream-unavailable");
}
