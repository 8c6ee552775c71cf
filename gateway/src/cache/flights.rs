//! Only one request fetches what many want.
//!
//! It exists so that a stampede reaches the upstream once. The first to ask for a key holds its ticket, the others wait for what comes
//! of it. A ticket that is dropped, whatever the reason, lands: nobody waits for a request that is gone.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;

use super::key::Key;

/// What came of a flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Landing {
    /// It is still under way.
    None,
    /// The answer is kept now.
    Kept,
    /// The answer is one that is not kept: each has to ask for its own.
    NotKept,
    /// Its request went away before there was an answer: somebody else may try.
    Abandoned,
}

/// All flights of a route.
#[derive(Default)]
pub(super) struct Flights(Mutex<HashMap<Key, watch::Receiver<Landing>>>);

/// A place in a flight.
pub(super) enum Seat {
    /// You fetch it.
    First(Ticket),
    /// Somebody else does; wait for it to land.
    Later(watch::Receiver<Landing>),
}

/// The right, and the duty, to fetch a key.
pub(super) struct Ticket {
    flights: Arc<Flights>,
    key: Key,
    tell: watch::Sender<Landing>,
    landing: Landing,
}

impl Flights {
    /// Takes a seat for this key.
    pub(super) fn board(self: &Arc<Self>, key: &Key) -> Seat {
        let mut flying = self.0.lock();
        if let Some(landing) = flying.get(key) {
            return Seat::Later(landing.clone());
        }
        let (tell, landing) = watch::channel(Landing::None);
        flying.insert(key.clone(), landing);
        Seat::First(Ticket {
            flights: Arc::clone(self),
            key: key.clone(),
            tell,
            landing: Landing::Abandoned,
        })
    }
}

impl Ticket {
    /// What is being fetched.
    pub(super) fn key(&self) -> &Key {
        &self.key
    }

    /// Ends the flight.
    pub(super) fn land(mut self, landing: Landing) {
        self.landing = landing;
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        // First off the list, so that whoever wakes up and finds nothing can take off anew.
        self.flights.0.lock().remove(&self.key);
        self.tell.send_replace(self.landing);
    }
}

/// Waits for a flight to land. Cancel safe.
pub(super) async fn landed(mut landing: watch::Receiver<Landing>) -> Landing {
    let landed = landing.wait_for(|landing| *landing != Landing::None).await;
    landed.map_or(Landing::Abandoned, |landing| *landing)
}
