//! The last deliveries of a hook, for whoever sets it up.

use serde_json::{Value, json};

use crate::door::{Door, SECRET, checked, post, said, settings};

fn page(door: &Door, path: &str) -> Value {
    let json = door.handle.pages()(path).unwrap();
    serde_json::from_str(&json).unwrap()
}

fn ops(door: &Door) -> Value {
    page(door, "/hooks/ops/deliveries")["hooks"][0].clone()
}

#[tokio::test]
async fn what_came_is_listed_with_what_became_of_it() {
    let door = Door::open().await;

    let stored = door.update(&said(1)).await;
    door.update(&said(1)).await;
    let forged = door.ask(post("/telegram/ops", "forged", &said(2))).await;
    door.update("[]").await;
    door.ask(post("/telegram/nobody", SECRET, &said(3))).await;

    let ops = ops(&door);
    assert_eq!(
        (&ops["source"], &ops["route"]),
        (&json!("telegram:ops"), &json!("/telegram/{bot}"))
    );
    let verdicts = |list: &str| -> Vec<String> {
        let list = ops[list].as_array().unwrap().iter();
        list.map(|seen| format!("{} {}", seen["verdict"].as_str().unwrap(), seen["status"]))
            .collect()
    };
    assert_eq!(verdicts("deliveries"), ["duplicate 200", "accepted 200"]);
    assert_eq!(verdicts("refused"), ["not_a_delivery 400", "signature 401"]);
    let first = &ops["deliveries"][1];
    assert_eq!(first["trace_id"].as_str(), stored.header("request-id"));
    assert_eq!(first["body_bytes"], said(1).len());
    assert!(first["duration_ms"].as_f64().unwrap() > 0.0 && first["at"].is_string());
    let refused = &ops["refused"][1];
    assert_eq!(refused["detail"], forged.json()["detail"]);
    assert_eq!(refused["code"], forged.json()["code"]);
}

#[tokio::test]
async fn a_hundred_are_remembered_and_forgeries_push_out_none_of_the_genuine() {
    let door = Door::open().await;
    let mut forger = door.connect().await;

    door.update(&said(0)).await;
    for update in 0..150 {
        forger
            .send(post("/telegram/ops", "forged", &said(update)))
            .await;
        forger.answer().await;
    }
    assert_eq!(ops(&door)["deliveries"].as_array().unwrap().len(), 1);
    assert_eq!(ops(&door)["refused"].as_array().unwrap().len(), 100);

    for update in 1..=120 {
        door.update(&said(update)).await;
    }
    assert_eq!(ops(&door)["deliveries"].as_array().unwrap().len(), 100);
}

#[tokio::test]
async fn a_reload_forgets_nothing_of_a_hook_that_stays() {
    let door = Door::open().await;
    let show = door.handle.pages();
    door.update(&said(1)).await;
    let mut changed = settings();
    changed["routes"][0]["accept"]["bots"][0]["tenant"] = json!("another");
    changed["routes"][0]["accept"]["bots"][1]["name"] = json!("third");

    door.handle.reload(&checked(changed)).unwrap();

    assert_eq!(ops(&door)["deliveries"].as_array().unwrap().len(), 1);
    for gone in [
        "/hooks/second/deliveries",
        "/hooks/ops",
        "/hooks//deliveries",
        "/telegram/ops",
    ] {
        assert_eq!(show(gone), None, "{gone}");
    }
    assert!(show("/hooks/third/deliveries").is_some());
}
