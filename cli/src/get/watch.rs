//! `get --watch`: on a terminal a table that is always of now; in a pipe the rows, and then a line for each change.

use super::{documents, nothing, route, table};
use crate::args::{Get, Noun};
use crate::client::failure::Failure;
use crate::client::stream::Stream;
use crate::client::{Answer, Client};
use crate::events::query::{Query, sequence};
use crate::output::document::Document;
use crate::output::table::{Table, columns, fit};
use crate::output::times::Times;
use crate::output::{self, Format, clean, json, lines_of};
use crate::shell::Shell;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout, timeout_at};

/// How long changes that come together are waited for.
const TOGETHER: Duration = Duration::from_millis(50);
/// The same where they do not end.
const LONGEST: Duration = Duration::from_millis(500);
/// How often is looked where nobody says that something changed.
const LOOK: Duration = Duration::from_secs(2);
/// Columns and lines of a terminal that does not say how many it has.
const SIZE: (usize, usize) = (80, 24);
/// What changes all the time and is no news.
const NO_NEWS: [&str; 1] = ["lastHeartbeatAt"];

type Rows = BTreeMap<String, Document>;

/// Shows the list, and again whenever it changed, until the user has seen enough.
pub async fn run(shell: &Shell, options: &Get, format: Format) -> anyhow::Result<()> {
    let client = shell.client()?;
    let mut news = News { client: &client, source: Source::Unknown, seen: 0 };
    let mut shown = Shown::new(shell, options, format);
    loop {
        match look(&client, options, news.seen).await {
            Ok((rows, at)) => {
                shown.show(rows)?;
                news.wait(at).await?;
            }
            Err(error) if is_final(&error) => return Err(error),
            Err(error) => {
                if !shown.is_stale {
                    shell.screen.note(&format!("{error:#}; looking again as soon as it is there"));
                    shown.begin_anew();
                }
                sleep(LOOK).await;
                // What comes back may be another server, with a shorter log.
                (news.source, news.seen) = (Source::Unknown, 0);
            }
        }
    }
}

/// Whether it is no use to try again.
fn is_final(error: &anyhow::Error) -> bool {
    match error.downcast_ref::<Failure>() {
        Some(Failure::Refused(refusal)) => refusal.status.is_client_error(),
        Some(Failure::Unreachable { .. } | Failure::Broken { .. } | Failure::Stream { .. }) => false,
        _ => true,
    }
}

/// The rows as they are, with at least what happened up to `seen`; and the sequence that they are at.
async fn look(client: &Client, options: &Get, seen: u64) -> anyhow::Result<(Rows, u64)> {
    let list = Get { name: None, ..options.clone() };
    let waits =
        matches!(options.noun, Noun::Agents | Noun::Llms | Noun::Projects | Noun::Personalities | Noun::Prompts);
    let answer = client.get(&route(&list).with("minSequence", Some(seen).filter(|seen| waits && *seen > 0))).await?;
    let key = |row: &Document| {
        let key = if matches!(options.noun, Noun::Threads | Noun::Sessions | Noun::Tasks) { "id" } else { "name" };
        crate::events::word(row, key)
    };
    let rows = documents(&answer)?.into_iter().map(|row| (key(&row), row));
    let wanted = rows.filter(|(key, _)| options.name.as_ref().is_none_or(|name| name == key));
    Ok((wanted.collect(), answer.sequence.unwrap_or(seen)))
}

/// Who says that something changed.
enum Source<'a> {
    /// Nobody was asked yet.
    Unknown,
    /// The events of the log, as they come.
    Events(Box<Stream<'a>>),
    /// The clock: this user may not follow events, or the list is of none.
    Clock,
}

struct News<'a> {
    client: &'a Client,
    source: Source<'a>,
    /// The last sequence that was heard of.
    seen: u64,
}

impl News<'_> {
    /// Returns when the list may have changed since it was at `at`.
    async fn wait(&mut self, at: u64) -> anyhow::Result<()> {
        self.seen = self.seen.max(at);
        if matches!(self.source, Source::Unknown) {
            let query = Query { after: self.seen, ..Query::default() };
            self.source = match self.client.follow(&query.followed()).await {
                Ok(stream) => Source::Events(Box::new(stream)),
                Err(error) if is_final(&error) => Source::Clock,
                // The next look says what is the matter.
                Err(_) => Source::Unknown,
            };
        }
        let Source::Events(stream) = &mut self.source else {
            sleep(LOOK).await;
            return Ok(());
        };
        // Calls and heartbeats are on no log: some lists change without an event.
        match timeout(LOOK, stream.next()).await {
            Err(_) => {}
            Ok(Ok(Some(event))) => {
                self.seen = sequence(&Document::parse(&event)?)?;
                let longest = Instant::now() + LONGEST;
                while let Ok(Ok(Some(event))) =
                    timeout_at((Instant::now() + TOGETHER).min(longest), stream.next()).await
                {
                    self.seen = sequence(&Document::parse(&event)?)?;
                }
            }
            Ok(Ok(None) | Err(_)) => self.source = Source::Unknown,
        }
        Ok(())
    }
}

/// What the user sees already.
struct Shown<'a> {
    shell: &'a Shell,
    options: &'a Get,
    format: Format,
    rows: Option<Rows>,
    /// Columns of each line of the table on the terminal.
    lines: Vec<usize>,
    /// The terminal shows something else below it.
    is_stale: bool,
    /// Lines in a pipe.
    log: Option<Table>,
}

impl<'a> Shown<'a> {
    fn new(shell: &'a Shell, options: &'a Get, format: Format) -> Self {
        Shown { shell, options, format, rows: None, lines: Vec::new(), is_stale: false, log: None }
    }

    /// Something else was written to the terminal: the next table stands below it, changed or not.
    fn begin_anew(&mut self) {
        (self.lines, self.is_stale) = (Vec::new(), true);
    }

    fn show(&mut self, rows: Rows) -> anyhow::Result<()> {
        let before = self.rows.take();
        let (changes, is_first) = (changes(before.as_ref(), &rows), before.is_none());
        if is_first && rows.is_empty() {
            let missing = self.options.name.as_ref().map(|name| format!("there is no '{name}' yet"));
            self.shell.screen.note(&missing.unwrap_or_else(|| nothing(self.options)));
        }
        let is_table = matches!(self.format, Format::Table | Format::Wide);
        if is_table && self.shell.screen.terminal_out {
            if is_first || !changes.is_empty() || self.is_stale {
                self.draw(&rows)?;
            }
        } else if !changes.is_empty() {
            output::answer(&self.told(&changes)?)?;
        }
        (self.rows, self.is_stale) = (Some(rows), false);
        Ok(())
    }

    /// Draws the table over the one before. What the terminal is too small for is cut off or left out.
    fn draw(&mut self, rows: &Rows) -> anyhow::Result<()> {
        let wide = self.format == Format::Wide;
        let table = table(self.options.noun, &as_answer(rows.values()), wide, self.shell.screen.times(wide))?;
        let size = terminal_size::terminal_size();
        let (width, height) = size.map_or(SIZE, |(width, height)| (usize::from(width.0), usize::from(height.0)));
        let text = table.render_within(wide, self.shell.screen.colour_out, Some(width).filter(|_| !wide));
        let room = height.saturating_sub(2).max(1);
        let mut lines: Vec<_> = text.lines().map(|line| fit(line, width)).collect();
        if lines.len() > room {
            let more = lines.len() - room + 1;
            lines.truncate(room - 1);
            lines.push(format!("… and {more} more"));
        }
        // A terminal that became narrower has broken what is there into more lines.
        let up: usize = self.lines.iter().map(|columns| columns.div_ceil(width.max(1)).max(1)).sum();
        let up = if up > 0 { format!("\u{1b}[{up}A\r\u{1b}[J") } else { String::new() };
        self.lines = lines.iter().map(|line| columns(line)).collect();
        Ok(output::answer(&(up + &lines_of(lines)))?)
    }

    fn told(&mut self, changes: &[Change<'_>]) -> anyhow::Result<String> {
        let kind = self.options.noun.word();
        Ok(match self.format {
            Format::Json => lines_of(changes.iter().map(|change| {
                let fields = Document::List(change.fields.iter().map(|field| Document::text(*field)).collect());
                let members = [("change", Document::text(change.what)), (kind, change.row.clone()), ("fields", fields)];
                let has = |(key, value): &(&str, Document)| *key != "fields" || !value.is_empty();
                let members = members.into_iter().filter(has).map(|(key, value)| (key.to_owned(), value));
                json::compact(&Document::Map(members.collect()))
            })),
            Format::Name => {
                lines_of(changes.iter().map(|change| format!("{} {kind}/{}", change.what, clean::line(change.key))))
            }
            _ => {
                let wide = self.format == Format::Wide;
                let rows = as_answer(changes.iter().map(|change| change.row));
                let mut new = table(self.options.noun, &rows, wide, Times::Exact)?;
                new.lead("CHANGE", changes.iter().map(|change| change.what));
                new.trail("FIELDS", changes.iter().map(|change| change.fields.join(",")));
                let log = match self.log.take() {
                    Some(mut log) => {
                        log.take_rows(new);
                        log
                    }
                    None => new,
                };
                self.log.insert(log).flush(wide, false, None)
            }
        })
    }
}

/// What became of a row; one that is gone is shown as it was.
struct Change<'a> {
    what: &'static str,
    key: &'a str,
    row: &'a Document,
    /// Names of the fields that differ.
    fields: Vec<&'a str>,
}

fn changes<'a>(before: Option<&'a Rows>, now: &'a Rows) -> Vec<Change<'a>> {
    let of = |what, (key, row): (&'a String, &'a Document)| Change { what, key, row, fields: Vec::new() };
    let Some(before) = before else { return now.iter().map(|row| of("present", row)).collect() };
    let came = now.iter().filter_map(|(key, row)| match before.get(key) {
        None => Some(of("added", (key, row))),
        Some(was) => {
            let fields = differing(was, row);
            (!fields.is_empty()).then(|| Change { fields, ..of("changed", (key, row)) })
        }
    });
    let gone = before.iter().filter(|(key, _)| !now.contains_key(*key));
    came.chain(gone.map(|row| of("deleted", row))).collect()
}

fn differing<'a>(was: &'a Document, is: &'a Document) -> Vec<&'a str> {
    let (Document::Map(old), Document::Map(new)) = (was, is) else { return Vec::new() };
    let changed = new.iter().filter(|(key, value)| was.get(key) != Some(value));
    let gone = old.iter().filter(|(key, _)| is.get(key).is_none());
    changed.chain(gone).map(|(key, _)| key.as_str()).filter(|key| !NO_NEWS.contains(key)).collect()
}

fn as_answer<'a>(rows: impl Iterator<Item = &'a Document>) -> Answer {
    let rows: Vec<_> = rows.map(json::compact).collect();
    Answer { body: format!("[{}]", rows.join(",")), sequence: None, next: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Rows {
        let Document::List(rows) = Document::parse(text).unwrap() else { panic!("{text}") };
        rows.into_iter().map(|row| (crate::events::word(&row, "name"), row)).collect()
    }

    #[test]
    fn a_heartbeat_is_no_news_and_everything_else_is() {
        let before = rows(r#"[{"name":"a","status":"active","lastHeartbeatAt":"1"},{"name":"b"},{"name":"c"}]"#);
        let now = rows(r#"[{"name":"a","status":"active","lastHeartbeatAt":"2"},{"name":"b","x":1},{"name":"d"}]"#);
        let of = |before: Option<&Rows>| -> Vec<String> {
            changes(before, &now)
                .iter()
                .map(|change| format!("{} {} {}", change.what, change.key, change.fields.join(",")))
                .collect()
        };
        assert_eq!(of(Some(&before)), ["changed b x", "added d ", "deleted c "]);
        assert_eq!(of(None), ["present a ", "present b ", "present d "]);
    }
}
