//! A caller that speaks HTTP by hand: it stops in the middle of a request, or does not read its answer.

use crate::{mcpd::Mcpd, wait::within};
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

const PATIENCE: Duration = Duration::from_secs(20);
/// So little fits on the way to this caller that a server notices soon when it does not read.
const WINDOW: u32 = 4 << 10;

/// A connection. Dropping it hangs up.
#[derive(Debug)]
pub struct Raw(TcpStream);

impl Raw {
    /// Sends the head of a `POST` of JSON to a path under `/api/v1`, with the admin's token.
    pub async fn post(mcpd: &Mcpd, path: &str, length: usize, header: &str) -> Self {
        let address = mcpd.url.trim_start_matches("http://");
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(WINDOW).expect("a small buffer");
        let connected = socket.connect(address.parse().expect("an address")).await;
        let mut raw = Self(connected.expect("the server listens"));
        let token = mcpd.home.token();
        let head = format!(
            "POST /api/v1{path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n\
             content-type: application/json\r\ncontent-length: {length}\r\n{header}\r\n"
        );
        raw.send(&head).await;
        raw
    }

    /// Sends text as it is.
    pub async fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.expect("the server listens");
    }

    /// Reads until the text comes; returns how many bytes there were up to then.
    pub async fn read_until(&mut self, text: &str) -> usize {
        let reading = async {
            let (mut count, mut seen, mut piece) = (0, Vec::new(), vec![0; 64 << 10]);
            loop {
                let read = self.0.read(&mut piece).await.expect("the server goes on");
                assert!(read > 0, "the server hung up before it said {text:?}");
                count += read;
                seen.extend_from_slice(&piece[..read]);
                if seen.windows(text.len()).any(|window| window == text.as_bytes()) {
                    return count;
                }
                seen.drain(..seen.len().saturating_sub(text.len()));
            }
        };
        within(format!("the server says {text:?}"), PATIENCE, reading).await
    }
}
