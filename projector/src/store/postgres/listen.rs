//! Hearing that the tables moved, from whoever writes them.

use super::{Server, connection::SILENCE, reason, types};
use std::{future::poll_fn, sync::Arc, time::Duration};
use tokio::{sync::Notify, task::AbortHandle, time::timeout};
use tokio_postgres::{AsyncMessage, Client};

/// Until it is heard.
const CONNECT: Duration = Duration::from_secs(5);

/// A connection that only listens.
#[derive(Debug)]
pub(crate) struct Listener {
    client: Client,
    moved: Arc<Notify>,
    hearing: AbortHandle,
}

impl Listener {
    /// Connects.
    ///
    /// # Errors
    /// Why it can't, in words.
    pub(crate) async fn open(server: &Server) -> Result<Self, String> {
        let tls = types::tls().map_err(|error| error.to_string())?;
        let mut config = server.config()?;
        config.connect_timeout(CONNECT).keepalives_idle(SILENCE).tcp_user_timeout(SILENCE);
        let open = async {
            let (client, mut connection) = config.connect(tls).await?;
            let moved = Arc::new(Notify::new());
            let told = moved.clone();
            #[expect(clippy::disallowed_methods, reason = "it ends with the listener")]
            let hearing = tokio::spawn(async move {
                while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
                    if matches!(message, AsyncMessage::Notification(_)) {
                        told.notify_one();
                    }
                }
                told.notify_one();
            });
            let it = Self { client, moved, hearing: hearing.abort_handle() };
            it.client.batch_execute("LISTEN mcpctl_projected").await?;
            Ok(it)
        };
        match timeout(CONNECT, open).await {
            Ok(opened) => opened.map_err(|error: tokio_postgres::Error| reason(&error)),
            Err(_) => Err("Postgres does not answer".to_owned()),
        }
    }

    /// Waits until the tables moved, or the connection broke.
    pub(crate) async fn moved(&self) {
        self.moved.notified().await;
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.hearing.abort();
    }
}
