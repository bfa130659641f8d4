//! `migrate`: a log that outgrew one machine, in a topic of Kafka, record by record as it is; and the chats, if asked to.

use crate::args::Migrate;
use crate::audit::Point;
use crate::exit::{Stuck, Usage};
use crate::output::progress::Bar;
use crate::output::{self, Format};
use crate::shell::Shell;
use bytes::Bytes;
use mcpctl_events::admission::{Admission, Verdict};
use mcpctl_events::heartbeat::{HeartbeatEntry, HeartbeatStream};
use mcpctl_events::log::kafka::{KafkaHeartbeats, KafkaLog, KafkaTarget};
use mcpctl_events::log::sqlite::{OpenError, SqliteLog};
use mcpctl_events::log::target::LogTarget;
use mcpctl_events::log::{Entry, EventLog, Position, ReadError};
use mcpctl_events::replay::{ReplayError, each_record};
use mcpctl_events::replica::{Decoded, Replica};
use mcpctl_projector::store::{Database, work};
use std::collections::VecDeque;
use std::fmt::Display;
use std::ops::ControlFlow;
use std::str::FromStr;
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

/// Records that are read, and written, at once.
const BATCH: usize = 512;
/// Silence after which nobody leads.
const SILENCE: Duration = Duration::from_secs(3);
/// Between two looks whether somebody said that he does.
const LOOK: Duration = Duration::from_millis(100);

/// Copies the history, compares both ends, and says how to go on.
pub fn run(shell: &Shell, options: &Migrate) -> anyhow::Result<()> {
    shell.format(&[Format::Table], "migrate")?;
    let (from, to) = (read("--from", &options.from)?, read("--to", &options.to)?);
    let (LogTarget::Sqlite(from), LogTarget::Kafka(to)) = (&from, &to) else {
        let way = "from sqlite:<path of a file> to kafka://host:port[,host:port]/<topic>";
        return Err(Usage(format!("migrate goes {way}, and no other way")).into());
    };
    let chats = chats(options)?;
    // One that is not there is not made.
    SqliteLog::open_read_only(from).map_err(|error| locked(&error))?;
    let old = SqliteLog::open(from).map_err(|error| locked(&error))?;
    let (new, warnings) = KafkaLog::open(to).map_err(|error| stuck(&format!("--to {to}: {error}")))?;
    for warning in warnings {
        output::tell(&format!("warning: {warning}"));
    }
    let there = folded(&new, &Bar::counting("reading the topic", shell.screen))?.admission;
    if is_led(to, &there).map_err(|error| stuck(&error))? {
        let next = "stop all servers on it, or name a topic that is not there yet; nothing was changed";
        return Err(Stuck::new(format!("a server leads on topic {}", to.topic), next).into());
    }
    let head = history(&old, &new, &Bar::counting("copying records", shell.screen))?;
    compare(&new, head, &Bar::new("comparing", head.sequence, shell.screen, true))?;
    let mut said = vec![format!("{} events, head {head}", head.sequence)];
    if let Some((from, to)) = chats {
        // Whoever copies to Postgres needs threads that wait, and others that do not.
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let bar = Bar::counting("copying chats", shell.screen);
        let rows = runtime.block_on(work::copy(from, to, move |rows| bar.reach(rows)));
        let rows = rows.map_err(|error| stuck(&error))?;
        said.push(format!("{rows} rows of chats, inference tasks and uses of tokens"));
    }
    said.push(format!("serve it with: mcpd --log {to} --db postgres://… --cluster-key FILE\n"));
    Ok(output::answer(&said.join("\n"))?)
}

/// Reads a URL. One that is none may hold a password, and is not repeated.
fn read<T: FromStr<Err: Display>>(flag: &str, url: &str) -> Result<T, Usage> {
    url.parse().map_err(|error| Usage(format!("{flag}: {error}")))
}

fn chats(options: &Migrate) -> anyhow::Result<Option<(Database, Database)>> {
    let from = options.from_db.as_ref().map(|url| read("--from-db", url)).transpose()?;
    let to = options.to_db.as_ref().map(|url| read("--to-db", url)).transpose()?;
    match (&from, &to) {
        (None, None) => Ok(None),
        (Some(from @ Database::Folder(dir)), Some(to @ Database::Postgres(_))) => {
            if dir.join("work.db").exists() {
                return Ok(Some((from.clone(), to.clone())));
            }
            let problem = format!("there are no chats in {}: no work.db", dir.display());
            Err(Stuck::new(problem, "name the folder that `mcpd --db`, or --data-dir, named; nothing was changed")
                .into())
        }
        _ => Err(Usage("--from-db is sqlite:<path of a folder>, and --to-db postgres://…".to_owned()).into()),
    }
}

/// Copies what was admitted, byte for byte. What is there of it already stays; where it ends.
fn history(old: &SqliteLog, new: &KafkaLog, bar: &Bar) -> anyhow::Result<Point> {
    let (mut replica, mut there) = (Replica::default().on(old), Records::of(new));
    let (mut from, mut batch, mut looked_at) = (Records::of(old), Vec::with_capacity(BATCH), 0);
    while let Some(entry) = from.next().map_err(|error| stuck(&error))? {
        looked_at += 1;
        bar.reach(looked_at);
        if matches!(replica.apply(&Decoded::new(&entry)).map_err(|stopped| damaged(&stopped))?, Verdict::Rejected(_)) {
            continue;
        }
        if batch.is_empty()
            && let Some(found) = there.next().map_err(|error| stuck(&error))?
        {
            if found.bytes != entry.bytes {
                return Err(other_history());
            }
            continue;
        }
        batch.push(entry.bytes);
        if batch.len() == BATCH {
            append(new, &mut batch)?;
        }
    }
    append(new, &mut batch)?;
    let admission = &replica.admission;
    Ok(Point { sequence: admission.last_sequence, hash: admission.head })
}

fn append(log: &KafkaLog, batch: &mut Vec<Bytes>) -> anyhow::Result<()> {
    log.append(batch).map_err(|error| stuck(&error))?;
    batch.clear();
    Ok(())
}

/// Whether somebody leads on the topic, who would be deposed by what is moved there: he says each second that he does.
fn is_led(to: &KafkaTarget, there: &Admission) -> anyhow::Result<bool> {
    if there.holder.is_none() {
        return Ok(false);
    }
    let Some(stream) = KafkaHeartbeats::listen(to)? else { return Ok(false) };
    let (end, until) = (stream.end()?, Instant::now() + SILENCE);
    let is_of_the_leader =
        |entry: HeartbeatEntry| Some(entry.heartbeats.log_id) == there.log_id && entry.heartbeats.term >= there.term;
    while Instant::now() < until {
        if stream.read(end, BATCH)?.into_iter().any(is_of_the_leader) {
            return Ok(true);
        }
        std::thread::sleep(LOOK);
    }
    Ok(false)
}

fn folded(log: &KafkaLog, bar: &Bar) -> anyhow::Result<Replica> {
    let mut replica = Replica::default();
    let workers = available_parallelism().map_or(1, std::num::NonZero::get);
    let fold = |entry: &Decoded| {
        replica.apply(entry)?;
        bar.reach(replica.admission.last_sequence);
        Ok::<_, ReplayError>(ControlFlow::Continue(()))
    };
    each_record(log, Position::default(), workers, fold).map_err(|error| stuck(&error))?;
    Ok(replica)
}

/// Folds what is in the topic now: it is the history, and ends where the old one ends.
fn compare(new: &KafkaLog, head: Point, bar: &Bar) -> anyhow::Result<()> {
    let replica = folded(new, bar)?;
    let found = Point { sequence: replica.admission.last_sequence, hash: replica.admission.head };
    if found == head { Ok(()) } else { Err(other_history()) }
}

/// The records of a log, one after the other.
struct Records<'a, L> {
    log: &'a L,
    after: Position,
    page: VecDeque<Entry>,
    is_at_end: bool,
}

impl<'a, L: EventLog> Records<'a, L> {
    fn of(log: &'a L) -> Self {
        Self { log, after: Position::default(), page: VecDeque::new(), is_at_end: false }
    }

    fn next(&mut self) -> Result<Option<Entry>, ReadError> {
        while self.page.is_empty() && !self.is_at_end {
            let page = self.log.read(self.after, BATCH)?;
            self.after = page.entries.last().map_or(self.after, |entry| entry.position);
            (self.page, self.is_at_end) = (page.entries.into(), page.at_tip);
        }
        Ok(self.page.pop_front())
    }
}

fn locked(error: &OpenError) -> anyhow::Error {
    let next = match error {
        OpenError::Locked { .. } => "stop it: a history that goes on cannot be moved; nothing was changed",
        _ => "name the file that `mcpd --log`, or --data-dir with log.db, named; nothing was changed",
    };
    Stuck::new(error.to_string(), next).into()
}

fn damaged(error: &dyn Display) -> anyhow::Error {
    Stuck::new(error.to_string(), "`mcpctl audit export` writes what comes before it, which a new log can be made of")
        .into()
}

fn other_history() -> anyhow::Error {
    Stuck::new("the topic holds another history", "name a topic that is not there yet; the old log is as it was").into()
}

fn stuck(error: &dyn Display) -> anyhow::Error {
    Stuck::new(error.to_string(), "the old log is as it was; run the same again: it goes on where it was").into()
}
