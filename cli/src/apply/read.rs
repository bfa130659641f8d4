//! Documents, as people write them: YAML or JSON, many in one text.

use super::lines::{self, Lines};
use super::source::Source;
use crate::args::Noun;
use crate::exit::Stuck;
use crate::get::definition::kind;
use crate::meant::closest;
use crate::output::clean;
use crate::output::document::Document;
use serde::Deserialize;
use serde_norway::Value;

/// What can be applied, in the order in which it is: what others name comes before them.
const NOUNS: [Noun; 5] = [Noun::Llms, Noun::Projects, Noun::Agents, Noun::Personalities, Noun::Prompts];
/// Deeper documents are refused, as the server does.
const DEPTH: usize = 100;

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
    let mut all: Vec<Wanted> = Vec::new();
    for source in sources {
        let text = source.text.strip_prefix('\u{feff}').unwrap_or(&source.text);
        let mut lines = lines::of(text).into_iter();
        for document in serde_norway::Deserializer::from_str(text) {
            let place = Place { source: source.name.clone(), lines: lines.next().unwrap_or_default() };
            let value = Value::deserialize(document).map_err(|error| {
                let line = error.location().map(|at| format!(":{}", at.line())).unwrap_or_default();
                stuck(&format!("{}{line}", source.name), &error.to_string())
            })?;
            // Between two lines of `---` there may be nothing.
            if value.is_null() {
                continue;
            }
            let wanted = wanted(value, place.clone()).map_err(|problem| stuck(&place.of(""), &problem))?;
            if let Some(other) = all.iter().find(|other| (other.noun, &other.name) == (wanted.noun, &wanted.name)) {
                let problem = format!("{} is at {} already", wanted.title(), other.place.of(""));
                return Err(stuck(&place.of(""), &problem));
            }
            all.push(wanted);
        }
    }
    all.sort_by_key(|wanted| NOUNS.iter().position(|noun| *noun == wanted.noun));
    Ok(all)
}

fn stuck(place: &str, problem: &str) -> Stuck {
    let next = "a document is as `mcpctl get agent NAME -o yaml` prints it; `---` is between two";
    Stuck::new(format!("{place}: {problem}"), next)
}

impl Wanted {
    /// `kind/name`, as it is printed.
    pub fn title(&self) -> String {
        format!("{}/{}", kind(self.noun), clean::line(&self.name))
    }
}

fn wanted(value: Value, place: Place) -> Result<Wanted, String> {
    let Document::Map(mut members) = convert(value, 0)? else { return Err("the document is no mapping".to_owned()) };
    let kinds = NOUNS.map(kind);
    let at = members.iter().position(|(key, _)| key == "kind");
    let given = at.map(|at| members.remove(at).1);
    let noun = match &given {
        Some(Document::Text(word)) => NOUNS.into_iter().find(|noun| kind(*noun) == word),
        _ => None,
    };
    let noun = noun.ok_or_else(|| {
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

/// The same as JSON has it.
fn convert(value: Value, depth: usize) -> Result<Document, String> {
    if depth > DEPTH {
        return Err(format!("is nested deeper than {DEPTH} levels"));
    }
    Ok(match value {
        Value::Null => Document::Token("null".to_owned()),
        Value::Bool(truth) => Document::Token(truth.to_string()),
        Value::Number(number) => Document::Token(token(&number)?),
        Value::String(text) => Document::Text(text),
        Value::Sequence(items) => {
            Document::List(items.into_iter().map(|item| convert(item, depth + 1)).collect::<Result<_, _>>()?)
        }
        Value::Mapping(members) => {
            let member = |(key, value)| match key {
                Value::String(key) => Ok((key, convert(value, depth + 1)?)),
                _ => Err("a key is a text; quote it if it looks like something else".to_owned()),
            };
            Document::Map(members.into_iter().map(member).collect::<Result<_, String>>()?)
        }
        Value::Tagged(tagged) => return Err(format!("has the tag {}, which nothing here knows", tagged.tag)),
    })
}

/// A number as JSON spells it, which has neither infinity nor what is no number.
fn token(number: &serde_norway::Number) -> Result<String, String> {
    let json = serde_json::to_string(number).unwrap_or_default();
    if json.is_empty() || json == "null" {
        Err(format!("holds the number {number}, which JSON has not"))
    } else {
        Ok(json)
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
            r#"{"name":"a","llm":"l","extras":{"b":[1,2.5,null],"a":"yes"}}"#
        );
        assert_eq!(read("").unwrap(), []);
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
            ("- kind: agent\n", "f.yaml:1: the document is no mapping"),
            ("kind: agent\nname: a\nextras: {1: 2}\n", "a key is a text"),
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
