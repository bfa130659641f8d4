//! Flags and environment of the server. Reading them binds nothing and opens nothing.

pub mod duration;
mod target;

pub use mcpctl_events::log::target::LogTarget;

use crate::client_address::Network;
use clap::Args as ClapArgs;
use mcpctl_projector::store::Database;
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

/// Most calls, rows and the like that a flag may allow.
const MAX_COUNT: usize = 1_000_000;

/// The flags of `mcpd`; each is also an environment variable `MCPD_<FLAG>`.
#[derive(Debug, Clone, ClapArgs)]
pub struct Args {
    /// Address to listen on
    #[arg(long, env = "MCPD_LISTEN", default_value = "127.0.0.1:8420", value_name = "ADDR")]
    pub listen: SocketAddr,
    /// URL under which other replicas and publishers reach this server
    #[arg(long, env = "MCPD_ADVERTISE_URL", value_name = "URL")]
    pub advertise_url: Option<String>,
    /// File with a secret that all replicas of one log have; without it no other replica is served, nor asked
    #[arg(long, env = "MCPD_CLUSTER_KEY", value_name = "FILE")]
    pub cluster_key: Option<PathBuf>,
    /// Folder of the log and the tables [default: $MCPCTL_HOME/data]
    #[arg(long, global = true, env = "MCPD_DATA_DIR", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// The log: sqlite:<path> or kafka://host:port[,host:port]/<topic> [default: log.db in the data dir]
    #[arg(long, global = true, env = "MCPD_LOG", value_name = "URL")]
    pub log: Option<String>,
    /// Tables and chats: sqlite:<dir> or postgres://user@host:port/database [default: the data dir]
    #[arg(long, global = true, env = "MCPD_DB", value_name = "URL", hide_env_values = true)]
    pub db: Option<String>,
    /// Who fills the tables: `inline` this server does, or the one that leads; `external` mcpd-projector does
    #[arg(long, env = "MCPD_PROJECTOR", default_value = "inline", value_name = "PLACE")]
    pub projector: ProjectorPlace,
    /// Silence after which a publisher's rows become inactive
    #[arg(long, env = "MCPD_HEARTBEAT_TIMEOUT", default_value = "90s", value_parser = some_time)]
    pub heartbeat_timeout: Duration,
    /// How long inactive rows are kept
    #[arg(long, env = "MCPD_INACTIVE_RETENTION", default_value = "4h", value_parser = duration::parse)]
    pub inactive_retention: Duration,
    /// Time between two sweeps
    #[arg(long, env = "MCPD_GC_INTERVAL", default_value = "60s", value_parser = some_time)]
    pub gc_interval: Duration,
    /// Time between two pings on a publisher's stream
    #[arg(long, env = "MCPD_PING_INTERVAL", default_value = "20s", value_parser = some_time)]
    pub ping_interval: Duration,
    /// How long heartbeats are kept on their own stream
    #[arg(long, env = "MCPD_HEARTBEAT_RETENTION", default_value = "7d", value_parser = duration::parse)]
    pub heartbeat_retention: Duration,
    /// Time that a publisher has to reconnect before its rows become inactive
    #[arg(long, env = "MCPD_DISCONNECT_GRACE", default_value = "250ms", value_parser = duration::parse)]
    pub disconnect_grace: Duration,
    /// How long a call waits for a publisher that is reconnecting
    #[arg(long, env = "MCPD_CONNECT_GRACE", default_value = "3s", value_parser = duration::parse)]
    pub connect_grace: Duration,
    /// Time that a publisher has to acknowledge a task
    #[arg(long, env = "MCPD_ACCEPT_TIMEOUT", default_value = "5s", value_parser = some_time)]
    pub accept_timeout: Duration,
    /// Time until the first byte of an answer
    #[arg(long, env = "MCPD_FIRST_BYTE_TIMEOUT", default_value = "120s", value_parser = some_time)]
    pub first_byte_timeout: Duration,
    /// Longest silence within an answer
    #[arg(long, env = "MCPD_IDLE_TIMEOUT", default_value = "60s", value_parser = some_time)]
    pub idle_timeout: Duration,
    /// Longest time for a whole call
    #[arg(long, env = "MCPD_TASK_TIMEOUT", default_value = "600s", value_parser = some_time)]
    pub task_timeout: Duration,
    /// Longest time that a tool of a project may take
    #[arg(long, env = "MCPD_TOOL_TIMEOUT", default_value = "60s", value_parser = some_time)]
    pub tool_timeout: Duration,
    /// Largest request body, and largest line of an upload, such as 16MiB
    #[arg(long, env = "MCPD_MAX_BODY", default_value = "16MiB", value_parser = duration::parse_size)]
    pub max_body: usize,
    /// Largest head of a request: its line and its headers
    #[arg(long, env = "MCPD_MAX_HEAD", default_value = "64KiB", value_parser = head)]
    pub max_head: usize,
    /// Deepest nesting of JSON that is kept; what is passed on to models may be deeper
    #[arg(long, env = "MCPD_MAX_JSON_DEPTH", default_value = "100", value_parser = depth)]
    pub max_json_depth: usize,
    /// Longest time for the head of a request, and for a connection to wait for one
    #[arg(long, env = "MCPD_HEADER_TIMEOUT", default_value = "60s", value_parser = some_time)]
    pub header_timeout: Duration,
    /// Longest silence within the body of a request; all of it may take twenty times that
    #[arg(long, env = "MCPD_BODY_TIMEOUT", default_value = "30s", value_parser = some_time)]
    pub body_timeout: Duration,
    /// Connections that may be open at once
    #[arg(long, env = "MCPD_MAX_CONNECTIONS", default_value = "50000", value_parser = count::<1>)]
    pub max_connections: usize,
    /// Requests a second with one token, and as many at once; 0: as many as come
    #[arg(long, env = "MCPD_MAX_RATE", default_value = "0", value_name = "PER_SECOND")]
    pub max_rate: u32,
    /// Requests a second without a valid token from one address, and as many at once; 0: as many as come
    #[arg(long, env = "MCPD_MAX_UNAUTHORIZED_RATE", default_value = "100", value_name = "PER_SECOND")]
    pub max_unauthorized_rate: u32,
    /// Proxy that is believed when it says, in X-Forwarded-For, for whom it asks, such as 10.0.0.0/8; may be given several times
    #[arg(long, env = "MCPD_TRUSTED_PROXY", value_name = "ADDR", value_delimiter = ',')]
    pub trusted_proxy: Vec<Network>,
    /// Calls that may be open on one publisher session at once
    #[arg(long, env = "MCPD_MAX_INFLIGHT_PER_SESSION", default_value = "64", value_parser = count::<1>)]
    pub max_inflight_per_session: usize,
    /// Calls that may wait for a busy publisher session
    #[arg(long, env = "MCPD_QUEUE_DEPTH", default_value = "256", value_parser = count::<0>)]
    pub queue_depth: usize,
    /// Inference tasks of one user that may be open at once
    #[arg(long, env = "MCPD_MAX_TASKS_PER_USER", default_value = "10000", value_parser = count::<0>)]
    pub max_tasks_per_user: usize,
    /// Llms and agents that one session may publish
    #[arg(long, env = "MCPD_MAX_ROWS_PER_SESSION", default_value = "5000", value_parser = count::<1>)]
    pub max_rows_per_session: usize,
    /// Llms, agents, projects, personalities and prompts that one user may own
    #[arg(long, env = "MCPD_MAX_ROWS_PER_USER", default_value = "100000", value_parser = count::<1>)]
    pub max_rows_per_user: usize,
    /// Web page that may call /v1 from a browser, such as https://ui.example, or `*` for any; may be given several times
    #[arg(long, env = "MCPD_CORS_ORIGIN", value_name = "ORIGIN", value_delimiter = ',', value_parser = origin)]
    pub cors_origin: Vec<String>,
    /// Ed25519 key (PKCS#8 PEM) with which the end of the log is signed as it goes on, into heads.jsonl in the data dir
    #[arg(long, env = "MCPD_HEAD_KEY", value_name = "FILE")]
    pub head_key: Option<PathBuf>,
    /// Time between two signed heads, if something happened meanwhile
    #[arg(long, env = "MCPD_HEAD_INTERVAL", default_value = "60s", value_parser = some_time)]
    pub head_interval: Duration,
    /// Certificate chain (PEM) to serve HTTPS with; it and the key are read again on SIGHUP
    #[arg(long, env = "MCPD_TLS_CERT", value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,
    /// Private key (PEM) of the certificate
    #[arg(long, env = "MCPD_TLS_KEY", value_name = "FILE")]
    pub tls_key: Option<PathBuf>,
    /// Format of the log lines on stderr
    #[arg(long, env = "MCPD_LOG_FORMAT", default_value = "text")]
    pub log_format: LogFormat,
    /// Who may call: `token` asks for one, `off` lets everyone in (loopback only)
    #[arg(long, env = "MCPD_AUTH", default_value = "token")]
    pub auth: Auth,
    /// File with the token of user `admin`, for the first start
    #[arg(long, env = "MCPD_ADMIN_TOKEN_FILE", value_name = "FILE")]
    pub admin_token_file: Option<PathBuf>,
}

/// Reads a number of calls, rows and the like.
fn count<const LEAST: usize>(text: &str) -> Result<usize, String> {
    let count = text.parse().ok().filter(|count| (LEAST..=MAX_COUNT).contains(count));
    count.ok_or_else(|| format!("is a whole number from {LEAST} to {MAX_COUNT}"))
}

/// Reads how large a head may be.
fn head(text: &str) -> Result<usize, String> {
    let size = duration::parse_size(text)?;
    if (1 << 10..=1 << 20).contains(&size) { Ok(size) } else { Err("is a size from 1KiB to 1MiB".to_owned()) }
}

/// Reads how long something may take, in which it can be done.
fn some_time(text: &str) -> Result<Duration, String> {
    let time = duration::parse(text)?;
    if time >= Duration::from_millis(10) { Ok(time) } else { Err("is a time of at least 10ms".to_owned()) }
}

/// Reads how deep JSON may be; readers of it give up at 128.
fn depth(text: &str) -> Result<usize, String> {
    let depth = text.parse().ok().filter(|depth| (1..=120).contains(depth));
    depth.ok_or_else(|| "is a whole number from 1 to 120".to_owned())
}

/// Reads an origin as browsers send it: scheme, host and port, nothing behind them.
fn origin(text: &str) -> Result<String, String> {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let is_origin =
        host.is_some_and(|host| !host.is_empty() && host.bytes().all(|b| b.is_ascii_graphic() && b != b'/'));
    if is_origin || text == "*" {
        return Ok(text.to_ascii_lowercase());
    }
    Err("is an origin such as https://ui.example or http://localhost:3000, without a path, or *".to_owned())
}

/// Reads a URL that others put paths behind. It may hold a password, and is not repeated.
fn advertised(text: &str) -> Result<String, ConfigError> {
    let is_plain = |url: &reqwest::Url| {
        let is_login = !url.username().is_empty() || url.password().is_some();
        ["http", "https"].contains(&url.scheme()) && !is_login && url.query().is_none() && url.fragment().is_none()
    };
    let url = reqwest::Url::parse(text).ok().filter(is_plain);
    let url = url.ok_or_else(|| {
        let rule = "--advertise-url is a URL such as http://node-1:8420, without a user, a query or a fragment";
        ConfigError(rule.to_owned())
    })?;
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// Who may call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Auth {
    /// Whoever has a token.
    Token,
    /// Everyone who reaches the listener.
    Off,
}

/// Who fills the read tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum ProjectorPlace {
    /// A server does.
    Inline,
    /// Another program does.
    External,
}

/// Format of the log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// A configuration that can't work; the message names the flag and the way out.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(pub String);

/// What the server runs with.
#[derive(Debug, Clone)]
pub struct Config {
    /// The flags.
    pub args: Args,
    /// The user's folder of mcpctl files.
    pub home: PathBuf,
    /// Where the log is.
    pub log: LogTarget,
    /// Where the tables are.
    pub db: Database,
    /// Folder of snapshots and of the work store.
    pub data_dir: PathBuf,
}

impl Config {
    /// Checks the flags together.
    pub fn from_args(mut args: Args) -> Result<Self, ConfigError> {
        args.advertise_url = args.advertise_url.as_deref().map(advertised).transpose()?;
        if args.auth == Auth::Off && !args.listen.ip().is_loopback() {
            return Err(ConfigError(format!(
                "--auth off is refused on {}: everyone on the network could call; listen on 127.0.0.1 or use tokens",
                args.listen
            )));
        }
        let home = home()?;
        let data_dir = args.data_dir.clone().unwrap_or_else(|| home.join("data"));
        let log = target::log(args.log.as_deref(), &data_dir)?;
        let db = target::db(args.db.as_deref(), &data_dir)?;
        if log.is_shared() && args.advertise_url.is_none() && args.listen.ip().is_unspecified() {
            return Err(ConfigError(format!(
                "--listen {} is no address that other replicas reach: say with --advertise-url which one is",
                args.listen
            )));
        }
        Ok(Self { args, home, log, db, data_dir })
    }

    /// The file that holds the user's token.
    pub fn credentials_file(&self) -> PathBuf {
        self.home.join("credentials")
    }
}

/// `$MCPCTL_HOME`, else `~/.mcpctl`.
fn home() -> Result<PathBuf, ConfigError> {
    if let Some(home) = std::env::var_os("MCPCTL_HOME").filter(|home| !home.is_empty()) {
        return Ok(home.into());
    }
    let user = std::env::var_os("HOME").ok_or_else(|| {
        ConfigError("neither MCPCTL_HOME nor HOME is set: say with --data-dir and MCPCTL_HOME where files go".into())
    })?;
    Ok(Path::new(&user).join(".mcpctl"))
}
