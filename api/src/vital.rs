//! Parts that the server cannot do without: one that dies takes the process with it, so that whoever supervises it can
//! start it anew, instead of leaving half a server that looks well.

use tokio_util::sync::CancellationToken;

/// Held by a vital part while it lives.
#[derive(Debug)]
pub struct Vital {
    part: &'static str,
    died: CancellationToken,
}

impl Vital {
    /// `died` is cancelled if this is dropped by a panic.
    pub fn new(part: &'static str, died: &CancellationToken) -> Self {
        Self { part, died: died.clone() }
    }
}

impl Drop for Vital {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!(part = self.part, "a vital part of the server died; the server stops");
            self.died.cancel();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_panic_is_a_death() {
        let died = CancellationToken::new();
        drop(Vital::new("writer", &died));
        assert!(!died.is_cancelled());
        let vital = Vital::new("writer", &died);
        let panicked = std::thread::spawn(move || {
            let _vital = vital;
            panic!("on purpose");
        });
        assert!(panicked.join().is_err());
        assert!(died.is_cancelled());
    }
}
