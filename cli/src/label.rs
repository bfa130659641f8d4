//! `label`: gives Llms and agents labels, and takes them away.

use crate::apply::standing::Standing;
use crate::args::{Label, Noun};
use crate::exit::Usage;
use crate::meant;
use crate::output::document::Document;
use crate::output::{self, Format, clean};
use crate::shell::Shell;
use std::str::FromStr;

/// A change of one label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// `key=value`
    Set(String, String),
    /// `key-`
    Remove(String),
}

impl FromStr for Change {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let rule = "a label is given by KEY=VALUE, and taken away by KEY-";
        match text.split_once('=') {
            Some((key, value)) if !key.is_empty() => Ok(Self::Set(key.to_owned(), value.to_owned())),
            None => match text.strip_suffix('-') {
                Some(key) if !key.is_empty() => Ok(Self::Remove(key.to_owned())),
                _ => Err(rule),
            },
            _ => Err(rule),
        }
    }
}

/// Changes the labels of one.
pub async fn run(shell: &Shell, options: &Label) -> anyhow::Result<()> {
    shell.format(&[Format::Table], "label")?;
    let key = |change: &Change| match change {
        Change::Set(key, _) | Change::Remove(key) => key.clone(),
    };
    let mut keys: Vec<_> = options.changes.iter().map(key).collect();
    keys.sort_unstable();
    if let Some([twice, ..]) = keys.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(Usage(format!("the label {twice:?} is there twice")).into());
    }
    let (client, noun) = (shell.client()?, Noun::from(options.noun));
    let Some(standing) = Standing::of(&client, noun, &options.name).await? else {
        return Err(meant::missing(&client, noun, &options.name).await);
    };
    let wanted = labelled(standing.definition.clone(), &options.changes);
    let is_new = wanted != standing.definition && standing.put(&client, &wanted).await?;
    let title = format!("{}/{}", options.noun.word(), clean::line(standing.name()));
    if let Some(told) = standing.taken_over(&title, true).filter(|_| is_new) {
        shell.screen.note(&told);
    }
    let done = if is_new { "labeled" } else { "unchanged" };
    Ok(output::answer(&format!("{title} {done}\n"))?)
}

/// The definition with its labels changed; others stay where they are.
fn labelled(definition: Document, changes: &[Change]) -> Document {
    let Document::Map(mut members) = definition else { return definition };
    let at = members.iter().position(|(key, _)| key == "labels");
    let mut labels = match at.map(|at| members.remove(at).1) {
        Some(Document::Map(labels)) => labels,
        _ => Vec::new(),
    };
    for change in changes {
        match change {
            Change::Remove(key) => labels.retain(|(known, _)| known != key),
            Change::Set(key, value) => match labels.iter_mut().find(|(known, _)| known == key) {
                Some((_, old)) => *old = Document::text(value),
                None => labels.push((key.clone(), Document::text(value))),
            },
        }
    }
    if !labels.is_empty() {
        members.insert(at.unwrap_or(members.len()), ("labels".to_owned(), Document::Map(labels)));
    }
    Document::Map(members)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::json;

    #[test]
    fn labels_come_change_and_go() {
        let after = |definition: &str, changes: &[&str]| {
            let changes: Vec<Change> = changes.iter().map(|change| change.parse().unwrap()).collect();
            json::compact(&labelled(Document::parse(definition).unwrap(), &changes))
        };
        let before = r#"{"name":"a","labels":{"x":"1","y":"2"},"llm":"l"}"#;
        assert_eq!(after(before, &["y=3", "z="]), r#"{"name":"a","labels":{"x":"1","y":"3","z":""},"llm":"l"}"#);
        assert_eq!(after(before, &["x-", "y-"]), r#"{"name":"a","llm":"l"}"#);
        assert_eq!(after(r#"{"name":"a"}"#, &["x=a=b"]), r#"{"name":"a","labels":{"x":"a=b"}}"#);
        for odd in ["x", "=y", "-", ""] {
            assert!(odd.parse::<Change>().is_err(), "{odd}");
        }
    }
}
