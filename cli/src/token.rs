//! `token`: who may come in, and what they may do.

use crate::args::token::{Create, Token};
use crate::client::failure;
use crate::client::route::Route;
use crate::output::document::Document;
use crate::output::table::{Table, Width};
use crate::output::{self, Format, clean, yaml};
use crate::shell::Shell;
use mcpctl_events::wire::tokens::{NewToken, Token as Row};
use serde::Serialize;

const FORMATS: [Format; 3] = [Format::Table, Format::Json, Format::Yaml];

/// What makes a token.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Wanted<'a> {
    name: &'a str,
    role: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_in: Option<&'a str>,
}

/// Makes, lists or revokes.
pub async fn run(shell: &Shell, command: &Token) -> anyhow::Result<()> {
    match command {
        Token::Create(options) => create(shell, options).await,
        Token::List => list(shell).await,
        Token::Revoke { name } => revoke(shell, name).await,
    }
}

async fn create(shell: &Shell, options: &Create) -> anyhow::Result<()> {
    let format = shell.format(&FORMATS, "token create")?;
    let client = shell.client()?;
    let wanted = Wanted {
        name: &options.name,
        role: &options.role,
        user: options.user.as_deref(),
        expires_in: options.expires.as_deref(),
    };
    let made = client.call(&Route::api(["tokens"]), &wanted).await;
    let answer = client.rest(made.map_err(|error| failure::called(error, |pointer| Some(flag(pointer))))?).await?;
    match format {
        Format::Json => shell.answer_json(&answer.body),
        Format::Yaml => Ok(output::answer(&yaml::write(&Document::parse(&answer.body)?))?),
        _ => {
            let made: NewToken = answer.read()?;
            let until = made.expires_at.map(|end| format!(" until {end}")).unwrap_or_default();
            shell.screen.note(&format!(
                "token '{}' of user '{}' with role {}{until}; it is shown this once, and `mcpctl login` takes it:",
                clean::line(&made.name),
                clean::line(&made.user),
                clean::line(&made.role)
            ));
            Ok(output::answer(&format!("{}\n", clean::line(&made.token)))?)
        }
    }
}

/// The flag of what a pointer leads to.
fn flag(pointer: &str) -> String {
    if pointer == "/expiresIn" { "--expires".to_owned() } else { pointer.replacen('/', "--", 1) }
}

async fn list(shell: &Shell) -> anyhow::Result<()> {
    let format = shell.format(&FORMATS, "token list")?;
    let answer = shell.client()?.get(&Route::api(["tokens"])).await?;
    match format {
        Format::Json => shell.answer_json(&answer.body),
        Format::Yaml => Ok(output::answer(&yaml::write(&Document::parse(&answer.body)?))?),
        _ => {
            let columns =
                ["NAME", "USER", "ROLE", "EXPIRES", "LAST USED", "CREATED"].map(|title| (title, Width::Natural));
            let (mut table, times) = (Table::new(&columns), shell.screen.times(false));
            for row in answer.read::<Vec<Row>>()? {
                let shown = |time: Option<String>| times.shown(&time.unwrap_or_default());
                let [expires, used, created] = [row.expires_at, row.last_used_at, Some(row.created_at)].map(shown);
                table.row([&row.name, &row.user, &row.role, &expires, &used, &created].map(String::as_str));
            }
            Ok(output::answer(&shell.screen.table(&table, false))?)
        }
    }
}

async fn revoke(shell: &Shell, name: &str) -> anyhow::Result<()> {
    shell.format(&[Format::Table], "token revoke")?;
    shell.client()?.delete(&Route::api(["tokens", name])).await?;
    Ok(output::answer(&format!("token/{} revoked\n", clean::line(name)))?)
}
