//! On which line of a text each member of a document is.

use saphyr_parser::{Event, Parser};
use std::collections::BTreeMap;

/// How deep members are looked at.
const DEPTH: usize = 100;

/// The lines of one document's members.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Lines(BTreeMap<String, usize>);

impl Lines {
    /// The line of what a JSON pointer (RFC 6901) names, or of what it is in; counted from 1.
    pub fn of(&self, pointer: &str) -> Option<usize> {
        let mut pointer = pointer;
        loop {
            if let Some(line) = self.0.get(pointer) {
                return Some(*line);
            }
            pointer = &pointer[..pointer.rfind('/')?];
        }
    }
}

/// Those of each document of a text. What is no YAML ends them: whoever reads it for good says why.
pub fn of(text: &str) -> Vec<Lines> {
    let (mut documents, mut walk) = (Vec::new(), Walk::default());
    for event in Parser::new_from_str(text) {
        let Ok((event, span)) = event else { break };
        let line = span.start.line();
        // Deeper documents are refused; their pointers would fill the memory.
        if walk.inside.len() > DEPTH {
            break;
        }
        match event {
            Event::DocumentEnd => documents.push(Lines(std::mem::take(&mut walk).lines)),
            Event::Scalar(value, ..) if walk.expects_key() => walk.key(&value, line),
            Event::Scalar(..) | Event::Alias(_) => {
                walk.begin(line);
                walk.end();
            }
            Event::MappingStart(..) => {
                walk.begin(line);
                walk.inside.push(Inside::Map { has_key: false });
            }
            Event::SequenceStart(..) => {
                walk.begin(line);
                walk.inside.push(Inside::List { next: 0 });
            }
            Event::MappingEnd | Event::SequenceEnd => {
                walk.inside.pop();
                walk.end();
            }
            _ => {}
        }
    }
    documents.push(Lines(walk.lines));
    documents
}

/// What the next value is a part of.
#[derive(Debug)]
enum Inside {
    Map { has_key: bool },
    List { next: usize },
}

/// A way through a document.
#[derive(Debug, Default)]
struct Walk {
    lines: BTreeMap<String, usize>,
    inside: Vec<Inside>,
    /// The pointer of the value that is read.
    path: Vec<String>,
}

impl Walk {
    fn expects_key(&self) -> bool {
        matches!(self.inside.last(), Some(Inside::Map { has_key: false }))
    }

    fn key(&mut self, key: &str, line: usize) {
        self.path.push(key.replace('~', "~0").replace('/', "~1"));
        self.note(line);
        if let Some(Inside::Map { has_key }) = self.inside.last_mut() {
            *has_key = true;
        }
    }

    /// A value begins.
    fn begin(&mut self, line: usize) {
        match self.inside.last_mut() {
            None => self.note(line),
            Some(Inside::List { next }) => {
                self.path.push(next.to_string());
                *next += 1;
                self.note(line);
            }
            // A key that is no text is refused by whoever reads it for good.
            Some(Inside::Map { has_key }) if !*has_key => {
                *has_key = true;
                self.path.push(String::new());
            }
            Some(Inside::Map { .. }) => {}
        }
    }

    /// A value has ended.
    fn end(&mut self) {
        if let Some(inside) = self.inside.last_mut() {
            self.path.pop();
            if let Inside::Map { has_key } = inside {
                *has_key = false;
            }
        }
    }

    fn note(&mut self, line: usize) {
        let pointer = self.path.iter().fold(String::new(), |pointer, part| pointer + "/" + part);
        self.lines.insert(pointer, line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_member_is_where_its_name_is() {
        let text = "# a comment\nkind: agent\nname: a\ndefaultParams:\n  stop:\n  - one\n  - {a/b: 1,\n     c: [x,\n     y]}\nllm: l\n\
                    ---\n{\"kind\": \"llm\",\n \"name\": \"l\"}\n";
        let documents = of(text);
        let [first, second, ..] = documents.as_slice() else { panic!("{documents:?}") };
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
            assert_eq!(first.of(pointer), Some(line), "{pointer}");
        }
        assert_eq!((second.of("/kind"), second.of("/name")), (Some(12), Some(13)));
        assert_eq!(second.of("of no body"), None);
    }

    #[test]
    fn documents_are_counted_as_they_are_read() {
        for text in ["a: 1\n---\n---\nb: 2\n", "---\na: 1\n---\n", "a: 1\n...\n---\nb: 1\n"] {
            let read = serde_norway::Deserializer::from_str(text).count();
            let known = of(text).into_iter().filter(|lines| *lines != Lines::default()).count();
            assert!(known == read, "{text:?}: {known} of {read}");
        }
        assert_eq!(of("a: 1\nb: [\n").len(), 1, "what is no YAML has the lines before it");
        assert_eq!(of(&"- ".repeat(100_000)).len(), 1, "what is too deep is not followed");
    }
}
