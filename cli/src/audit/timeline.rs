//! `audit timeline`: the life of an agent or Llm as a picture: its status over time as a bar.

use crate::args::audit::Timeline;
use crate::clock::{self, span};
use crate::events::word;
use crate::exit::{Stuck, Usage};
use crate::history;
use crate::output::{self, Format, Screen, clean, filled, lines_of};
use crate::shell::Shell;
use mcpctl_events::time::LogTime;
use serde::Serialize;

/// Columns where there is no terminal, and most of them on a wide one.
const WIDTH: usize = 80;
const WIDEST: usize = 120;
/// Columns from one time on the axis to the next.
const TICK: usize = 20;
const DAY: i64 = 24 * 3_600_000;

/// How a row stands, the worst last: that is what a cell shows in which it stood in several ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    Active,
    Hibernating,
    Inactive,
    Gone,
}

impl Standing {
    const ALL: [Self; 4] = [Self::Active, Self::Hibernating, Self::Inactive, Self::Gone];

    fn of(status: &str) -> Self {
        match status {
            "active" => Self::Active,
            "hibernating" => Self::Hibernating,
            "inactive" => Self::Inactive,
            _ => Self::Gone,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Hibernating => "hibernating",
            Self::Inactive => "inactive",
            Self::Gone => "not there",
        }
    }

    /// Its sign, and the colour of that.
    fn sign(self) -> (char, &'static str) {
        match self {
            Self::Active => ('█', "32"),
            Self::Hibernating => ('▒', "34"),
            Self::Inactive => ('░', "90"),
            Self::Gone => ('·', "90"),
        }
    }
}

/// From when on it stood how, in milliseconds; and since when it was paused or not.
#[derive(Debug, Default)]
struct Life {
    standings: Vec<(i64, Standing)>,
    pauses: Vec<(i64, bool)>,
}

/// A piece of a life, for programs.
#[derive(Serialize)]
struct Piece {
    status: &'static str,
    from: LogTime,
    until: LogTime,
}

/// Draws it.
pub async fn run(shell: &Shell, options: &Timeline) -> anyhow::Result<()> {
    let format = shell.format(&[Format::Table, Format::Json], "audit timeline")?;
    let events = history::read(&shell.client()?, &options.of, usize::MAX, None).await?;
    let mut life = Life::default();
    for event in events.iter().rev() {
        let at: LogTime = word(event, "time").parse().map_err(|error| super::steps::odd(&format!("{error}")))?;
        match history::what(event) {
            "disabled" => life.pauses.push((at.as_millis(), true)),
            "enabled" => life.pauses.push((at.as_millis(), false)),
            what => {
                let to = event.get("data").map(|data| word(data, "to")).unwrap_or_default();
                life.standings.push((at.as_millis(), Standing::of(&to)));
                if what == "deleted" {
                    life.pauses.push((at.as_millis(), false));
                }
            }
        }
    }
    let name = format!("{}/{}", options.of.noun.word(), clean::line(&options.of.name));
    let Some((born, _)) = life.standings.first().copied() else {
        return Err(Stuck::new(format!("{name} has no history"), "see `mcpctl events` for what there is").into());
    };
    let last = life.standings.last().map_or(born, |(at, _)| *at);
    let from = options.since.map_or(born, LogTime::as_millis).max(born);
    let until = clock::now().as_millis().max(last + 1);
    if from >= until {
        return Err(Usage("--since lies in the future".to_owned()).into());
    }
    if format == Format::Json {
        return shell.answer_json(&serde_json::to_string(&life.pieces_in_words(from, until))?);
    }
    Ok(output::answer(&picture(&name, &life, from, until, width(), shell.screen))?)
}

fn width() -> usize {
    terminal_size::terminal_size().map_or(WIDTH, |(width, _)| usize::from(width.0)).clamp(TICK, WIDEST)
}

fn picture(name: &str, life: &Life, from: i64, until: i64, width: usize, screen: Screen) -> String {
    let cells = i64::try_from(width).unwrap_or(1);
    let edge = |cell: i64| from + (until - from) * cell / cells;
    let mut bar = String::new();
    for cell in 0..cells {
        let (sign, code) = life.worst(edge(cell), edge(cell + 1)).sign();
        bar += &paint(&sign.to_string(), code, screen);
    }
    let (begin, end) = (LogTime::from_millis(from), LogTime::from_millis(until));
    let title = filled(&format!("{name}, {} from {begin} to {end}", span(until - from)), width);
    let mut lines = vec![title, String::new(), bar];
    let was_paused = life.pauses.iter().any(|(_, is_paused)| *is_paused);
    if was_paused {
        let paused = |cell| if life.is_paused(edge(cell), edge(cell + 1)) { "▀" } else { " " };
        let line: String = (0..cells).map(paused).collect();
        lines.push(paint(line.trim_end(), "35", screen));
    }
    lines.extend([axis(from, until, width), String::new()]);
    for standing in Standing::ALL {
        let lasted = life.lasted(standing, from, until);
        if lasted > 0 {
            let (sign, code) = standing.sign();
            let (sign, share) = (paint(&sign.to_string(), code, screen), share(lasted, until - from));
            lines.push(format!("{sign} {:<12} {share:>8}   {}", standing.word(), span(lasted)));
        }
    }
    if was_paused {
        lines.push(format!("{} disabled by hand", paint("▀", "35", screen)));
    }
    lines.push(filled(&format!("A column is {}, and shows the worst of it.", span((until - from) / cells)), width));
    lines_of(lines)
}

impl Life {
    /// How it stood, piece by piece, within a time: from when until when.
    fn pieces(&self, from: i64, until: i64) -> impl Iterator<Item = (Standing, i64, i64)> {
        let ends = self.standings.iter().skip(1).map(|(at, _)| *at).chain([i64::MAX]);
        self.standings.iter().zip(ends).filter_map(move |((at, standing), end)| {
            let (at, end) = ((*at).max(from), end.min(until));
            (at < end).then_some((*standing, at, end))
        })
    }

    fn pieces_in_words(&self, from: i64, until: i64) -> Vec<Piece> {
        let piece = |(standing, at, end): (Standing, i64, i64)| Piece {
            status: standing.word(),
            from: LogTime::from_millis(at),
            until: LogTime::from_millis(end),
        };
        self.pieces(from, until).map(piece).collect()
    }

    fn worst(&self, from: i64, until: i64) -> Standing {
        let until = until.max(from + 1);
        self.pieces(from, until).map(|(standing, ..)| standing).max().unwrap_or(Standing::Gone)
    }

    fn lasted(&self, standing: Standing, from: i64, until: i64) -> i64 {
        self.pieces(from, until).filter(|(piece, ..)| *piece == standing).map(|(_, at, end)| end - at).sum()
    }

    fn is_paused(&self, from: i64, until: i64) -> bool {
        let before = self.pauses.iter().rev().find(|(at, _)| *at <= from);
        let within = self.pauses.iter().any(|(at, is_paused)| *is_paused && (from..until).contains(at));
        within || before.is_some_and(|(_, is_paused)| *is_paused)
    }
}

/// Times below the bar, each where it is; the zone is UTC, as everywhere.
fn axis(from: i64, until: i64, width: usize) -> String {
    let mut line = String::new();
    for column in (0..width).step_by(TICK).filter(|column| column + TICK / 2 <= width) {
        let at = from + (until - from) * i64::try_from(column).unwrap_or(0) / i64::try_from(width).unwrap_or(1);
        let text = LogTime::from_millis(at).to_string();
        let shown = if until - from > 2 * DAY { text[..16].replace('T', " ") } else { text[11..19].to_owned() };
        line += &" ".repeat(column.saturating_sub(line.chars().count()));
        line.push('╵');
        line += &shown;
    }
    line
}

fn paint(text: &str, code: &str, screen: Screen) -> String {
    if screen.colour_out && !text.is_empty() { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
}

/// Never 0 % nor 100 % of what is not.
fn share(part: i64, of: i64) -> String {
    let tenths = ((part * 1000 + of / 2) / of.max(1)).clamp(1, if part < of { 999 } else { 1000 });
    format!("{}.{} %", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Screen = Screen { colour_out: false, colour_err: false, terminal_out: false, quiet: false };
    const BORN: i64 = 1_769_860_800_000;
    const HOUR: i64 = 3_600_000;

    #[test]
    fn a_bar_shows_the_worst_of_each_column_and_a_legend_how_long_it_was() {
        let at = |minutes: i64| BORN + minutes * 60_000;
        let life = Life {
            standings: vec![
                (at(0), Standing::Active),
                (at(30), Standing::Hibernating),
                (at(60), Standing::Active),
                // Shorter than a column, and not lost.
                (at(61), Standing::Inactive),
                (at(62), Standing::Active),
                (at(90), Standing::Inactive),
                (at(120), Standing::Gone),
            ],
            pauses: vec![(at(15), true), (at(45), false)],
        };
        assert_eq!(
            picture("agent/a", &life, BORN, at(160), 40, PLAIN),
            "agent/a, 2 h 40 min from\n2026-01-31T12:00:00.000Z to\n2026-01-31T14:40:00.000Z\n\n\
             ███████▒▒▒▒▒▒▒▒░██████░░░░░░░░··········\n\
             \u{20}  ▀▀▀▀▀▀▀▀▀\n\
             ╵12:00:00           ╵13:20:00\n\n\
             █ active         36.9 %   59 min\n\
             ▒ hibernating    18.8 %   30 min\n\
             ░ inactive       19.4 %   31 min\n\
             · not there      25.0 %   40 min\n\
             ▀ disabled by hand\n\
             A column is 4 min, and shows the worst\nof it.\n"
        );
    }

    #[test]
    fn long_lives_have_days_below_them() {
        let life = Life { standings: vec![(BORN, Standing::Active)], pauses: Vec::new() };
        let shown = picture("llm/a", &life, BORN, BORN + 90 * DAY, 80, PLAIN);
        assert!(shown.contains("╵2026-01-31 12:00   ╵2026-02-23 00:00   ╵"), "{shown}");
        assert!(shown.contains("█ active        100.0 %   90 d\nA column is 1 d 3 h"), "{shown}");
        assert_eq!((share(1, 90 * DAY), share(HOUR - 1, HOUR)), ("0.1 %".to_owned(), "99.9 %".to_owned()));
    }
}
