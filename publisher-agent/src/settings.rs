//! What a publisher needs to run, however it was put together.

use crate::{base_url, config::Config, secret::Secret};
use mcpctl_events::wire::server::is_same_server;
use serde::Deserialize;
use std::{fmt, fs, path::PathBuf, time::Duration};

/// All that [`run`](crate::run) needs.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the server is.
    pub server: ServerSource,
    /// The file of the sticky session id.
    pub session_file: PathBuf,
    /// What is published.
    pub config: Config,
    /// How tasks come in.
    pub transport: Transport,
    /// Intervals and patience.
    pub timing: Timing,
}

impl Settings {
    /// Settings with tasks over the stream and the usual timing.
    pub fn new(server: ServerSource, session_file: PathBuf, config: Config) -> Self {
        Self { server, session_file, config, transport: Transport::Sse, timing: Timing::default() }
    }
}

/// How tasks come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Transport {
    /// One long answer of server-sent events.
    #[default]
    Sse,
    /// One request after the other, for networks that block streams.
    LongPoll,
}

/// Intervals and patience. The defaults are what a server expects; tests shorten them.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// Between two heartbeats.
    pub heartbeat: Duration,
    /// Between two looks at the model servers.
    pub probe: Duration,
    /// How long a model may take before the task is accepted ahead of its answer.
    pub accept: Duration,
    /// How long a server may take to see the first object of an upload.
    pub ack: Duration,
    /// How long a stream may take to say `hello`.
    pub hello: Duration,
    /// How long the registry has to learn that a model is put to sleep, before that is done.
    pub notice: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_secs(30),
            probe: Duration::from_secs(15),
            accept: Duration::from_millis(250),
            ack: Duration::from_secs(1),
            hello: Duration::from_secs(10),
            notice: Duration::from_secs(2),
        }
    }
}

/// Where the server is and how to prove who we are.
#[derive(Debug, Clone)]
pub enum ServerSource {
    /// Known from the start.
    Fixed(Endpoint),
    /// Read from a credentials file, anew for each connection; what is given here goes before the file.
    Credentials {
        /// A JSON file `{"mcpdUrl", "token"}`.
        file: PathBuf,
        /// A URL that goes before the file's.
        url: Option<String>,
        /// A token that goes before the file's.
        token: Option<Secret>,
    },
}

/// A server and the token for it.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Base URL, without `/api/v1`.
    pub url: String,
    /// Bearer token.
    pub token: String,
}

/// Without the token.
impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("url", &self.url).finish_non_exhaustive()
    }
}

#[derive(Default, Deserialize)]
struct Credentials {
    #[serde(rename = "mcpdUrl")]
    url: Option<String>,
    token: Option<Secret>,
}

impl ServerSource {
    /// The server as it is known right now.
    ///
    /// # Errors
    /// A sentence on what is missing, and where it was looked for.
    pub fn read(&self) -> Result<Endpoint, String> {
        match self {
            Self::Fixed(fixed) => endpoint(&fixed.url, &fixed.token),
            Self::Credentials { url: Some(url), token: Some(token), .. } => endpoint(url, token.expose()),
            Self::Credentials { file, url, token } => {
                let place = file.display();
                let text = fs::read_to_string(file)
                    .map_err(|error| format!("no server: {place} cannot be read ({error}); run `mcpctl login`"))?;
                let read: Credentials = serde_json::from_str(&text)
                    .map_err(|_| format!("no server: {place} does not hold {{\"mcpdUrl\", \"token\"}}"))?;
                let missing = |field| format!("no server: {place} has no `{field}`; run `mcpctl login`");
                let kept_for = read.url.clone().unwrap_or_default();
                // A kept token goes where it was kept for, and nowhere else.
                if let Some(other) = url.as_ref().filter(|url| !is_same_server(&kept_for, url))
                    && token.is_none()
                    && read.token.is_some()
                {
                    return Err(format!(
                        "no server: the token in {place} is for another server than {other}; give one with --token, or run \
                         `mcpctl login --server {other}`"
                    ));
                }
                let url = url.clone().or(read.url).ok_or_else(|| missing("mcpdUrl"))?;
                let token = token.clone().or(read.token).ok_or_else(|| missing("token"))?;
                endpoint(&url, token.expose())
            }
        }
    }
}

fn endpoint(url: &str, token: &str) -> Result<Endpoint, String> {
    let url = server_url(url).map_err(|reason| format!("no server: {reason}"))?;
    Ok(Endpoint { url, token: token.trim().to_owned() })
}

/// A server's base URL, without slashes at its end.
///
/// # Errors
/// A sentence on what is wrong with it.
pub(crate) fn server_url(url: &str) -> Result<String, String> {
    let url = url.trim().trim_end_matches('/').to_owned();
    // What stands before an `@` may be a secret.
    let shown = url.rsplit('@').next().unwrap_or_default();
    base_url::check(&url).map_err(|reason| format!("the URL `{shown}` {reason}"))?;
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_go_before_the_file_which_is_read_anew() {
        let home = tempfile::tempdir().expect("a folder");
        let file = home.path().join("credentials");
        let source = ServerSource::Credentials { file: file.clone(), url: None, token: None };
        assert!(source.read().expect_err("no file").contains("credentials"));
        fs::write(&file, r#"{"mcpdUrl": "http://h:1/", "token": "t", "more": 1}"#).expect("written");
        assert_eq!(source.read(), Ok(Endpoint { url: "http://h:1".to_owned(), token: "t".to_owned() }));
        let given = |url: &str, token: Option<&str>| ServerSource::Credentials {
            file: file.clone(),
            url: Some(url.to_owned()),
            token: token.map(Into::into),
        };
        let both = |source: ServerSource| source.read().map(|endpoint| (endpoint.url, endpoint.token));
        assert_eq!(both(given("http://h:1", None)), Ok(("http://h:1".into(), "t".into())));
        assert_eq!(both(given("http://g", Some("own"))), Ok(("http://g".into(), "own".into())));
        let refused = both(given("http://g", None)).expect_err("a token goes to its own server");
        assert!(refused.contains("is for another server than http://g"), "{refused}");
        fs::write(&file, r#"{"mcpdUrl": "h", "token": "t"}"#).expect("written");
        assert!(source.read().expect_err("no URL").contains("the URL `h`"));
        fs::write(&file, r#"{"mcpdUrl": "http://h:1/"}"#).expect("written");
        assert!(source.read().expect_err("no token").contains("`token`"));
    }

    #[test]
    fn a_token_is_never_shown() {
        let endpoint = Endpoint { url: "http://h".to_owned(), token: "s3cret".to_owned() };
        let (file, url, token) = (PathBuf::new(), Some("http://h".to_owned()), Some("s3cret".into()));
        for source in [ServerSource::Fixed(endpoint), ServerSource::Credentials { file, url, token }] {
            let shown = format!("{source:?}");
            assert!(shown.contains("http://h") && !shown.contains("s3cret"), "{shown}");
        }
    }
}
