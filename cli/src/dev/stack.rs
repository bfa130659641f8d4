//! Starts server and publisher, greets, and takes both down again in order.

use super::greeting::greet;
use super::kept::{self, Kept};
use super::plan;
use crate::client::{Client, trace::Trace};
use crate::credentials::{self, Target};
use crate::exit::Stuck;
use crate::home;
use crate::shell::Shell;
use mcpd::config::{Auth, Config};
use mcpd::server::Server;
use mcplocal::settings::{Endpoint, ServerSource, Settings};
use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Longest wait for the publisher to take its leave.
const LEAVE: Duration = Duration::from_secs(5);

type Part = JoinSet<anyhow::Result<()>>;

/// Runs the stack until a signal comes or a part of it fails.
pub async fn run(shell: &Shell, config: Config, probe: bool, reset: bool) -> anyhow::Result<()> {
    let (listen, open) = (config.args.listen, config.args.auth == Auth::Off);
    let kept = Kept::beside(&config.data_dir);
    let plan = plan::make(shell.screen, probe, Some(listen.port())).await?;
    if reset {
        // What cannot start takes nothing away before.
        drop(TcpListener::bind(listen).map_err(|error| explained(&error.into(), &listen.to_string()))?);
        if let Some(aside) = kept::set_aside(&config.data_dir)? {
            let data = config.data_dir.display();
            shell.screen.note(&format!("what was in {data} is in {} now", aside.display()));
        }
    }
    let server = Server::start(config).await.map_err(|e| explained(&e, &listen.to_string()))?;
    let url = server.url().to_owned();
    let token =
        if open { "none".to_owned() } else { kept.settle(shell.token_flag(), server.admin_token(), shell.token())? };
    let client =
        Client::new(Target { server: credentials::parse_server(&url)?, token: token.clone() }, Trace::default())?;

    let (stop_server, stop_publisher) = (CancellationToken::new(), CancellationToken::new());
    let (mut serving, mut publishing) = (Part::new(), Part::new());
    serving.spawn(server.run(stop_server.clone()));
    let settings = publisher(plan.config, &url, &token)?;
    publishing.spawn(mcplocal::run(settings, stop_publisher.clone()));

    let flags = flags(shell, &url, if open { None } else { Some((&token, &kept)) });
    let ended = tokio::select! {
        signal = signal() => signal,
        ended = serving.join_next() => early("server", ended),
        ended = publishing.join_next() => early("publisher", ended),
        failed = greeted(shell, &client, &plan.expected, &flags) => failed,
    };
    shell.screen.note("stopping");
    // The server goes first: it lets calls under way come to their end, and their answers come from the publisher.
    stop_server.cancel();
    let drained = serving.join_next().await;
    stop_publisher.cancel();
    let left = timeout(LEAVE, publishing.join_next()).await;
    ended.and_then(|()| left.map_or(Ok(()), outcome)).and_then(|()| outcome(drained))
}

/// Greets, and then never returns.
async fn greeted(shell: &Shell, client: &Client, expected: &BTreeSet<String>, flags: &str) -> anyhow::Result<()> {
    greet(shell.screen, client, expected, flags).await?;
    std::future::pending().await
}

async fn signal() -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        pressed = tokio::signal::ctrl_c() => Ok(pressed?),
        _ = terminate.recv() => Ok(()),
    }
}

type Ended = Option<Result<anyhow::Result<()>, tokio::task::JoinError>>;

fn early(part: &str, ended: Ended) -> anyhow::Result<()> {
    outcome(ended)?;
    let next = "its log above says why; `RUST_LOG=info mcpctl dev` says more";
    Err(Stuck::new(format!("the {part} ended by itself"), next).into())
}

fn outcome(ended: Ended) -> anyhow::Result<()> {
    ended.unwrap_or(Ok(Ok(())))?
}

/// What the user's commands need to reach this server, where their credentials are for another one. `secret` is the token
/// and where it is kept; none if no token is asked for.
fn flags(shell: &Shell, url: &str, secret: Option<(&str, &Kept)>) -> String {
    let usual = shell.context().ok().and_then(|context| credentials::resolve(&context, shell.server(), None).ok());
    let here = credentials::parse_server(url).ok();
    let server =
        if usual.as_ref().map(|usual| &usual.server) == here.as_ref() { "" } else { &format!(" --server {url}") };
    let token = match (secret, usual) {
        (None, Some(_)) => String::new(),
        (None, None) => " --token none".to_owned(),
        (Some((token, _)), Some(usual)) if usual.token == token => String::new(),
        (Some((_, kept)), _) => format!(" --token \"$(cat '{}')\"", kept.file().display()),
    };
    format!("{server}{token}")
}

fn publisher(config: mcplocal::config::Config, url: &str, token: &str) -> anyhow::Result<Settings> {
    let server = ServerSource::Fixed(Endpoint { url: url.to_owned(), token: token.to_owned() });
    Ok(Settings::new(server, home::ensure()?.join("provider-session"), config))
}

fn explained(error: &anyhow::Error, listen: &str) -> anyhow::Error {
    let in_use = |e: &std::io::Error| e.kind() == ErrorKind::AddrInUse;
    if error.chain().any(|cause| cause.downcast_ref().is_some_and(in_use)) {
        let next = "`mcpctl status` says whether it is an mcpd; --listen 127.0.0.1:PORT takes another address";
        return Stuck::new(format!("another program listens at {listen} already"), next).into();
    }
    let message = format!("{error:#}");
    let next = if message.contains("already being written") {
        "stop that process, or give --data-dir another folder; `mcpctl status` shows what runs there"
    } else {
        "correct what the message names; --data-dir and --listen take other places"
    };
    Stuck::new(format!("the server did not start: {message}"), next).into()
}
