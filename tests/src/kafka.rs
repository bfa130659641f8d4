//! A Kafka broker in memory, as a process.

use crate::{home::Home, port, program, wire::Wire};
use std::{
    net::TcpStream,
    process::Command,
    time::{Duration, Instant},
};

/// Longest time until it listens.
const START: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(10);

/// A broker, running. What it holds is gone with it.
#[derive(Debug)]
pub struct Kafka {
    /// Its address, `host:port`.
    pub broker: String,
    /// Where it listens itself.
    listener: String,
    process: program::Program,
    home: Home,
}

impl Kafka {
    /// Starts one on a free port, and waits until it listens.
    pub fn start() -> Self {
        let broker = format!("127.0.0.1:{}", port::free());
        let home = Home::default();
        let process = spawn(&home, &broker, &broker);
        Self { listener: broker.clone(), broker, process, home }
    }

    /// Starts one that is reached through a wire.
    pub async fn start_behind_a_wire() -> (Self, Wire) {
        let listener = format!("127.0.0.1:{}", port::free());
        let wire = Wire::to(&listener).await;
        let home = Home::default();
        let process = spawn(&home, &listener, &wire.address);
        (Self { broker: wire.address.clone(), listener, process, home }, wire)
    }

    /// The log in a topic of this name.
    pub fn log(&self, topic: &str) -> String {
        format!("kafka://{}/{topic}", self.broker)
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again where it was, with nothing of what it held.
    pub fn start_again(&mut self) {
        self.process = spawn(&self.home, &self.listener, &self.broker);
    }

    /// The process.
    pub fn process(&self) -> &program::Program {
        &self.process
    }
}

fn spawn(home: &Home, listener: &str, broker: &str) -> program::Program {
    let (url, advertised) = (format!("tcp://{listener}"), format!("tcp://{broker}"));
    let mut command = Command::new(program::installed().join("broker"));
    command.args(["broker", "--listener-url", &url, "--advertised-listener-url", &advertised]);
    command.args(["--storage-engine", "memory://tansu/"]).current_dir(home.path());
    let process = program::Program::spawn("broker", home, command);
    let end = Instant::now() + START;
    while TcpStream::connect(listener).is_err() {
        assert!(Instant::now() < end, "the broker does not listen: {}", process.log());
        std::thread::sleep(LOOK);
    }
    process
}
