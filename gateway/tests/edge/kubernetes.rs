//! A group follows the endpoints of a Kubernetes service, and outlives the API server.

use std::time::Duration;

use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::door::{Door, get};
use crate::replica::{Mood, Replica};
use crate::upstreams::{asks_until, called, lookups, statuses, times, wait_until, with_group};

fn ready() -> Value {
    json!({"ready": true, "serving": true, "terminating": false})
}

/// A pod that has been told to end, and still answers what it has.
fn ending() -> Value {
    json!({"ready": false, "serving": true, "terminating": true})
}

/// An edge that hands on to the service, under a name of this test's own.
async fn edge(name: &str, cluster: &Cluster) -> Door {
    let group = with_group(cluster.settings(), json!({}));
    Door::with(called(name, group)).await
}

#[tokio::test]
async fn a_new_ready_endpoint_gets_requests_and_one_that_is_not_ready_gets_none() {
    let (one, two) = (Replica::start().await, Replica::start().await);
    let cluster = Cluster::start().await;
    cluster.has("api-1", one.address, ready());
    cluster.has("api-2", two.address, json!({"ready": false}));
    let door = edge("k-ready", &cluster).await;
    asks_until(&door, || one.asked() > 0).await;

    assert_eq!(statuses(&door, 10).await, [200; 10]);
    assert_eq!(two.asked(), 0);

    cluster.has("api-2", two.address, ready());
    asks_until(&door, || two.asked() > 0).await;
    assert_eq!(cluster.lists(), 1, "the change was told");

    cluster.loses("api-1");
    wait_until(|| times("k-ready", "left") == 1).await;
    let before = one.asked();
    assert_eq!(statuses(&door, 10).await, [200; 10]);
    assert_eq!(one.asked(), before);
}

#[tokio::test]
async fn a_terminating_endpoint_gets_nothing_new_and_ends_what_it_has() {
    let (stays, ends) = (Replica::start().await, Replica::start().await);
    let cluster = Cluster::start().await;
    cluster.has("api-2", ends.address, ready());
    let door = edge("k-ends", &cluster).await;
    asks_until(&door, || ends.asked() > 0).await;
    ends.feels(Mood::Slow(Duration::from_secs(1)));
    let before = ends.asked();
    let mut client = door.connect().await;
    client.send(get("/ops/queue")).await;
    wait_until(|| ends.asked() > before).await;

    cluster.has("api-1", stays.address, ready());
    cluster.has("api-2", ends.address, ending());
    wait_until(|| times("k-ends", "left") == 1).await;

    assert_eq!(statuses(&door, 10).await, [200; 10]);
    assert_eq!(ends.asked(), before + 1, "nothing new");
    assert_eq!(client.answer().await.status, 200, "what it had is answered");
}

#[tokio::test]
async fn a_service_without_endpoints_is_503_and_not_who_has_its_addresses_now() {
    let only = Replica::start().await;
    let cluster = Cluster::start().await;
    cluster.has("api-1", only.address, ready());
    let door = edge("k-nobody", &cluster).await;
    asks_until(&door, || only.asked() > 0).await;

    cluster.has("api-1", only.address, ending());
    wait_until(|| times("k-nobody", "left") == 1).await;

    let answer = door.ask(get("/ops/queue")).await;
    answer.is_problem(503, "upstream-unavailable");
}

#[tokio::test]
async fn while_the_api_server_is_away_the_members_stay_and_changes_come_when_it_is_back() {
    let (one, two) = (Replica::start().await, Replica::start().await);
    let mut cluster = Cluster::start().await;
    cluster.has("api-1", one.address, ready());
    let door = edge("k-away", &cluster).await;
    asks_until(&door, || one.asked() > 0).await;

    cluster.kill().await;
    wait_until(|| lookups("k-away", "failed") >= 2).await;
    assert_eq!(statuses(&door, 10).await, [200; 10]);

    cluster.has("api-2", two.address, ready());
    cluster.revive().await;
    asks_until(&door, || two.asked() > 0).await;
    assert_eq!(cluster.lists(), 1, "it goes on from where it was");
}

#[tokio::test]
async fn when_the_history_is_forgotten_everything_is_listed_again() {
    let (one, two) = (Replica::start().await, Replica::start().await);
    let mut cluster = Cluster::start().await;
    cluster.has("api-1", one.address, ready());
    let door = edge("k-gone", &cluster).await;
    asks_until(&door, || one.asked() > 0).await;

    cluster.kill().await;
    cluster.has("api-2", two.address, ready());
    cluster.loses("api-1");
    cluster.forgets();
    cluster.revive().await;
    asks_until(&door, || two.asked() > 0).await;

    assert_eq!(cluster.lists(), 2);
    wait_until(|| times("k-gone", "left") == 1).await;
    let before = one.asked();
    assert_eq!(statuses(&door, 10).await, [200; 10]);
    assert_eq!(one.asked(), before);
}

#[tokio::test]
async fn a_bookmark_is_where_the_next_watch_begins() {
    let (one, two) = (Replica::start().await, Replica::start().await);
    let cluster = Cluster::start().await;
    cluster.has("api-1", one.address, ready());
    let door = edge("k-mark", &cluster).await;
    asks_until(&door, || one.asked() > 0).await;
    wait_until(|| cluster.watches() == 1).await;

    cluster.goes_on();
    cluster.ends_watches(true);
    wait_until(|| cluster.watches() >= 2).await;
    cluster.forgets();
    cluster.ends_watches(false);
    cluster.has("api-2", two.address, ready());
    asks_until(&door, || two.asked() > 0).await;

    assert_eq!(
        cluster.lists(),
        1,
        "from the bookmark on nothing was missed"
    );
}

#[tokio::test]
async fn an_exchanged_token_is_read_again_and_an_old_one_changes_nothing() {
    let (one, two) = (Replica::start().await, Replica::start().await);
    let mut cluster = Cluster::start().await;
    cluster.has("api-1", one.address, ready());
    let door = edge("k-token", &cluster).await;
    asks_until(&door, || one.asked() > 0).await;

    cluster.believes("the-second-token");
    cluster.kill().await;
    cluster.revive().await;
    cluster.has("api-2", two.address, ready());
    wait_until(|| lookups("k-token", "failed") >= 2).await;
    assert_eq!(statuses(&door, 10).await, [200; 10]);

    cluster.mounts("the-second-token");
    asks_until(&door, || two.asked() > 0).await;
}

#[tokio::test]
async fn an_api_server_with_anybody_elses_certificate_gets_no_token() {
    let one = Replica::start().await;
    let cluster = Cluster::start().await;
    cluster.mounts_another_authority();
    cluster.has("api-1", one.address, ready());
    let door = edge("k-stranger", &cluster).await;

    wait_until(|| lookups("k-stranger", "failed") >= 2).await;

    assert_eq!(cluster.questions(), 0);
    let answer = door.ask(get("/ops/queue")).await;
    answer.is_problem(503, "upstream-unavailable");
}

#[tokio::test]
async fn more_than_is_taken_is_not_believed() {
    let (one, two) = (Replica::start().await, Replica::start().await);
    let cluster = Cluster::start().await;
    cluster.has("api-1", one.address, ready());
    let door = edge("k-much", &cluster).await;
    asks_until(&door, || one.asked() > 0).await;

    // Neither as a change nor in a list.
    let words = "w".repeat(9 * 1024 * 1024);
    cluster.has("api-2", two.address, json!({"ready": true, "words": words}));
    wait_until(|| lookups("k-much", "failed") >= 2).await;

    assert_eq!(statuses(&door, 10).await, [200; 10]);
    assert_eq!(two.asked(), 0);
}
