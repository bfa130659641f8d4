//! One connection to an MCP server.

use super::{
    answer::Answer,
    group::{Group, Groups},
};
use crate::upstream::{self, Upstream};
use mcpctl_events::definition::document::{EnvValue, McpCommand, McpServer, McpTransport};
use rmcp::{
    RoleClient, ServiceExt,
    model::{
        CallToolRequestParams, ClientCapabilities, ClientConfig, ErrorCode, Implementation, JsonObject,
        PaginatedRequestParams, Tool,
    },
    service::{ClientInitializeError, RunningService, ServiceError},
    transport::{
        DynamicTransportError, StreamableHttpClientTransport, TokioChildProcess,
        streamable_http_client::{StreamableHttpClientTransportConfig, StreamableHttpError},
    },
};
use std::{
    fs,
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    process::{ChildStderr, Command},
    task::spawn_blocking,
    time::timeout,
};

/// Longest time until a server is ready. A program may have to be fetched first.
const HTTP_START: Duration = Duration::from_secs(10);
const STDIO_START: Duration = Duration::from_secs(30);
/// Longest time until it has listed its tools.
const LIST: Duration = Duration::from_secs(10);
/// Longest time until all that a program said before its end is read.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// Most pages of a list, and tools of one server.
const MAX_PAGES: usize = 32;
const MAX_TOOLS: usize = 2048;
/// Most bytes of one answer of a server over HTTP.
const MAX_MESSAGE: usize = 8 << 20;
/// Most bytes of one line of a program's standard error.
const MAX_LINE: u64 = 10_000;
/// What of this server's environment a program gets, as the protocol's own SDKs have it.
const INHERITED: [&str; 7] = ["PATH", "HOME", "USER", "LOGNAME", "SHELL", "TERM", "LANG"];

/// A connection, open until it is dropped.
pub struct Connection {
    service: RunningService<RoleClient, ClientConfig>,
    /// Of a program; ends with the connection.
    _group: Option<Group>,
}

impl Connection {
    /// Connects, or starts the program.
    ///
    /// # Errors
    /// Why it could not, in a sentence.
    pub async fn open(server: &McpServer, upstream: &Upstream, groups: &Groups) -> Result<Self, String> {
        match &server.transport {
            McpTransport::Http(url) => {
                let client = upstream.client().await.map_err(|error| error.to_string())?.clone();
                let config = StreamableHttpClientTransportConfig::with_uri(url.as_str())
                    .max_json_response_size(MAX_MESSAGE)
                    .max_sse_event_size(MAX_MESSAGE)
                    .reinit_on_expired_session(true);
                let transport = StreamableHttpClientTransport::with_client(client, config);
                let service = timeout(HTTP_START, client_config().serve(transport)).await;
                let service = service.map_err(|_| format!("it was not ready within {} s", HTTP_START.as_secs()))?;
                Ok(Self { service: service.map_err(|error| not_ready(&error))?, _group: None })
            }
            McpTransport::Stdio(program) => start(&server.name, program, groups).await,
        }
    }

    /// Whether it can still be asked.
    pub fn is_open(&self) -> bool {
        !self.service.is_closed() && !self.service.peer().is_transport_closed()
    }

    /// All tools of the server.
    pub async fn tools(&self) -> Result<Vec<Tool>, String> {
        match timeout(LIST, self.pages()).await {
            // A server may have other things than tools.
            Ok(Err(ServiceError::McpError(error))) if error.code == ErrorCode::METHOD_NOT_FOUND => Ok(Vec::new()),
            Ok(listed) => listed.map_err(|error| not_asked(&error)),
            Err(_) => Err(format!("it did not list its tools within {} s", LIST.as_secs())),
        }
    }

    /// Page by page, up to where nobody looks any more.
    async fn pages(&self) -> Result<Vec<Tool>, ServiceError> {
        let (mut tools, mut cursor) = (Vec::new(), None);
        for _ in 0..MAX_PAGES {
            let asked = PaginatedRequestParams::default().with_cursor(cursor);
            let page = self.service.peer().list_tools(Some(asked)).await?;
            tools.extend(page.tools);
            cursor = page.next_cursor;
            if cursor.is_none() || tools.len() >= MAX_TOOLS {
                break;
            }
        }
        Ok(tools)
    }

    /// Asks a tool. Dropping the future tells the server to stop.
    pub async fn call(&self, tool: String, arguments: JsonObject, within: Duration) -> Answer {
        let mut params = CallToolRequestParams::new(tool);
        params.arguments = Some(arguments);
        match timeout(within, self.service.peer().call_tool(params)).await {
            Ok(Ok(result)) => Answer::of(&result),
            Ok(Err(ServiceError::McpError(error))) => Answer::failure(error.message),
            Ok(Err(ServiceError::UnexpectedResponse)) => {
                Answer::failure("the tool's answer cannot be read, or asks back what nobody can answer here")
            }
            Ok(Err(error)) => Answer::failure(not_asked(&error)),
            Err(_) => Answer::failure(format_args!("the tool did not answer within {} s", within.as_secs_f64())),
        }
    }
}

fn client_config() -> ClientConfig {
    ClientConfig::new(ClientCapabilities::default(), Implementation::new("mcpctl", env!("CARGO_PKG_VERSION")))
}

async fn start(name: &str, program: &McpCommand, groups: &Groups) -> Result<Connection, String> {
    let mut command = Command::new(&program.command);
    let (environment, secrets) = environment(program.clone()).await?;
    command.args(&program.args).env_clear().envs(environment).process_group(0);
    let spawned = TokioChildProcess::builder(command).stderr(Stdio::piped()).spawn();
    let (transport, stderr) = spawned.map_err(|error| format!("`{}` cannot be started: {error}", program.command))?;
    let group = transport.id().and_then(|leader| groups.of(leader));
    let last = Arc::new(Mutex::new(String::new()));
    let listener = stderr.map(|stderr| {
        #[expect(clippy::disallowed_methods, reason = "the program's standard error ends with the program")]
        tokio::spawn(log(name.to_owned(), stderr, last.clone(), secrets))
    });
    let problem = match timeout(STDIO_START, client_config().serve(transport)).await {
        Ok(Ok(service)) => return Ok(Connection { service, _group: group }),
        Ok(Err(error)) => not_ready(&error),
        Err(_) => format!("it was not ready within {} s", STDIO_START.as_secs()),
    };
    if let Some(listener) = listener {
        // What a program said may come after the news of its end. One that lives on is not waited for.
        let _ = timeout(LAST_WORDS, listener).await;
    }
    let last = last.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Err(if last.is_empty() { problem } else { format!("{problem}; it said: {last}") })
}

/// The environment of a program, and what of it is secret. That is read now, and kept to be masked only.
async fn environment(program: McpCommand) -> Result<(Vec<(String, String)>, Vec<String>), String> {
    let read = move || {
        let inherited = INHERITED.iter().filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?)));
        let (mut environment, mut secrets): (Vec<_>, Vec<_>) = (inherited.collect(), Vec::new());
        for (name, value) in program.env {
            let is_secret = !matches!(value, EnvValue::Value(_));
            let value = match value {
                EnvValue::Value(text) => text,
                EnvValue::Env(variable) => std::env::var(&variable)
                    .map_err(|_| format!("{name}: the server's environment has no variable {variable}"))?,
                EnvValue::File(path) => fs::read_to_string(&path)
                    .map(|text| text.trim_end().to_owned())
                    .map_err(|error| format!("{name}: {path} cannot be read: {error}"))?,
            };
            if is_secret && !value.is_empty() {
                secrets.push(value.clone());
            }
            environment.push((name, value));
        }
        Ok((environment, secrets))
    };
    spawn_blocking(read).await.map_err(|error| error.to_string())?
}

/// Puts what a program says on its standard error into the log, and keeps the last line, both without secrets.
async fn log(name: String, stderr: ChildStderr, last: Arc<Mutex<String>>, secrets: Vec<String>) {
    let mut reader = BufReader::new(stderr);
    loop {
        let mut line = Vec::new();
        match (&mut reader).take(MAX_LINE).read_until(b'\n', &mut line).await {
            Ok(1..) => {}
            _ => return,
        }
        let mut line = String::from_utf8_lossy(&line).trim().to_owned();
        for secret in &secrets {
            line = line.replace(secret, "***");
        }
        tracing::debug!(mcp.server = name, line, "an MCP server's program says");
        if !line.is_empty() {
            *last.lock().unwrap_or_else(PoisonError::into_inner) = line;
        }
    }
}

/// Why a server is not ready, in a sentence.
fn not_ready(error: &ClientInitializeError) -> String {
    match error {
        ClientInitializeError::TransportError { error, .. } => on_the_way(error),
        ClientInitializeError::ConnectionClosed(_) => "it closed the connection before it was ready".to_owned(),
        other => other.to_string(),
    }
}

/// Why a server could not be asked, in a sentence.
fn not_asked(error: &ServiceError) -> String {
    match error {
        ServiceError::TransportSend(error) => on_the_way(error),
        ServiceError::TransportClosed => "the server closed the connection".to_owned(),
        other => other.to_string(),
    }
}

fn on_the_way(error: &DynamicTransportError) -> String {
    match error.error.downcast_ref::<StreamableHttpError<reqwest::Error>>() {
        Some(StreamableHttpError::Client(error)) => upstream::reason(error),
        Some(other) => other.to_string(),
        None => error.error.to_string(),
    }
}
