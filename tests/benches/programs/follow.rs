//! From a change to those who follow: a thousand streams, each of which gets every event.

use crate::line;
use mcpctl_tests::{Mcpd, samples};
use std::time::{Duration, Instant};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc,
    time::{sleep, timeout},
};

const FOLLOWERS: usize = 1000;
const EVENTS: usize = 100;
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(10);

pub async fn run() {
    println!("\nFollowers");
    let mcpd = Mcpd::start(&[]).await;
    let (client, (tell, mut heard)) = (mcpd.client(), mpsc::unbounded_channel());
    for _ in 0..FOLLOWERS {
        tokio::spawn(follow(mcpd.url.replace("http://", ""), mcpd.home.token(), tell.clone()));
    }
    // Everyone is told first where the history is.
    let mut hear = async || {
        let mut times = Vec::with_capacity(FOLLOWERS);
        while times.len() < FOLLOWERS {
            times.push(timeout(LONGEST, heard.recv()).await.expect("everyone hears of it").expect("followers"));
        }
        times
    };
    let _ = hear().await;
    let mut took = Vec::with_capacity(FOLLOWERS * EVENTS);
    for number in 0..EVENTS {
        sleep(PAUSE).await;
        let begun = Instant::now();
        let made = samples::public(&format!("llm-{number}"), "http://h");
        let make = async { client.post("/llms", &made).await.expect(201) };
        let (_, times) = tokio::join!(make, hear());
        took.extend(times.into_iter().map(|time| time.duration_since(begun)));
    }
    took.sort_unstable();
    let of = |part: usize| format!("{:.1} ms", took[took.len() * part / 1000 - 1].as_secs_f64() * 1e3);
    line(&format!("from the request that creates an Llm to {FOLLOWERS} followers, p50"), &of(500));
    line("p99", &of(990));
    line("the last", &of(1000));
}

/// Reads by hand: a thousand clients of an HTTP library would take longer to hear than the server to tell. Each piece is
/// one event, but for a bookmark where nothing happens.
async fn follow(address: String, token: String, tell: mpsc::UnboundedSender<Instant>) {
    let mut stream = TcpStream::connect(&address).await.expect("the server listens");
    let head = format!(
        "GET /api/v1/events?type=llm.* HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n\
         accept: text/event-stream\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.expect("the server listens");
    let (mut piece, mut knows_where) = (vec![0; 4096], false);
    while let Ok(read @ 1..) = stream.read(&mut piece).await {
        let has = |word: &[u8]| piece[..read].windows(word.len()).any(|bytes| bytes == word);
        let is_first = !knows_where && has(b": bookmark");
        if (is_first || has(b"\ndata:")) && tell.send(Instant::now()).is_err() {
            return;
        }
        knows_where |= is_first;
    }
}
