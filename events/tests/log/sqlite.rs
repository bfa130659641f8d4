//! The log in a SQLite file passes the suite, read by the process that appends and by another one.

use crate::folder::Folder;
use bytes::Bytes;
use mcpctl_events::log::{AppendError, EventLog, Page, Position, ReadError, conformance::Harness, sqlite::SqliteLog};
use std::{fs, time::Duration};

/// A log and the folder that it is in. Reads go through a reader as another process would have one, if there is one.
struct InFolder {
    log: SqliteLog,
    reader: Option<SqliteLog>,
    folder: Folder,
}

impl EventLog for InFolder {
    fn append(&self, records: &[Bytes]) -> Result<(), AppendError> {
        self.log.append(records)
    }

    fn read(&self, after: Position, max: usize) -> Result<Page, ReadError> {
        self.reader.as_ref().unwrap_or(&self.log).read(after, max)
    }

    fn wait(&self, after: Position, timeout: Duration) -> Result<bool, ReadError> {
        self.reader.as_ref().unwrap_or(&self.log).wait(after, timeout)
    }
}

struct Sqlite {
    read_elsewhere: bool,
}

impl Sqlite {
    fn open(&self, folder: Folder) -> InFolder {
        let log = SqliteLog::open(folder.log()).unwrap();
        let reader = self.read_elsewhere.then(|| SqliteLog::open_read_only(folder.log()).unwrap());
        InFolder { log, reader, folder }
    }
}

impl Harness for Sqlite {
    type Log = InFolder;

    fn fresh(&self) -> InFolder {
        self.open(Folder::new())
    }

    fn after_a_crash(&self, log: InFolder) -> InFolder {
        self.open(log.folder.image())
    }

    fn after_a_torn_write(&self, log: &InFolder, part: usize) -> Option<InFolder> {
        let image = log.folder.image();
        let written = fs::read(image.write_ahead_log()).unwrap();
        fs::write(image.write_ahead_log(), &written[..written.len() * part / 100]).unwrap();
        Some(self.open(image))
    }

    fn second_appender(&self, log: &InFolder) -> Option<Result<InFolder, String>> {
        let second = SqliteLog::open(log.folder.log()).map_err(|error| error.to_string());
        Some(second.map(|log| InFolder { log, reader: None, folder: Folder::new() }))
    }

    fn reopen(&self, log: InFolder) -> InFolder {
        let InFolder { log, reader, folder } = log;
        drop((log, reader));
        self.open(folder)
    }

    fn set_disk_full(&self, log: &InFolder, full: bool) -> bool {
        log.log.limit_growth(full.then_some(1)).unwrap();
        true
    }
}

mod same_process {
    mcpctl_events::conformance!(super::Sqlite { read_elsewhere: false });
}

mod another_process {
    mcpctl_events::conformance!(super::Sqlite { read_elsewhere: true });
}
