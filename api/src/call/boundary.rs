//! Where one server-sent event ends and the next may begin: nothing of ours may get in between.

/// Bytes of the longest end of an event.
const LONGEST: usize = 4;

/// Follows a stream of events that comes in pieces of any size.
#[derive(Debug, Clone, Copy)]
pub(super) struct Boundary {
    last: [u8; LONGEST],
}

impl Default for Boundary {
    /// Before the first event.
    fn default() -> Self {
        Self { last: *b"\n\n\n\n" }
    }
}

impl Boundary {
    /// The stream goes on with these bytes.
    pub(super) fn see(&mut self, piece: &[u8]) {
        let kept = LONGEST.saturating_sub(piece.len());
        self.last.rotate_right(kept);
        // What is kept of the old end is now in front, in its order.
        let new = &piece[piece.len().saturating_sub(LONGEST)..];
        self.last[kept..].copy_from_slice(new);
    }

    /// Whether the last event is complete.
    pub(super) fn is_between_events(self) -> bool {
        [&b"\n\n"[..], b"\r\n\r\n", b"\n\r\n", b"\r\r"].iter().any(|end| self.last.ends_with(end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_ends_with_an_empty_line_however_it_is_cut() {
        for (stream, ends) in [
            ("", true),
            ("data: a\n\n", true),
            ("data: a\r\n\r\n", true),
            ("data: a\n", false),
            ("data: {\"cho", false),
            ("data: a\r\n", false),
            ("data: a\n\ndata: b", false),
            ("x", false),
        ] {
            for size in 1..=stream.len().max(1) {
                let mut boundary = Boundary::default();
                stream.as_bytes().chunks(size).for_each(|piece| boundary.see(piece));
                assert_eq!(boundary.is_between_events(), ends, "{stream:?} in pieces of {size}");
            }
        }
    }
}
