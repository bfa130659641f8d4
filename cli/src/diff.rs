//! `diff`: what changed between two points of the history, or would by documents, row by row and field by field.

use crate::apply;
use crate::apply::dry_run::{self, Would};
use crate::args::{Diff, Noun};
use crate::client::Client;
use crate::output::document::Document;
use crate::output::{self, Format, clean, json, lines_of};
use crate::past::{self, Past};
use crate::shell::Shell;
use std::collections::BTreeMap;

/// What became of a row.
#[derive(Debug, PartialEq)]
struct Change {
    kind: &'static str,
    name: String,
    what: What,
}

#[derive(Debug, PartialEq)]
enum What {
    /// With its fields, where they are known.
    Added(Vec<Field>),
    Removed,
    Changed(Vec<Field>),
}

/// A field: its name, what it held, and what it holds.
type Field = (String, Document, Document);

/// Shows it.
pub async fn run(shell: &Shell, options: &Diff) -> anyhow::Result<()> {
    let format = shell.format(&[Format::Table, Format::Json], "diff")?;
    let client = shell.client()?;
    let (changes, none) = match &options.from {
        Some(from) => {
            let from = past::read(&client, Some(from)).await?;
            let to = past::read(&client, options.to.as_deref()).await?;
            let none = format!("nothing differs between sequence {} and sequence {}", from.sequence, to.sequence);
            (changes(&from, &to)?, none)
        }
        None => (of_documents(&client, options).await?, "the registry holds what the documents say".to_owned()),
    };
    if format == Format::Json {
        let all = Document::List(changes.iter().map(document).collect());
        return shell.answer_json(&json::compact(&all));
    }
    if changes.is_empty() {
        shell.screen.note(&none);
    }
    Ok(output::answer(&changes.iter().map(|change| text(change, shell.screen.colour_out)).collect::<String>())?)
}

/// What `apply` of these documents would change.
async fn of_documents(client: &Client, options: &Diff) -> anyhow::Result<Vec<Change>> {
    let mut changes = Vec::new();
    let all = apply::documents(&options.file, options.selector.as_ref())?;
    for (wanted, would) in dry_run::run(client, &all, &[]).await?.documents {
        let what = match would.map_err(|error| apply::placed(error, wanted))? {
            Would::Nothing => continue,
            Would::Create(Document::Map(fields)) => {
                let new = fields.into_iter().filter(|(key, _)| key != "name");
                What::Added(new.map(|(key, value)| (key, nothing(), value)).collect())
            }
            Would::Create(_) => What::Added(Vec::new()),
            Would::Configure(standing, definition) => {
                let mut fields = fields(&standing.definition, &definition);
                if standing.is_virtual() {
                    fields.push(("kind".to_owned(), Document::text("virtual"), Document::text("public")));
                }
                What::Changed(fields)
            }
        };
        changes.push(Change { kind: wanted.noun.word(), name: wanted.name.clone(), what });
    }
    Ok(changes)
}

fn changes(from: &Past, to: &Past) -> anyhow::Result<Vec<Change>> {
    let mut changes = Vec::new();
    for ((noun, before), (_, after)) in from.lists.iter().zip(&to.lists) {
        changes.extend(between(*noun, past::rows(*noun, before)?, past::rows(*noun, after)?));
    }
    Ok(changes)
}

/// By name, added and removed rows among the changed ones.
fn between(noun: Noun, before: Vec<(String, Document)>, after: Vec<(String, Document)>) -> Vec<Change> {
    let mut rows: BTreeMap<String, (Option<Document>, Option<Document>)> = BTreeMap::new();
    for (name, row) in before {
        rows.entry(name).or_default().0 = Some(row);
    }
    for (name, row) in after {
        rows.entry(name).or_default().1 = Some(row);
    }
    let change = |(name, row)| {
        let what = match row {
            (Some(before), Some(after)) if before == after => return None,
            (Some(before), Some(after)) => What::Changed(fields(&before, &after)),
            (Some(_), None) => What::Removed,
            (None, _) => What::Added(Vec::new()),
        };
        Some(Change { kind: noun.word(), name, what })
    };
    rows.into_iter().filter_map(change).collect()
}

fn nothing() -> Document {
    Document::Token("null".to_owned())
}

fn fields(before: &Document, after: &Document) -> Vec<Field> {
    let (Document::Map(old), Document::Map(new)) = (before, after) else { return Vec::new() };
    let changed = new.iter().filter_map(|(key, value)| {
        let was = before.get(key).cloned().unwrap_or_else(nothing);
        (was != *value).then(|| (key.clone(), was, value.clone()))
    });
    let gone = old.iter().filter(|(key, _)| after.get(key).is_none());
    changed.chain(gone.map(|(key, was)| (key.clone(), was.clone(), nothing()))).collect()
}

fn text(change: &Change, colour: bool) -> String {
    let (sign, code) = match change.what {
        What::Added(_) => ("+", "32"),
        What::Removed => ("-", "31"),
        What::Changed(_) => ("~", "35"),
    };
    let title = format!("{sign} {}/{}", change.kind, clean::line(&change.name));
    let title = if colour { format!("\u{1b}[{code}m{title}\u{1b}[0m") } else { title };
    let fields: Vec<_> = match &change.what {
        What::Changed(fields) => fields
            .iter()
            .map(|(key, was, is)| format!("    {}: {} → {}", clean::line(key), value(was), value(is)))
            .collect(),
        What::Added(fields) => {
            fields.iter().map(|(key, _, is)| format!("    {}: {}", clean::line(key), value(is))).collect()
        }
        What::Removed => Vec::new(),
    };
    lines_of(std::iter::once(title).chain(fields))
}

/// As people read it: a plain word without quotes.
fn value(document: &Document) -> String {
    match document {
        Document::Token(token) if token == "null" => "-".to_owned(),
        Document::Text(text) if !text.is_empty() && !text.contains(char::is_whitespace) => {
            clean::line(text).into_owned()
        }
        other => json::compact(other),
    }
}

fn document(change: &Change) -> Document {
    let (word, fields) = match &change.what {
        What::Added(fields) => ("added", Some(fields).filter(|fields| !fields.is_empty())),
        What::Removed => ("removed", None),
        What::Changed(fields) => ("changed", Some(fields)),
    };
    let field = |(key, was, is): &Field| {
        let members = [("field", Document::text(key)), ("before", was.clone()), ("after", is.clone())];
        Document::Map(members.map(|(key, value)| (key.to_owned(), value)).into())
    };
    let fields = fields.map(|fields| ("fields", Document::List(fields.iter().map(field).collect())));
    let members = [
        ("change", Document::text(word)),
        ("kind", Document::text(change.kind)),
        ("name", Document::text(&change.name)),
    ];
    Document::Map(members.into_iter().chain(fields).map(|(key, value)| (key.to_owned(), value)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Vec<(String, Document)> {
        let Document::List(rows) = Document::parse(text).unwrap() else { panic!("{text}") };
        rows.into_iter().map(|row| (crate::events::word(&row, "name"), row)).collect()
    }

    #[test]
    fn rows_come_go_and_change_field_by_field() {
        let before = rows(
            r#"[{"name":"a","status":"active","old":1,"description":null},{"name":"b","status":"active"},{"name":"d"}]"#,
        );
        let after = rows(
            r#"[{"name":"a","status":"inactive","description":"two words"},{"name":"c","status":"active"},{"name":"d"}]"#,
        );
        let changes = between(Noun::Agents, before, after);
        let shown: String = changes.iter().map(|change| text(change, false)).collect();
        assert_eq!(
            shown,
            "~ agent/a\n    status: active → inactive\n    description: - → \"two words\"\n    old: 1 → -\n- agent/b\n+ agent/c\n"
        );
        assert_eq!(
            json::compact(&document(&changes[0])),
            r#"{"change":"changed","kind":"agent","name":"a","fields":[{"field":"status","before":"active","after":"inactive"},{"field":"description","before":null,"after":"two words"},{"field":"old","before":1,"after":null}]}"#
        );
        assert_eq!(json::compact(&document(&changes[1])), r#"{"change":"removed","kind":"agent","name":"b"}"#);
    }
}
