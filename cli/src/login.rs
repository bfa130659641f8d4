//! `login`: keeps a server's address and a token, once the server has accepted it.

use crate::client::Client;
use crate::client::failure::Failure;
use crate::client::route::Route;
use crate::credentials::{self, Credentials, Target, context::Context};
use crate::exit::{Stuck, Usage};
use crate::output::Format;
use crate::shell::Shell;
use reqwest::StatusCode;
use serde::de::IgnoredAny;
use std::io::{BufRead, IsTerminal, Read};

/// Where a server listens unless it is told otherwise.
const DEFAULT_SERVER: &str = "http://127.0.0.1:8420";
/// Longest token that is read from stdin, in bytes.
const LONGEST: u64 = 64 * 1024;

/// Checks and keeps the token of `--token`, of stdin, or of whoever sits at the terminal.
pub async fn run(shell: &Shell) -> anyhow::Result<()> {
    keep(shell, &shell.context()?, "login").await
}

/// The same, for a context.
pub async fn keep(shell: &Shell, context: &Context, command: &str) -> anyhow::Result<()> {
    shell.format(&[Format::Table], command)?;
    let server = credentials::parse_server(&shell.server().map_or_else(|| saved_server(context), str::to_owned))?;
    let shown = server.as_str().trim_end_matches('/').to_owned();
    let token = match shell.token() {
        Some(token) => token.to_owned(),
        None => ask(&shown)?,
    };
    let token = token.trim().to_owned();
    if token.is_empty() {
        let next = "give it with --token, with MCPCTL_TOKEN or on stdin; on the server's machine, the admin's is in \
                    ~/.mcpctl/credentials";
        return Err(Stuck::new(format!("no token for {shown} was given"), next).into());
    }
    if token.contains(|c: char| !c.is_ascii_graphic()) {
        return Err(Usage("a token is one word of visible ASCII characters".to_owned()).into());
    }
    let client = Client::new(Target { server, token: token.clone() }, shell.trace())?;
    let answer = client.get(&Route::api(["agents"]).with("limit", Some(1))).await.map_err(|error| {
        match error.downcast_ref::<Failure>() {
            Some(Failure::Refused(refusal)) if refusal.status == StatusCode::UNAUTHORIZED => {
                let next = "check that all of it was copied; whoever has one makes another with `mcpctl token create`. \
                            Nothing was changed";
                Stuck::new(refusal.body.error.clone(), next).into()
            }
            _ => error,
        }
    })?;
    // Anything answers 200 these days: what is kept replaces what worked so far.
    answer.read::<Vec<IgnoredAny>>()?;
    if answer.sequence.is_none() {
        let next = "check the address: nothing was changed";
        return Err(Stuck::new(format!("what answers at {shown} is no mcpd"), next).into());
    }
    let path = Credentials { server: Some(shown.clone()), token: Some(token) }.write(context)?;
    shell.screen.note(&format!("logged in to {shown}; kept in {}", path.display()));
    Ok(())
}

/// The server of the last login. A broken file must not be in the way of writing a good one.
fn saved_server(context: &Context) -> String {
    let saved = Credentials::read(context).ok().and_then(|saved| saved.server);
    saved.filter(|url| credentials::parse_server(url).is_ok()).unwrap_or_else(|| DEFAULT_SERVER.to_owned())
}

fn ask(server: &str) -> anyhow::Result<String> {
    let unreadable = |e| Stuck::new(format!("cannot read the token: {e}"), "give it with --token or MCPCTL_TOKEN");
    if std::io::stdin().is_terminal() {
        return Ok(rpassword::prompt_password(format!(
            "token for {server} (on its machine, the admin's is in ~/.mcpctl/credentials): "
        ))
        .map_err(unreadable)?);
    }
    let mut line = String::new();
    std::io::stdin().lock().take(LONGEST).read_line(&mut line).map_err(unreadable)?;
    Ok(line)
}
