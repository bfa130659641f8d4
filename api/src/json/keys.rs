//! The keys of a JSON text, at any depth, without reading its values: numbers may be too large for any type of ours, and
//! nesting deeper than any stack.

/// A container that is open: in an object the last key, in an array the index.
enum Open<'a> {
    Object(&'a str),
    Array(usize),
}

/// Calls `visit` with each key of valid JSON and its pointer.
pub fn each_key(json: &str, mut visit: impl FnMut(&str, &dyn Fn() -> String)) {
    let (bytes, mut open, mut at) = (json.as_bytes(), Vec::new(), 0);
    while at < bytes.len() {
        match bytes[at] {
            b'{' => open.push(Open::Object("")),
            b'[' => open.push(Open::Array(0)),
            b'}' | b']' => drop(open.pop()),
            b',' => {
                if let Some(Open::Array(index)) = open.last_mut() {
                    *index += 1;
                }
            }
            b'"' => {
                let end = end_of_string(bytes, at);
                if bytes[end..].trim_ascii_start().first() == Some(&b':') {
                    let text = &json[at..end];
                    if let Some(Open::Object(key)) = open.last_mut() {
                        *key = text;
                    }
                    visit(&unescaped(text), &|| pointer(&open));
                }
                at = end;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
}

/// Just behind the closing quote.
fn end_of_string(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < bytes.len() && bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(bytes.len())
}

fn unescaped(text: &str) -> String {
    serde_json::from_str(text).unwrap_or_else(|_| text.to_owned())
}

fn pointer(open: &[Open<'_>]) -> String {
    let segment = |open: &Open<'_>| match open {
        Open::Object(key) => format!("/{}", unescaped(key).replace('~', "~0").replace('/', "~1")),
        Open::Array(index) => format!("/{index}"),
    };
    open.iter().map(segment).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(json: &str) -> Vec<String> {
        let mut found = Vec::new();
        each_key(json, |key, pointer| found.push(format!("{key} at {}", pointer())));
        found
    }

    #[test]
    fn keys_are_found_with_their_pointers_and_strings_are_no_keys() {
        let json = r#"{"a" : 1e400, "b":["x", {"c\u0064":"{\"no\":1}"}, {"e/f":{}}], "":2}"#;
        assert_eq!(keys(json), ["a at /a", "b at /b", "cd at /b/1/cd", "e/f at /b/2/e~1f", " at /"]);
    }

    #[test]
    fn depth_costs_no_stack() {
        let deep = format!("{}{}", "[".repeat(1_000_000), "]".repeat(1_000_000));
        assert!(keys(&deep).is_empty());
    }
}
