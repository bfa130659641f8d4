//! A server from start to stop.

mod accept;
mod background;
mod open;

use crate::{app::App, config::Config, credentials, routes, snapshots::Snapshots, writer::WriteError};
use anyhow::{Context, bail};
use mcpctl_events::command::{CloseBoots, Command};
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    thread::JoinHandle,
    time::Duration,
};
use tokio::{net::TcpListener, task::JoinHandle as Task, time::timeout};
use tokio_util::sync::CancellationToken;

/// Why a server did not start because of how it was asked to: exit code 2.
pub use open::Refused;

/// Longest time from the wish to stop to the end.
const DRAIN: Duration = Duration::from_secs(8);
/// How long the first start waits for its own election.
const ELECTION: Duration = Duration::from_secs(30);

/// A server that listens, but does not serve yet.
pub struct Server {
    app: Arc<App>,
    listener: TcpListener,
    url: String,
    admin_token: Option<String>,
    threads: Vec<JoinHandle<()>>,
    projector: Task<()>,
    work: Task<()>,
    /// Ends the follower and the projector, once the writer is done.
    last: CancellationToken,
    snapshots: Snapshots,
}

impl Server {
    /// Listens, opens log and tables, brings the fold to the log's tip, and waits until it may write.
    pub async fn start(config: Config) -> anyhow::Result<Self> {
        let listen = config.args.listen;
        let listener = TcpListener::bind(listen).await;
        let listener =
            listener.map_err(|error| Refused::io(format!("--listen {listen}: cannot listen there"), error))?;
        let local = listener.local_addr().context("the listener has no address")?;
        let url = format!("http://{}", reachable(local));
        let parts = open::open(config, &url).await?;
        let admin_token = first_steps(&parts.app, &url).await?;
        Ok(Self {
            app: parts.app,
            listener,
            url,
            admin_token,
            threads: parts.threads,
            projector: parts.projector,
            work: parts.work,
            last: parts.last,
            snapshots: parts.snapshots,
        })
    }

    /// Where it listens.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The admin's token, where the user's credentials file or the flags have it.
    pub fn admin_token(&self) -> Option<&str> {
        self.admin_token.as_deref()
    }

    /// Serves until `shutdown`, then drains: no new requests, a goodbye on every stream, appends finished.
    pub async fn run(self, shutdown: CancellationToken) -> anyhow::Result<()> {
        let Self { app, listener, url, threads, projector, work, last, snapshots, .. } = self;
        tracing::info!(%url, "listening");
        let router = routes::router(&app);
        let accepting = tokio::spawn(accept::serve(listener, router, app.stopping.clone(), app.tasks.clone()));
        let background = background::spawn(&app, &snapshots);
        shutdown.cancelled().await;
        tracing::info!("stopping");
        app.stopping.cancel();
        app.relay.close_all();
        let _ = timeout(DRAIN, accepting).await;
        app.tasks.close();
        if timeout(DRAIN, app.tasks.wait()).await.is_err() {
            tracing::warn!("some requests did not end in time");
        }
        background.abort();
        app.writer.stop().await;
        last.cancel();
        let _ = timeout(DRAIN, projector).await;
        let joined = tokio::task::spawn_blocking(move || threads.into_iter().for_each(|thread| drop(thread.join())));
        let _ = timeout(DRAIN, joined).await;
        snapshots.save(&app.replica());
        drop(app);
        let _ = timeout(DRAIN, work).await;
        Ok(())
    }
}

/// An address that a client on this machine can dial: an unspecified one is only for listening.
fn reachable(local: SocketAddr) -> SocketAddr {
    let ip = match local.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, local.port())
}

/// What the server does itself once it leads: streams of earlier boots are over, and there is an admin.
async fn first_steps(app: &Arc<App>, url: &str) -> anyhow::Result<Option<String>> {
    let close = Command::CloseBoots(CloseBoots { node: None, living_boot: app.boot_id });
    let closed = timeout(ELECTION, async {
        loop {
            match app.writer.write_all(close.clone(), "setup").await {
                Err(WriteError::NoWriter(reason)) => {
                    tracing::debug!(reason, "not elected yet");
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                done => return done,
            }
        }
    });
    if let Ok(done) = closed.await {
        done.context("cannot write to the log")?;
    } else {
        let stopped = app.progress.borrow().stopped.clone();
        // The reason is on /readyz; reads of what is there go on.
        let Some(reason) = stopped else { bail!("the log took no claim within 30 s") };
        tracing::error!(reason, "not writing to this log");
        return Ok(None);
    }
    let has_users = app.look(|state| !state.users.is_empty());
    let knows = |hash: &mcpctl_events::hash::Hash| app.look(|state| state.tokens.contains_key(hash));
    credentials::first_start(&app.config, url, &app.writer, &app.clock, has_users, knows).await
}
