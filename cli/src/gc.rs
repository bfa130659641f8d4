//! `gc`: one sweep now.

use crate::client::route::Route;
use crate::output::document::Document;
use crate::output::sheet::Sheet;
use crate::output::yaml;
use crate::output::{Format, clean, lines_of};
use crate::shell::Shell;
use serde::Deserialize;

/// What a sweep did.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Swept {
    marked_inactive: u64,
    deleted: u64,
    #[serde(default)]
    retained: Vec<Retained>,
}

/// An Llm that stays, though it is due.
#[derive(Debug, Deserialize)]
struct Retained {
    name: String,
    reason: String,
}

/// Sweeps, and says what that did.
pub async fn run(shell: &Shell) -> anyhow::Result<()> {
    let format = shell.format(&[Format::Table, Format::Json, Format::Yaml], "gc")?;
    let answer = shell.client()?.post(&Route::api(["gc"])).await?;
    match format {
        Format::Json => shell.answer_json(&answer.body),
        Format::Yaml => Ok(crate::output::answer(&yaml::write(&Document::parse(&answer.body)?))?),
        _ => Ok(crate::output::answer(&sheet(&answer.read()?))?),
    }
}

fn sheet(swept: &Swept) -> String {
    let mut sheet = Sheet::default();
    sheet.line("Marked inactive", swept.marked_inactive.to_string());
    sheet.line("Deleted", swept.deleted.to_string());
    sheet.line("Retained", swept.retained.len().to_string());
    let kept = |r: &Retained| format!("  llm/{}: {}", clean::line(&r.name), clean::line(&r.reason));
    sheet.render() + &lines_of(swept.retained.iter().map(kept))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_what_was_kept() {
        let text = r#"{"markedInactive":2,"deleted":1,"retained":[{"name":"big","reason":"agent reviewer needs it"}]}"#;
        assert_eq!(
            sheet(&serde_json::from_str(text).unwrap()),
            "Marked inactive: 2\nDeleted:         1\nRetained:        1\n  llm/big: agent reviewer needs it\n"
        );
    }
}
