//! A Postgres server of the test's own, as a process.

use crate::{home::Home, port, program::Program};
use nix::{sys::signal::Signal, unistd::User};
use std::{
    fs::{self, File},
    os::unix::{fs::chown, process::CommandExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// Longest time until it takes connections.
const START: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(20);

/// A server, running. What it holds is gone with it.
#[derive(Debug)]
pub struct Postgres {
    port: u16,
    /// Goes before the folder does.
    process: Option<Program>,
    /// Its files belong to who runs it, which root is not.
    folder: tempfile::TempDir,
    home: Home,
}

impl Postgres {
    /// Starts one on a free port, and waits until it takes connections.
    pub fn start() -> Self {
        let template = template();
        let folder = tempfile::TempDir::with_prefix("mcpctl-postgres-").expect("a temporary folder");
        own(folder.path());
        let copied = as_postgres("cp").arg("-r").arg(template).arg(folder.path().join("db")).status();
        assert!(copied.is_ok_and(|status| status.success()), "the template cannot be copied");
        let mut it = Self { port: port::free(), process: None, folder, home: Home::default() };
        it.start_again();
        it
    }

    /// Starts it where it was, with what it held; it ended before.
    pub fn start_again(&mut self) {
        let mut command = as_postgres(binary("postgres"));
        command.arg("-D").arg(self.folder.path().join("db")).args(["-p", &self.port.to_string(), "-k", ""]);
        command.args(["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "max_connections=200"]);
        self.process = Some(Program::spawn("postgres", &self.home, command));
        let end = Instant::now() + START;
        while self.try_run("postgres", "SELECT 1").as_deref() != Some("1\n") {
            let log = self.process.as_ref().map(Program::log).unwrap_or_default();
            assert!(Instant::now() < end, "Postgres takes no connections: {log}");
            std::thread::sleep(LOOK);
        }
    }

    /// Ends it at once, as a power cut would: what was committed is there when it is started again.
    pub fn kill(&mut self) {
        if let Some(process) = &mut self.process {
            process.signal(Signal::SIGQUIT);
            let end = Instant::now() + START;
            while process.ended().is_none() && Instant::now() < end {
                std::thread::sleep(LOOK);
            }
        }
        self.process = None;
    }

    /// The process.
    pub fn process(&self) -> &Program {
        self.process.as_ref().expect("it runs")
    }

    /// Makes a database; its URL.
    pub fn create(&self, name: &str) -> String {
        self.run("postgres", &format!("CREATE DATABASE \"{name}\""));
        self.url(name)
    }

    /// The URL of a database.
    pub fn url(&self, name: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{name}", self.port)
    }

    /// Runs SQL, and returns the rows that it prints, with `|` between columns.
    pub fn run(&self, database: &str, sql: &str) -> String {
        self.try_run(database, sql).unwrap_or_else(|| panic!("psql refused: {sql}"))
    }

    fn try_run(&self, database: &str, sql: &str) -> Option<String> {
        let mut psql = Command::new(binary("psql"));
        psql.args(["-X", "-v", "ON_ERROR_STOP=1", "-Atq", "-c", sql, &self.url(database)]).stderr(Stdio::null());
        let output = psql.output().expect("psql can be started");
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.kill();
    }
}

/// An empty data folder, made once: making one takes longer than most tests.
fn template() -> PathBuf {
    let initdb = binary("initdb");
    let version = Command::new(&initdb).arg("--version").output().expect("initdb can be started");
    let version: String =
        String::from_utf8_lossy(&version.stdout).chars().filter(char::is_ascii_alphanumeric).collect();
    let parent = std::env::temp_dir().join("mcpctl-postgres-template");
    fs::create_dir_all(&parent).expect("a temporary folder");
    own(&parent);
    let lock = File::options().create(true).append(true).open(parent.join("lock")).expect("a lock file");
    lock.lock().expect("a lock");
    let template = parent.join(version);
    if !template.exists() {
        let draft = parent.join(format!("draft-{}", std::process::id()));
        let mut command = as_postgres(initdb);
        command.arg("-D").arg(&draft).args(["-U", "postgres", "-A", "trust", "-N", "-E", "UTF8", "--locale=C.UTF-8"]);
        let made = command.stdout(Stdio::null()).status();
        assert!(made.is_ok_and(|status| status.success()), "initdb failed");
        fs::rename(&draft, &template).expect("the template can be moved to its place");
    }
    template
}

/// A command as the user that Postgres runs as: root is refused by it.
fn as_postgres(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir("/");
    if let Some(user) = stand_in() {
        command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
    }
    command
}

fn own(folder: &Path) {
    if let Some(user) = stand_in() {
        chown(folder, Some(user.uid.as_raw()), Some(user.gid.as_raw())).expect("a folder can be given away");
    }
}

/// Who runs Postgres, if this is root.
fn stand_in() -> Option<User> {
    let is_root = nix::unistd::geteuid().is_root();
    is_root.then(|| User::from_name("postgres").ok().flatten().expect("Debian's package makes a user `postgres`"))
}

/// A program of Postgres: Debian keeps them apart from all others.
fn binary(name: &str) -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<_> = versions.map(|version| version.path().join("bin").join(name)).collect();
    found.retain(|path| path.is_file());
    found.sort();
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    let elsewhere = std::env::split_paths(&on_path).map(|folder| folder.join(name)).find(|path| path.is_file());
    found.pop().or(elsewhere).unwrap_or_else(|| panic!("{name} is missing: ./test.sh installs Postgres"))
}
