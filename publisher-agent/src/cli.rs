//! The program: log, signals, exit codes.

use crate::{
    args::{Args, Command, LogFormat},
    check,
    config::{ApiKey, Config},
    init, run,
    service::Service,
    settings::Settings,
    standing,
};
use std::{
    env,
    ffi::OsStr,
    fmt::Display,
    io::{self, IsTerminal, Write},
    path::Path,
    process::ExitCode,
};
use tokio::signal;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};
use tracing_subscriber::EnvFilter;

/// Bad flags or configuration.
const USAGE: u8 = 2;

/// Runs the program.
pub fn main(args: &Args) -> ExitCode {
    init_log(args.log_format);
    if let Some(Command::InstallService { print }) = args.command {
        return installed(args, print);
    }
    if let Some(Command::Init { yes }) = args.command {
        return begun(args, yes);
    }
    if let Some(Command::Status) = args.command {
        return shown(args);
    }
    let (file, settings) = match args.settings() {
        Ok(read) => read,
        Err(why) => return misused(&why),
    };
    if let Some(Command::Check) = args.command {
        return checked(&file, &settings);
    }
    for warning in &settings.config.warnings {
        warn!("{}: {warning}", file.display());
    }
    if settings.config.published().next().is_none() && settings.config.agents.is_empty() {
        warn!("{}: nothing to publish: no provider has `\"publish\": true`, and there are no agents", file.display());
    }
    match serve(settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn blocking<T>(future: impl Future<Output = T>) -> io::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let done = runtime.block_on(future);
    runtime.shutdown_background();
    Ok(done)
}

fn checked(file: &Path, settings: &Settings) -> ExitCode {
    match blocking(check::run(file, settings)).flatten() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => failed(&error),
    }
}

/// Asks the registry alone: no configuration is needed for that.
fn shown(args: &Args) -> ExitCode {
    let (server, file) = match args.server().and_then(|server| Ok((server, args.session_file()?))) {
        Ok(read) => read,
        Err(why) => return misused(&why),
    };
    match blocking(standing::look(&server, &file)) {
        Ok(Ok((sheet, connected))) => {
            let written = io::stdout().lock().write_all(sheet.as_bytes());
            if written.is_ok() && connected { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Ok(Err(why)) => failed(&why),
        Err(error) => failed(&error),
    }
}

/// Writes a first configuration.
fn begun(args: &Args, takes_all: bool) -> ExitCode {
    let file = match args.file() {
        Ok(file) => file,
        Err(why) => return failed(&why),
    };
    match blocking(init::run(&file, takes_all)) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(why)) => failed(&why),
        Err(error) => failed(&error),
    }
}

/// Prints the service, or puts it where the system looks.
fn installed(args: &Args, print: bool) -> ExitCode {
    let flags = match args.flags() {
        Ok(flags) => flags,
        Err(why) => return misused(&why),
    };
    if let Some(told) = args.file().ok().and_then(|file| Config::load(&file).ok()).and_then(|config| not_there(&config))
    {
        eprintln!("mcplocal: {told}");
    }
    let service = Service::of_this_system(&flags);
    let text =
        service.and_then(
            |service| if print { Ok(service.text().to_owned()) } else { service.install().map(|said| said + "\n") },
        );
    match text.and_then(|text| io::stdout().lock().write_all(text.as_bytes())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

/// What a service has not, which this shell may have: variables with keys.
fn not_there(config: &Config) -> Option<String> {
    let variables: Vec<_> = config
        .published()
        .filter_map(|provider| match &provider.api_key {
            Some(ApiKey::Env(name)) => Some(format!("{name} (of {})", provider.name)),
            _ => None,
        })
        .collect();
    (!variables.is_empty()).then(|| {
        format!(
            "warning: a service has no variables of your shell: {}. Name a file in that `apiKey` instead, \
             {{\"file\": …}}, or add an Environment= line to the service",
            variables.join(", ")
        )
    })
}

fn misused(why: &str) -> ExitCode {
    eprintln!("mcplocal: {}", why.replace('\n', "\nmcplocal: "));
    ExitCode::from(USAGE)
}

fn failed(why: &dyn Display) -> ExitCode {
    eprintln!("mcplocal: {why}");
    ExitCode::FAILURE
}

/// One thread: what passes through here is bytes, and handing them between threads costs more than moving them.
fn serve(settings: Settings) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ended = runtime.block_on(async {
        let shutdown = CancellationToken::new();
        let mut running = std::pin::pin!(run(settings, shutdown.clone()));
        tokio::select! {
            ended = &mut running => ended,
            stop = stop_signal() => {
                stop?;
                info!("stopping");
                shutdown.cancel();
                running.await
            }
        }
    });
    // A name that is being looked up must not hold the exit.
    runtime.shutdown_background();
    ended
}

#[cfg(unix)]
async fn stop_signal() -> io::Result<()> {
    let mut terminate = signal::unix::signal(signal::unix::SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        interrupted = signal::ctrl_c() => interrupted,
    }
}

#[cfg(not(unix))]
async fn stop_signal() -> io::Result<()> {
    signal::ctrl_c().await
}

fn init_log(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_target(false);
    // Fails only where a log is set up already.
    let _ = match format {
        LogFormat::Text => {
            let coloured = is_coloured(env::var_os("NO_COLOR").as_deref(), io::stderr().is_terminal());
            log.with_ansi(coloured).try_init()
        }
        LogFormat::Json => log.json().try_init(),
    };
}

/// Follows <https://no-color.org>: a variable that is empty says nothing.
fn is_coloured(no_color: Option<&OsStr>, terminal: bool) -> bool {
    terminal && no_color.is_none_or(OsStr::is_empty)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_has_colours_on_a_terminal_unless_they_are_not_wanted() {
        let [empty, one] = ["", "1"].map(OsStr::new);
        assert!(is_coloured(None, true) && is_coloured(Some(empty), true));
        assert!(!is_coloured(Some(one), true) && !is_coloured(None, false));
    }
}
