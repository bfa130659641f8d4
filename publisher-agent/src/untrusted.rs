//! What a server's bytes meet first, apart from the publisher around it: for fuzzers.

use crate::frame;

/// Reads a frame of the stream, and of a poll; whether it is one of either.
pub fn frame(data: &[u8]) -> bool {
    frame::parse(data).is_ok() || frame::parse_polled(data).is_ok()
}
