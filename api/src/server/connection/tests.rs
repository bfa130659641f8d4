//! Connections on real sockets, with rests of milliseconds.

use super::*;
use axum::{response::IntoResponse, routing::post};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::sleep,
};

const REST: Duration = Duration::from_millis(5);
/// A connection on which nothing is asked for so long has begun to rest.
const PAUSE: Duration = Duration::from_millis(40);
const SHORT: Duration = Duration::from_millis(300);
const LONG: Duration = Duration::from_secs(20);

struct Served {
    client: TcpStream,
    task: JoinHandle<()>,
    stopping: CancellationToken,
    /// What `/stream` answers; it ends with the sender.
    pieces: tokio::sync::mpsc::Sender<&'static str>,
}

impl Served {
    async fn new(header_timeout: Duration) -> Self {
        let slow = post(|body: String| async move {
            sleep(PAUSE).await;
            body
        });
        let (pieces, body) = tokio::sync::mpsc::channel(8);
        let body = Arc::new(std::sync::Mutex::new(Some(body)));
        let stream = post(move || async move {
            let body = body.lock().unwrap().take().expect("one stream");
            let pieces = futures_util::stream::unfold(body, async |mut body| {
                Some((Ok::<_, Infallible>(body.recv().await?), body))
            });
            let mut response = Body::from_stream(pieces).into_response();
            response.extensions_mut().insert(LongLived);
            response
        });
        let routes = Router::new().route("/echo", post(|body: String| async { body }));
        let beat = post(|| async {
            let mut response = "beaten".into_response();
            response.extensions_mut().insert(NextIsFar);
            response
        });
        let router = routes.route("/slow", slow).route("/stream", stream).route("/beat", beat);
        let (stopping, cut) = (CancellationToken::new(), CancellationToken::new());
        let stop = stopping.clone();
        let (clock, rest_after, patience) = (Clock::start(), REST, LONG);
        let connections = Connections {
            clock,
            answers: router,
            patience,
            buffer: LEAST_BUFFER,
            header_timeout,
            refusals: Arc::default(),
            rest_after,
            stopping: stop,
            cut,
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let dialled = TcpStream::connect(listener.local_addr().unwrap());
        let (client, accepted) = tokio::join!(dialled, listener.accept());
        let (accepted, peer) = accepted.unwrap();
        #[expect(clippy::disallowed_methods, reason = "what a test starts ends with its runtime")]
        let task = tokio::spawn(connections.serve(Stream::Plain(accepted), Peer(peer.ip())));
        Self { client: client.unwrap(), task, stopping, pieces }
    }

    async fn send(&mut self, text: &str) {
        self.client.write_all(text.as_bytes()).await.unwrap();
    }

    /// Reads an answer whose body ends in `mark`.
    async fn read(&mut self, mark: &str) {
        let mut read = String::new();
        while !read.ends_with(mark) {
            read.push(char::from(self.client.read_u8().await.expect("the connection is kept")));
        }
        assert!(read.starts_with("HTTP/1.1 200 OK\r\n"), "{read}");
        assert!(!read.to_lowercase().contains("connection: close"), "{read}");
    }

    async fn ends(self) {
        assert_eq!(self.last_words().await, "");
    }

    /// What comes before the connection is closed.
    async fn last_words(mut self) -> String {
        let mut rest = Vec::new();
        timeout(LONG, self.client.read_to_end(&mut rest)).await.expect("the connection is closed").unwrap();
        self.task.await.unwrap();
        String::from_utf8_lossy(&rest).into_owned()
    }
}

fn request(path: &str, body: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nhost: here\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

#[tokio::test]
async fn a_connection_goes_on_after_every_rest() {
    let mut served = Served::new(LONG).await;
    for body in ["one", "two", "three"] {
        sleep(PAUSE).await;
        served.send(&request("/echo", body)).await;
        served.read(body).await;
    }
}

#[tokio::test]
async fn requests_in_pieces_and_two_at_once_are_answered_across_rests() {
    let mut served = Served::new(LONG).await;
    let whole = request("/echo", "pieces");
    for (from, to) in [(0, 9), (9, 30), (30, whole.len() - 3), (whole.len() - 3, whole.len())] {
        sleep(PAUSE).await;
        served.send(&whole[from..to]).await;
    }
    served.read("pieces").await;
    let (next, head) = (request("/slow", "later"), &whole[..20]);
    served.send(&[request("/slow", "first"), next, head.to_owned()].concat()).await;
    served.read("first").await;
    served.read("later").await;
    sleep(PAUSE).await;
    served.send(&whole[20..]).await;
    served.read("pieces").await;
}

/// The pieces of a body, and how it ends.
async fn stream(served: &mut Served, head: &str, ends: &str) {
    served.send(head).await;
    served.pieces.send("one").await.unwrap();
    served.read("one\r\n").await;
    for piece in ["", "two", "three and more than ten"] {
        sleep(PAUSE).await;
        served.pieces.send(piece).await.unwrap();
    }
    served.pieces = tokio::sync::mpsc::channel(1).0;
    let mut rest = vec![0; ends.len()];
    timeout(LONG, served.client.read_exact(&mut rest)).await.expect("the rest comes").unwrap();
    assert_eq!(String::from_utf8_lossy(&rest), ends);
}

#[tokio::test]
async fn a_long_answer_comes_in_chunks_and_the_connection_goes_on_after_it() {
    let mut served = Served::new(LONG).await;
    let rest = "3\r\ntwo\r\n17\r\nthree and more than ten\r\n0\r\n\r\n";
    stream(&mut served, &request("/stream", ""), rest).await;
    served.send(&request("/echo", "after it")).await;
    served.read("after it").await;
}

#[tokio::test]
async fn what_is_sent_ahead_of_the_end_of_a_long_answer_is_asked_after_it() {
    let mut served = Served::new(LONG).await;
    let (stream_on, next) = (request("/stream", ""), request("/echo", "sent ahead"));
    served.send(&[&*stream_on, &next[..10]].concat()).await;
    served.pieces.send("one").await.unwrap();
    served.read("one\r\n").await;
    served.send(&next[10..]).await;
    served.pieces = tokio::sync::mpsc::channel(1).0;
    let mut end = [0; 5];
    served.client.read_exact(&mut end).await.unwrap();
    assert_eq!(&end, b"0\r\n\r\n");
    served.read("sent ahead").await;
}

#[tokio::test]
async fn a_long_answer_is_dropped_when_its_client_hangs_up() {
    for first in [None, Some("one")] {
        let mut served = Served::new(LONG).await;
        served.send(&request("/stream", "")).await;
        if let Some(piece) = first {
            served.pieces.send(piece).await.unwrap();
            served.read("one\r\n").await;
        }
        drop(served.client);
        timeout(LONG, served.pieces.closed()).await.expect("the body is dropped");
        timeout(LONG, served.task).await.expect("the connection ends").unwrap();
    }
}

#[tokio::test]
async fn a_client_that_closes_after_the_answer_gets_it_from_http() {
    let mut served = Served::new(LONG).await;
    let head = "POST /stream HTTP/1.1\r\nhost: here\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    served.send(head).await;
    served.pieces.send("one").await.unwrap();
    served.pieces = tokio::sync::mpsc::channel(1).0;
    let mut all = String::new();
    timeout(LONG, served.client.read_to_string(&mut all)).await.expect("it closes").unwrap();
    assert!(all.ends_with("one\r\n0\r\n\r\n") && all.contains("connection: close"), "{all}");
}

#[tokio::test]
async fn half_a_head_is_not_waited_for_for_ever() {
    for first in [None, Some("one")] {
        let mut served = Served::new(SHORT).await;
        let before = first.map(|body| request("/echo", body)).unwrap_or_default();
        served.send(&format!("{before}POST /ec")).await;
        if let Some(body) = first {
            served.read(body).await;
        }
        let said = served.last_words().await;
        assert!(said.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{said}");
        assert!(said.contains("was not whole after 0.3 s, the limit of --header-timeout"), "{said}");
    }
}

#[tokio::test]
async fn half_a_head_does_not_hold_up_a_stop() {
    let mut served = Served::new(LONG * 2).await;
    served.send("POST /ec").await;
    sleep(PAUSE).await;
    served.stopping.cancel();
    served.ends().await;
}

#[tokio::test]
async fn the_body_of_a_refused_request_behind_a_heartbeat_is_no_request() {
    let mut served = Served::new(LONG).await;
    let within = "POST /echo HTTP/1.1\r\nhost: here\r\ncontent-length: 0\r\n\r\n";
    let refused = format!("POST /nowhere HTTP/1.1\r\nhost: here\r\ncontent-length: {}\r\n\r\n", within.len());
    served.send(&[&*request("/beat", ""), &refused].concat()).await;
    served.read("beaten").await;
    sleep(PAUSE).await;
    // The connection may be closed by then.
    let _ = served.client.write_all(within.as_bytes()).await;
    let mut rest = Vec::new();
    let _ = timeout(LONG, served.client.read_to_end(&mut rest)).await.expect("the connection is closed");
    let rest = String::from_utf8_lossy(&rest);
    assert!(rest.starts_with("HTTP/1.1 404") && rest.matches("HTTP/1.1").count() == 1, "{rest}");
}

#[tokio::test]
async fn what_asks_nothing_is_closed_in_the_end_and_by_a_stop() {
    let mut served = Served::new(SHORT).await;
    sleep(PAUSE).await;
    served.send(&request("/echo", "one")).await;
    served.read("one").await;
    served.ends().await;
    for rest in [Duration::ZERO, PAUSE] {
        let mut served = Served::new(LONG * 2).await;
        served.send(&request("/echo", "one")).await;
        served.read("one").await;
        sleep(rest).await;
        served.stopping.cancel();
        served.ends().await;
    }
}
