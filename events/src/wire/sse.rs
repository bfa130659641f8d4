//! Server-sent events, as they come in: any line ending, split anywhere.
//!
//! Follows <https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation>; `id` and
//! `retry` are ignored. One event may not be larger than [`LARGEST_EVENT`], or what is said instead.

use memchr::{memchr, memchr2};
use std::{collections::VecDeque, mem};

/// The most bytes that one event may have.
pub const LARGEST_EVENT: usize = 16 * 1024 * 1024;

/// Buffers above this are given back after the event that needed them.
const KEPT_CAPACITY: usize = 256 * 1024;

/// One event.
#[derive(Debug, Clone, Copy)]
pub struct Event<'a> {
    /// Its `event:` field; empty where there was none.
    pub name: &'a [u8],
    /// Its `data:` lines, joined by line feeds.
    pub data: &'a [u8],
}

/// Bytes in front of a value: the longest field that is known, a colon, a space, and a byte-order mark.
const FIELD: usize = 16;

/// An event was larger than this many bytes.
#[derive(Debug, thiserror::Error)]
#[error("an event is larger than {} MiB", .0 / 1024 / 1024)]
pub struct TooLarge(usize);

/// Turns buffers into events.
#[derive(Debug)]
pub struct Parser {
    /// A line that has no end yet.
    line: Vec<u8>,
    data: Vec<u8>,
    name: Vec<u8>,
    has_data: bool,
    /// The last byte was a carriage return: a line feed right after it ends no second line.
    after_cr: bool,
    begun: bool,
    largest: usize,
}

impl Default for Parser {
    fn default() -> Self {
        Self::with_largest(LARGEST_EVENT)
    }
}

impl Parser {
    /// One that takes events of other sizes than [`LARGEST_EVENT`].
    pub fn with_largest(largest: usize) -> Self {
        let (line, data, name) = (Vec::new(), Vec::new(), Vec::new());
        Self { line, data, name, has_data: false, after_cr: false, begun: false, largest }
    }

    /// Takes the next buffer, and hands on each event that it completes.
    ///
    /// # Errors
    /// When an event is too large; the parser is of no use after that.
    pub fn feed(&mut self, mut input: &[u8], sink: &mut impl FnMut(Event<'_>)) -> Result<(), TooLarge> {
        // Says nothing, and in particular not what comes after a carriage return.
        if input.is_empty() {
            return Ok(());
        }
        if mem::take(&mut self.after_cr) {
            input = input.strip_prefix(b"\n").unwrap_or(input);
        }
        while let Some(end) = memchr2(b'\n', b'\r', input) {
            let line = &input[..end];
            if self.line.len() + line.len() > self.longest_line() {
                return Err(TooLarge(self.largest));
            }
            let mut rest = &input[end + 1..];
            if input[end] == b'\r' {
                self.after_cr = rest.is_empty();
                rest = rest.strip_prefix(b"\n").unwrap_or(rest);
            }
            if self.line.is_empty() {
                self.on_line(line, sink)?;
            } else {
                self.line.extend_from_slice(line);
                let whole = mem::take(&mut self.line);
                self.on_line(&whole, sink)?;
                self.line = reuse(whole);
            }
            input = rest;
        }
        if self.line.len() + input.len() > self.longest_line() {
            return Err(TooLarge(self.largest));
        }
        self.line.extend_from_slice(input);
        Ok(())
    }

    /// A field may be in front of the largest data. However a line arrives, it is refused or taken alike.
    fn longest_line(&self) -> usize {
        self.largest + FIELD
    }

    /// The stream is over: hands on an event whose closing blank line never came.
    ///
    /// # Errors
    /// When that event is too large.
    pub fn finish(&mut self, sink: &mut impl FnMut(Event<'_>)) -> Result<(), TooLarge> {
        let whole = mem::take(&mut self.line);
        if !whole.is_empty() {
            self.on_line(&whole, sink)?;
        }
        self.dispatch(sink);
        Ok(())
    }

    fn on_line(&mut self, mut line: &[u8], sink: &mut impl FnMut(Event<'_>)) -> Result<(), TooLarge> {
        if !mem::replace(&mut self.begun, true) {
            line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        }
        if line.is_empty() {
            self.dispatch(sink);
            return Ok(());
        }
        let (field, value) = match memchr(b':', line) {
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (line, &b""[..]),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"data" => self.on_data(value)?,
            b"event" => {
                self.name.clear();
                self.name.extend_from_slice(value);
            }
            _ => {}
        }
        Ok(())
    }

    fn on_data(&mut self, value: &[u8]) -> Result<(), TooLarge> {
        if self.data.len() + value.len() > self.largest {
            return Err(TooLarge(self.largest));
        }
        if mem::replace(&mut self.has_data, true) {
            self.data.push(b'\n');
        }
        self.data.extend_from_slice(value);
        Ok(())
    }

    fn dispatch(&mut self, sink: &mut impl FnMut(Event<'_>)) {
        if mem::take(&mut self.has_data) {
            sink(Event { name: &self.name, data: &self.data });
            self.data = reuse(mem::take(&mut self.data));
        }
        self.name.clear();
    }
}

/// The data of events, one at a time, for those who wait for the next.
#[derive(Debug, Default)]
pub struct Reader {
    parser: Parser,
    ready: VecDeque<String>,
}

impl Reader {
    /// Takes the next buffer.
    ///
    /// # Errors
    /// When an event is too large; the reader is of no use after that.
    pub fn feed(&mut self, input: &[u8]) -> Result<(), TooLarge> {
        let Self { parser, ready } = self;
        parser.feed(input, &mut |event| ready.push_back(String::from_utf8_lossy(event.data).into_owned()))
    }

    /// The data of the next event that is complete.
    pub fn next_data(&mut self) -> Option<String> {
        self.ready.pop_front()
    }
}

fn reuse(mut buffer: Vec<u8>) -> Vec<u8> {
    buffer.clear();
    buffer.shrink_to(KEPT_CAPACITY);
    buffer
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(pieces: &[&[u8]]) -> Vec<(String, String)> {
        let (mut parser, mut out) = (Parser::default(), Vec::new());
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        for piece in pieces {
            parser.feed(piece, &mut |event| out.push((text(event.name), text(event.data)))).expect("small");
        }
        parser.finish(&mut |event| out.push((text(event.name), text(event.data)))).expect("small");
        out
    }

    fn data(input: &str) -> Vec<String> {
        parse(&[input.as_bytes()]).into_iter().map(|(_, data)| data).collect()
    }

    #[test]
    fn every_line_ending_ends_a_line_once() {
        for ending in ["\n", "\r", "\r\n"] {
            let input =
                ["data: a", "data:b", "", ": comment", "data:  c", "", "id: 1", "retry: 2", "", ""].join(ending);
            assert_eq!(data(&input), ["a\nb", " c"], "{ending:?}");
        }
    }

    #[test]
    fn names_bom_and_odd_fields() {
        let input = "\u{feff}event: hello\ndata: {}\n\ndata\n\nevent: lost\n\ndatax: no\ndata: x: y\n\n";
        let expected = [("hello", "{}"), ("", ""), ("", "x: y")].map(|(name, data)| (name.to_owned(), data.to_owned()));
        assert_eq!(parse(&[input.as_bytes()]), expected);
    }

    #[test]
    fn an_event_without_its_blank_line_still_counts_at_the_end() {
        assert_eq!(data("data: a\n\ndata: [DONE]"), ["a", "[DONE]"]);
        assert_eq!(data("data: a\n\ndata: [DONE]\n"), ["a", "[DONE]"]);
    }

    #[test]
    fn a_carriage_return_at_the_end_of_a_buffer_waits_for_its_line_feed() {
        let pieces: [&[u8]; 5] = [b"data: a\r", b"", b"\ndata: b\r", b"\n\r", b"\ndata: c\r\n\r\n"];
        let got: Vec<_> = parse(&pieces).into_iter().map(|(_, data)| data).collect();
        assert_eq!(got, ["a\nb", "c"]);
    }

    #[test]
    fn large_events_are_refused_however_they_come() {
        let refused = |input: &[u8]| Parser::with_largest(100).feed(input, &mut |_| {}).is_err();
        // A line of no field that is known: in one piece, and in two.
        assert!(refused(&[b'x'; 117]) && !refused(&[b'x'; 116]));
        assert!(refused(&[&[b'x'; 117][..], b"\n"].concat()) && !refused(&[&[b'x'; 116][..], b"\n"].concat()));
        assert!(refused(format!("data: {}\n", "x".repeat(101)).as_bytes()));
        assert!(refused("data: 0123456789\n".repeat(20).as_bytes()));
        assert!(!refused("data: 0123456789\n\n".repeat(20).as_bytes()));
    }

    #[test]
    fn a_reader_gives_what_is_complete() {
        let mut reader = Reader::default();
        for piece in [&b"\xef"[..], b"\xbb\xbfdata: on", b"e\n\ndata: two\n\ndata: thr"] {
            reader.feed(piece).expect("small");
        }
        let all: Vec<_> = std::iter::from_fn(|| reader.next_data()).collect();
        assert_eq!(all, ["one", "two"]);
    }

    proptest! {
        #[test]
        fn splits_change_nothing(
            lines in prop::collection::vec("(data: ?|data|event:|:|id:)?[a-z:\u{e9}🦀 ]{0,6}(\n|\r|\r\n){1,3}", 0..12),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        ) {
            let input = lines.concat().into_bytes();
            let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(input.len() + 1)).collect();
            at.extend([0, input.len()]);
            at.sort_unstable();
            let pieces: Vec<&[u8]> = at.windows(2).map(|pair| &input[pair[0]..pair[1]]).collect();
            prop_assert_eq!(parse(&pieces), parse(&[&input]));
        }
    }
}
