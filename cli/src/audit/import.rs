//! `audit import`: a new log from an export, offline; all of it, or nothing.

use super::head::Point;
use crate::args::audit::Import;
use crate::exit::{Stuck, Usage};
use crate::output::progress::Bar;
use crate::output::{self, Format};
use crate::shell::Shell;
use bytes::Bytes;
use mcpctl_events::event::registry::Rewritten;
use mcpctl_events::hash::Hash;
use mcpctl_events::log::sqlite::{Draft, DraftError, OpenError};
use mcpctl_events::log::{Entry, Position};
use mcpctl_events::record::{MAX_RECORD_BYTES, Record, RecordKind};
use mcpctl_events::replica::{Decoded, Replica, Stopped};
use mcpctl_events::rewrite::Rewriter;
use std::fmt::Display;
use std::fs::{DirBuilder, File};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Records that are written at once.
const BATCH: usize = 512;
const BATCH_BYTES: usize = 4 << 20;

/// Makes the log, and prints its head.
pub fn run(shell: &Shell, options: &Import) -> anyhow::Result<()> {
    shell.format(&[Format::Table], "audit import")?;
    let target = target(&options.log)?;
    let (from, size) = open(&options.file)?;
    make_folder(&target)?;
    let draft = Draft::begin(&target).map_err(|error| stuck(&error))?;
    let bar = Bar::new("importing", size, shell.screen, size > 0);
    let (mut records, mut rewriting) = (Records { from, line: 0, read: 0 }, options.rewritten.map(Rewriting::until));
    let mut replica = Replica::default().on(draft.log());
    let (mut batch, mut batched) = (Vec::with_capacity(BATCH), 0);
    while let Some(bytes) = records.next()? {
        let rewritten = rewriting.as_mut().map(|rewriting| rewriting.next(&bytes)).transpose();
        let bytes = match rewritten {
            Ok(rewritten) => rewritten.unwrap_or(bytes),
            Err(problem) => return Err(no_history(&options.file, records.line, &problem)),
        };
        let decoded = Decoded::new(&Entry { position: Position(records.line), bytes: bytes.clone() });
        if let Err(stopped) = replica.apply(&decoded) {
            drop(bar);
            let problem = changed(&bytes).map_or_else(|| in_words(&stopped), str::to_owned);
            return Err(no_history(&options.file, records.line, &problem));
        }
        batched += bytes.len();
        batch.push(bytes);
        if batch.len() == BATCH || batched >= BATCH_BYTES {
            draft.append(&batch).map_err(|error| stuck(&error))?;
            batch.clear();
            batched = 0;
            bar.reach(records.read);
        }
    }
    draft.append(&batch).map_err(|error| stuck(&error))?;
    drop(bar);
    let admission = &replica.admission;
    if records.line == 0 {
        return Err(Stuck::new(format!("{} is empty", options.file.display()), UNCHANGED).into());
    }
    if admission.last_sequence == 0 {
        return Err(no_history(&options.file, records.line, "there is no event in it"));
    }
    if let Some(rewriting) = rewriting {
        rewriting.check_the_end(&options.file)?;
    }
    draft.finish().map_err(|error| stuck(&error))?;
    let head = Point { sequence: admission.last_sequence, hash: admission.head };
    Ok(output::answer(&format!("{head}\n"))?)
}

fn in_words(stopped: &Stopped) -> String {
    match stopped {
        Stopped::Damaged { after: 0 } => "this is no record of a log".to_owned(),
        Stopped::Damaged { after } => format!("this is no record, or not the one that comes after sequence {after}"),
        Stopped::Altered(_) | Stopped::Unreadable(_) => stopped.to_string(),
    }
}

/// What somebody or some program has done to an export, by a line that is no record.
fn changed(line: &[u8]) -> Option<&'static str> {
    if line.starts_with(&[0x1f, 0x8b]) {
        return Some("it is compressed; `zcat FILE | mcpctl audit import - --log URL` takes it");
    }
    if line.starts_with("\u{feff}".as_bytes()) {
        return Some("a byte order mark was put before it");
    }
    line.ends_with(b"\r").then_some("its lines end in CR and LF; an export's end in LF alone")
}

fn target(url: &str) -> Result<PathBuf, Usage> {
    let path = url.strip_prefix("sqlite:").filter(|path| !path.is_empty()).map(PathBuf::from);
    let path = path.ok_or_else(|| Usage(format!("--log {url}: not supported; it is sqlite:<path of a file>")))?;
    if path.is_dir() {
        return Err(Usage(format!("--log {url}: is a folder; it is sqlite:<path of a file>, such as {url}/log.db")));
    }
    Ok(path)
}

/// Makes the folder of the log, which is nobody else's business; one that is there stays as it is.
fn make_folder(target: &Path) -> anyhow::Result<()> {
    let Some(folder) = target.parent().filter(|folder| !folder.as_os_str().is_empty()) else { return Ok(()) };
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|error| {
        Stuck::new(format!("{} cannot be made: {error}", folder.display()), "name a place where you may write").into()
    })
}

fn stuck(error: &DraftError) -> anyhow::Error {
    let next = match error {
        DraftError::NoFile(_) => "name a file that is not there yet; nothing was changed",
        DraftError::HasHistory(_) => "name a place where there is no log; nothing was changed",
        DraftError::Leftover(_) => "move it away, or put its log back beside it; nothing was changed",
        DraftError::Open(OpenError::Locked { .. }) => "wait until that ends, or stop it; nothing was changed",
        _ => "nothing was changed; the folder has to be one that you may write to, with room for the log",
    };
    Stuck::new(error.to_string(), next).into()
}

const UNCHANGED: &str =
    "nothing was imported; it takes what `mcpctl audit export` wrote, unchanged, or see --rewritten";

fn no_history(file: &Path, line: u64, problem: &str) -> anyhow::Error {
    Stuck::new(format!("{}, line {line}: {problem}", file.display()), UNCHANGED).into()
}

/// The file and its size; stdin has none.
fn open(file: &Path) -> anyhow::Result<(Box<dyn BufRead>, u64)> {
    if file.as_os_str() == "-" {
        return Ok((Box::new(std::io::stdin().lock()), 0));
    }
    let unreadable = |problem: &dyn Display| {
        Stuck::new(
            format!("{} cannot be read: {problem}", file.display()),
            "name a file that `mcpctl audit export` wrote",
        )
    };
    let opened = File::open(file).map_err(|error| unreadable(&error))?;
    let metadata = opened.metadata().map_err(|error| unreadable(&error))?;
    if metadata.is_dir() {
        return Err(unreadable(&"it is a folder").into());
    }
    let size = metadata.len();
    Ok((Box::new(BufReader::with_capacity(256 << 10, opened)), size))
}

/// Makes another log of what the file holds.
struct Rewriting {
    until: Point,
    reached: u64,
    /// The end of the chain that the file holds as long as nothing in it was altered.
    unaltered: Option<Hash>,
    rewriter: Option<Rewriter>,
}

impl Rewriting {
    fn until(until: Point) -> Self {
        Self { until, reached: 0, unaltered: Some(Hash::NONE), rewriter: None }
    }

    fn next(&mut self, line: &[u8]) -> Result<Bytes, String> {
        let record = Record::decode(line).map_err(|error| error.to_string())?;
        if record.header.kind == RecordKind::Commit {
            let (first, wanted) = (record.header.first_sequence, self.reached + 1);
            if first != wanted {
                return Err(format!(
                    "it begins with event {first}, and not with {wanted}: a line is missing, or there twice"
                ));
            }
            self.reached = first + record.header.count - 1;
            self.unaltered = self.unaltered.filter(|head| *head == record.header.prev_hash).map(|_| Hash::of(line));
        }
        let of = || {
            let of = Rewritten { log_id: record.header.log_id, sequence: self.until.sequence, head: self.until.hash };
            Rewriter::new(crate::clock::id(), of)
        };
        Ok(self.rewriter.get_or_insert_with(of).write(record))
    }

    fn check_the_end(&self, file: &Path) -> anyhow::Result<()> {
        let (reached, until) = (self.reached, self.until.sequence);
        if self.unaltered == Some(self.until.hash) {
            let problem = format!("nothing was altered in {}", file.display());
            let next =
                "replace what is to be erased, as JSON writes it, or leave --rewritten out; nothing was imported";
            return Err(Stuck::new(problem, next).into());
        }
        if reached == until {
            return Ok(());
        }
        let problem = format!("{} ends at sequence {reached}, and --rewritten at {until}", file.display());
        Err(Stuck::new(problem, "give the head that `mcpctl audit export` printed; nothing was imported").into())
    }
}

/// Lines of the file, without their breaks.
struct Records {
    from: Box<dyn BufRead>,
    line: u64,
    read: u64,
}

impl Records {
    fn next(&mut self) -> anyhow::Result<Option<Bytes>> {
        let (mut line, most) = (Vec::new(), MAX_RECORD_BYTES as u64 + 1);
        let read = (&mut self.from).take(most).read_until(b'\n', &mut line);
        let read = read.map_err(|error| {
            Stuck::new(format!("the export cannot be read: {error}"), "name a file that `mcpctl audit export` wrote")
        })?;
        if read == 0 {
            return Ok(None);
        }
        self.read += read as u64;
        self.line += 1;
        if line.last() == Some(&b'\n') {
            line.pop();
        }
        Ok(Some(line.into()))
    }
}
