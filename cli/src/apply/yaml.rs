//! YAML as documents: numbers as they are spelled, and the line of each member.
//!
//! What a plain word means is YAML's core schema (YAML 1.2.2, 10.3.2), as far as JSON can say it.

use super::lines::Lines;
use crate::output::document::Document;
use saphyr_parser::{Event, Parser, ScalarStyle, Tag};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

/// Deeper documents are refused, as the server does.
const DEPTH: usize = 100;
/// Values that aliases may add to a text: each stands for all that its anchor holds.
const REPEATED: usize = 100_000;

/// One document.
#[derive(Debug, PartialEq)]
pub struct Parsed {
    /// What it holds.
    pub document: Document,
    /// Where each part of it is.
    pub lines: Lines,
}

/// Why a text cannot be read.
#[derive(Debug, PartialEq)]
pub struct Fault {
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong there.
    pub problem: String,
    /// It is no YAML; else it is, and means nothing here.
    pub is_syntax: bool,
}

/// All documents of a text; `first_line` is the number of its first line.
pub fn parse(text: &str, first_line: usize) -> Result<Vec<Parsed>, Fault> {
    let mut builder = Builder { first_line, ..Builder::default() };
    let mut documents = Vec::new();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| Fault {
            line: builder.number(error.marker().line()),
            problem: error.info().to_owned(),
            is_syntax: true,
        })?;
        let line = builder.number(span.start.line());
        let done = builder.take(event, line).map_err(|problem| Fault { line, problem, is_syntax: false })?;
        documents.extend(done);
    }
    Ok(documents)
}

/// A document under way.
#[derive(Default)]
struct Builder {
    first_line: usize,
    lines: Lines,
    /// What the next value is a part of, outermost first.
    open: Vec<Open>,
    root: Option<Document>,
    anchors: HashMap<usize, (Document, usize)>,
    repeated: usize,
}

struct Open {
    inside: Inside,
    /// The pointer of it.
    pointer: String,
    anchor: usize,
}

enum Inside {
    Map { members: Vec<(String, Document)>, keys: HashSet<String>, key: Option<String> },
    List(Vec<Document>),
}

impl Builder {
    fn number(&self, line: usize) -> usize {
        line.max(1) + self.first_line.saturating_sub(1)
    }

    fn take(&mut self, event: Event<'_>, line: usize) -> Result<Option<Parsed>, String> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                if let Some(open) = self.open.last_mut()
                    && let Inside::Map { keys, key: key @ None, .. } = &mut open.inside
                {
                    return named(key, keys, text, style, tag.as_deref()).map(|pointed| {
                        self.lines.note(format!("{}/{pointed}", open.pointer), line);
                        None
                    });
                }
                self.begin(line)?;
                let value = scalar(text, style, tag.as_deref())?;
                self.end(value, anchor);
            }
            Event::Alias(anchor) => {
                self.begin(line)?;
                let (value, size) = self.anchors.get(&anchor).ok_or("the alias stands for what it is in")?.clone();
                self.repeated += size;
                if self.repeated > REPEATED {
                    return Err(format!("aliases stand for more than {REPEATED} values"));
                }
                self.end(value, 0);
            }
            Event::MappingStart(anchor, tag) => {
                let inside = Inside::Map { members: Vec::new(), keys: HashSet::new(), key: None };
                self.enter(inside, anchor, tag.as_deref(), line)?;
            }
            Event::SequenceStart(anchor, tag) => {
                self.enter(Inside::List(Vec::new()), anchor, tag.as_deref(), line)?;
            }
            Event::MappingEnd | Event::SequenceEnd => {
                let Some(open) = self.open.pop() else { return Ok(None) };
                let value = match open.inside {
                    Inside::Map { members, .. } => Document::Map(members),
                    Inside::List(items) => Document::List(items),
                };
                self.end(value, open.anchor);
            }
            Event::DocumentEnd => {
                let lines = std::mem::take(&mut self.lines);
                // An anchor is one document's own.
                self.anchors.clear();
                return Ok(self.root.take().map(|document| Parsed { document, lines }));
            }
            Event::DocumentStart(_) | Event::StreamStart | Event::StreamEnd | Event::Nothing => {}
        }
        Ok(None)
    }

    fn enter(&mut self, inside: Inside, anchor: usize, tag: Option<&Tag>, line: usize) -> Result<(), String> {
        let kind = if matches!(inside, Inside::Map { .. }) { "map" } else { "seq" };
        if let Some(tag) = tag.filter(|tag| !(tag.is_yaml_core_schema() && tag.suffix == kind)) {
            return Err(unknown(tag));
        }
        let pointer = self.begin(line)?;
        if self.open.len() >= DEPTH {
            return Err(format!("is nested deeper than {DEPTH} levels"));
        }
        self.open.push(Open { inside, pointer, anchor });
        Ok(())
    }

    /// A value begins; its pointer.
    fn begin(&mut self, line: usize) -> Result<String, String> {
        let pointer = match self.open.last() {
            None => String::new(),
            Some(Open { inside: Inside::List(items), pointer, .. }) => format!("{pointer}/{}", items.len()),
            // Where its name is.
            Some(Open { inside: Inside::Map { key: Some(key), .. }, pointer, .. }) => {
                return Ok(format!("{pointer}/{}", escaped(key)));
            }
            Some(_) => return Err("a key is a text; quote it if it looks like something else".to_owned()),
        };
        self.lines.note(pointer.clone(), line);
        Ok(pointer)
    }

    /// A value is whole.
    fn end(&mut self, value: Document, anchor: usize) {
        if anchor > 0 {
            let size = size(&value);
            self.anchors.insert(anchor, (value.clone(), size));
        }
        match self.open.last_mut().map(|open| &mut open.inside) {
            None => self.root = Some(value),
            Some(Inside::List(items)) => items.push(value),
            Some(Inside::Map { members, key, .. }) => members.extend(key.take().map(|key| (key, value))),
        }
    }
}

/// Takes the name of a member; as a pointer spells it.
fn named(
    key: &mut Option<String>,
    keys: &mut HashSet<String>,
    text: Cow<'_, str>,
    style: ScalarStyle,
    tag: Option<&Tag>,
) -> Result<String, String> {
    let Document::Text(name) = scalar(text, style, tag)? else {
        return Err("a key is a text; quote it if it looks like something else".to_owned());
    };
    if !keys.insert(name.clone()) {
        return Err(format!("the key \"{name}\" is there already"));
    }
    let pointed = escaped(&name);
    *key = Some(name);
    Ok(pointed)
}

fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

fn size(value: &Document) -> usize {
    match value {
        Document::Token(_) | Document::Text(_) => 1,
        Document::List(items) => 1 + items.iter().map(size).sum::<usize>(),
        Document::Map(members) => 1 + members.iter().map(|(_, value)| size(value)).sum::<usize>(),
    }
}

fn unknown(tag: &Tag) -> String {
    format!("has the tag {tag}, which nothing here knows")
}

/// What a scalar means.
fn scalar(text: Cow<'_, str>, style: ScalarStyle, tag: Option<&Tag>) -> Result<Document, String> {
    match tag {
        None if style == ScalarStyle::Plain => plain(text),
        None => Ok(Document::Text(text.into_owned())),
        Some(tag) if tag.is_yaml_core_schema() && tag.suffix == "str" => Ok(Document::Text(text.into_owned())),
        Some(tag) if tag.is_yaml_core_schema() => match plain(text)? {
            token @ Document::Token(_) => Ok(token),
            Document::Text(text) => Err(format!("{text} is no {}", tag.suffix)),
            _ => Err(unknown(tag)),
        },
        Some(tag) => Err(unknown(tag)),
    }
}

/// What a word without quotes means.
fn plain(text: Cow<'_, str>) -> Result<Document, String> {
    Ok(match &*text {
        "" | "~" | "null" | "Null" | "NULL" => Document::Token("null".to_owned()),
        "true" | "True" | "TRUE" => Document::Token("true".to_owned()),
        "false" | "False" | "FALSE" => Document::Token("false".to_owned()),
        word if is_beyond_json(word) => return Err(format!("holds the number {word}, which JSON has not")),
        word => match number(word) {
            Some(token) => Document::Token(token),
            None => Document::Text(text.into_owned()),
        },
    })
}

/// Infinity, and what is no number.
fn is_beyond_json(word: &str) -> bool {
    let word = word.strip_prefix(['-', '+']).unwrap_or(word);
    matches!(word, ".inf" | ".Inf" | ".INF" | ".nan" | ".NaN" | ".NAN")
}

/// A number as JSON spells it.
fn number(word: &str) -> Option<String> {
    if let Some((radix, digits)) =
        word.strip_prefix("0x").map(|digits| (16, digits)).or_else(|| Some((8, word.strip_prefix("0o")?)))
    {
        return u128::from_str_radix(digits, radix)
            .ok()
            .filter(|_| !digits.starts_with('+'))
            .map(|number| number.to_string());
    }
    let (sign, digits) = match word.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", word.strip_prefix('+').unwrap_or(word)),
    };
    let (mantissa, exponent) = digits.find(['e', 'E']).map_or((digits, ""), |at| digits.split_at(at));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let power = exponent.get(1..).unwrap_or_default();
    let power = power.strip_prefix(['-', '+']).unwrap_or(power);
    let is_number = are_digits(whole)
        && are_digits(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && are_digits(power)
        && exponent.is_empty() == power.is_empty();
    if !is_number {
        return None;
    }
    let whole = Some(whole.trim_start_matches('0')).filter(|whole| !whole.is_empty()).unwrap_or("0");
    let fraction = if fraction.is_empty() { String::new() } else { format!(".{fraction}") };
    Some(format!("{sign}{whole}{fraction}{exponent}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::json;

    #[test]
    fn each_member_is_where_its_name_is() {
        let text = "# a comment\nkind: agent\nname: a\ndefaultParams:\n  stop:\n  - one\n  - {a/b: 1,\n     c: [x,\n     y]}\nllm: l\n\
                    ---\n{\"kind\": \"llm\",\n \"name\": \"l\"}\n";
        let documents = parse(text, 1).unwrap();
        let [first, second] = documents.as_slice() else { panic!("{documents:?}") };
        for (pointer, line) in [
            ("", 2),
            ("/kind", 2),
            ("/defaultParams", 4),
            ("/defaultParams/stop", 5),
            ("/defaultParams/stop/0", 6),
            ("/defaultParams/stop/1/a~1b", 7),
            ("/defaultParams/stop/1/c/1", 9),
            ("/llm", 10),
            ("/llm/name", 10),
            ("/project", 2),
        ] {
            assert_eq!(first.lines.of(pointer), Some(line), "{pointer}");
        }
        assert_eq!((second.lines.of("/kind"), second.lines.of("/name")), (Some(12), Some(13)));
        assert_eq!(second.lines.of("of no body"), None);
        assert_eq!(parse("a: 1\n", 7).unwrap()[0].lines.of("/a"), Some(7));
    }

    fn value(text: &str) -> Result<String, String> {
        let parsed = parse(&format!("v: {text}\n"), 1).map_err(|fault| fault.problem)?;
        Ok(json::compact(parsed[0].document.get("v").unwrap()))
    }

    #[test]
    fn a_plain_word_means_what_the_core_schema_says() {
        for (text, meant) in [
            ("", "null"),
            ("~", "null"),
            ("True", "true"),
            ("yes", r#""yes""#),
            ("1.50", "1.50"),
            ("+007", "7"),
            (".5", "0.5"),
            ("-.5e-3", "-0.5e-3"),
            ("1.", "1"),
            ("0x1F", "31"),
            ("0o17", "15"),
            ("1e400", "1e400"),
            ("123456789012345678901234567890123456789012345", "123456789012345678901234567890123456789012345"),
            ("1_000", r#""1_000""#),
            ("1e", r#""1e""#),
            (".", r#"".""#),
            ("0x", r#""0x""#),
            ("12:30", r#""12:30""#),
            ("'5'", r#""5""#),
            ("!!str 5", r#""5""#),
            ("!!int 5", "5"),
            ("\"a\\tb\"", r#""a\tb""#),
            ("|\n  two\n  lines", "\"two\\nlines\\n\""),
        ] {
            assert_eq!(value(text).as_deref(), Ok(meant), "{text}");
        }
        for text in
            [".inf", "-.INF", ".nan", "!custom a", "!!int a", "!!map [1]", "{1: 2}", "{[a]: 2}", "{a: 1, a: 2}", "[a"]
        {
            assert!(value(text).is_err(), "{text}");
        }
    }

    #[test]
    fn aliases_stand_for_their_anchors_and_not_for_gigabytes() {
        assert_eq!(value("[&a {b: 1}, *a]").as_deref(), Ok(r#"[{"b":1},{"b":1}]"#));
        assert_eq!(value("&a [*a]"), Err("the alias stands for what it is in".to_owned()));
        let level = |n: usize| format!("a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 10].join(","));
        let bomb: Vec<_> = (1..9).map(level).collect();
        let fault = parse(&format!("a0: &a0 x\n{}", bomb.concat()), 1).unwrap_err();
        assert!(fault.problem.contains("aliases stand for more than"), "{fault:?}");
    }

    #[test]
    fn faults_have_their_line() {
        let line = |text: &str| parse(text, 1).unwrap_err().line;
        assert_eq!(line("a: 1\nb: 2\na: 3\n"), 3);
        assert_eq!(line("a: 1\n---\nb: [\n"), 4);
        assert_eq!(line(&"- ".repeat(101)), 1);
        assert_eq!(line(&"- ".repeat(100_000)), 1);
    }

    #[test]
    fn documents_may_be_empty() {
        let count = |text: &str| parse(text, 1).unwrap().len();
        assert_eq!((count(""), count("# nothing\n")), (0, 0));
        assert_eq!(count("---\na: 1\n---\n---\nb: 2\n"), 3, "an empty one is null");
        assert_eq!(count("a: 1\n...\n---\nb: 1\n"), 2);
    }
}
