//! A server from start to stop.

mod accept;
mod activity;
mod background;
mod connection;
pub(crate) mod handover;
mod last_words;
mod open;
mod socket;
mod stop;
mod stores;
mod stream;

use self::{background::Background, open::Parts};
use crate::{
    app::App,
    config::{Config, LogTarget},
    credentials, routes,
    tls::Tls,
    writer::{WriteError, Writer},
};
use anyhow::{Context, bail, ensure};
use mcpctl_events::command::{CloseBoots, Command};
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpSocket},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

pub(crate) use connection::{Answer, NextIsFar};
/// Why a server did not start because of how it was asked to: exit code 2.
pub use open::Refused;
pub(crate) use stores::make_private;

/// How long a start waits for its own election before it serves what can be read.
const ELECTION: Duration = Duration::from_secs(5);
/// How long it waits where another one leads, or did until a moment ago.
const ELECTION_AMONG_OTHERS: Duration = Duration::from_secs(8);
/// Pauses between two looks whether there is a writer: usually there is one within milliseconds, on a full disk for long
/// there is none.
const FIRST_LOOK: Duration = Duration::from_millis(2);
const LAST_LOOK: Duration = Duration::from_millis(500);
/// How long the first start waits, which has nothing to serve.
const FIRST_ELECTION: Duration = Duration::from_secs(30);

/// Connections that may wait to be accepted, as far as the system allows: callers come in crowds.
const BACKLOG: u32 = 4096;

/// A server that listens, but does not serve yet.
pub struct Server {
    parts: Parts,
    background: Background,
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
    url: String,
    admin_token: Option<String>,
}

impl Server {
    /// Opens log and tables, brings the fold to the log's tip, listens, and waits until it may write.
    pub async fn start(config: Config) -> anyhow::Result<Self> {
        // First of all: whoever starts a second server on the log is told so, and not that the address is taken.
        let log = stores::open_log(&config).await?;
        let tls = Tls::open(&config.args)?.map(Arc::new);
        let listen = config.args.listen;
        let listener = listen_at(listen);
        let listener =
            listener.map_err(|error| Refused::io(format!("--listen {listen}: cannot listen there"), error))?;
        let local = listener.local_addr().context("the listener has no address")?;
        let url = format!("{}://{}", if tls.is_some() { "https" } else { "http" }, reachable(local));
        let parts = open::open(config, log, &url).await?;
        let background = background::spawn(&parts.app);
        // A certificate is for the name that others know, and not for the address that is listened at.
        let known_as = parts.app.config.args.advertise_url.clone().filter(|_| tls.is_some());
        let admin_token = first_steps(&parts.app, known_as.as_deref().unwrap_or(&url)).await?;
        Ok(Self { parts, background, listener, tls, url, admin_token })
    }

    /// Where it listens.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The certificate, to be read again.
    pub fn tls(&self) -> Option<Arc<Tls>> {
        self.tls.clone()
    }

    /// The way to the writer, for whoever runs a server in the same process.
    pub fn writer(&self) -> Writer {
        self.parts.app.writer.clone()
    }

    /// The admin's token, where the user's credentials file or the flags have it.
    pub fn admin_token(&self) -> Option<&str> {
        self.admin_token.as_deref()
    }

    /// Serves until `shutdown`, then drains: no new requests, a goodbye on every stream, calls under way are answered if
    /// that does not take too long, appends finished.
    ///
    /// # Errors
    /// A vital part of the server died.
    #[expect(clippy::disallowed_methods, reason = "`stop` waits for the task by its handle")]
    pub async fn run(self, shutdown: CancellationToken) -> anyhow::Result<()> {
        let Self { parts, background, listener, tls, url, .. } = self;
        tracing::info!(%url, "listening");
        let app = parts.app.clone();
        let accepting = tokio::spawn(accept::serve(listener, routes::Routes::new(app.clone()), app.clone(), tls));
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = app.died.cancelled() => {}
        }
        tracing::info!("stopping");
        let died = app.died.clone();
        drop(app);
        stop::stop(parts, background, Some(accepting)).await;
        ensure!(!died.is_cancelled(), "a part of the server died; its log says which and why");
        Ok(())
    }
}

/// Makes a new token for user `admin`, in the place of the one before, and returns it. The server is stopped meanwhile:
/// the log is taken, claimed, written to, and resigned.
///
/// # Errors
/// There is no log, another process writes it, or it takes no writes.
pub async fn reset_admin(config: Config) -> anyhow::Result<credentials::Reset> {
    if let LogTarget::Sqlite(path) = &config.log {
        ensure!(
            path.exists(),
            Refused::new(format!("there is no log at {}; --data-dir or --log says where", path.display()))
        );
    }
    let log = stores::open_log(&config).await?;
    let scheme = if config.args.tls_cert.is_some() { "https" } else { "http" };
    let url =
        config.args.advertise_url.clone().unwrap_or_else(|| format!("{scheme}://{}", reachable(config.args.listen)));
    let parts = open::open(config, log, &url).await?;
    let (app, background) = (parts.app.clone(), background::lead(&parts.app));
    let made = async {
        let stopped = app.progress.borrow().stopped.clone();
        stopped.map_or(Ok(()), |reason| bail!("{reason}; nothing is written to this log"))?;
        if timeout(FIRST_ELECTION, leads(&app)).await.is_err() {
            let leader = app.cluster.as_ref().and_then(|cluster| cluster.leader());
            match leader {
                Some(leader) => bail!("the server at {leader} leads this log: stop it, and all others of this log"),
                None => bail!("the log takes no writes"),
            }
        }
        credentials::reset_admin(&app, &url).await
    };
    let made = made.await;
    drop(app);
    stop::stop(parts, background, None).await;
    made
}

/// Waits until this process is the writer.
async fn leads(app: &App) {
    while app.writer.term().is_none() {
        tokio::time::sleep(FIRST_LOOK).await;
    }
}

fn listen_at(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // As every server has it: the last one's connections may still linger.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
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
    let stopped = app.progress.borrow().stopped.clone();
    if let Some(reason) = stopped {
        if !has_users {
            bail!("{reason}; nothing can be read before that, and nobody could log in");
        }
        tracing::error!(reason, "serving what was read so far; nothing is written to this log");
        return Ok(None);
    }
    let patience = match (has_users, &app.cluster) {
        (false, _) => FIRST_ELECTION,
        (true, None) => ELECTION,
        (true, Some(_)) => ELECTION_AMONG_OTHERS,
    };
    match timeout(patience, close_earlier_boots(app.clone())).await {
        Ok(done) => done.context("cannot write to the log")?,
        Err(_) if has_users => {
            let reason = no_writes(app, patience);
            tracing::error!(reason, "nothing can be written; serving reads, and trying on");
            app.tasks.spawn(close_in_time(app.clone()));
        }
        Err(_) => bail!("{}", no_writes(app, patience)),
    }
    let has_users = has_users || users_of_another(app).await?;
    let knows = |hash: &mcpctl_events::hash::Hash| app.look(|state| state.tokens.contains_key(hash));
    credentials::first_start(&app.config, url, &app.writer, &app.clock, has_users, knows).await
}

fn no_writes(app: &App, waited: Duration) -> String {
    match app.cluster.as_ref().and_then(|cluster| cluster.leader()) {
        Some(url) => {
            format!("the server at {url} leads, and takes nothing from this one: have both the same --cluster-key?")
        }
        None => format!("the log took no claim within {} s", waited.as_secs()),
    }
}

/// Whether the replica that leads has made the first user; waits for it. If this one leads, that is its own to do.
async fn users_of_another(app: &App) -> anyhow::Result<bool> {
    let look = async {
        loop {
            if app.look(|state| !state.users.is_empty()) {
                return true;
            }
            if app.cluster.is_none() || app.writer.term().is_some() {
                return false;
            }
            tokio::time::sleep(LAST_LOOK).await;
        }
    };
    timeout(FIRST_ELECTION, look).await.context("the replica that leads has made no user yet, and nobody could log in")
}

/// Asks until there is a writer.
async fn close_earlier_boots(app: Arc<App>) -> Result<(), WriteError> {
    let node = app.cluster.is_some().then(|| app.advertise_url.clone());
    let close = Command::CloseBoots(CloseBoots { node, living_boot: app.boot_id });
    let mut pause = FIRST_LOOK;
    loop {
        match app.writer.write_all(close.clone(), "setup").await {
            Err(error @ (WriteError::NoWriter(_) | WriteError::OutcomeUnknown | WriteError::Overloaded)) => {
                tracing::debug!(%error, "not elected yet");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LAST_LOOK);
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
