//! What strangers' bytes meet first, apart from the server around it: for fuzzers.

use crate::{
    json::check_depth,
    relay::{object, upload::Lines},
    routes::register::parse,
};
use bytes::Bytes;
use mcpctl_events::{
    command::{Register, User},
    name::Name,
};
use uuid::Uuid;

/// Longest line of an upload here: short, so that lines that are too long come up.
const LONGEST: usize = 512;
const DEEPEST: usize = 100;

/// Reads the body of a register; `None` if it is refused.
pub fn register(body: &[u8]) -> Option<Register> {
    check_depth(body, DEEPEST).ok()?;
    let user = User { id: Uuid::from_u128(1), name: Name::parse("ann").ok()? };
    let ids = std::cell::Cell::new(1);
    let fresh = || Uuid::from_u128(ids.replace(ids.get() + 1));
    parse(&fresh, user, body).ok()
}

/// The lines of an upload that arrives in pieces, each with what is wrong with it; the last one says whether there was an
/// end to it.
pub fn results<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<(Bytes, Option<String>)> {
    let (mut lines, mut read) = (Lines::new(LONGEST), Vec::new());
    for piece in pieces {
        let fed = lines.feed(Bytes::copy_from_slice(piece), |line| {
            read.push((line.clone(), object::parse(&line).err()));
            true
        });
        if let Err(error) = fed {
            read.push((Bytes::new(), Some(error.to_string())));
            return read;
        }
    }
    if let Some(line) = lines.finish() {
        read.push((line.clone(), object::parse(&line).err()));
    }
    read
}
