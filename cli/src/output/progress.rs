//! How far something long is: a bar on stderr, on a terminal only, and only once it takes longer than a moment.

use super::Screen;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::cell::Cell;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// As wide as the terminal, whatever that is.
const BAR: &str = "{msg} {wide_bar} {percent}% {human_pos}/{human_len}, {eta} left";
#[cfg(feature = "dev")]
const COUNT: &str = "{msg} {human_pos}";
/// What is over sooner shows no bar.
const MOMENT: Duration = Duration::from_millis(500);
/// Redraws a second.
const RATE: u8 = 10;

/// A bar; it goes away when it is dropped.
pub struct Bar {
    drawn: ProgressBar,
    begun: Instant,
    shown: Cell<bool>,
    is_wanted: bool,
}

impl Bar {
    /// A bar of something that ends at `of`.
    pub fn new(doing: &'static str, of: u64, screen: Screen, is_wanted: bool) -> Self {
        Self::drawn(doing, Some(of), BAR, screen, is_wanted)
    }

    /// A count of something that ends nobody knows where.
    #[cfg(feature = "dev")]
    pub fn counting(doing: &'static str, screen: Screen) -> Self {
        Self::drawn(doing, None, COUNT, screen, true)
    }

    fn drawn(doing: &'static str, of: Option<u64>, template: &str, screen: Screen, is_wanted: bool) -> Self {
        let bar = ProgressBar::with_draw_target(of, ProgressDrawTarget::hidden());
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("━╸ "));
        }
        bar.set_message(doing);
        let is_wanted = is_wanted && !screen.quiet && std::io::stderr().is_terminal();
        Bar { drawn: bar, begun: Instant::now(), shown: Cell::new(false), is_wanted }
    }

    /// It has come so far.
    pub fn reach(&self, position: u64) {
        if !self.is_wanted {
            return;
        }
        if !self.shown.get() && self.begun.elapsed() > MOMENT {
            self.shown.set(true);
            self.drawn.set_draw_target(ProgressDrawTarget::stderr_with_hz(RATE));
        }
        self.drawn.set_position(position);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.drawn.finish_and_clear();
    }
}
