//! A state that is worth one log line each time it changes, and none while it stays.

use tracing::{info, warn};

/// Remembers what was last said.
#[derive(Debug, Default)]
pub struct Notice {
    said: Option<String>,
}

impl Notice {
    /// Warns, unless this very sentence was the last one.
    pub fn trouble(&mut self, what: String) {
        if self.said.as_ref() != Some(&what) {
            warn!("{what}");
            self.said = Some(what);
        }
    }

    /// Says what is in order and yet worth a line, unless this very sentence was the last one; it is over some time, too.
    pub fn turn(&mut self, what: String) {
        if self.said.as_ref() != Some(&what) {
            info!("{what}");
            self.said = Some(what);
        }
    }

    /// Says that the trouble is over, if there was any.
    pub fn over(&mut self, what: &str) {
        if self.said.take().is_some() {
            info!("{what}");
        }
    }
}
