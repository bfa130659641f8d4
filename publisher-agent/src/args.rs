//! The flags, and what they come to.

use crate::{
    config::Config,
    secret::Secret,
    settings::{ServerSource, Settings, Transport, server_url},
};
use clap::{
    Parser, Subcommand,
    builder::{OsStringValueParser, TypedValueParser},
};
use std::{
    env, fs,
    path::{self, Path, PathBuf},
};

/// Publishes local models and agents to an mcpctl registry, over outbound HTTP only.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "mcplocal",
    version,
    max_term_width = 100,
    after_help = "\
Examples:
  mcplocal init                    find what runs here, write config.json
  mcplocal check                   whether all is there that it takes
  mcplocal                         publish, until it is stopped
  mcplocal --name-suffix -laptop   several machines with the same models
  mcplocal --server https://models.example.org"
)]
pub struct Args {
    /// URL of the server; else `mcpdUrl` of the credentials file.
    #[arg(long, env = "MCPLOCAL_SERVER", value_name = "URL", help_heading = "Global options", global = true)]
    pub server: Option<String>,
    /// Token for the server; else `token` of the credentials file.
    #[arg(
        long,
        env = "MCPLOCAL_TOKEN",
        value_name = "TOKEN",
        help_heading = "Global options",
        hide_env_values = true,
        global = true
    )]
    pub token: Option<Secret>,
    /// File with the token, for services.
    #[arg(long, env = "MCPLOCAL_TOKEN_FILE", value_name = "FILE", help_heading = "Global options", value_parser = file(), conflicts_with = "token", global = true)]
    pub token_file: Option<PathBuf>,
    /// What to publish [default: config.json in the home folder].
    #[arg(long, env = "MCPLOCAL_CONFIG", value_name = "FILE", help_heading = "Global options", value_parser = file(), global = true)]
    pub config: Option<PathBuf>,
    /// Folder of the credentials file and the session id [default: $MCPCTL_HOME, else ~/.mcpctl].
    #[arg(long, env = "MCPLOCAL_HOME", value_name = "DIR", help_heading = "Global options", value_parser = file(), global = true)]
    pub home: Option<PathBuf>,
    /// How tasks come in.
    #[arg(
        long,
        env = "MCPLOCAL_TRANSPORT",
        value_name = "HOW",
        help_heading = "Global options",
        value_enum,
        default_value_t,
        global = true
    )]
    pub transport: Transport,
    /// What is put behind the names of all that is published, so that several machines can publish the same models.
    #[arg(
        long,
        env = "MCPLOCAL_NAME_SUFFIX",
        value_name = "SUFFIX",
        help_heading = "Global options",
        global = true,
        allow_hyphen_values = true
    )]
    pub name_suffix: Option<String>,
    /// How the log on stderr looks.
    #[arg(
        long,
        env = "MCPLOCAL_LOG_FORMAT",
        value_name = "FORMAT",
        help_heading = "Global options",
        value_enum,
        default_value_t,
        global = true
    )]
    pub log_format: LogFormat,
    /// What to do; without one, publish.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What else there is to do.
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum Command {
    /// Write a first config.json from the model servers that run here, after asking
    #[command(after_help = "\
Examples:
  mcplocal init
  mcplocal init --yes                  all that is found, without a question
  mcplocal --config ./lab.json init    write it elsewhere")]
    Init {
        /// Publish all that is found, and ask nothing
        #[arg(long)]
        yes: bool,
    },
    /// Check configuration, server, token, whether the registry would take all of it, each model server, and whether streams pass
    #[command(after_help = "\
Examples:
  mcplocal check
  mcplocal --config ./lab.json check")]
    Check,
    /// Show what the registry says of this machine's publisher; exits with 1 if it is not connected
    #[command(after_help = "\
Examples:
  mcplocal status
  mcplocal --home /srv/publisher status")]
    Status,
    /// Install a service of the user's that publishes: systemd's, or launchd's on macOS
    #[command(
        name = "install-service",
        after_help = "\
Examples:
  mcplocal install-service --print
  mcplocal --name-suffix -lab install-service   the service has the flags, too"
    )]
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
    pub(crate) fn file(&self) -> Result<PathBuf, String> {
        let config = self.config.clone().filter(|file| !file.as_os_str().is_empty());
        config.map_or_else(|| Ok(self.home()?.join("config.json")), Ok)
    }

    /// The settings, and the file that says what is published.
    pub(crate) fn settings(&self) -> Result<(PathBuf, Settings), String> {
        // What can never work is said at once, and not only in the log.
        let server = self.server()?;
        let file = self.file()?;
        let mut config = Config::load(&file).map_err(|invalid| invalid.to_string())?;
        if let Some(suffix) = self.name_suffix.as_deref().filter(|suffix| !suffix.is_empty()) {
            config = config.suffixed(suffix).map_err(|why| format!("--name-suffix {why}"))?;
        }
        let settings = Settings::new(server, self.session_file()?, config);
        Ok((file, Settings { transport: self.transport, ..settings }))
    }

    /// Where the id of this machine's session is kept.
    pub(crate) fn session_file(&self) -> Result<PathBuf, String> {
        Ok(self.home()?.join("provider-session"))
    }

    /// Where the server is, and the token for it.
    pub(crate) fn server(&self) -> Result<ServerSource, String> {
        let url = self.server.as_deref().filter(|url| !url.is_empty());
        let url = url.map(server_url).transpose().map_err(|why| format!("--server: {why}"))?;
        let file_of_token = self.token_file.as_ref().filter(|file| !file.as_os_str().is_empty());
        let token = match file_of_token {
            Some(file) => Some(read_token(file)?),
            None => self.token.clone().filter(|token| !token.expose().is_empty()),
        };
        Ok(ServerSource::Credentials { file: self.home()?.join("credentials"), url, token })
    }

    /// The flags that a service is to run with: paths hold from any folder.
    pub(crate) fn flags(&self) -> Result<Vec<String>, String> {
        if self.token.as_ref().is_some_and(|token| !token.expose().is_empty()) {
            let way_out = "keep it with `mcpctl login`, or in a file for --token-file";
            return Err(format!("--token: a token in a service's file is read by others; {way_out}"));
        }
        let whole = |file: &PathBuf| {
            let file = path::absolute(file).map_err(|error| error.to_string())?;
            let text = file.to_str().filter(|text| !text.contains(char::is_control));
            text.map(str::to_owned).ok_or("a service's file cannot hold this path; take a plain one".to_owned())
        };
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

#[cfg(test)]
mod tests {
    use super::*;

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
