//! Documents, as people write them: YAML or JSON, many in one text.

use super::lines::Lines;
use super::source::Source;
use super::yaml::{self, Fault, Parsed};
use crate::args::Noun;
use crate::exit::Stuck;
use crate::meant::closest;
use crate::output::clean;
use crate::output::document::Document;
use serde_json::value::RawValue;
use std::collections::HashMap;

/// What can be applied, in the order in which it is: what others name comes before them.
const NOUNS: [Noun; 5] = [Noun::Llms, Noun::Projects, Noun::Agents, Noun::Personalities, Noun::Prompts];

/// What is said of rows.
const ROWS: &str = ": what `-o json` prints are rows; `-o yaml` prints their documents";

/// Where a document is.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    source: String,
    lines: Lines,
}

impl Place {
    /// `file:line` of what a JSON pointer into the definition names.
    pub fn of(&self, pointer: &str) -> String {
        let line = self.lines.of(pointer).or_else(|| self.lines.of(""));
        line.map_or_else(|| self.source.clone(), |line| format!("{}:{line}", self.source))
    }
}

/// One document.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// Where it is.
    pub place: Place,
    /// What it is.
    pub noun: Noun,
    /// Its name.
    pub name: String,
    /// All members but `kind`, in their order.
    pub definition: Document,
}

/// Reads all documents; those that others may name come first, and else the order is theirs.
pub fn read(sources: &[Source]) -> Result<Vec<Wanted>, Stuck> {
    let (mut all, mut places) = (Vec::new(), HashMap::new());
    for source in sources {
        for Parsed { document, lines } in parse(source)? {
            // Between two lines of `---` there may be nothing.
            if document == Document::Token("null".to_owned()) {
                continue;
            }
            let place = Place { source: source.name.clone(), lines };
            let wanted = wanted(document, place.clone()).map_err(|problem| stuck(&place.of(""), &problem))?;
            if let Some(other) = places.insert((wanted.noun, wanted.name.clone()), place.of("")) {
                return Err(stuck(&place.of(""), &format!("{} is at {other} already", wanted.title())));
            }
            all.push(wanted);
        }
    }
    all.sort_by_key(|wanted| NOUNS.iter().position(|noun| *noun == wanted.noun));
    Ok(all)
}

/// The documents of a text: JSON, one value after the other, or else YAML.
fn parse(source: &Source) -> Result<Vec<Parsed>, Stuck> {
    let text = source.text.strip_prefix('\u{feff}').unwrap_or(&source.text);
    let values: Result<Vec<&RawValue>, _> = serde_json::Deserializer::from_str(text).into_iter().collect();
    let read = match values {
        Ok(values) => of_json(text, values),
        Err(_) => yaml::parse(text, 1),
    };
    read.map_err(|fault| stuck(&format!("{}:{}", source.name, fault.line), &fault.problem))
}

/// Values of JSON. All but some letters in its texts is YAML too, which knows the lines.
fn of_json(text: &str, values: Vec<&RawValue>) -> Result<Vec<Parsed>, Fault> {
    let (mut line, mut counted, mut all) = (1, 0, Vec::with_capacity(values.len()));
    for value in values {
        let begins = value.get().as_ptr() as usize - text.as_ptr() as usize;
        line += text[counted..begins].matches('\n').count();
        counted = begins;
        let lines = match yaml::parse(value.get(), line) {
            Ok(mut parsed) => parsed.pop().map(|parsed| parsed.lines),
            Err(fault) if fault.is_syntax => None,
            Err(fault) => return Err(fault),
        };
        let fault = |problem: String| {
            let problem = problem.trim_start_matches("the server's answer ").to_owned();
            Fault { line, problem, is_syntax: true }
        };
        let document = Document::parse(value.get()).map_err(|stuck| fault(stuck.problem))?;
        all.push(Parsed { document, lines: lines.unwrap_or_default() });
    }
    Ok(all)
}

fn stuck(place: &str, problem: &str) -> Stuck {
    let next = "a document is as `mcpctl get agent NAME -o yaml` prints it; `---` is between two";
    Stuck::new(format!("{place}: {problem}"), next)
}

impl Wanted {
    /// `kind/name`, as it is printed.
    pub fn title(&self) -> String {
        format!("{}/{}", self.noun.word(), clean::line(&self.name))
    }
}

fn wanted(document: Document, place: Place) -> Result<Wanted, String> {
    let mut members = match document {
        Document::Map(members) => members,
        Document::List(_) => return Err(format!("the document is a list, and no mapping{ROWS}")),
        _ => return Err("the document is no mapping".to_owned()),
    };
    let kinds = NOUNS.map(Noun::word);
    let at = members.iter().position(|(key, _)| key == "kind");
    let given = at.map(|at| members.remove(at).1);
    let noun = match &given {
        Some(Document::Text(word)) => NOUNS.into_iter().find(|noun| noun.word() == word),
        _ => None,
    };
    let noun = noun.ok_or_else(|| {
        if matches!(&given, Some(Document::Text(word)) if ["public", "virtual"].contains(&word.as_str())) {
            return format!("`kind` is one of {}{ROWS}", kinds.join(", "));
        }
        let meant = match &given {
            Some(Document::Text(word)) => closest(word, kinds.into_iter()),
            _ => None,
        };
        let meant = meant.map(|kind| format!("; did you mean {kind}?")).unwrap_or_default();
        format!("`kind` is one of {}{meant}", kinds.join(", "))
    })?;
    let definition = Document::Map(members);
    match definition.get("name") {
        Some(Document::Text(name)) if !name.is_empty() => Ok(Wanted { place, noun, name: name.clone(), definition }),
        _ => Err("`name` is a text, and is required".to_owned()),
    }
}

/// Whether two definitions mean the same: what is left out is as good as empty, and the order of members is nobody's
/// business.
pub fn is_same(one: &Document, other: &Document) -> bool {
    let (Document::Map(one), Document::Map(other)) = (one, other) else { return false };
    let nothing = Document::Token("null".to_owned());
    let within = |one: &[(String, Document)], other: &[(String, Document)]| {
        one.iter().all(|(key, value)| {
            let found = other.iter().find(|(name, _)| name == key).map_or(&nothing, |(_, value)| value);
            is_equal(value, found) || value.is_empty() && found.is_empty()
        })
    };
    within(one, other) && within(other, one)
}

/// Whether two values are the same: a number is its value.
fn is_equal(one: &Document, other: &Document) -> bool {
    match (one, other) {
        (Document::Token(one), Document::Token(other)) => one == other || is_equal_number(one, other),
        (Document::List(one), Document::List(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| is_equal(one, other))
        }
        (Document::Map(members), Document::Map(others)) => {
            members.len() == others.len()
                && members.iter().all(|(key, value)| other.get(key).is_some_and(|found| is_equal(value, found)))
        }
        _ => one == other,
    }
}

fn is_equal_number(one: &str, other: &str) -> bool {
    // Whole numbers may be larger than what a float tells apart.
    if let (Ok(one), Ok(other)) = (one.parse::<i128>(), other.parse::<i128>()) {
        return one == other;
    }
    one.parse::<f64>().is_ok_and(|one| other.parse() == Ok(one))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::json;

    #[test]
    fn many_documents_come_in_the_order_in_which_they_can_be_made() {
        let text = "kind: prompt\nname: p\n---\nkind: agent\nname: a\nllm: l\nextras: {b: [1, 2.50, null], a: yes}\n---\n---\n\
                    {\"kind\": \"llm\", \"name\": \"l\"}\n";
        let read = |text: &str| super::read(&[Source { name: "f.yaml".to_owned(), text: text.to_owned() }]);
        let all = read(text).unwrap();
        let names: Vec<_> = all.iter().map(|wanted| wanted.name.as_str()).collect();
        assert_eq!(names, ["l", "a", "p"]);
        assert_eq!(
            json::compact(&all[1].definition),
            r#"{"name":"a","llm":"l","extras":{"b":[1,2.50,null],"a":"yes"}}"#
        );
        assert_eq!(read("").unwrap(), []);
        let odd = read(
            "{\"kind\": \"llm\",\n\"name\": \"a\",\n\"description\": \"\u{2028} \\ud83d\\ude00\"}{\"kind\": \"llm\", \"name\": \"b\"}",
        );
        let odd = odd.unwrap();
        assert_eq!(odd.len(), 2);
        assert_eq!(odd[0].definition.get("description"), Some(&Document::text("\u{2028} 😀")));
        assert_eq!(read("\u{feff}kind: llm\nname: a\n").unwrap().len(), 1);
    }

    #[test]
    fn what_is_no_document_is_refused_with_its_line() {
        let read = |text: &str| super::read(&[Source { name: "f.yaml".to_owned(), text: text.to_owned() }]);
        for (text, says) in [
            ("kind: agent\nname: a\n---\nkind: planet\nname: mars\n", "f.yaml:4: `kind` is one of llm, project, agent"),
            ("name: a\n", "f.yaml:1: `kind` is one of"),
            ("kind: agents\nname: a\n", "did you mean agent?"),
            ("\nkind: agent\nname: 5\n", "f.yaml:2: `name` is a text"),
            ("- kind: agent\n", "f.yaml:1: the document is a list, and no mapping: what `-o json` prints are rows"),
            ("{\"name\": \"a\", \"kind\": \"virtual\"}", "prompt: what `-o json` prints are rows"),
            ("agent\n", "f.yaml:1: the document is no mapping"),
            ("kind: agent\nname: a\nextras: {1: 2}\n", "f.yaml:3: a key is a text"),
            ("kind: agent\nname: a\nllm: b\nllm: c\n", "f.yaml:4: the key \"llm\" is there already"),
            ("{\"kind\": \"agent\",\n\"name\": \"a\",\n\"name\": \"b\"}", "f.yaml:3: the key \"name\""),
            ("{\"kind\": \"agent\",\n\"name\": 7}", "f.yaml:1: `name` is a text"),
            ("kind: agent\nname: a\nextras: .inf\n", "which JSON has not"),
            ("kind: agent\nname: !custom a\n", "tag"),
            ("kind: agent\nname: a\n---\nkind: [agent\nname: b\n", "f.yaml:5: "),
            ("kind: agent\nname: a\n---\nkind: agent\nname: a\n", "f.yaml:4: agent/a is at f.yaml:1 already"),
        ] {
            let told = read(text).unwrap_err().to_string();
            assert!(told.contains(says), "{text}: {told}");
        }
        let deep = format!("kind: agent\nname: a\nextras: {}{}\n", "[".repeat(110), "]".repeat(110));
        assert!(read(&deep).unwrap_err().to_string().contains("nested deeper"));
    }

    #[test]
    fn what_means_the_same_is_the_same() {
        let same = |one: &str, other: &str| is_same(&Document::parse(one).unwrap(), &Document::parse(other).unwrap());
        assert!(same(r#"{"a":1.50,"b":null,"c":{"d":[1]}}"#, r#"{"c":{"d":[1.0]},"a":1.5,"e":{}}"#));
        assert!(same(r#"{"a":[]}"#, "{}") && same(r#"{"a":""}"#, r#"{"a":null}"#));
        for (one, other) in [
            (r#"{"a":1}"#, r#"{"a":2}"#),
            (r#"{"a":1}"#, "{}"),
            (r#"{"a":[1,2]}"#, r#"{"a":[2,1]}"#),
            (r#"{"a":"1"}"#, r#"{"a":1}"#),
            (r#"{"a":9007199254740993}"#, r#"{"a":9007199254740992}"#),
            (r#"{"extras":{"a":""}}"#, r#"{"extras":{}}"#),
            (r#"{"defaultParams":{"stop":[]}}"#, "{}"),
        ] {
            assert!(!same(one, other), "{one} {other}");
        }
    }
}
