//! A server's stream, as a publisher reads it.

use super::pieces;
use mcpctl_events::wire::sse::{Event, Parser};

/// Small, so that events that are too large come up.
const LARGEST: usize = 256;

/// The first eight bytes say how the rest is cut into pieces as it arrives. However it is cut, the same events come out,
/// and each is a frame or an error.
pub fn stream(data: &[u8]) {
    let (cuts, stream) = data.split_at(data.len().min(8));
    let whole = events([stream]);
    let cut = events(pieces(stream, cuts));
    assert_eq!(whole, cut);
    for (_, data) in &whole.0 {
        mcplocal::untrusted::frame(data);
    }
}

type Said = (Vec<(Vec<u8>, Vec<u8>)>, bool);

/// The events by name and data, and whether all was read.
fn events<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Said {
    let (mut parser, mut events) = (Parser::with_largest(LARGEST), Vec::new());
    let mut take = |event: Event<'_>| events.push((event.name.to_vec(), event.data.to_vec()));
    let fed = pieces.into_iter().try_for_each(|piece| parser.feed(piece, &mut take));
    let done = fed.and_then(|()| parser.finish(&mut take)).is_ok();
    (events, done)
}
