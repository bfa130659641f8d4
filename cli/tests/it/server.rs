//! A server that answers every request from a function.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Longest wait for a request.
const PATIENCE: Duration = Duration::from_secs(5);

/// What one request is answered with.
pub struct Reply {
    status: &'static str,
    kind: &'static str,
    sequence: u64,
    body: String,
    ends: bool,
}

/// What is noted when a client hangs up on an answer without an end.
pub const HUNG_UP: &str = "hung up";

/// A running server; its thread ends with the process.
pub struct Server {
    /// Its address.
    pub url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Reply {
    /// A JSON answer with the sequence that the tables are at.
    pub fn json(sequence: u64, body: impl Into<String>) -> Self {
        Reply { status: "200 OK", kind: "application/json", sequence, body: body.into(), ends: true }
    }

    /// Server-sent events, each with this data.
    pub fn stream(data: &[&str]) -> Self {
        let body = format!("data: {}\n\n", data.join("\n\ndata: "));
        Reply { status: "200 OK", kind: "text/event-stream", sequence: 0, body, ends: true }
    }

    /// A refusal.
    pub fn refused(status: &'static str, error: &str) -> Self {
        let body = format!(r#"{{"error":"{error}","code":"X"}}"#);
        Reply { status, kind: "application/json", sequence: 0, body, ends: true }
    }

    /// The same, but its end never comes.
    pub fn without_end(self) -> Self {
        Reply { ends: false, ..self }
    }
}

impl Server {
    /// Answers each path (with its query) until the process ends.
    pub fn start(answer: impl Fn(&str) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut stream = BufReader::new(stream);
                let path = request(&mut stream);
                seen.lock().unwrap().push(path.clone());
                let Reply { status, kind, sequence, body, ends } = answer(&path);
                let length = body.len() + usize::from(!ends);
                let head = format!(
                    "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\nx-mcpctl-sequence: {sequence}\r\n\
                     connection: close\r\ncontent-length: {length}\r\n\r\n"
                );
                // A client that was killed in the middle is no failure of the server's.
                let _ = stream.get_mut().write_all((head + &body).as_bytes());
                if !ends {
                    let _ = stream.read(&mut [0]);
                    seen.lock().unwrap().push(HUNG_UP.to_owned());
                }
            }
        });
        Server { url, asked }
    }

    /// The same answer to everything.
    pub fn always(reply: impl Fn() -> Reply + Send + 'static) -> Self {
        Self::start(move |_| reply())
    }

    /// Waits until this was asked for last.
    pub fn asked_for(&self, path: &str) {
        let began = Instant::now();
        while self.asked().last().is_none_or(|last| last != path) {
            assert!(began.elapsed() < PATIENCE, "{path} was not asked for: {:?}", self.asked());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The paths, with their queries, that were asked for so far.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// Reads a request, its body too; returns its path.
fn request(stream: &mut BufReader<TcpStream>) -> String {
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).unwrap() == 0 || line == "\r\n" {
            break;
        }
        if let Some(n) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = n.trim().parse().unwrap();
        }
        head += &line;
    }
    stream.read_exact(&mut vec![0; length]).unwrap();
    head.split(' ').nth(1).unwrap_or_default().to_owned()
}
