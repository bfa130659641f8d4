//! `-o jsonpath=…`: parts of a JSON answer, one a line.

use super::document::Document;
use serde_json::Value;
use serde_json_path::JsonPath;
use std::str::FromStr;

/// Longest path that is read, in bytes, and how deep its brackets go.
const LONGEST: usize = 4096;
const DEEPEST: usize = 50;

/// A JSONPath (RFC 9535). Braces around it and a `$` before it may be left out or not.
#[derive(Debug, Clone, PartialEq)]
pub struct Path(JsonPath);

impl FromStr for Path {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bare = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or(text).trim();
        let path = match bare.chars().next() {
            None => return Err("a path is missing, as in jsonpath='$[*].name'".to_owned()),
            Some('$') => bare.to_owned(),
            Some('.' | '[') => format!("${bare}"),
            Some(_) => format!("$.{bare}"),
        };
        if is_tangled(&path) {
            return Err(format!("the path is longer than {LONGEST} bytes, or nested deeper than {DEEPEST} brackets"));
        }
        JsonPath::parse(&path).map(Self).map_err(|error| format!("{path} is no JSONPath (RFC 9535): {error}"))
    }
}

impl Path {
    /// The parts that it names, spelled as the answer has them.
    pub fn parts<'a>(&self, document: &'a Document) -> Vec<&'a Document> {
        let value = value(document);
        let found = self.0.query_located(&value);
        found.locations().filter_map(|place| at(document, &place.to_json_pointer())).collect()
    }
}

/// Whether reading a path would take more stack than there may be.
fn is_tangled(path: &str) -> bool {
    let mut depth = 0_usize;
    let mut opens = |byte| {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth > DEEPEST
    };
    path.len() > LONGEST || path.bytes().any(&mut opens)
}

/// What is looked through: numbers that no float holds are none there.
fn value(document: &Document) -> Value {
    match document {
        Document::Token(token) => serde_json::from_str(token).unwrap_or_default(),
        Document::Text(text) => Value::from(text.as_str()),
        Document::List(items) => items.iter().map(value).collect(),
        Document::Map(members) => members.iter().map(|(key, member)| (key.clone(), value(member))).collect(),
    }
}

/// What a JSON pointer (RFC 6901) names.
fn at<'a>(document: &'a Document, pointer: &str) -> Option<&'a Document> {
    pointer.split('/').skip(1).try_fold(document, |document, part| match document {
        Document::List(items) => items.get(part.parse::<usize>().ok()?),
        _ => document.get(&part.replace("~1", "/").replace("~0", "~")),
    })
}

#[cfg(test)]
mod tests {
    use super::super::json;
    use super::*;

    #[test]
    fn a_path_names_parts_as_they_are_spelled() {
        let text = r#"[{"name":"a","labels":{"x/y":"1"},"n":1.50},{"name":"b","labels":{},"n":12345678901234567890123},{"name":"c","n":1e400}]"#;
        let document = Document::parse(text).unwrap();
        let parts = |path: &str| -> Vec<String> {
            let path: Path = path.parse().unwrap();
            path.parts(&document).into_iter().map(json::compact).collect()
        };
        for path in ["$[*].name", "[*].name", "{$[*].name}", "{[*]['name']}"] {
            assert_eq!(parts(path), [r#""a""#, r#""b""#, r#""c""#], "{path}");
        }
        assert_eq!(parts("$[?@.name == 'b'].n"), ["12345678901234567890123"]);
        assert_eq!(parts("$[2].n"), ["1e400"]);
        assert_eq!(parts("$[?match(@.name, '[ac]')].name"), [r#""a""#, r#""c""#]);
        assert_eq!(parts("$[0].n"), ["1.50"]);
        assert_eq!(parts("$[0].labels['x/y']"), [r#""1""#]);
        assert_eq!(parts("$[5]"), [""; 0]);
        let deep = format!("$[?{}@.a{}]", "(".repeat(100_000), ")".repeat(100_000));
        for odd in ["", "{}", "$[", "a b", &deep, &deep[..500]] {
            assert!(odd.parse::<Path>().is_err(), "{odd}");
        }
    }
}
