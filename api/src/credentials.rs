//! The first start: user `admin` and its token.
//!
//! The token is in the user's file, and the file on the disk, before the token's event is committed: a crash in between
//! leaves a token that the next start makes valid, never a registry that nobody can enter.

use crate::{
    app::App,
    clock::Clock,
    config::Config,
    server::Refused,
    writer::{WriteError, Writer, system},
};
use anyhow::{Context, ensure};
use mcpctl_events::{
    command::{Command, IssueToken},
    event::token::Role,
    hash::Hash,
    name::Name,
    wire::server::{is_same_server, is_this_machine},
};
use reqwest::Url;
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::Duration,
};
use uuid::Uuid;

/// In the data folder, where the user's file is for another server.
const ADMIN_TOKEN: &str = "admin-token";
/// Fewest characters of a token that is not made here.
const MIN_TOKEN: usize = 16;
/// What a server on this machine has to answer.
const ANSWER: Duration = Duration::from_millis(500);

/// The user's `credentials` file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credentials {
    /// URL of the server.
    #[serde(rename = "mcpdUrl")]
    pub mcpd_url: String,
    /// The token.
    pub token: String,
}

impl Credentials {
    /// Reads the file, if it is there.
    ///
    /// # Errors
    /// It is there, and is no credentials file.
    pub fn read(path: &Path) -> anyhow::Result<Option<Self>> {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
        };
        let credentials = serde_json::from_slice(&bytes).with_context(|| {
            format!("{} is no {{\"mcpdUrl\", \"token\"}}: repair it, or move it away", path.display())
        })?;
        Ok(Some(credentials))
    }

    /// Writes the file, only for its owner, and has it on the disk when it returns.
    pub fn write(&self, path: &Path) -> anyhow::Result<()> {
        self.put(path, |draft, path| fs::rename(draft, path))
    }

    /// The same where there is no such file yet. Another server may be making it right now: then theirs is returned.
    fn create(self, path: &Path) -> anyhow::Result<Self> {
        let created = self.put(path, |draft, path| {
            let linked = fs::hard_link(draft, path);
            fs::remove_file(draft)?;
            linked
        });
        if created.is_err() {
            if let Some(theirs) = Self::read(path)? {
                return Ok(theirs);
            }
            // Not every file system has links.
            self.write(path)?;
        }
        Ok(self)
    }

    /// Names the server where it is now, unless the address was put there by somebody: it is not of this machine alone.
    /// One where a server answers is in use; it may be the one that this is a backup of.
    async fn move_to(&self, url: &str, path: &Path) {
        let other = &self.mcpd_url;
        let (Some(there), Some(here)) = (loopback(other), Url::parse(url).ok()) else { return };
        let is_same_port = there.port_or_known_default() == here.port_or_known_default();
        if is_same_port && there.scheme() == here.scheme() {
            return;
        }
        if !is_same_port && is_mcpd(there).await {
            let file = path.display();
            tracing::info!(
                "{file} still names the server at {other}, which is running; for this one: mcpctl login --server {url}"
            );
            return;
        }
        let moved = Self { mcpd_url: url.to_owned(), token: self.token.clone() }.write(path);
        if let Err(error) = moved {
            tracing::warn!("mcpctl will look for this server at {other}: {error:#}");
        }
    }

    /// Whether the token is this server's to take: the file names this server, or an address of this machine at which no
    /// server is any more. Whoever knows the token of another server must not be an admin here.
    async fn is_for(&self, url: &str) -> bool {
        if is_same_server(&self.mcpd_url, url) {
            return true;
        }
        match loopback(&self.mcpd_url) {
            Some(there) => !is_mcpd(there).await,
            None => false,
        }
    }

    fn put(&self, path: &Path, place: impl Fn(&Path, &Path) -> std::io::Result<()>) -> anyhow::Result<()> {
        put(path, &serde_json::to_string(self)?, place)
    }
}

/// Writes a line to a file for its owner only, and has it on the disk when it returns.
fn put(path: &Path, line: &str, place: impl Fn(&Path, &Path) -> std::io::Result<()>) -> anyhow::Result<()> {
    let dir = path.parent().with_context(|| format!("{} has no folder", path.display()))?;
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .with_context(|| format!("cannot make {}", dir.display()))?;
    let draft = path.with_extension(format!("new-{}", std::process::id()));
    let write = || -> std::io::Result<()> {
        let _ = fs::remove_file(&draft);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        file.write_all(line.as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        place(&draft, path)?;
        File::open(dir)?.sync_all()
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// Makes sure that the registry has its admin, and that the user's file points here if its token is valid here.
/// Returns the token, if it is known.
pub async fn first_start(
    config: &Config,
    url: &str,
    writer: &Writer,
    clock: &Clock,
    has_users: bool,
    knows: impl Fn(&Hash) -> bool,
) -> anyhow::Result<Option<String>> {
    let path = config.credentials_file();
    let found = match Credentials::read(&path) {
        Err(error) if has_users || config.args.admin_token_file.is_some() => {
            tracing::warn!("{error:#}");
            None
        }
        found => found?,
    };
    if has_users {
        let Some(found) = found.filter(|found| knows(&Hash::of(found.token.as_bytes()))) else { return Ok(None) };
        found.move_to(url, &path).await;
        return Ok(Some(found.token));
    }
    let token = if let Some(file) = &config.args.admin_token_file {
        from_file(file).map_err(refused)?
    } else if let Some(found) = found {
        if found.is_for(url).await {
            usable(&found.token).with_context(|| path.display().to_string()).map_err(refused)?.to_owned()
        } else {
            beside_the_data(config, &path, &found.mcpd_url, url)?
        }
    } else {
        let made = Credentials { mcpd_url: url.to_owned(), token: random() }.create(&path)?;
        tracing::info!(file = %path.display(), "made user admin; its token is in the credentials file");
        made.token
    };
    issue(writer, clock, &token).await.context("cannot make user admin")?;
    Ok(Some(token))
}

/// The admin's token, where the user's file is for another server: beside the data, where one that was made and not
/// committed is found again.
fn beside_the_data(config: &Config, credentials: &Path, other: &str, url: &str) -> anyhow::Result<String> {
    let path = config.data_dir.join(ADMIN_TOKEN);
    let kept = fs::read_to_string(&path).ok().map(|token| token.trim().to_owned());
    let token = if let Some(token) = kept.filter(|token| usable(token).is_ok()) {
        token
    } else {
        let made = random();
        put(&path, &made, |draft, path| fs::rename(draft, path))?;
        made
    };
    tracing::info!(
        file = %path.display(),
        "made user admin; its token is in this file, for {} is for the server at {other}; to use this one: mcpctl context add \
         NAME --server {url} < {}",
        credentials.display(),
        path.display(),
    );
    Ok(token)
}

/// A new token of user `admin`.
#[derive(Debug)]
pub struct Reset {
    /// The token.
    pub token: String,
    /// The files that held the one before, and hold this one now.
    pub kept_in: Vec<PathBuf>,
}

/// Makes a new token for user `admin`; the one before stops working. The user's files follow, where they held that for
/// this server, which is, or was, at `url`.
pub async fn reset_admin(app: &App, url: &str) -> anyhow::Result<Reset> {
    let is_old = |token: &str| {
        let hash = Hash::of(token.as_bytes());
        app.look(|state| state.tokens.get(&hash).is_some_and(|token| token.name == admin()))
    };
    let (path, beside) = (app.config.credentials_file(), app.config.data_dir.join(ADMIN_TOKEN));
    let old = match Credentials::read(&path).unwrap_or_default().filter(|found| is_old(&found.token)) {
        Some(found) if found.is_for(url).await => Some(found),
        _ => None,
    };
    let is_beside = fs::read_to_string(&beside).is_ok_and(|token| is_old(token.trim()));
    let token = random();
    issue(&app.writer, &app.clock, &token).await.context("cannot write to the log")?;
    let mut kept_in = Vec::new();
    let mut keep = |path: PathBuf, written: anyhow::Result<()>| match written {
        Ok(()) => kept_in.push(path),
        Err(error) => tracing::warn!("{} still holds the token before: {error:#}", path.display()),
    };
    if let Some(old) = old {
        let written = Credentials { token: token.clone(), ..old }.write(&path);
        keep(path, written);
    }
    if is_beside {
        let written = put(&beside, &token, |draft, path| fs::rename(draft, path));
        keep(beside, written);
    }
    Ok(Reset { token, kept_in })
}

async fn issue(writer: &Writer, clock: &Clock, token: &str) -> Result<(), WriteError> {
    let issue = IssueToken {
        id: clock.id(),
        name: admin(),
        user: admin(),
        user_id: clock.id(),
        role: Role::Admin,
        sha256: Hash::of(token.as_bytes()),
        expires_at: None,
        replaces: true,
    };
    writer.write(Command::IssueToken(issue), system("setup"), None).await.map(drop)
}

/// Reads the token of `--admin-token-file`.
pub fn from_file(file: &Path) -> anyhow::Result<String> {
    let text = fs::read_to_string(file).with_context(|| format!("--admin-token-file {}", file.display()))?;
    Ok(usable(text.trim()).with_context(|| format!("--admin-token-file {}", file.display()))?.to_owned())
}

#[expect(clippy::needless_pass_by_value, reason = "it is what errors are mapped with")]
fn refused(error: anyhow::Error) -> Refused {
    Refused::new(format!("{error:#}"))
}

/// What of the files that name the admin's token can't work, found before a new registry is made.
///
/// # Errors
/// Which file, and what is wrong with it.
pub fn check(config: &Config) -> Result<(), Refused> {
    if let Some(file) = &config.args.admin_token_file {
        return from_file(file).map(drop).map_err(refused);
    }
    let path = config.credentials_file();
    let Some(found) = Credentials::read(&path).map_err(refused)? else { return Ok(()) };
    usable(&found.token).with_context(|| path.display().to_string()).map(drop).map_err(refused)
}

/// A token that can be sent in a header, and is none that anybody guesses.
fn usable(token: &str) -> anyhow::Result<&str> {
    ensure!(
        token.len() >= MIN_TOKEN && token.bytes().all(|byte| byte.is_ascii_graphic()),
        "the token is at least {MIN_TOKEN} visible ASCII characters without a space"
    );
    Ok(token)
}

/// An address that only this machine has.
fn loopback(url: &str) -> Option<Url> {
    let url = Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    is_this_machine(url.host_str()?).then_some(url)
}

/// Whether a server of this kind is there. Another program that got its port is none, and must not get the token.
async fn is_mcpd(url: Url) -> bool {
    let ask = async {
        // Nothing is told to it: whose certificate it has does not matter.
        let client = reqwest::Client::builder().timeout(ANSWER).no_proxy().danger_accept_invalid_certs(true);
        let client = client.build().ok()?;
        client.get(url.join("/healthz").ok()?).send().await.ok()?.text().await.ok()
    };
    ask.await.as_deref() == Some("ok\n")
}

/// 244 random bits from the system, in two version 4 UUIDs.
pub fn random() -> String {
    format!("mcp_{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple())
}

fn admin() -> Name {
    Name::parse("admin").unwrap_or_else(|_| unreachable!("`admin` is a name"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_loopback() {
        for url in ["http://127.0.0.1:8420", "https://localhost:8420", "http://[::1]:8420", "http://127.0.0.9/"] {
            assert!(loopback(url).is_some(), "{url}");
        }
        for url in ["http://127.evil.example", "ftp://127.0.0.1", "http://10.0.0.1:8420", "localhost:8420", ""] {
            assert!(loopback(url).is_none(), "{url}");
        }
    }
}
