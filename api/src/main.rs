//! `mcpd`: flags, signals, exit codes. Everything else is in the library.

use anyhow::Context;
use clap::{Parser, Subcommand};
use mcpd::{
    backup,
    config::{Args, Config, ConfigError},
    logging,
    server::{self, Refused, Server},
    tls::Tls,
};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::{
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// A relayed request makes many small allocations; a profile showed the system's allocator high up in both programs.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The server of an event-sourced registry for LLMs and agents.
#[derive(Parser)]
#[command(
    name = "mcpd",
    version,
    about,
    max_term_width = 100,
    after_help = "\
Examples:
  mcpd                                      one process, SQLite in $MCPCTL_HOME/data
  mcpd --listen 0.0.0.0:8420 --data-dir /srv/registry --tls-cert cert.pem --tls-key key.pem
  mcpd --log kafka://kafka:9092/registry --db postgres://mcpd@postgres:5432/registry --cluster-key key"
)]
struct Cli {
    #[command(flatten)]
    args: Args,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Make a new token for user `admin`, in the place of the one before, and print it once; the server must be stopped
    #[command(
        name = "reset-admin",
        after_help = "\
Examples:
  mcpd reset-admin                          the log in $MCPCTL_HOME/data
  mcpd --data-dir /srv/registry reset-admin"
    )]
    ResetAdmin,
    /// Copy log, tables, chats and heads into a new folder, while a server runs or not; it can be served from there
    #[command(after_help = "\
Examples:
  mcpd backup /backups/2026-01-31
  mcpd --data-dir /backups/2026-01-31       serves what was copied")]
    Backup {
        /// The folder; there must be none yet
        dir: PathBuf,
    },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    logging::init(cli.args.log_format, "info");
    let outcome = match cli.command {
        None => run(cli.args),
        Some(Command::ResetAdmin) => reset_admin(cli.args),
        Some(Command::Backup { dir }) => back_up(cli.args, &dir),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mcpd: {error:#}");
            let asked_wrong = error.is::<ConfigError>() || error.is::<Refused>();
            if asked_wrong { ExitCode::from(2) } else { ExitCode::FAILURE }
        }
    }
}

fn back_up(args: Args, dir: &Path) -> anyhow::Result<()> {
    let config = Config::from_args(args)?;
    let copied = backup::run(&config, dir)?;
    println!("{copied}");
    Ok(())
}

/// Each connection is a file, and the usual limit of 1024 is meant for programs of another kind.
fn raise_file_limit() {
    if let Ok((_, most)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, most, most);
    }
}

/// Reads the certificate again at each SIGHUP, which ends no server.
async fn reload(mut hangup: Signal, tls: Option<Arc<Tls>>) {
    while hangup.recv().await.is_some() {
        let Some(tls) = tls.clone() else {
            tracing::info!("SIGHUP, and no --tls-cert to read again");
            continue;
        };
        let _ = tokio::task::spawn_blocking(move || tls.reload()).await;
    }
}

fn reset_admin(args: Args) -> anyhow::Result<()> {
    let config = Config::from_args(args)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let reset = runtime.block_on(server::reset_admin(config))?;
    let files: Vec<_> = reset.kept_in.iter().map(|path| path.display().to_string()).collect();
    let kept = if files.is_empty() {
        "no file holds it yet: `mcpctl login` and `mcpctl context add` take it".to_owned()
    } else {
        format!("it is in {} now", files.join(" and "))
    };
    eprintln!("the new token of user admin, shown this once; {kept}:");
    let shown = writeln!(std::io::stdout(), "{}", reset.token).and_then(|()| std::io::stdout().flush());
    shown.context("the new token could not be shown, and the one before works no more: run it again")
}

/// Half of the cores: the writer and the follower have threads of their own, and a chunk that is handed from one worker
/// to another costs a wake-up more. Measured on two cores, one worker relays a chunk for a fifth less CPU than two.
fn workers() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2))
}

#[expect(clippy::disallowed_methods, reason = "waiting for signals ends with the runtime")]
fn run(args: Args) -> anyhow::Result<()> {
    raise_file_limit();
    let config = Config::from_args(args)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(workers()).enable_all().build()?;
    let outcome = runtime.block_on(async {
        let shutdown = CancellationToken::new();
        let stop = shutdown.clone();
        let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let hangup = signal(SignalKind::hangup())?;
        tokio::spawn(async move {
            tokio::select! {
                _ = term.recv() => {}
                _ = int.recv() => {}
            }
            stop.cancel();
        });
        let server = tokio::select! {
            server = Server::start(config) => server?,
            () = shutdown.cancelled() => return Ok(()),
        };
        tokio::spawn(reload(hangup, server.tls()));
        server.run(shutdown).await
    });
    // Threads that still read a file are not waited for: what is acknowledged is on the disk.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    outcome
}
