//! What a row is defined as, without what the registry made of it: the documents of `-o yaml`.

use crate::args::Noun;
use crate::output::document::Document;

/// Members that the registry keeps, not the author.
const KEPT_BY_THE_REGISTRY: [&str; 12] = [
    "kind",
    "status",
    "disabled",
    "connected",
    "lastHeartbeatAt",
    "inactiveSince",
    "providerSessionId",
    "id",
    "ownerId",
    "version",
    "createdAt",
    "updatedAt",
];

/// The document of a row: its kind first, then what its author wrote; references are names.
pub fn of(noun: Noun, row: Document) -> Document {
    let Document::Map(members) = row else { return row };
    let documents = [Noun::Agents, Noun::Llms, Noun::Projects, Noun::Personalities, Noun::Prompts];
    let defined = documents.contains(&noun);
    let kept = members
        .into_iter()
        .filter(|(key, value)| !(value.is_empty() || defined && KEPT_BY_THE_REGISTRY.contains(&key.as_str())))
        .map(|(key, value)| {
            let reference = noun == Noun::Agents && matches!(key.as_str(), "llm" | "project");
            let value = if reference { value.get("name").cloned().unwrap_or(value) } else { value };
            (key, value)
        });
    Document::Map(std::iter::once(("kind".to_owned(), Document::text(noun.word()))).chain(kept).collect())
}

/// The same without its kind, as the server takes it.
pub fn without_kind(noun: Noun, row: Document) -> Document {
    match of(noun, row) {
        Document::Map(members) => Document::Map(members.into_iter().filter(|(key, _)| key != "kind").collect()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::yaml;

    #[test]
    fn an_agent_is_what_its_author_wrote() {
        let row = r#"{"id":"1","name":"a","description":null,"systemPrompt":"be\nterse","llm":{"id":"2","name":"l"},
            "project":{"id":"3","name":"p"},"defaultParams":{"temperature":0.20,"max_tokens":9},"extras":{},"labels":{},
            "kind":"virtual","status":"active","disabled":false,"connected":true,"lastHeartbeatAt":"t","inactiveSince":null,
            "ownerId":"u","version":3,"createdAt":"t","updatedAt":"t"}"#;
        assert_eq!(
            yaml::write(&of(Noun::Agents, Document::parse(row).unwrap())),
            "kind: agent\nname: a\nsystemPrompt: |-\n  be\n  terse\nllm: l\nproject: p\n\
             defaultParams:\n  temperature: 0.20\n  max_tokens: 9\n"
        );
    }

    #[test]
    fn an_llm_keeps_its_reference_to_a_key() {
        let row = r#"{"id":"1","name":"l","type":"openai","model":"m","url":"http://h/v1","apiKeyRef":{"env":"KEY"},
            "kind":"public","status":"active"}"#;
        assert_eq!(
            yaml::write(&of(Noun::Llms, Document::parse(row).unwrap())),
            "kind: llm\nname: l\ntype: openai\nmodel: m\nurl: http://h/v1\napiKeyRef:\n  env: KEY\n"
        );
    }
}
