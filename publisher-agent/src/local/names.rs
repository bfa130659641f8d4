//! Names for the registry, made from what a model server calls its models.

use std::collections::BTreeSet;

/// Longest name that is given: the registry takes 100 letters, and something may come behind it.
const LONGEST: usize = 80;

/// A name that the registry takes and that is not taken yet; it is taken from now on.
pub fn claim(model: &str, taken: &mut BTreeSet<String>) -> String {
    let base = from_model(model);
    let numbered = (2..).map(|n| {
        let suffix = format!("-{n}");
        let kept = base[..base.len().min(LONGEST - suffix.len())].trim_end_matches(is_joint);
        format!("{kept}{suffix}")
    });
    let free = std::iter::once(base.clone()).chain(numbered).find(|name| !taken.contains(name));
    let name = free.unwrap_or(base);
    taken.insert(name.clone());
    name
}

/// The last part of a model's path, in the registry's letters: `Qwen/Qwen2.5-7B:latest` is `qwen2.5-7b`.
fn from_model(model: &str) -> String {
    let short = model.trim_end_matches('/').rsplit(['/', '\\']).next().unwrap_or(model);
    let short = short.strip_suffix(":latest").unwrap_or(short);
    let short = short.strip_suffix(".gguf").unwrap_or(short);
    let mut name = String::new();
    for c in short.chars().map(|c| c.to_ascii_lowercase()) {
        match c {
            'a'..='z' | '0'..='9' | '.' | '_' => name.push(c),
            _ if name.ends_with('-') => {}
            _ => name.push('-'),
        }
    }
    let name = name.trim_matches(is_joint);
    let name = name[..name.len().min(LONGEST)].trim_end_matches(is_joint);
    if name.is_empty() { "model".to_owned() } else { name.to_owned() }
}

fn is_joint(c: char) -> bool {
    matches!(c, '.' | '_' | '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_get_names_that_the_registry_takes() {
        for (model, name) in [
            ("Qwen/Qwen2.5-7B-Instruct-AWQ", "qwen2.5-7b-instruct-awq"),
            ("llama3.2:latest", "llama3.2"),
            ("llama3.2:1b", "llama3.2-1b"),
            ("/models/Mistral 7B (Q4).gguf", "mistral-7b-q4"),
            ("モデル", "model"),
            ("..", "model"),
        ] {
            assert_eq!(from_model(model), name);
        }
        assert_eq!(from_model(&"a-".repeat(80)).len(), 79);
    }

    #[test]
    fn no_name_is_given_twice() {
        let mut taken = BTreeSet::new();
        assert_eq!(claim("a/m", &mut taken), "m");
        assert_eq!(claim("b/m", &mut taken), "m-2");
        assert_eq!(claim("c/m", &mut taken), "m-3");
        let long = "x".repeat(120);
        claim(&long, &mut taken);
        assert!(claim(&long, &mut taken).len() <= LONGEST);
    }
}
