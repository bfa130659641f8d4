//! Writing JSON around bytes that are passed on.

use bytes::{BufMut, Bytes, BytesMut};
use serde_json::value::RawValue;

/// For each byte: 0 when it may stand in a JSON string, else how it is escaped (`u` for `\u00xx`).
static ESCAPES: [u8; 256] = escapes();

const fn escapes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 0x20 {
        table[byte] = b'u';
        byte += 1;
    }
    table[b'\n' as usize] = b'n';
    table[b'\r' as usize] = b'r';
    table[b'\t' as usize] = b't';
    table[0x08] = b'b';
    table[0x0c] = b'f';
    table[b'"' as usize] = b'"';
    table[b'\\' as usize] = b'\\';
    table
}

/// Appends the text as the inside of a JSON string, without the quotes.
///
/// Bytes that are no UTF-8, and NUL, which no string of this API may hold, become U+FFFD.
pub fn escape(out: &mut BytesMut, text: &[u8]) {
    for piece in text.utf8_chunks() {
        escape_valid(out, piece.valid().as_bytes());
        if !piece.invalid().is_empty() {
            out.put_slice("\u{fffd}".as_bytes());
        }
    }
}

fn escape_valid(out: &mut BytesMut, text: &[u8]) {
    out.reserve(text.len() + text.len() / 4);
    let mut plain_from = 0;
    for (at, &byte) in text.iter().enumerate() {
        let escape = ESCAPES[usize::from(byte)];
        if escape == 0 {
            continue;
        }
        out.put_slice(&text[plain_from..at]);
        plain_from = at + 1;
        match (escape, byte) {
            (_, 0) => out.put_slice("\u{fffd}".as_bytes()),
            (b'u', _) => out.put_slice(&[b'\\', b'u', b'0', b'0', hex(byte >> 4), hex(byte & 15)]),
            _ => out.put_slice(&[b'\\', escape]),
        }
    }
    out.put_slice(&text[plain_from..]);
}

const fn hex(nibble: u8) -> u8 {
    if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 }
}

/// `{"accepted":true}`, as a line.
pub const ACCEPTED: Bytes = Bytes::from_static(b"{\"accepted\":true}\n");

/// Appends `{"chunk":{"data":…}}`, as a line; `[DONE]` is marked as the last.
pub fn chunk_line(out: &mut BytesMut, data: &[u8]) {
    event_line(out, b"", data, data == b"[DONE]");
}

/// The same for an event that has a name, and may be the last without saying `[DONE]`.
pub fn event_line(out: &mut BytesMut, name: &[u8], data: &[u8], last: bool) {
    out.put_slice(b"{\"chunk\":{");
    if !name.is_empty() {
        out.put_slice(b"\"event\":\"");
        escape(out, name);
        out.put_slice(b"\",");
    }
    out.put_slice(b"\"data\":\"");
    escape(out, data);
    out.put_slice(if last { b"\",\"done\":true}}\n" } else { b"\"}}\n" });
}

/// `{"error":…}`, as a line.
pub fn error_line(message: &str) -> Bytes {
    let mut out = BytesMut::with_capacity(message.len() + 16);
    out.put_slice(b"{\"error\":\"");
    escape(&mut out, message.as_bytes());
    out.put_slice(b"\"}\n");
    out.freeze()
}

/// A whole answer as a line: `body` when it is JSON, token for token, else `text` with its content type.
pub fn answer_line(status: u16, body: &[u8], content_type: &str) -> Bytes {
    let mut out = BytesMut::with_capacity(body.len() + body.len() / 8 + 64);
    out.put_slice(format!("{{\"status\":{status},").as_bytes());
    if serde_json::from_slice::<&RawValue>(body).is_ok() {
        out.put_slice(b"\"body\":");
        put_on_one_line(&mut out, body);
        out.put_slice(b"}\n");
    } else {
        out.put_slice(b"\"text\":\"");
        escape(&mut out, body);
        out.put_slice(b"\",\"contentType\":\"");
        escape(&mut out, content_type.as_bytes());
        out.put_slice(b"\"}\n");
    }
    out.freeze()
}

/// Within JSON, raw line breaks stand between tokens only: as spaces they mean the same, and the line stays one.
fn put_on_one_line(out: &mut BytesMut, json: &[u8]) {
    let from = out.len();
    out.put_slice(json);
    let mut rest = &mut out[from..];
    while let Some(at) = memchr::memchr2(b'\n', b'\r', rest) {
        rest[at] = b' ';
        rest = &mut rest[at + 1..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    fn parsed(line: &[u8]) -> Value {
        assert_eq!(memchr::memchr(b'\n', line), Some(line.len() - 1), "one line");
        serde_json::from_slice(line).expect("a line is JSON")
    }

    proptest! {
        #[test]
        fn any_text_comes_back(text in any::<String>()) {
            let mut out = BytesMut::new();
            chunk_line(&mut out, text.as_bytes());
            let text = text.replace('\0', "\u{fffd}");
            let line = parsed(&out);
            prop_assert_eq!(line["chunk"]["data"].as_str(), Some(text.as_str()));
        }

        #[test]
        fn any_bytes_make_valid_json(bytes in any::<Vec<u8>>()) {
            parsed(&answer_line(200, &bytes, "text/plain"));
            let mut out = BytesMut::new();
            chunk_line(&mut out, &bytes);
            parsed(&out);
        }
    }

    #[test]
    fn done_is_marked() {
        let mut out = BytesMut::new();
        chunk_line(&mut out, b"[DONE]");
        assert_eq!(parsed(&out), serde_json::json!({"chunk": {"data": "[DONE]", "done": true}}));
    }

    #[test]
    fn a_json_answer_keeps_every_token() {
        let line =
            answer_line(429, b"{\r\n  \"big\": 12345678901234567890123,\n \"f\": 1e-7, \"s\": \"a\\nb\"\n}\n", "");
        let text = std::str::from_utf8(&line).expect("utf-8").trim_end();
        assert_eq!(text, r#"{"status":429,"body":{    "big": 12345678901234567890123,  "f": 1e-7, "s": "a\nb" } }"#);
        parsed(&line);
    }

    #[test]
    fn what_is_no_json_is_text() {
        let line = answer_line(502, b"<h1>\"bad\"</h1>\n", "text/html");
        assert_eq!(
            parsed(&line),
            serde_json::json!({"status": 502, "text": "<h1>\"bad\"</h1>\n", "contentType": "text/html"})
        );
        assert_eq!(
            parsed(&answer_line(200, b"", "")),
            serde_json::json!({"status": 200, "text": "", "contentType": ""})
        );
    }
}
