//! Labels by which rows are picked.

use crate::output::document::Document;
use mcpctl_events::wire::selector;
use std::fmt;
use std::str::FromStr;

/// `key=value`, or several with commas between them: what has all of these labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector(Vec<(String, String)>);

impl FromStr for Selector {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let labels =
            selector::parse(text).filter(|labels| labels.iter().all(|(key, _)| !key.is_empty() && !key.ends_with('!')));
        // As other programs spell it.
        let bare = |(key, value): (String, String)| (key, value.strip_prefix('=').map(str::to_owned).unwrap_or(value));
        let labels = labels.map(|labels| Self(labels.into_iter().map(bare).collect()));
        labels.ok_or("labels are KEY=VALUE, with commas between several; a comma of a value is \\,")
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&selector::write(self.0.iter().map(|(key, value)| (key, value))))
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
