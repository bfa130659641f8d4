//! The projector as a process of its own.

use anyhow::Context as _;
use clap::{Parser, Subcommand, ValueEnum};
use mcpctl_events::log::{
    kafka::{KafkaLog, KafkaTarget, OpenError, Warning},
    sqlite::SqliteLog,
    target::LogTarget,
};
use mcpctl_projector::{
    Progress, Tables,
    follow::{SharedLog, follow},
    rebuild::rebuild,
    store::Database,
    verify::verify,
};
use std::{process::ExitCode, sync::Arc, thread, time::Duration};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// A replay makes many small allocations on several threads, which the system's allocator is slow at.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How often is looked whether there is a log by now.
const LOOK: Duration = Duration::from_secs(1);

/// Keeps the read tables with the log. Without a command: until it is stopped.
#[derive(Debug, Parser)]
#[command(
    name = "mcpd-projector",
    version,
    max_term_width = 100,
    after_help = "\
Examples:
  mcpd-projector --log kafka://kafka:9092/registry --db postgres://mcpd@postgres:5432/registry
  mcpd-projector --log sqlite:data/log.db --db sqlite:data verify"
)]
struct Args {
    /// The log: sqlite:<path> or kafka://host:port[,host:port]/<topic>
    #[arg(long, env = "MCPD_LOG", value_name = "URL", global = true)]
    log: Option<String>,
    /// The read tables: sqlite:<dir> or postgres://user@host:port/database
    #[arg(long, env = "MCPD_DB", value_name = "URL", global = true, hide_env_values = true)]
    db: Option<String>,
    /// How log lines on stderr are written
    #[arg(long, env = "MCPD_LOG_FORMAT", value_name = "FORMAT", default_value = "text", global = true)]
    log_format: LogFormat,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Clone, Copy, Subcommand)]
enum Command {
    /// Fill new tables from the log and put them in the place of the old ones; servers go on meanwhile
    #[command(after_help = "\
Examples:
  mcpd-projector --log kafka://kafka:9092/registry --db postgres://mcpd@postgres:5432/registry rebuild")]
    Rebuild,
    /// Compare every row of the tables with a fresh fold of the log
    #[command(after_help = "\
Examples:
  mcpd-projector --log sqlite:data/log.db --db sqlite:data verify")]
    Verify,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

fn main() -> ExitCode {
    let args = Args::parse();
    write_logs(args.log_format);
    let (log, db) = match places(&args) {
        Ok(places) => places,
        Err(reason) => {
            eprintln!("mcpd-projector: {reason}");
            return ExitCode::from(2);
        }
    };
    match run(args.command, log, &db) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("mcpd-projector: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn write_logs(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(colours);
    match format {
        LogFormat::Text => logs.init(),
        LogFormat::Json => logs.json().init(),
    }
}

/// Opens the log, so that a wrong flag is found before anything is made.
fn places(args: &Args) -> Result<(SharedLog, Database), String> {
    let log = args.log.as_ref().ok_or("--log is missing: say where the log is, as in --log sqlite:data/log.db")?;
    let db = args.db.as_ref().ok_or("--db is missing: say where the read tables are, as in --db sqlite:data")?;
    // What is no such URL may hold a password, and is not repeated.
    let log = log.parse().map_err(|error| format!("--log: {error}"))?;
    let db = db.parse().map_err(|error| format!("--db: {error}"))?;
    let log: SharedLog = match &log {
        LogTarget::Sqlite(file) => {
            Arc::new(SqliteLog::open_read_only(file).map_err(|error| format!("--log: {error}"))?)
        }
        LogTarget::Kafka(target) => {
            // Servers that start together with it are just about to make the topic.
            let opened = if args.command.is_none() { wait_for(target) } else { KafkaLog::open_existing(target) };
            let (log, warnings) = opened.map_err(|error| format!("--log {target}: {error}"))?;
            for warning in warnings {
                tracing::warn!("{warning}");
            }
            Arc::new(log)
        }
    };
    Ok((log, db))
}

/// Opens the log once it is there.
fn wait_for(target: &KafkaTarget) -> Result<(KafkaLog, Vec<Warning>), OpenError> {
    let mut is_told = false;
    loop {
        match KafkaLog::open_existing(target) {
            Err(missing @ OpenError::Missing { .. }) => {
                if !std::mem::replace(&mut is_told, true) {
                    tracing::warn!("{missing}; waiting for it");
                }
                thread::sleep(LOOK);
            }
            opened => return opened,
        }
    }
}

#[tokio::main]
async fn run(command: Option<Command>, log: SharedLog, db: &Database) -> anyhow::Result<ExitCode> {
    match command {
        None => {
            let tables = Tables::open(db).await.with_context(|| format!("--db {db}"))?;
            let stop = stop_on_signals()?;
            follow(log, tables, stop).await.context("the projector stopped")?;
            Ok(ExitCode::SUCCESS)
        }
        Some(Command::Rebuild) => {
            let rebuilt = rebuild(&log, db, &Progress::default()).await.context("nothing was changed")?;
            println!("rebuilt generation {} at sequence {}", rebuilt.generation, rebuilt.sequence);
            Ok(ExitCode::SUCCESS)
        }
        Some(Command::Verify) => check(&log, db).await,
    }
}

async fn check(log: &SharedLog, db: &Database) -> anyhow::Result<ExitCode> {
    let tables = Tables::open_existing(db).await.with_context(|| format!("--db {db}"))?;
    let report = verify(log, &tables, Vec::new(), &Progress::default()).await?;
    for difference in &report.differences {
        println!("{difference}");
    }
    let (rows, sequence, differences) = (report.rows, report.sequence, report.count);
    if report.is_clean() {
        let behind = match report.log.saturating_sub(sequence) {
            0 => String::new(),
            events => format!("; the log goes on for {events} more events, which they do not have yet"),
        };
        println!("ok: {rows} rows at sequence {sequence} are what the log says{behind}");
        return Ok(ExitCode::SUCCESS);
    }
    let word = if differences == 1 { "difference" } else { "differences" };
    println!("{differences} {word} at sequence {sequence}: run `mcpd-projector rebuild`");
    Ok(ExitCode::FAILURE)
}

#[expect(clippy::disallowed_methods, reason = "waiting for signals ends with the runtime")]
fn stop_on_signals() -> anyhow::Result<CancellationToken> {
    let stop = CancellationToken::new();
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let stopping = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
        stopping.cancel();
    });
    Ok(stop)
}
