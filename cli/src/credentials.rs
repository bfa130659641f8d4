//! Which server to talk to, and the token for it: flags, then environment, then the credentials file.

pub mod context;

use crate::exit::{Stuck, Usage};
use crate::home;
use context::Context;
use mcpctl_events::wire::server::is_same_server;
use reqwest::Url;
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::path::{Path, PathBuf};

/// The credentials file, `{"mcpdUrl","token"}`.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Credentials {
    /// Address of the server.
    #[serde(rename = "mcpdUrl", default)]
    pub server: Option<String>,
    /// Bearer token for it.
    #[serde(default)]
    pub token: Option<String>,
}

/// A server, and the token to show it. Has no `Debug`: the token is a secret.
pub struct Target {
    /// Base address, `http` or `https`.
    pub server: Url,
    /// Bearer token.
    pub token: String,
}

impl Credentials {
    /// Reads a context's file; a missing one is empty.
    pub fn read(context: &Context) -> anyhow::Result<Self> {
        let path = context.path()?;
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(e) => {
                let next = "make it readable, or give --server and --token";
                return Err(Stuck::new(format!("cannot read {}: {e}", path.display()), next).into());
            }
        };
        // The parser's own message could quote the token; only where it stopped is told.
        serde_json::from_str(&text).map_err(|e| {
            let problem = format!(
                "{} is not what `mcpctl login` writes (line {}, column {})",
                path.display(),
                e.line(),
                e.column()
            );
            Stuck::new(problem, "run `mcpctl login` to write it anew").into()
        })
    }

    /// Replaces the file atomically, readable by its user alone. Returns its path.
    pub fn write(&self, context: &Context) -> anyhow::Result<PathBuf> {
        home::ensure()?;
        let path = context.path()?;
        if let Some(folder) = path.parent() {
            home::ensure_folder(folder)?;
        }
        let text = serde_json::to_string(self)?;
        replace(&path, text.as_bytes()).map_err(|e| {
            let next = "make its folder writable, or set MCPCTL_HOME to another";
            Stuck::new(format!("cannot write {}: {e}", path.display()), next)
        })?;
        Ok(path)
    }
}

/// Settles the server alone, and the token if there is one: for what asks for none.
pub fn resolve_open(context: &Context, server: Option<&str>, token: Option<&str>) -> anyhow::Result<(Target, bool)> {
    match resolve(context, server, token) {
        Ok(target) => Ok((target, true)),
        Err(_) if server.is_some() => Ok((resolve(context, server, Some("none"))?, false)),
        Err(error) => Err(error),
    }
}

/// Settles server and token from the flags (or their environment variables) and the context's file.
pub fn resolve(context: &Context, server: Option<&str>, token: Option<&str>) -> anyhow::Result<Target> {
    token.map_or(Ok(()), check_token)?;
    if let (Some(server), Some(token)) = (server, token) {
        return Ok(Target { server: parse_server(server)?, token: token.to_owned() });
    }
    if !context.exists() && *context != Context::default() {
        return Err(crate::context::missing(context).into());
    }
    let saved = Credentials::read(context)?;
    let missing = |what: &str, flag: &str, variable: &str| {
        Stuck::new(
            format!(
                "no {what}: neither {flag} nor {variable} is set, and there are no credentials in {}",
                shown_path(context)
            ),
            "run `mcpctl login` for a server that exists, or `mcpctl dev` to start one here",
        )
    };
    let server = match (server, &saved.server) {
        (Some(server), _) => parse_server(server)?,
        (None, Some(server)) => parse_server(server).map_err(|problem| {
            let problem = format!("`mcpdUrl` in {}: {problem}", shown_path(context));
            Stuck::new(problem, "run `mcpctl login --server URL` to write it anew")
        })?,
        (None, None) => return Err(missing("server", "--server", "MCPCTL_SERVER").into()),
    };
    // A kept token goes where it was kept for, and nowhere else.
    let kept_for = saved.server.as_deref().and_then(|kept| parse_server(kept).ok());
    let is_kept_for = kept_for.is_some_and(|kept| is_same_server(kept.as_str(), server.as_str()));
    if token.is_none() && saved.token.is_some() && !is_kept_for {
        let problem = format!("the token in {} is for another server than {server}", shown_path(context));
        let next = "give one with --token, or keep one by name: mcpctl context add NAME --server URL";
        return Err(Stuck::new(problem, next).into());
    }
    let token = token.map(str::to_owned).or(saved.token).filter(|t| !t.is_empty());
    Ok(Target { server, token: token.ok_or_else(|| missing("token", "--token", "MCPCTL_TOKEN"))? })
}

/// Reads a server's address. Its problems never show a user or password that was in it.
pub fn parse_server(text: &str) -> Result<Url, Usage> {
    let shown = masked(text);
    let refuse = |problem: &str| {
        Usage(format!("server address {shown:?}{problem}; an address looks like http://127.0.0.1:8420"))
    };
    if !text.contains("://") {
        return Err(refuse(" does not start with http:// or https://"));
    }
    let url = Url::parse(text).map_err(|error| refuse(&format!(": {error}")))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
        return Err(refuse(" does not start with http:// or https://"));
    }
    let user = !url.username().is_empty() || url.password().is_some();
    if url.query().is_some() || url.fragment().is_some() || user {
        return Err(refuse(" may hold no user, query or fragment"));
    }
    Ok(without_api(url))
}

/// Where the API is within the server is known: whoever says it too means the same.
fn without_api(mut url: Url) -> Url {
    let path = url.path().trim_end_matches('/');
    if let Some(base) = path.strip_suffix("/api/v1").map(str::to_owned) {
        url.set_path(&base);
    }
    url
}

/// A token that can stand in a request. Problems never show it.
fn check_token(token: &str) -> Result<(), Usage> {
    if token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(());
    }
    Err(Usage("the token holds a space, a line break or another character that no token has".to_owned()))
}

/// The address with `***` for all that could be a user and a password, also where it is no valid address.
fn masked(text: &str) -> String {
    let Some((before, host)) = text.rsplit_once('@') else { return text.to_owned() };
    let scheme = before.find("://").map_or("", |end| &before[..end + 3]);
    format!("{scheme}***@{host}")
}

fn shown_path(context: &Context) -> String {
    context.path().map_or_else(|_| "the credentials file".to_owned(), |p| p.display().to_string())
}

/// Writes a file that only its user may read, whole or not at all.
pub fn replace(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = path.with_file_name(format!(".{name}.{}.new", std::process::id()));
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(&beside).and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()
    });
    let done = written.and_then(|()| std::fs::rename(&beside, path));
    if done.is_err() {
        let _ = std::fs::remove_file(&beside);
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_checked() {
        for good in ["http://127.0.0.1:8420", "https://models.example/registry/", "http://[::1]:1"] {
            assert!(parse_server(good).is_ok(), "{good}");
        }
        for bad in ["localhost:8420", "127.0.0.1:8420", "ftp://x", "http://", "http://u@h", "http://:p@h", "http://h?x"]
        {
            assert!(parse_server(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn where_the_api_is_need_not_be_said() {
        for (said, meant) in [
            ("http://h:1/api/v1", "http://h:1/"),
            ("http://h/registry/api/v1/", "http://h/registry"),
            ("http://h/api/v1beta", "http://h/api/v1beta"),
        ] {
            assert_eq!(parse_server(said).unwrap().as_str(), meant);
        }
    }

    #[test]
    fn a_token_is_one_word_and_never_shown() {
        assert!(check_token("mcp_s3cret").is_ok());
        for bad in ["s3cret two", "s3cret\n", "s\u{e9}cret"] {
            let told = check_token(bad).unwrap_err().to_string();
            assert!(!told.contains("cret"), "{told}");
        }
    }

    #[test]
    fn a_refused_address_keeps_its_password_to_itself() {
        for bad in [
            "http://me:s3cret@h",
            "http://:s3cret@h",
            "http://me:s3cret@h:99999",
            "http://me:s3cret/@s3cret@h",
            "me:s3cret@h",
        ] {
            let told = parse_server(bad).unwrap_err().to_string();
            assert!(!told.contains("s3cret") && !told.contains("me:") && told.contains("***@h"), "{told}");
        }
        assert_eq!(masked("http://h:1/"), "http://h:1/");
    }

    #[test]
    fn both_flags_need_no_file() {
        let target = resolve(&Context::default(), Some("http://h:1"), Some("t")).ok().unwrap();
        assert_eq!((target.server.as_str(), target.token.as_str()), ("http://h:1/", "t"));
    }

    #[cfg(unix)]
    #[test]
    fn the_file_is_private_and_replaced_whole() {
        use std::os::unix::fs::PermissionsExt;
        let folder = std::env::temp_dir().join(format!("mcpctl-credentials-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("credentials");
        std::fs::write(&path, "a much longer text that was there before").unwrap();
        replace(&path, b"{}").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"{}");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
