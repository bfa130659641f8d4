//! The programs under test, as processes.

use crate::{home::Home, wait::eventually};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use std::{
    ffi::OsStr,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    time::Duration,
};

/// Longest time from SIGTERM to the end.
pub const STOP: Duration = Duration::from_secs(10);
/// Longest time that a command may take.
const RUN: Duration = Duration::from_mins(1);
/// Bytes of a log that a failing test shows.
const TAIL: usize = 3000;

/// The built program `name`.
pub fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the path of this test");
    let folder = test.parent().and_then(Path::parent).expect("tests are built into target/<profile>/deps");
    let binary = folder.join(name);
    assert!(
        binary.is_file(),
        "{} is not built: run `cargo build --workspace --bins` first (./test.sh does), for a bench with --release",
        binary.display()
    );
    binary
}

/// Where `tests/sdks/install.sh` puts the programs that nobody here wrote.
pub fn installed() -> PathBuf {
    let program = binary("mcpd");
    let sdks = program.ancestors().nth(2).expect("a target folder").join("sdks");
    assert!(sdks.join("installed").is_file(), "the SDKs are missing: run tests/sdks/install.sh first (./test.sh does)");
    sdks
}

/// A command in this home, with nothing of our own environment but the search path.
fn command(name: &str, home: &Home) -> Command {
    let mut command = Command::new(binary(name));
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("HOME", home.path()).env("MCPCTL_HOME", home.mcpctl());
    command.current_dir(home.path()).stdin(Stdio::null());
    command
}

/// Runs a program to its end.
pub async fn run(name: &str, home: &Home, args: &[impl AsRef<OsStr>]) -> Output {
    run_with(name, home, args, &[]).await
}

/// The same, with more in its environment.
pub async fn run_with(name: &str, home: &Home, args: &[impl AsRef<OsStr>], env: &[(&str, &str)]) -> Output {
    let mut command = tokio::process::Command::from(command(name, home));
    command.args(args).envs(env.iter().copied()).kill_on_drop(true);
    let output = tokio::time::timeout(RUN, command.output()).await;
    output.unwrap_or_else(|_| panic!("{name} did not end within {RUN:?}")).expect("the program can be started")
}

/// A process that is killed with its value.
#[derive(Debug)]
pub struct Program {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Program {
    /// Starts a program of ours; what it prints goes to `<name>.log` in the home.
    pub fn start(name: &str, home: &Home, args: &[String], env: &[(String, String)]) -> Self {
        let mut command = command(name, home);
        command.args(args).envs(env.iter().map(|(name, value)| (name, value)));
        Self::spawn(name, home, command)
    }

    /// Starts any command.
    pub fn spawn(name: &str, home: &Home, mut command: Command) -> Self {
        let log = home.path().join(format!("{name}.log"));
        let file = File::options().append(true).create(true).open(&log).expect("a log file");
        command.stdout(file.try_clone().expect("a log file")).stderr(file);
        let child = command.spawn().unwrap_or_else(|error| panic!("{name} cannot be started: {error}"));
        Self { name: name.to_owned(), child, log }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// All that it printed, also before a restart.
    pub fn log(&self) -> String {
        fs::read(&self.log).map(|log| String::from_utf8_lossy(&log).into_owned()).unwrap_or_default()
    }

    /// How it ended, if it did.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("the process can be asked")
    }

    /// `kill -9`, and waits for the end.
    pub fn kill(&mut self) {
        // An error means that it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid()).expect("a process id");
        kill(Pid::from_raw(pid), signal).expect("the process can be signalled");
    }

    /// Waits for its end.
    pub async fn exit(&mut self, deadline: Duration) -> ExitStatus {
        let name = self.name.clone();
        eventually(format!("{name} ends"), deadline, async || self.ended()).await
    }

    /// SIGTERM, and waits for the end.
    pub async fn stop(&mut self) -> ExitStatus {
        self.signal(Signal::SIGTERM);
        self.exit(STOP).await
    }

    /// User and system time of all its threads so far, to the hundredth of a second: fields 14 and 15 of
    /// `/proc/<pid>/stat`.
    pub fn cpu(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid())).expect("a running process");
        let after_name = stat.rsplit(')').next().unwrap_or_default();
        let ticks = after_name.split_whitespace().skip(11).take(2).map(|field| field.parse::<u64>().expect("a number"));
        Duration::from_millis(10 * ticks.sum::<u64>())
    }

    /// Resident memory in bytes.
    pub fn resident(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("a running process");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a resident size");
        let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number of kB");
        kilobytes << 10
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let log = self.log();
            let from = log.ceil_char_boundary(log.len().saturating_sub(TAIL));
            eprintln!("--- {} printed last:\n{}", self.name, &log[from..]);
        }
    }
}
