//! YAML as documents: numbers as they are spelled, and the line of each member.
//!
//! What a plain word means is YAML's core schema (YAML 1.2.2, 10.3.2), as far as JSON can say it.

mod scalar;

use super::lines::{Lines, Within};
use crate::output::document::Document;
use saphyr_parser::{Event, Parser, Tag};
use std::collections::HashMap;

/// Deeper documents are refused, as the server does.
const DEPTH: usize = 100;
/// Bytes that aliases may add to a text: each stands for all that its anchor holds.
const REPEATED: usize = 16 << 20;
/// Bytes that a value takes besides its text.
const VALUE: usize = 32;
const NO_TEXT: &str = "a key is a text; quote it if it looks like something else";

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
    let (mut builder, mut documents) = (Builder::default(), Vec::new());
    let number = |line: usize| line.max(1) + first_line.saturating_sub(1);
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| Fault {
            line: number(error.marker().line()),
            problem: error.info().to_owned(),
            is_syntax: true,
        })?;
        let line = number(span.start.line());
        documents.extend(builder.take(event, line).map_err(|problem| Fault { line, problem, is_syntax: false })?);
    }
    Ok(documents)
}

/// A document under way.
#[derive(Default)]
struct Builder {
    /// What the next value is a part of, outermost first.
    open: Vec<Open>,
    root: Option<Parsed>,
    anchors: HashMap<usize, Anchored>,
    /// Bytes that anchors keep, and aliases have added.
    repeated: usize,
}

/// What an alias stands for.
struct Anchored {
    value: Document,
    size: usize,
    height: usize,
}

struct Open {
    inside: Inside,
    line: usize,
    anchor: usize,
}

enum Inside {
    Map { members: Vec<(String, Document)>, lines: HashMap<String, Lines>, key: Option<(String, usize)> },
    List { items: Vec<Document>, lines: Vec<Lines> },
}

impl Builder {
    fn take(&mut self, event: Event<'_>, line: usize) -> Result<Option<Parsed>, String> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let value = scalar::read(text, style, tag.as_deref())?;
                self.anchored(anchor, &value)?;
                self.value(value, Lines::new(line, Within::Nothing), line)?;
            }
            Event::Alias(anchor) => {
                let anchored = self.anchors.get(&anchor).ok_or("the alias stands for what it is in")?;
                if self.open.len() + anchored.height > DEPTH {
                    return Err(too_deep());
                }
                let (value, size) = (anchored.value.clone(), anchored.size);
                self.repeat(size)?;
                self.value(value, Lines::new(line, Within::Nothing), line)?;
            }
            Event::MappingStart(anchor, tag) => {
                let inside = Inside::Map { members: Vec::new(), lines: HashMap::new(), key: None };
                self.enter(inside, anchor, tag.as_deref(), line)?;
            }
            Event::SequenceStart(anchor, tag) => {
                let inside = Inside::List { items: Vec::new(), lines: Vec::new() };
                self.enter(inside, anchor, tag.as_deref(), line)?;
            }
            Event::MappingEnd | Event::SequenceEnd => {
                let Some(Open { inside, line, anchor }) = self.open.pop() else { return Ok(None) };
                let (value, within) = match inside {
                    Inside::Map { members, lines, .. } => (Document::Map(members), Within::Members(lines)),
                    Inside::List { items, lines } => (Document::List(items), Within::Elements(lines)),
                };
                self.anchored(anchor, &value)?;
                self.value(value, Lines::new(line, within), line)?;
            }
            Event::DocumentEnd => {
                // An anchor is one document's own.
                self.anchors.clear();
                return Ok(self.root.take());
            }
            Event::DocumentStart(_) | Event::StreamStart | Event::StreamEnd | Event::Nothing => {}
        }
        Ok(None)
    }

    fn enter(&mut self, inside: Inside, anchor: usize, tag: Option<&Tag>, line: usize) -> Result<(), String> {
        let kind = if matches!(inside, Inside::Map { .. }) { "map" } else { "seq" };
        if let Some(tag) = tag.filter(|tag| scalar::core(tag) != Some(kind)) {
            return Err(scalar::unknown(tag));
        }
        if matches!(self.open.last(), Some(Open { inside: Inside::Map { key: None, .. }, .. })) {
            return Err(NO_TEXT.to_owned());
        }
        if self.open.len() >= DEPTH {
            return Err(too_deep());
        }
        self.open.push(Open { inside, line, anchor });
        Ok(())
    }

    fn anchored(&mut self, anchor: usize, value: &Document) -> Result<(), String> {
        if anchor > 0 {
            let (size, height) = measures(value);
            self.repeat(size)?;
            self.anchors.insert(anchor, Anchored { value: value.clone(), size, height });
        }
        Ok(())
    }

    fn repeat(&mut self, size: usize) -> Result<(), String> {
        self.repeated += size;
        if self.repeated > REPEATED {
            return Err(format!("anchors and aliases stand for more than {} MiB", REPEATED >> 20));
        }
        Ok(())
    }

    /// A value is whole: a key, a member, an element, or the document.
    fn value(&mut self, value: Document, at: Lines, line: usize) -> Result<(), String> {
        match self.open.last_mut().map(|open| &mut open.inside) {
            None => self.root = Some(Parsed { document: value, lines: at }),
            Some(Inside::List { items, lines }) => {
                items.push(value);
                lines.push(at);
            }
            Some(Inside::Map { members, lines, key }) => match (key.take(), value) {
                (Some((name, line)), value) => {
                    lines.insert(name.clone(), at.on(line));
                    members.push((name, value));
                }
                (None, Document::Text(name)) if lines.contains_key(&name) => {
                    return Err(format!("the key \"{name}\" is there already"));
                }
                (None, Document::Text(name)) => *key = Some((name, line)),
                (None, _) => return Err(NO_TEXT.to_owned()),
            },
        }
        Ok(())
    }
}

fn too_deep() -> String {
    format!("is nested deeper than {DEPTH} levels")
}

/// Bytes that a copy of it takes, about; and how many levels it has.
fn measures(value: &Document) -> (usize, usize) {
    let all = |parts: &mut dyn Iterator<Item = (usize, &Document)>| {
        parts.fold((VALUE, 1), |(bytes, height), (own, part)| {
            let (size, below) = measures(part);
            (bytes + own + size, height.max(below + 1))
        })
    };
    match value {
        Document::Token(text) | Document::Text(text) => (VALUE + text.len(), 0),
        Document::List(items) => all(&mut items.iter().map(|item| (0, item))),
        Document::Map(members) => all(&mut members.iter().map(|(key, value)| (VALUE + key.len(), value))),
    }
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
            ("!!float 5", "5"),
            ("!!float 1.5", "1.5"),
            ("!!bool true", "true"),
            ("!!null ~", "null"),
            ("! 5", r#""5""#),
            ("!<tag:yaml.org,2002:str> 5", r#""5""#),
            ("!!map {a: 1}", r#"{"a":1}"#),
            ("{&k key: 1, w: *k}", r#"{"key":1,"w":"key"}"#),
            ("{a: &k key, *k : 1}", r#"{"a":"key","key":1}"#),
            ("\"a\\tb\"", r#""a\tb""#),
            ("|\n  two\n  lines", "\"two\\nlines\\n\""),
        ] {
            assert_eq!(value(text).as_deref(), Ok(meant), "{text}");
        }
        for text in [
            ".inf",
            "-.INF",
            ".nan",
            "!custom a",
            "!!int a",
            "!!int 1.5",
            "!!bool 5",
            "!!null 7",
            "!!int true",
            "!!map [1]",
            "!custom {a: 1}",
            "{1: 2}",
            "{[a]: 2}",
            "{a: 1, a: 2}",
            "[a",
            "0x123456789012345678901234567890123",
        ] {
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
        let long = format!("a: &a \"{}\"\nb: [{}]\n", "x".repeat(1 << 20), "*a, ".repeat(20));
        assert!(parse(&long, 1).unwrap_err().problem.contains("aliases stand for more than"), "long texts, few times");
    }

    #[test]
    fn aliases_lead_no_deeper_than_brackets() {
        let level = |n: usize| format!("a{n}: &a{n} [*a{}]\n", n - 1);
        let chain = |levels: usize| format!("a0: &a0 x\n{}", (1..=levels).map(level).collect::<Vec<_>>().concat());
        assert!(parse(&chain(90), 1).is_ok());
        assert!(parse(&chain(200), 1).unwrap_err().problem.contains("nested deeper"));
        let anchors: String = (0..90).map(|n| format!("&b{n} [")).collect::<Vec<_>>().concat();
        let nested = format!("{anchors}\"{}\"{}", "x".repeat(1 << 20), "]".repeat(90));
        assert!(parse(&nested, 1).unwrap_err().problem.contains("anchors and aliases"), "each anchor keeps a copy");
    }

    #[test]
    fn faults_have_their_line() {
        let line = |text: &str| parse(text, 1).unwrap_err().line;
        assert_eq!(line("a: 1\nb: 2\na: 3\n"), 3);
        assert_eq!(line("a: 1\n---\nb: [\n"), 4);
        assert_eq!(line(&"- ".repeat(101)), 1);
        assert_eq!(line(&"- ".repeat(100_000)), 1);
        // What points to a part is not kept with each part.
        let long_key = format!("? {}\n: [{}]\n", "k".repeat(1 << 18), "1, ".repeat(20_000));
        assert_eq!(parse(&long_key, 1).unwrap().len(), 1);
    }

    #[test]
    fn documents_may_be_empty() {
        let count = |text: &str| parse(text, 1).unwrap().len();
        assert_eq!((count(""), count("# nothing\n")), (0, 0));
        assert_eq!(count("---\na: 1\n---\n---\nb: 2\n"), 3, "an empty one is null");
        assert_eq!(count("a: 1\n...\n---\nb: 1\n"), 2);
    }
}
