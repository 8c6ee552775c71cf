//! `/_/faults`: break something, see what is broken, mend it.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};

use crate::{
    faults::{Fault, FaultOrder, Target},
    inbound::{Checked, Problem},
    world::World,
};

/// How long a lever's damage lasts when nobody says.
const LASTING_MS_DEFAULT: u64 = 5_000;

/// Adds a fault, or pulls a lever of the house.
pub(super) async fn add(
    State(world): State<Arc<World>>,
    Checked(order): Checked<FaultOrder>,
) -> Result<Response, Problem> {
    match order.target {
        Target::Telegram | Target::Openai => {
            let fault = world
                .faults
                .add(order)
                .ok_or_else(|| Problem::new(409, "Too many faults", "clear some first"))?;
            Ok((StatusCode::CREATED, Json(fault)).into_response())
        }
        Target::House => pull(&world, &order).await,
    }
}

#[derive(Serialize)]
struct Pulled<'a> {
    lever: &'a str,
    lasting_ms: u64,
}

async fn pull(world: &World, order: &FaultOrder) -> Result<Response, Problem> {
    let name = order.lever.as_deref().unwrap_or_default();
    let lever = world.levers.iter().find(|lever| lever.name() == name);
    let Some(lever) = lever else {
        let known: Vec<_> = world.levers.iter().map(|lever| lever.name()).collect();
        let known = if known.is_empty() {
            "this playground has none".to_owned()
        } else {
            format!("known: {}", known.join(", "))
        };
        return Err(Problem::field("lever", format!("is not known; {known}")));
    };
    let lasting_ms = order.lasting_ms.unwrap_or(LASTING_MS_DEFAULT);
    let pulled = lever.pull(Duration::from_millis(lasting_ms)).await;
    pulled.map_err(|error| Problem::new(503, "The lever did not move", error.reason))?;
    Ok((
        StatusCode::ACCEPTED,
        Json(Pulled {
            lever: name,
            lasting_ms,
        }),
    )
        .into_response())
}

/// The active faults.
pub(super) async fn list(State(world): State<Arc<World>>) -> Json<Vec<Fault>> {
    Json(world.faults.list())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    id: Option<u64>,
}

#[derive(Serialize)]
pub(super) struct Cleared {
    cleared: usize,
}

/// Removes one fault (`?id=`), or all.
pub(super) async fn clear(
    State(world): State<Arc<World>>,
    Query(which): Query<Which>,
) -> Json<Cleared> {
    Json(Cleared {
        cleared: world.faults.clear(which.id),
    })
}

#[derive(Serialize)]
pub(super) struct OfferedLever {
    name: &'static str,
    label: &'static str,
}

/// What the house itself lets us break.
pub(super) async fn levers(State(world): State<Arc<World>>) -> Json<Vec<OfferedLever>> {
    Json(
        world
            .levers
            .iter()
            .map(|lever| OfferedLever {
                name: lever.name(),
                label: lever.label(),
            })
            .collect(),
    )
}
