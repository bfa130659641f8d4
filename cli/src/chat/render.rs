//! Shows a reply as it comes: its text on stdout and nothing else, thinking and figures on stderr.

use crate::output::{Screen, clean};
use std::io::{Stderr, Stdout, Write};
use std::time::{Duration, Instant};

/// Longest line beside the reply, in characters.
const ASIDE: usize = 160;

/// Writes one reply. `O` gets the answer, `E` the rest.
pub struct Renderer<O, E> {
    out: O,
    err: E,
    screen: Screen,
    started: Instant,
    reply: String,
    /// Line ends not written yet: they may turn out to be the last.
    held: String,
    thinking: bool,
    thinking_ends_line: bool,
    /// Whether the last thing shown was a line beside the reply.
    beside: bool,
}

impl Renderer<Stdout, Stderr> {
    /// Writes to the process's streams; the clock starts now.
    pub fn stdio(screen: Screen) -> Self {
        Renderer::new(std::io::stdout(), std::io::stderr(), screen)
    }
}

impl<O: Write, E: Write> Renderer<O, E> {
    /// Writes to these streams; the clock starts now.
    pub fn new(out: O, err: E, screen: Screen) -> Self {
        let (reply, held) = (String::new(), String::new());
        let started = Instant::now();
        let (thinking, thinking_ends_line, beside) = (false, true, false);
        Renderer { out, err, screen, started, reply, held, thinking, thinking_ends_line, beside }
    }

    /// Shows a piece of the reply.
    pub fn text(&mut self, piece: &str) -> std::io::Result<()> {
        self.end_thinking();
        self.reply.push_str(piece);
        let body = piece.trim_end_matches(['\n', '\r']);
        if !body.is_empty() {
            let held = std::mem::take(&mut self.held);
            self.beside = false;
            let shown = held + body;
            let shown = if self.screen.terminal_out { clean::reply(&shown) } else { shown.into() };
            self.out.write_all(shown.as_bytes())?;
            self.out.flush()?;
        }
        self.held.push_str(&piece[body.len()..]);
        Ok(())
    }

    /// Shows a piece of the model's reasoning.
    pub fn thinking(&mut self, piece: &str) {
        let shown = clean::reply(piece);
        if self.screen.quiet || shown.is_empty() {
            return;
        }
        self.thinking = true;
        self.thinking_ends_line = shown.ends_with('\n');
        // Each piece is dimmed by itself, so that an interrupted one leaves the terminal as it was.
        let _ = if self.screen.colour_err {
            write!(self.err, "\u{1b}[2m{shown}\u{1b}[0m")
        } else {
            write!(self.err, "{shown}")
        };
        let _ = self.err.flush();
    }

    /// Shows that the model asks for a tool.
    pub fn tool_call(&mut self, name: &str, arguments: &str) {
        self.aside(&format!("→ {name} {arguments}"));
    }

    /// Shows what a tool answered.
    pub fn tool_result(&mut self, name: &str, content: &str, failed: bool) {
        let sign = if failed { "✗" } else { "←" };
        self.aside(&format!("{sign} {name} {content}"));
    }

    /// A line beside the reply, which goes on in a paragraph of its own.
    fn aside(&mut self, text: &str) {
        self.end_thinking();
        if !self.reply.is_empty() {
            // Where both are seen in one place, the line itself has ended the one before.
            let seen = self.screen.terminal_out && !self.screen.quiet;
            (if seen { "\n" } else { "\n\n" }).clone_into(&mut self.held);
            self.reply.push('\n');
        }
        if self.screen.quiet {
            return;
        }
        if self.screen.terminal_out && !self.reply.is_empty() && !self.beside {
            let _ = writeln!(self.err);
        }
        self.beside = true;
        let _ = writeln!(self.err, "{}", self.dimmed(&clipped(&clean::line(text), ASIDE)));
    }

    /// Ends the reply with one newline, and says how long it was and took.
    pub fn finish(mut self, thread: Option<&str>) -> std::io::Result<()> {
        self.end_thinking();
        self.out.write_all(b"\n")?;
        self.out.flush()?;
        if !self.screen.quiet {
            let thread = thread.map(|id| format!(" thread: {}", clean::line(id))).unwrap_or_default();
            let _ = writeln!(self.err, "{}{thread}", self.dimmed(&figures(words(&self.reply), self.started.elapsed())));
        }
        Ok(())
    }

    /// Ends a reply that will not be completed.
    pub fn abandon(mut self) -> std::io::Result<()> {
        self.end_thinking();
        if !self.reply.is_empty() {
            self.out.write_all(b"\n")?;
            self.out.flush()?;
        }
        Ok(())
    }

    fn end_thinking(&mut self) {
        if std::mem::take(&mut self.thinking) && !self.thinking_ends_line {
            let _ = writeln!(self.err);
        }
    }

    fn dimmed(&self, text: &str) -> String {
        if self.screen.colour_err { format!("\u{1b}[2m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// A text, or its beginning if it has more characters than `most`.
pub fn clipped(text: &str, most: usize) -> String {
    let mut letters = text.chars();
    let shown: String = letters.by_ref().take(most).collect();
    if letters.next().is_some() { shown + "…" } else { shown }
}

fn words(text: &str) -> usize {
    text.split_whitespace().count()
}

#[expect(clippy::cast_precision_loss, reason = "no reply has 2^52 words")]
fn figures(words: usize, took: Duration) -> String {
    // A clock too coarse to tell must not divide by zero.
    let seconds = took.as_secs_f64().max(0.001);
    format!("({words}w · {:.1} w/s · {seconds:.1}s)", words as f64 / seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Screen = Screen { colour_out: false, colour_err: false, terminal_out: false, quiet: false };

    fn show(screen: Screen, pieces: &[&str], thinking: &[&str]) -> (String, String) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut renderer = Renderer::new(&mut out, &mut err, screen);
        for t in thinking {
            renderer.thinking(t);
        }
        for p in pieces {
            renderer.text(p).unwrap();
        }
        renderer.finish(Some("t1")).unwrap();
        (String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    }

    #[test]
    fn a_reply_ends_in_exactly_one_newline() {
        for pieces in [&["a\n", "\nb"][..], &["a\n\nb\n\n"], &["a", "\n\nb", "\n", "\n", ""]] {
            assert_eq!(show(PLAIN, pieces, &[]).0, "a\n\nb\n", "{pieces:?}");
        }
        assert_eq!(show(PLAIN, &[], &[]).0, "\n");
    }

    #[test]
    fn figures_have_their_format() {
        assert_eq!(figures(12, Duration::from_millis(400)), "(12w · 30.0 w/s · 0.4s)");
        assert_eq!(figures(0, Duration::ZERO), "(0w · 0.0 w/s · 0.0s)");
        assert_eq!(words(" hello\nthere  you "), 3);
        assert!(show(PLAIN, &["hello there"], &[]).1.ends_with("s) thread: t1\n"));
    }

    #[test]
    fn thinking_goes_to_stderr_and_dim_only_on_a_terminal() {
        let (out, err) = show(PLAIN, &["hi"], &["let me ", "think"]);
        assert!(out == "hi\n" && err.starts_with("let me think\n(1w"), "{err}");
        let (_, err) = show(Screen { colour_err: true, ..PLAIN }, &["hi"], &["x"]);
        assert!(err.starts_with("\u{1b}[2mx\u{1b}[0m\n\u{1b}[2m(1w"), "{err:?}");
        assert_eq!(show(Screen { quiet: true, ..PLAIN }, &["hi"], &["x"]).1, "");
    }

    #[test]
    fn tools_are_shown_beside_the_reply() {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut renderer = Renderer::new(&mut out, &mut err, PLAIN);
        renderer.text("Let me see.").unwrap();
        renderer.tool_call("calc__add", r#"{"a":1}"#);
        renderer.tool_result("calc__add", "two\nlines\u{1b}[2J", false);
        renderer.tool_result("calc__sub", &"x".repeat(500), true);
        renderer.text("It is 2.\n").unwrap();
        renderer.finish(None).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "Let me see.\n\nIt is 2.\n");
        let err = String::from_utf8(err).unwrap();
        let lines: Vec<_> = err.lines().collect();
        assert_eq!(lines[0], r#"→ calc__add {"a":1}"#);
        assert!(lines[1].starts_with("← calc__add two lines") && !lines[1].contains('\u{1b}'), "{err}");
        assert!(lines[2].starts_with("✗ calc__sub xxx") && lines[2].ends_with('…'), "{err}");
        assert!(lines[3].starts_with("(6w"), "{err}");
    }

    #[test]
    fn a_model_cannot_steer_a_terminal_but_a_pipe_gets_every_byte() {
        let evil = "a\u{1b}[2Jb\u{202e}";
        assert_eq!(show(PLAIN, &[evil], &[]).0, format!("{evil}\n"));
        assert_eq!(show(Screen { terminal_out: true, ..PLAIN }, &[evil], &[]).0, "a\u{fffd}[2Jb\n");
    }

    #[test]
    fn line_ends_of_other_systems_leave_no_marks_on_a_terminal() {
        let screen = Screen { terminal_out: true, ..PLAIN };
        for pieces in [&["one\r\ntwo\r\n"][..], &["one\r", "\ntwo", "\r\n"]] {
            assert_eq!(show(screen, pieces, &[]).0, "one\ntwo\n", "{pieces:?}");
        }
        let (_, err) = show(PLAIN, &["hi"], &["hm\r", "\n"]);
        assert!(err.starts_with("hm\n(1w"), "{err:?}");
    }
}
