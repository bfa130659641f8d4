//! `audit replay`: the whole registry as it was at some point.

use crate::args::audit::Replay;
use crate::output::document::Document;
use crate::output::{self, Format, json, yaml};
use crate::past::{self, Past};
use crate::shell::Shell;

/// Prints it.
pub async fn run(shell: &Shell, options: &Replay) -> anyhow::Result<()> {
    let format = shell.format(&[Format::Table, Format::Wide, Format::Json, Format::Yaml], "audit replay")?;
    let past = past::read(&shell.client()?, options.until.as_deref()).await?;
    match format {
        Format::Json => return shell.answer_json(&json::compact(&document(&past)?)),
        Format::Yaml => return Ok(output::answer(&yaml::write(&document(&past)?))?),
        _ => {}
    }
    let wide = format == Format::Wide;
    let mut text = format!("the registry at sequence {}\n", past.sequence);
    for (noun, answer) in &past.lists {
        let table = crate::get::table(*noun, answer, wide, shell.screen.times(wide))?;
        if !table.is_empty() {
            text += &["\n", noun.list(), "\n", &shell.screen.table(&table, wide)].concat();
        }
    }
    Ok(output::answer(&text)?)
}

fn document(past: &Past) -> anyhow::Result<Document> {
    let mut members = vec![("sequence".to_owned(), Document::Token(past.sequence.to_string()))];
    for (noun, answer) in &past.lists {
        members.push((noun.list().to_owned(), Document::parse(&answer.body)?));
    }
    Ok(Document::Map(members))
}
