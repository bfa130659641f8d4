//! On which line of a text each member of a document is.

use std::collections::BTreeMap;

/// The lines of one document's members.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Lines(BTreeMap<String, usize>);

impl Lines {
    /// Notes that what a JSON pointer (RFC 6901) names is on this line, counted from 1.
    pub fn note(&mut self, pointer: String, line: usize) {
        self.0.insert(pointer, line);
    }

    /// The line of what a JSON pointer names, or of what it is in.
    pub fn of(&self, pointer: &str) -> Option<usize> {
        let mut pointer = pointer;
        loop {
            if let Some(line) = self.0.get(pointer) {
                return Some(*line);
            }
            pointer = &pointer[..pointer.rfind('/')?];
        }
    }
}
