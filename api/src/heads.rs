//! Signed heads: the server's word, minute by minute, where the log ended. With a copy of them kept elsewhere nobody can
//! cut the log back or write another one unnoticed, not even whoever runs the server, unless they hold the key too.

use crate::{config::Config, server::Refused};
use anyhow::{Context, bail};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use mcpctl_events::{
    admission::Admission,
    hash::Hash,
    log::{EventLog, Position},
    replica::Replica,
    time::LogTime,
    wire::audit::SignedHead,
};
use mcpctl_projector::{Tables, store::EventFilter};
use rustls_pki_types::{PrivatePkcs8KeyDer, pem::PemObject};
use std::{
    fs::{self, File, Metadata, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

/// More than a line.
const LAST_BYTES: u64 = 4096;

/// Where a data folder has its signed heads.
pub fn file(data_dir: &Path) -> PathBuf {
    data_dir.join("heads.jsonl")
}

/// Signs heads.
pub struct Heads {
    key: Ed25519KeyPair,
    path: PathBuf,
    file: Mutex<Signed>,
}

struct Signed {
    file: File,
    /// Bytes of whole lines.
    length: u64,
    /// The last sequence that was signed.
    last: u64,
}

impl Signed {
    /// Goes on with what is at the path now: the file may have been moved away, or cut short in its place.
    fn stay_with(&mut self, path: &Path) -> anyhow::Result<()> {
        let mine = self.file.metadata()?;
        let is_same = |there: &Metadata| (there.dev(), there.ino()) == (mine.dev(), mine.ino());
        if fs::metadata(path).is_ok_and(|there| is_same(&there) && there.len() >= self.length) {
            return Ok(());
        }
        tracing::warn!(file = %path.display(), "the signed heads were moved away or cut short: going on with what is there");
        (_, self.length) = last_line(path)?;
        self.file = append(path, self.length)?;
        Ok(())
    }
}

fn append(path: &Path, length: u64) -> anyhow::Result<File> {
    let open = || {
        let file = OpenOptions::new().append(true).create(true).open(path)?;
        // A line that a crash cut off.
        file.set_len(length)?;
        Ok::<_, io::Error>(file)
    };
    open().with_context(|| format!("{} cannot be written", path.display()))
}

impl Heads {
    /// Reads the key, if there is one, and checks that the last head that was signed is in the history still. `replica` is
    /// the fold of the whole log, and the tables hold that.
    pub async fn open(
        config: &Config,
        log: &dyn EventLog,
        tables: &Tables,
        replica: &Replica,
    ) -> anyhow::Result<Option<Self>> {
        let path = file(&config.data_dir);
        let (last, length) = last_line(&path)?;
        // A log that cannot be folded that far is served to be read, and says itself what is the matter.
        let stopped_before =
            |head: &SignedHead| replica.stopped().is_some() && replica.admission.last_sequence < head.sequence;
        if let Some(head) = last.as_ref().filter(|head| !stopped_before(head)) {
            check(head, log, tables, &replica.admission, &path).await?;
        }
        let Some(key_file) = &config.args.head_key else { return Ok(None) };
        let key = read_key(key_file)?;
        let public_key = hex(key.public_key().as_ref());
        if last.as_ref().is_some_and(|head| head.public_key != public_key) {
            let reason =
                format!("the heads in {} are signed with another key; keep them and move them away", path.display());
            return Err(Refused::new(format!("--head-key {}: {reason}", key_file.display())).into());
        }
        let file = append(&path, length)?;
        tracing::info!(public_key, file = %path.display(), "heads of the log are signed");
        let last = last.map_or(0, |head| head.sequence);
        let file = Mutex::new(Signed { file, length, last });
        Ok(Some(Self { key, path, file }))
    }

    /// Signs where the log ends and keeps that, if it went on since the last time. Blocks.
    pub fn sign(&self, known: &Admission, time: LogTime) {
        let mut signed = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = signed.stay_with(&self.path) {
            tracing::error!(file = %self.path.display(), error = format!("{error:#}"), "the head of the log could not be kept");
            return;
        }
        let Some(log_id) = known.log_id.filter(|_| known.last_sequence > signed.last) else { return };
        let mut head = SignedHead {
            log_id,
            sequence: known.last_sequence,
            hash: known.head,
            time,
            public_key: hex(self.key.public_key().as_ref()),
            signature: String::new(),
        };
        head.signature = hex(self.key.sign(head.message().as_bytes()).as_ref());
        let mut write = || -> io::Result<u64> {
            let mut line = serde_json::to_vec(&head)?;
            line.push(b'\n');
            // What a full disk cut off must not stand before the next line.
            signed.file.set_len(signed.length)?;
            signed.file.write_all(&line)?;
            signed.file.sync_data()?;
            Ok(line.len() as u64)
        };
        match write() {
            Ok(written) => {
                signed.length += written;
                signed.last = head.sequence;
            }
            Err(error) => tracing::error!(file = %self.path.display(), %error, "the head of the log could not be kept"),
        }
    }
}

/// What is wrong with the key, found before anything is made.
pub fn check_key(config: &Config) -> anyhow::Result<()> {
    config.args.head_key.as_deref().map_or(Ok(()), |file| read_key(file).map(drop))
}

fn read_key(file: &Path) -> anyhow::Result<Ed25519KeyPair> {
    let refused = |reason: String| {
        let way_out = "`openssl genpkey -algorithm ed25519 -out head.pem` makes a key";
        Refused::new(format!("--head-key {}: {reason}; {way_out}", file.display()))
    };
    let pem = fs::read(file).map_err(|error| refused(format!("cannot be read: {error}")))?;
    let der = PrivatePkcs8KeyDer::from_pem_slice(&pem).map_err(|_| refused("is no private key in PEM".to_owned()))?;
    let key = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der.secret_pkcs8_der());
    Ok(key.map_err(|_| refused("is no Ed25519 key".to_owned()))?)
}

/// The last head of a file, and how long its whole lines are: a crash may have cut off another.
fn last_line(path: &Path) -> anyhow::Result<(Option<SignedHead>, u64)> {
    let read = || -> io::Result<(Vec<u8>, u64)> {
        let mut file = File::open(path)?;
        let begin = file.metadata()?.len().saturating_sub(LAST_BYTES);
        file.seek(SeekFrom::Start(begin))?;
        let mut end = Vec::new();
        file.read_to_end(&mut end)?;
        Ok((end, begin))
    };
    let (end, begin) = match read() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((None, 0)),
        read => read.with_context(|| format!("{} cannot be read", path.display()))?,
    };
    let whole = memchr::memrchr(b'\n', &end).map_or(0, |at| at + 1);
    let line = end[..whole].trim_ascii_end().rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    if line.is_empty() && begin == 0 {
        return Ok((None, 0));
    }
    let way_out = "keep a copy, and take its damaged lines out, or move it away";
    let Ok(head) = serde_json::from_slice(line) else {
        bail!("the last line of {} is no signed head: {way_out}", path.display());
    };
    Ok((Some(head), begin + whole as u64))
}

async fn check(
    head: &SignedHead,
    log: &dyn EventLog,
    tables: &Tables,
    known: &Admission,
    path: &Path,
) -> anyhow::Result<()> {
    let SignedHead { log_id, sequence, hash, .. } = head;
    let way_out = format!("restore the right log; to go on without what is lost, move {} away", path.display());
    if known.last_sequence < *sequence || known.log_id != Some(*log_id) {
        bail!(
            "the history on the log ends at sequence {}, and {sequence}:{hash} was signed as its head: the log was cut \
             short, or another one is in its place; {way_out}",
            known.last_sequence
        );
    }
    let filter = EventFilter { after: sequence.saturating_sub(1), limit: 1, ..EventFilter::default() };
    let found = tables.events(&filter).await?.value;
    // Tables that could not be written know it later.
    let Some(found) = found.first() else { return Ok(()) };
    let page = log.read(Position(found.position.0.saturating_sub(1)), 1)?;
    if page.entries.first().is_none_or(|entry| Hash::of(&entry.bytes) != *hash) {
        bail!(
            "{sequence}:{hash} was signed as the head of the log, and another record is there: it was altered; {way_out}"
        );
    }
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
