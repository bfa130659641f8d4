//! A network between two programs that a test can cut.

use crate::port;
use std::time::Duration;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// Passes connections on to another address.
#[derive(Debug)]
pub struct Wire {
    /// Where it takes connections, `host:port`.
    pub address: String,
    cuts: watch::Sender<u64>,
}

impl Wire {
    /// Takes connections on a free port; `target` need not be listening yet.
    pub async fn to(target: &str) -> Self {
        let address = format!("127.0.0.1:{}", port::free());
        let listener = TcpListener::bind(&address).await.expect("a free port can be bound");
        let cuts = watch::Sender::new(0);
        tokio::spawn(serve(listener, target.to_owned(), cuts.clone()));
        Self { address, cuts }
    }

    /// Ends all connections at once. New ones are taken.
    pub fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }
}

async fn serve(listener: TcpListener, target: String, cuts: watch::Sender<u64>) {
    loop {
        let Ok((near, _)) = listener.accept().await else {
            // Out of descriptors, or the peer has left already.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        let (target, mut cut) = (target.clone(), cuts.subscribe());
        tokio::spawn(async move {
            tokio::select! {
                () = pass_on(near, &target) => (),
                _ = cut.changed() => (),
            }
        });
    }
}

async fn pass_on(mut near: TcpStream, target: &str) {
    let Ok(mut far) = TcpStream::connect(target).await else { return };
    // What cannot be set, or how a connection ends, is seen by those at its ends.
    let _ = near.set_nodelay(true);
    let _ = far.set_nodelay(true);
    let _ = copy_bidirectional(&mut near, &mut far).await;
}
