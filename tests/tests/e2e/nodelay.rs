//! No hop waits for the peer's acknowledgement before it sends the next small chunk: Nagle's algorithm together with
//! delayed acknowledgements costs 40 ms wherever one socket lacks `TCP_NODELAY`.
//!
//! It shows where a kept-alive connection answers a request in two small writes: the second is held back. So the calls
//! here are many, on one connection, with two chunks each.

use mcpctl_tests::{Client, Mcpd, Mcplocal, Model, Reply, mcplocal::config, samples, sse::Sse};
use reqwest::Method;
use std::time::{Duration, Instant};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

const CALLS: usize = 40;
const PAUSE: Duration = Duration::from_millis(2);
/// More than a call takes, and less than a stall.
const LATE: Duration = Duration::from_millis(30);
/// A faulty hop stalls at least every fourth call of any round, a good one only while the machine is busy elsewhere.
const STALLS: usize = CALLS / 8;
/// So a good one has a good round sooner or later, and a faulty one has none.
const ROUNDS: usize = 60;

/// The measurement sees the fault: two plain sockets, once without the option and once with it.
#[tokio::test]
async fn the_measurement_tells_a_stalled_socket_from_a_good_one() {
    for (nodelay, stalls) in [(false, true), (true, false)] {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let mut caller = TcpStream::connect(listener.local_addr().expect("an address")).await.expect("a connection");
        let (mut server, _) = listener.accept().await.expect("a connection");
        server.set_nodelay(nodelay).expect("an option");
        let answering = tokio::spawn(async move {
            while server.read_u8().await.is_ok() {
                server.write_all(b"a").await.expect("sent");
                tokio::time::sleep(PAUSE).await;
                server.write_all(b"b").await.expect("sent");
            }
        });
        let mut rounds = Vec::new();
        while rounds.is_empty() || (rounds.last() > Some(&STALLS) && rounds.len() < if stalls { 5 } else { ROUNDS }) {
            rounds.push(plain_calls(&mut caller).await);
        }
        drop(caller);
        answering.await.expect("no panic");
        assert_eq!(rounds.last() > Some(&STALLS), stalls, "TCP_NODELAY {nodelay}: stalled of {CALLS}: {rounds:?}");
    }
}

async fn plain_calls(caller: &mut TcpStream) -> usize {
    let mut late = 0;
    for _ in 0..CALLS {
        let began = Instant::now();
        caller.write_all(b"?").await.expect("sent");
        caller.read_u8().await.expect("received");
        caller.read_u8().await.expect("received");
        late += usize::from(began.elapsed() > LATE);
    }
    late
}

/// Model server → publisher → server → caller: what the publisher dials and the server accepts.
#[tokio::test]
async fn a_published_model_does_not_stall() {
    let mcpd = Mcpd::start(&[]).await;
    let model = Model::start(Reply::Chunks(vec!["a".to_owned(), "b".to_owned()], PAUSE)).await;
    let mcplocal = Mcplocal::start(&mcpd.home, &config("llm", &model.url), &[]);
    let client = mcpd.client();
    mcplocal.connected(&client, "llm").await;
    does_not_stall(&client).await;
}

/// Model server → server → caller: a public Llm.
#[tokio::test]
async fn a_public_model_does_not_stall() {
    let mcpd = Mcpd::start(&[]).await;
    let model = Model::start(Reply::Chunks(vec!["a".to_owned(), "b".to_owned()], PAUSE)).await;
    let client = mcpd.client();
    let _ = client.post("/llms", &samples::public("llm", &model.url)).await.expect(201);
    does_not_stall(&client).await;
}

async fn does_not_stall(client: &Client) {
    let mut rounds = Vec::new();
    while rounds.len() < ROUNDS {
        let late = calls(client, "llm").await;
        if late <= STALLS {
            return;
        }
        rounds.push(late);
    }
    panic!("so many of {CALLS} calls stalled, round by round: {rounds:?}");
}

/// How many of the calls stalled.
async fn calls(client: &Client, llm: &str) -> usize {
    let mut late = 0;
    for _ in 0..CALLS {
        let began = Instant::now();
        let request = client.request(Method::POST, &format!("/llms/{llm}/infer")).json(&samples::ask(true));
        let mut answer = Sse::new(request.send().await.expect("an answer"));
        assert_eq!(answer.rest().await, ["a", "b", "[DONE]"]);
        late += usize::from(began.elapsed() > LATE);
    }
    late
}
