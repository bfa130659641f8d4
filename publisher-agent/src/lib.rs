//! The publisher: offers this machine's models and agents to an mcpctl registry, over outbound HTTP only.
//!
//! It registers what its [`config`] says and its model servers have, keeps a stream of tasks open, calls the model
//! servers and uploads what they say. It knows nothing of the server but the wire types.

pub mod args;
mod availability;
mod backoff;
mod base_url;
mod check;
pub mod cli;
mod clock;
pub mod config;
mod connection;
mod declaration;
mod echo;
mod frame;
mod heartbeat;
mod http;
mod idle;
mod init;
mod json;
mod lines;
pub mod local;
mod model;
mod notice;
mod poll;
mod publisher;
mod register;
mod secret;
mod server;
mod service;
mod session;
pub mod settings;
mod shown;
mod standing;
mod stream;
mod task;
mod undelivered;
pub mod untrusted;
mod upload;
mod wake;

pub use mcpctl_events::wire::publish::AgentEntry;
pub use secret::Secret;
pub use settings::{Endpoint, ServerSource, Settings, Timing, Transport};

use publisher::Publisher;
use std::{sync::Arc, time::Duration};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How long a stop may take.
const STOP_WITHIN: Duration = Duration::from_secs(1);

/// Publishes until `shutdown`. A server that cannot be reached never ends it.
///
/// # Errors
/// When the session id can neither be read nor stored, or a part of the publisher failed that never should.
pub async fn run(settings: Settings, shutdown: CancellationToken) -> anyhow::Result<()> {
    let tracker = TaskTracker::new();
    let publisher = Arc::new(Publisher::new(settings, &tracker)?);
    let tasks = publisher.tasks.clone();
    let ended = tokio::select! {
        biased;
        () = shutdown.cancelled() => Ok(()),
        ended = publisher.run() => ended,
    };
    tasks.cancel_all();
    // With the last of its owners the client goes, and with the client its connections.
    drop(tasks);
    tracker.close();
    // Whatever hangs longer is dropped with the runtime.
    let _ = tokio::time::timeout(STOP_WITHIN, tracker.wait()).await;
    ended
}
