//! Starting and stopping: one listener, all doors behind it.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware,
    routing::{any, get},
    serve::ListenerExt,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use validator::Validate;

use crate::{
    control, inbound,
    levers::Lever,
    openai, ops, page,
    settings::PlaygroundSettings,
    telegram::{self, answer::Refusal, parameters::BODY_BYTES_MAX},
    world::World,
};

/// How long a stop waits for requests under way.
const STOP_DEADLINE: Duration = Duration::from_secs(5);

/// The playground. [`Playground::start`] is the way in.
#[derive(Debug)]
pub struct Playground;

/// Why the playground did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting is out of its range.
    #[error("playground settings are not valid")]
    Settings(#[source] validator::ValidationErrors),
    /// The address is taken or not ours.
    #[error("the playground cannot listen on {address}")]
    Listen {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// No HTTP client could be made.
    #[error("the playground cannot make its HTTP client")]
    Client(#[source] reqwest::Error),
}

/// A running playground. Dropping it does not stop it; the token given at the start does.
#[derive(Debug)]
pub struct PlaygroundHandle {
    address: SocketAddr,
    tasks: tokio_util::task::TaskTracker,
    stop: CancellationToken,
}

impl Playground {
    /// Starts without levers. See [`Self::start_with_levers`].
    pub async fn start(
        settings: PlaygroundSettings,
        stop: CancellationToken,
    ) -> Result<PlaygroundHandle, StartError> {
        Self::start_with_levers(settings, Vec::new(), stop).await
    }

    /// Binds the address and serves until `stop`. The levers appear on the page under "Break something".
    pub async fn start_with_levers(
        settings: PlaygroundSettings,
        levers: Vec<Arc<dyn Lever>>,
        stop: CancellationToken,
    ) -> Result<PlaygroundHandle, StartError> {
        settings.validate().map_err(StartError::Settings)?;
        let client = ops::client().map_err(StartError::Client)?;
        let listen = |source| StartError::Listen {
            address: settings.listen,
            source,
        };
        let listener = TcpListener::bind(settings.listen).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        // Answers are small; waiting to fill a packet would only delay them. A socket that refuses the option still works.
        let listener = listener.tap_io(|connection| drop(connection.set_nodelay(true)));

        let world = Arc::new(World::new(settings, levers, client, stop.clone()));
        // The default bot exists from the start, so that the page has somebody to write to.
        drop(world.bot(world.settings.default_bot));
        let tasks = world.tasks.clone();
        let server = axum::serve(listener, routes(world))
            .with_graceful_shutdown(stop.clone().cancelled_owned());
        tasks.spawn(async move {
            if let Err(error) = server.await {
                tracing::error!(error = %error, "The playground's server failed");
            }
        });
        tracing::info!(address = %address, "Playground listens");
        Ok(PlaygroundHandle {
            address,
            tasks,
            stop,
        })
    }
}

impl PlaygroundHandle {
    /// Where it listens; useful when port 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The page's address.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Waits for the token, then at most five seconds for requests under way. Returns whether all ended in time. Cancel safe.
    pub async fn stopped(&self) -> bool {
        self.stop.cancelled().await;
        self.tasks.close();
        tokio::time::timeout(STOP_DEADLINE, self.tasks.wait())
            .await
            .is_ok()
    }
}

fn routes(world: Arc<World>) -> Router {
    let guarded = Router::new()
        .merge(page::routes())
        .merge(ops::routes())
        .merge(control::routes())
        .layer(middleware::from_fn_with_state(
            Arc::clone(&world),
            inbound::guard,
        ));
    Router::new()
        .route("/{token}/{method}", any(telegram::http::call))
        .route("/file/{token}/{*path}", get(telegram::http::download))
        .merge(openai::routes())
        .merge(guarded)
        .fallback(|| async { telegram::answer::respond(&Err(Refusal::new(404, "Not Found"))) })
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(world)
}
