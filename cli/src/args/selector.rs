//! Labels by which rows are picked.

use crate::output::document::Document;
use std::fmt;
use std::str::FromStr;

/// `key=value`, or several with commas between them: what has all of these labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector(Vec<(String, String)>);

impl FromStr for Selector {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let pair = |label: &str| {
            let (key, value) = label.split_once('=').filter(|(key, _)| !key.is_empty() && !key.ends_with('!'))?;
            Some((key.to_owned(), value.strip_prefix('=').unwrap_or(value).to_owned()))
        };
        let pairs = labels(text).iter().map(|label| pair(label)).collect::<Option<Vec<_>>>();
        pairs.map(Self).ok_or("labels are KEY=VALUE, with commas between several; a comma of a value is \\,")
    }
}

/// What stands between commas; one behind a backslash is a part of it.
fn labels(text: &str) -> Vec<String> {
    let (mut labels, mut letters) = (vec![String::new()], text.chars());
    while let Some(letter) = letters.next() {
        let last = labels.last_mut();
        match (letter, last) {
            (',', _) => labels.push(String::new()),
            ('\\', Some(last)) => last.extend(letters.next()),
            (letter, Some(last)) => last.push(letter),
            (_, None) => {}
        }
    }
    labels
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs = self.0.iter().map(|(key, value)| format!("{key}={value}").replace('\\', r"\\").replace(',', r"\,"));
        let pairs: Vec<_> = pairs.collect();
        f.write_str(&pairs.join(","))
    }
}

impl Selector {
    /// Whether a definition has all of them.
    pub fn picks(&self, definition: &Document) -> bool {
        let labels = definition.get("labels");
        let has = |(key, value): &(String, String)| {
            labels.and_then(|labels| labels.get(key)).is_some_and(|found| *found == Document::text(value))
        };
        self.0.iter().all(has)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_picks_what_has_all_labels() {
        let selector: Selector = "team=red,gpu==a100".parse().unwrap();
        assert_eq!(selector.to_string(), "team=red,gpu=a100");
        for (definition, is_picked) in [
            (r#"{"labels":{"team":"red","gpu":"a100","x":"y"}}"#, true),
            (r#"{"labels":{"team":"red"}}"#, false),
            (r#"{"labels":{"team":"blue","gpu":"a100"}}"#, false),
            ("{}", false),
        ] {
            assert_eq!(selector.picks(&Document::parse(definition).unwrap()), is_picked, "{definition}");
        }
        let comma: Selector = r"k=a\,b,x=y".parse().unwrap();
        assert!(comma.picks(&Document::parse(r#"{"labels":{"k":"a,b","x":"y"}}"#).unwrap()));
        assert_eq!(comma.to_string(), r"k=a\,b,x=y");
        for odd in ["", "team", "=red", "team!=red", "a=b,"] {
            assert!(odd.parse::<Selector>().is_err(), "{odd}");
        }
    }
}
