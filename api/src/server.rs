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
/// How long a start waits for its own election before it serves what can be read.
const ELECTION: Duration = Duration::from_secs(5);
/// How long the first start waits, which has nothing to serve.
const FIRST_ELECTION: Duration = Duration::from_secs(30);

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

/// What the server does itself once it leads: streams of earlier boots are over, and there is an admin. A registry that
/// has users is served without a writer too, to be read.
async fn first_steps(app: &Arc<App>, url: &str) -> anyhow::Result<Option<String>> {
    let has_users = app.look(|state| !state.users.is_empty());
    if has_users && app.progress.borrow().stopped.is_some() {
        // The reason is on /readyz.
        tracing::error!("serving what was read so far; the way out is a new log from the good part of this one");
        return Ok(None);
    }
    match timeout(if has_users { ELECTION } else { FIRST_ELECTION }, close_earlier_boots(app.clone())).await {
        Ok(done) => done.context("cannot write to the log")?,
        Err(_) if has_users => {
            tracing::error!("the log takes no writes; serving reads, and trying on");
            app.tasks.spawn(close_in_time(app.clone()));
        }
        Err(_) => bail!("the log took no claim within {} s", FIRST_ELECTION.as_secs()),
    }
    let knows = |hash: &mcpctl_events::hash::Hash| app.look(|state| state.tokens.contains_key(hash));
    credentials::first_start(&app.config, url, &app.writer, &app.clock, has_users, knows).await
}

/// Asks until there is a writer.
async fn close_earlier_boots(app: Arc<App>) -> Result<(), WriteError> {
    let close = Command::CloseBoots(CloseBoots { node: None, living_boot: app.boot_id });
    loop {
        match app.writer.write_all(close.clone(), "setup").await {
            Err(WriteError::NoWriter(reason)) => {
                tracing::debug!(reason, "not elected yet");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            done => return done,
        }
    }
}

async fn close_in_time(app: Arc<App>) {
    let stopping = app.stopping.clone();
    tokio::select! {
        done = close_earlier_boots(app) => {
            if let Err(error) = done {
                tracing::warn!(%error, "streams of an earlier start may be listed as bound");
            }
        }
        () = stopping.cancelled() => {}
    }
}
