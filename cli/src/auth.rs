//! `auth`: who one is, and what one may do.

use crate::args::auth::{Auth, Grant};
use crate::client::failure;
use crate::client::route::Route;
use crate::credentials;
use crate::exit::Denied;
use crate::output::document::Document;
use crate::output::table::{Table, Width};
use crate::output::{self, Format, clean, yaml};
use crate::shell::Shell;
use mcpctl_events::wire::access::{GrantRow, NewGrant, Verdict, WhoAmI};

const FORMATS: [Format; 3] = [Format::Table, Format::Json, Format::Yaml];

/// Asks or changes.
pub async fn run(shell: &Shell, command: &Auth) -> anyhow::Result<()> {
    match command {
        Auth::CanI { verb, resource } => can_i(shell, verb, resource).await,
        Auth::Whoami => who_am_i(shell).await,
        Auth::Token => token(shell),
        Auth::Grants => list(shell).await,
        Auth::Grant(grant) => give(shell, grant).await,
        Auth::Withdraw(grant) => take(shell, grant).await,
    }
}

async fn can_i(shell: &Shell, verb: &str, resource: &str) -> anyhow::Result<()> {
    let format = shell.format(&FORMATS, "auth can-i")?;
    let route = Route::api(["auth", "can-i"]).with("verb", Some(verb)).with("resource", Some(resource));
    let answer = shell.client()?.get(&route).await;
    let answer = answer.map_err(|error| failure::called(error, |pointer| Some(argument(pointer))))?;
    let verdict: Verdict = answer.read()?;
    match format {
        Format::Json => shell.answer_json(&answer.body)?,
        Format::Yaml => output::answer(&yaml::write(&Document::parse(&answer.body)?))?,
        _ => {
            output::answer(if verdict.allowed { "yes\n" } else { "no\n" })?;
            shell.screen.note(&clean::line(&verdict.reason));
        }
    }
    if verdict.allowed { Ok(()) } else { Err(Denied.into()) }
}

async fn who_am_i(shell: &Shell) -> anyhow::Result<()> {
    let format = shell.format(&FORMATS, "auth whoami")?;
    let answer = shell.client()?.get(&Route::api(["auth", "whoami"])).await?;
    match format {
        Format::Json => shell.answer_json(&answer.body),
        Format::Yaml => Ok(output::answer(&yaml::write(&Document::parse(&answer.body)?))?),
        _ => {
            let me: WhoAmI = answer.read()?;
            let token = me.token.map(|token| format!(", token {}", clean::line(&token))).unwrap_or_default();
            let until = me.expires_at.map(|end| format!(" until {}", clean::line(&end))).unwrap_or_default();
            let first = format!("{}, role {}{token}{until}", clean::line(&me.user), clean::line(&me.role));
            let grants = me.grants.iter().map(|grant| format!("may also {}", clean::line(grant)));
            Ok(output::answer(&(std::iter::once(first).chain(grants).collect::<Vec<_>>().join("\n") + "\n"))?)
        }
    }
}

/// Prints the token that goes with the server that commands here talk to.
fn token(shell: &Shell) -> anyhow::Result<()> {
    shell.format(&[Format::Table], "auth token")?;
    let target = credentials::resolve(&shell.context()?, shell.server(), shell.token())?;
    Ok(output::answer(&format!("{}\n", target.token))?)
}

async fn list(shell: &Shell) -> anyhow::Result<()> {
    let format = shell.format(&FORMATS, "auth grants")?;
    let answer = shell.client()?.get(&Route::api(["grants"])).await?;
    match format {
        Format::Json => shell.answer_json(&answer.body),
        Format::Yaml => Ok(output::answer(&yaml::write(&Document::parse(&answer.body)?))?),
        _ => {
            let columns = ["USER", "VERB", "RESOURCE", "CREATED"].map(|title| (title, Width::Natural));
            let (mut table, times) = (Table::new(&columns), shell.screen.times(false));
            for row in answer.read::<Vec<GrantRow>>()? {
                table.row([&row.user, &row.verb, &row.resource, &times.shown(&row.created_at)].map(String::as_str));
            }
            Ok(output::answer(&shell.screen.table(&table, false))?)
        }
    }
}

async fn give(shell: &Shell, grant: &Grant) -> anyhow::Result<()> {
    shell.format(&[Format::Table], "auth grant")?;
    let client = shell.client()?;
    let Grant { user, verb, resource } = grant;
    let wanted = NewGrant { user: user.clone(), verb: verb.clone(), resource: resource.clone() };
    let granted = client.call(&Route::api(["grants"]), &wanted).await;
    client.rest(granted.map_err(|error| failure::called(error, |pointer| Some(argument(pointer))))?).await?;
    Ok(output::answer(&format!("user/{} may {} {}\n", clean::line(user), clean::line(verb), clean::line(resource)))?)
}

/// The argument of what a pointer leads to.
fn argument(pointer: &str) -> String {
    pointer.trim_start_matches('/').to_uppercase()
}

async fn take(shell: &Shell, grant: &Grant) -> anyhow::Result<()> {
    shell.format(&[Format::Table], "auth withdraw")?;
    let Grant { user, verb, resource } = grant;
    let (kind, names) = resource.split_once('/').unwrap_or((resource, ""));
    shell.client()?.delete(&Route::api(["grants", user, verb, kind, names])).await?;
    Ok(output::answer(&format!(
        "user/{} may no longer {} {}\n",
        clean::line(user),
        clean::line(verb),
        clean::line(resource)
    ))?)
}
