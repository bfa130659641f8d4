//! Signs of life, whatever the stream does.

use crate::{connection::Ended, notice::Notice, publisher::Publisher, server::Server};
use std::sync::Arc;
use tracing::debug;

/// Beats until the server no longer knows the session.
pub async fn keep(publisher: Arc<Publisher>, server: Arc<Server>) -> anyhow::Result<Ended> {
    let mut notice = Notice::default();
    loop {
        // At once after the machine slept: the lease may be about to end.
        publisher.pause(publisher.timing.heartbeat).await;
        let beat = loop {
            if let Some(beat) = publisher.unless_woken(server.heartbeat()).await {
                break beat;
            }
        };
        match beat {
            Ok(_) => notice.over("heartbeats are taken again"),
            Err(error) if error.is_unknown_session() => return Ok(Ended::Forgotten),
            // The stream says so already.
            Err(error) if error.status().is_none() => debug!("heartbeat: {error}"),
            Err(error) => notice.trouble(format!("a heartbeat was refused: {error}")),
        }
    }
}
