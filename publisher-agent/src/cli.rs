//! The program: flags, log, signals, exit codes.

use crate::{
    check,
    config::Config,
    init, run,
    secret::Secret,
    service::Service,
    settings::{ServerSource, Settings, Transport, server_url},
    standing,
};
use clap::{
    Parser, Subcommand,
    builder::{OsStringValueParser, TypedValueParser},
};
use std::{
    env,
    ffi::OsStr,
    fmt::Display,
    fs,
    io::{self, IsTerminal, Write},
    path::{self, Path, PathBuf},
    process::ExitCode,
};
use tokio::signal;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};
use tracing_subscriber::EnvFilter;

/// Bad flags or configuration.
const USAGE: u8 = 2;

/// Publishes local models and agents to an mcpctl registry, over outbound HTTP only.
#[derive(Debug, Clone, Parser)]
#[command(name = "mcplocal", version)]
pub struct Args {
    /// URL of the server; else `mcpdUrl` of the credentials file.
    #[arg(long, env = "MCPLOCAL_SERVER", global = true)]
    pub server: Option<String>,
    /// Token for the server; else `token` of the credentials file.
    #[arg(long, env = "MCPLOCAL_TOKEN", hide_env_values = true, global = true)]
    pub token: Option<Secret>,
    /// File with the token, for services.
    #[arg(long, env = "MCPLOCAL_TOKEN_FILE", value_parser = file(), conflicts_with = "token", global = true)]
    pub token_file: Option<PathBuf>,
    /// What to publish [default: config.json in the home folder].
    #[arg(long, env = "MCPLOCAL_CONFIG", value_parser = file(), global = true)]
    pub config: Option<PathBuf>,
    /// Folder of the credentials file and the session id [default: $MCPCTL_HOME, else ~/.mcpctl].
    #[arg(long, env = "MCPLOCAL_HOME", value_parser = file(), global = true)]
    pub home: Option<PathBuf>,
    /// How tasks come in.
    #[arg(long, env = "MCPLOCAL_TRANSPORT", value_enum, default_value_t, global = true)]
    pub transport: Transport,
    /// What is put behind the names of all that is published, so that several machines can publish the same models.
    #[arg(long, env = "MCPLOCAL_NAME_SUFFIX", global = true, allow_hyphen_values = true)]
    pub name_suffix: Option<String>,
    /// How the log on stderr looks.
    #[arg(long, env = "MCPLOCAL_LOG_FORMAT", value_enum, default_value_t, global = true)]
    pub log_format: LogFormat,
    /// What to do; without one, publish.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What else there is to do.
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum Command {
    /// Write a first config.json from the model servers that run here, after asking
    Init {
        /// Publish all that is found, and ask nothing
        #[arg(long)]
        yes: bool,
    },
    /// Check the configuration, the server, the token, each model server, and whether streams pass on the way
    Check,
    /// Show what the registry says of this machine's publisher; exits with 1 if it is not connected
    Status,
    /// Install a service of the user's that publishes: systemd's, or launchd's on macOS
    #[command(name = "install-service")]
    InstallService {
        /// Print it, and install nothing
        #[arg(long)]
        print: bool,
    },
}

/// Also an empty one, which counts as none: so scripts unset a variable.
fn file() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().map(PathBuf::from)
}

/// How the log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For programs: one JSON object a line.
    Json,
}

impl Args {
    fn home(&self) -> Result<PathBuf, String> {
        let given = self.home.clone().filter(|home| !home.as_os_str().is_empty());
        if let Some(home) = given.or_else(|| folder("MCPCTL_HOME")) {
            return Ok(home);
        }
        let home = folder("HOME").or_else(|| folder("USERPROFILE"));
        home.map(|home| home.join(".mcpctl")).ok_or_else(|| "--home: no home folder is known; give one".to_owned())
    }

    /// The file that says what is published.
    fn file(&self) -> Result<PathBuf, String> {
        let config = self.config.clone().filter(|file| !file.as_os_str().is_empty());
        config.map_or_else(|| Ok(self.home()?.join("config.json")), Ok)
    }

    /// The settings, and the file that says what is published.
    fn settings(&self) -> Result<(PathBuf, Settings), String> {
        let (home, file) = (self.home()?, self.file()?);
        let mut config = Config::load(&file).map_err(|invalid| invalid.to_string())?;
        if let Some(suffix) = self.name_suffix.as_deref().filter(|suffix| !suffix.is_empty()) {
            config = config.suffixed(suffix).map_err(|why| format!("--name-suffix {why}"))?;
        }
        // A URL that can never work is said at once, and not only in the log.
        let url = self.server.as_deref().filter(|url| !url.is_empty());
        let url = url.map(server_url).transpose().map_err(|why| format!("--server: {why}"))?;
        let file_of_token = self.token_file.as_ref().filter(|file| !file.as_os_str().is_empty());
        let token = match file_of_token {
            Some(file) => Some(read_token(file)?),
            None => self.token.clone().filter(|token| !token.expose().is_empty()),
        };
        let server = ServerSource::Credentials { file: home.join("credentials"), url, token };
        let settings = Settings::new(server, home.join("provider-session"), config);
        Ok((file, Settings { transport: self.transport, ..settings }))
    }
}

impl Args {
    /// The flags that a service is to run with: paths hold from any folder.
    fn flags(&self) -> Result<Vec<String>, String> {
        if self.token.as_ref().is_some_and(|token| !token.expose().is_empty()) {
            let way_out = "keep it with `mcpctl login`, or in a file for --token-file";
            return Err(format!("--token: a token in a service's file is read by others; {way_out}"));
        }
        let whole = |file: &PathBuf| path::absolute(file).map(|file| file.display().to_string());
        // A service does not have this shell's environment.
        let home = self.home.clone().filter(|home| !home.as_os_str().is_empty()).or_else(|| folder("MCPCTL_HOME"));
        let paths = [("--token-file", &self.token_file), ("--config", &self.config), ("--home", &home)];
        let mut flags = Vec::new();
        for (flag, file) in paths {
            if let Some(file) = file.as_ref().filter(|file| !file.as_os_str().is_empty()) {
                flags.extend([flag.to_owned(), whole(file).map_err(|error| format!("{flag}: {error}"))?]);
            }
        }
        for (flag, value) in [("--server", &self.server), ("--name-suffix", &self.name_suffix)] {
            flags.extend(value.iter().filter(|value| !value.is_empty()).map(|value| format!("{flag}={value}")));
        }
        if self.transport == Transport::LongPoll {
            flags.push("--transport=long-poll".to_owned());
        }
        Ok(flags)
    }
}

fn read_token(file: &Path) -> Result<Secret, String> {
    let text = fs::read_to_string(file).map_err(|error| format!("--token-file {}: {error}", file.display()))?;
    let token = text.trim();
    if token.is_empty() {
        Err(format!("--token-file {}: is empty", file.display()))
    } else {
        Ok(Secret::from(token.to_owned()))
    }
}

fn folder(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// Runs the program.
pub fn main(args: &Args) -> ExitCode {
    init_log(args.log_format);
    if let Some(Command::InstallService { print }) = args.command {
        return installed(args, print);
    }
    if let Some(Command::Init { yes }) = args.command {
        return begun(args, yes);
    }
    let (file, settings) = match args.settings() {
        Ok(read) => read,
        Err(why) => {
            eprintln!("mcplocal: {}", why.replace('\n', "\nmcplocal: "));
            return ExitCode::from(USAGE);
        }
    };
    match args.command {
        Some(Command::Check) => return checked(&file, &settings),
        Some(Command::Status) => return shown(&settings),
        Some(Command::Init { .. } | Command::InstallService { .. }) | None => {}
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

fn shown(settings: &Settings) -> ExitCode {
    match blocking(standing::look(settings)) {
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
        Err(why) => {
            eprintln!("mcplocal: {why}");
            return ExitCode::from(USAGE);
        }
    };
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

    #[test]
    fn what_is_empty_was_not_given() {
        let home = env::temp_dir().join(format!("mcplocal-empty-{}", std::process::id()));
        std::fs::create_dir_all(&home).expect("a folder");
        std::fs::write(home.join("config.json"), "{}").expect("written");
        std::fs::write(home.join("credentials"), r#"{"mcpdUrl":"http://h:1","token":"kept"}"#).expect("written");
        let flags = ["mcplocal", "--server=", "--token=", "--config=", "--home", home.to_str().expect("text")];
        let (file, settings) = Args::parse_from(flags).settings().expect("settings");
        assert_eq!(file, home.join("config.json"));
        let endpoint = settings.server.read().expect("an endpoint");
        assert_eq!((&*endpoint.url, &*endpoint.token), ("http://h:1", "kept"));
        std::fs::remove_dir_all(&home).expect("removed");
    }

    #[test]
    fn a_token_is_never_shown() {
        let args = Args::parse_from(["mcplocal", "--token", "s3cret"]);
        assert_eq!(args.token.as_ref().map(Secret::expose), Some("s3cret"));
        assert!(!format!("{args:?}").contains("s3cret"));
    }
}
