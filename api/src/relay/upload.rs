//! A publisher's upload: lines of JSON in one streamed body.

use bytes::{Buf, Bytes, BytesMut};

/// Splits a body into lines, wherever its frames begin and end.
#[derive(Debug)]
pub struct Lines {
    rest: BytesMut,
    limit: usize,
}

/// A line is longer than allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a line of the upload is longer than {0} bytes, the limit of --max-body")]
pub struct LineTooLong(usize);

impl Lines {
    /// Lines of at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { rest: BytesMut::new(), limit }
    }

    /// Takes a frame and gives each line that is complete to `each`, until it says false.
    pub fn feed(&mut self, mut frame: Bytes, mut each: impl FnMut(Bytes) -> bool) -> Result<(), LineTooLong> {
        while let Some(end) = memchr::memchr(b'\n', &frame) {
            let line = if self.rest.is_empty() {
                frame.split_to(end)
            } else {
                self.rest.extend_from_slice(&frame[..end]);
                frame.advance(end);
                self.rest.split().freeze()
            };
            frame.advance(1);
            if line.len() > self.limit {
                return Err(LineTooLong(self.limit));
            }
            if !line.iter().all(u8::is_ascii_whitespace) && !each(line) {
                return Ok(());
            }
        }
        self.rest.extend_from_slice(&frame);
        if self.rest.len() > self.limit { Err(LineTooLong(self.limit)) } else { Ok(()) }
    }

    /// What is left at the end of the body: a last line without a line break.
    pub fn finish(self) -> Option<Bytes> {
        let last = self.rest.freeze();
        (!last.iter().all(u8::is_ascii_whitespace)).then_some(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_survive_any_split() {
        let text = b"{\"a\":1}\n\n{\"b\":2}\r\n{\"c\":3}";
        for size in 1..text.len() {
            let (mut lines, mut seen) = (Lines::new(100), Vec::new());
            for frame in text.chunks(size) {
                lines
                    .feed(Bytes::copy_from_slice(frame), |line| {
                        seen.push(line);
                        true
                    })
                    .unwrap();
            }
            seen.extend(lines.finish());
            assert_eq!(seen, ["{\"a\":1}", "{\"b\":2}\r", "{\"c\":3}"], "frames of {size}");
        }
    }

    #[test]
    fn a_line_without_end_is_refused() {
        let mut lines = Lines::new(8);
        assert!(lines.feed(Bytes::from_static(b"12345678"), |_| true).is_ok());
        assert_eq!(lines.feed(Bytes::from_static(b"9"), |_| true), Err(LineTooLong(8)));
    }
}
