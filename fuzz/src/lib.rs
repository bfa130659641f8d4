//! What must hold for any bytes whatever, target by target. `cargo fuzz run` looks for bytes for which it does not;
//! `tests/corpus.rs` runs what was found so far.
//!
//! A target panics when its promise is broken.
#![expect(clippy::missing_panics_doc, reason = "it is what a target does")]

mod admission;
mod apply;
mod record;
mod register;
mod results;
mod stream;

pub use admission::admission;
pub use apply::apply;
pub use record::record;
pub use register::register;
pub use results::results;
pub use stream::stream;

/// A target, and its name: that of its corpus, too.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [Target; 6] = [
    ("record", record),
    ("admission", admission),
    ("register", register),
    ("results", results),
    ("stream", stream),
    ("apply", apply),
];

/// The pieces that come one by one when bytes arrive in `cut`s, which say how long each is.
fn pieces<'a>(mut bytes: &'a [u8], cuts: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let mut cuts = cuts.iter().cycle();
    std::iter::from_fn(move || {
        let cut = cuts.next().map_or(bytes.len(), |cut| usize::from(*cut).clamp(1, bytes.len().max(1)));
        let (piece, rest) = bytes.split_at_checked(cut.min(bytes.len()))?;
        bytes = rest;
        (!piece.is_empty()).then_some(piece)
    })
}
