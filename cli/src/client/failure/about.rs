//! What a sentence of the registry is about: its form is a promise of the API.

use crate::client::route::Subject;

/// Titles of sentences, and the lists that they are in.
const TITLES: [(&str, &str); 8] = [
    ("Llm", "llms"),
    ("Agent", "agents"),
    ("Project", "projects"),
    ("Personality", "personalities"),
    ("Prompt", "prompts"),
    ("Thread", "threads"),
    ("Token", "tokens"),
    ("task", "inference-tasks"),
];

/// What is not there: `Agent not found: coder`.
pub fn missing(sentence: &str) -> Option<Subject> {
    let (title, rest) = sentence.split_once(" not found")?;
    let name = rest.strip_prefix(", nor ever there").unwrap_or(rest).strip_prefix(": ")?;
    let name = name.split_once(';').map_or(name, |(name, _)| name);
    subject(title, name)
}

/// What is there already: `Agent 'coder' already exists`.
pub fn taken(sentence: &str) -> Option<Subject> {
    let (title, name) = sentence.strip_suffix("' already exists")?.split_once(" '")?;
    subject(title, name)
}

fn subject(title: &str, name: &str) -> Option<Subject> {
    let (_, list) = TITLES.into_iter().find(|(known, _)| *known == title)?;
    Some(Subject { list: list.to_owned(), name: name.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_name_what_is_missing_and_what_is_taken() {
        let subject = |list: &str, name: &str| Some(Subject { list: list.to_owned(), name: name.to_owned() });
        assert_eq!(missing("Llm not found: gpt"), subject("llms", "gpt"));
        assert_eq!(missing("Agent not found, nor ever there: a"), subject("agents", "a"));
        assert_eq!(missing("Personality not found: b; agent 'a' has none"), subject("personalities", "b"));
        assert_eq!(missing("no such route: GET /x"), None);
        assert_eq!(missing("provider session not found: x; register again"), None);
        assert_eq!(taken("Token 'x' already exists"), subject("tokens", "x"));
        assert_eq!(taken("Llm 'gpt' is used by public agents: a"), None);
    }
}
