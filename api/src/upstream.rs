//! The client for public Llms.

use std::time::Duration;
use tokio::{sync::OnceCell, task::spawn_blocking};

const CONNECT: Duration = Duration::from_secs(10);

/// Made at its first use: reading the machine's certificates takes longer than all the rest of a start, and a server
/// that relays only needs none.
#[derive(Debug, Default)]
pub struct Upstream(OnceCell<reqwest::Client>);

impl Upstream {
    /// The client.
    ///
    /// # Errors
    /// It could not be made, for example because the machine has no certificates. The next call tries again.
    pub async fn client(&self) -> anyhow::Result<&reqwest::Client> {
        self.0.get_or_try_init(|| async { Ok(spawn_blocking(|| builder(true).build()).await??) }).await
    }
}

/// Why a request failed, in the innermost words: those around them name the URL once more.
pub fn reason(error: &reqwest::Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(inner) = innermost.source() {
        innermost = inner;
    }
    innermost.to_string()
}

/// It follows no redirect: another host never gets the key.
fn builder(nodelay: bool) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT)
        // Without it a small write waits up to 40 ms for the peer's acknowledgement of the one before.
        .tcp_nodelay(nodelay)
        .no_proxy()
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::{StreamExt, stream};
    use std::{convert::Infallible, time::Instant};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    const CALLS: usize = 60;
    const PAUSE: Duration = Duration::from_millis(2);
    /// More than a chunk takes, and less than a stall.
    const LATE: Duration = Duration::from_millis(30);

    /// How many requests of a head and two small chunks came with a stall in them, on one kept-alive connection.
    async fn stalls(client: &reqwest::Client) -> usize {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let serving = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut late = 0;
            for _ in 0..CALLS {
                let mut seen = vec![stream.read_u8().await.unwrap()];
                let began = Instant::now();
                while !seen.ends_with(b"0\r\n\r\n") {
                    seen.push(stream.read_u8().await.unwrap());
                }
                late += usize::from(began.elapsed() > LATE);
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            }
            late
        };
        let calling = async {
            for _ in 0..CALLS {
                let chunks = stream::iter(["a", "b"]).then(|chunk| async move {
                    tokio::time::sleep(PAUSE).await;
                    Ok::<_, Infallible>(chunk)
                });
                client.post(&url).body(reqwest::Body::wrap_stream(chunks)).send().await.unwrap();
            }
        };
        tokio::join!(serving, calling).0
    }

    #[tokio::test]
    async fn small_writes_do_not_wait_for_acknowledgements() {
        let upstream = Upstream::default();
        let (good, faulty) = (stalls(upstream.client().await.unwrap()).await, builder(false).build().unwrap());
        let faulty = stalls(&faulty).await;
        assert!(faulty > CALLS / 4, "the measurement sees the fault: {faulty} of {CALLS}");
        assert!(good < CALLS / 8, "{good} of {CALLS} requests stalled");
    }
}
