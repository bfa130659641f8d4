//! On which line of a text each part of a document is.

use std::collections::HashMap;

/// The lines of a part of a document, and of what is in it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Lines {
    /// Counted from 1.
    line: usize,
    within: Within,
}

/// What a part holds.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Within {
    /// Nothing that could be pointed into.
    #[default]
    Nothing,
    /// Members, by their names: each is where its name is.
    Members(HashMap<String, Lines>),
    /// Elements.
    Elements(Vec<Lines>),
}

impl Lines {
    /// A part that is on this line.
    pub fn new(line: usize, within: Within) -> Self {
        Self { line, within }
    }

    /// The same part, which is said to be on another line.
    pub fn on(self, line: usize) -> Self {
        Self { line, ..self }
    }

    /// The line of what a JSON pointer (RFC 6901) names, or of what it is in.
    pub fn of(&self, pointer: &str) -> Option<usize> {
        if !(pointer.is_empty() || pointer.starts_with('/')) {
            return None;
        }
        let mut at = self;
        for part in pointer.split('/').skip(1) {
            let found = match &at.within {
                Within::Nothing => None,
                Within::Members(members) => members.get(&part.replace("~1", "/").replace("~0", "~")),
                Within::Elements(elements) => part.parse::<usize>().ok().and_then(|index| elements.get(index)),
            };
            let Some(found) = found else { break };
            at = found;
        }
        Some(at.line).filter(|line| *line > 0)
    }
}
