//! What a caller hears while a turn goes on.

use super::event;
use axum::body::{Body, HttpBody};
use bytes::Bytes;
use http_body::Frame;
use mcpctl_events::wire::chat::ChatEvent;
use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};
use tokio::sync::mpsc;

/// Events that wait for their caller.
const WAITING: usize = 8;

/// Says events to a caller, or to nobody.
#[derive(Debug, Clone)]
pub(super) struct Voice(Option<mpsc::Sender<Bytes>>);

impl Voice {
    /// Of a turn that is answered as a whole.
    pub(super) fn silent() -> Self {
        Self(None)
    }

    /// Whether anybody hears it.
    pub(super) fn is_heard(&self) -> bool {
        self.0.is_some()
    }

    /// Says these events, in one piece; waits for a caller that reads slowly.
    pub(super) async fn say(&self, events: impl IntoIterator<Item = ChatEvent>) {
        let Some(caller) = &self.0 else { return };
        let bytes: Vec<u8> = events.into_iter().flat_map(|said| event(&said)).collect();
        if !bytes.is_empty() {
            let _ = caller.send(bytes.into()).await;
        }
    }
}

/// A body that is what `turn` says. The turn goes on only as far as it is heard, and ends with its body.
pub(super) fn spoken<F: Future<Output = ()> + Send + 'static>(turn: impl FnOnce(Voice) -> F) -> Body {
    let (voice, said) = mpsc::channel(WAITING);
    let turn: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(turn(Voice(Some(voice))));
    Body::new(Spoken { turn: Some(turn), said })
}

struct Spoken {
    turn: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    said: mpsc::Receiver<Bytes>,
}

impl HttpBody for Spoken {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        // First what was said; only who wants more lets the turn go on.
        if let Poll::Ready(Some(bytes)) = self.said.poll_recv(context) {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        if let Some(turn) = &mut self.turn
            && turn.as_mut().poll(context).is_ready()
        {
            self.turn = None;
        }
        self.said.poll_recv(context).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    fn text(number: usize) -> ChatEvent {
        ChatEvent::Text { delta: number.to_string() }
    }

    #[tokio::test]
    async fn all_is_heard_in_order_and_the_turn_ends_with_its_last_word() {
        let body = spoken(|voice| async move {
            for number in 0..100 {
                voice.say([text(number)]).await;
            }
            voice.say([]).await;
        });
        let heard = body.collect().await.unwrap().to_bytes();
        let expected: Vec<u8> = (0..100).flat_map(|number| event(&text(number))).collect();
        assert_eq!(heard, expected);
    }

    #[tokio::test]
    async fn a_turn_goes_no_further_than_it_is_heard() {
        let count = Arc::new(AtomicUsize::new(0));
        let said = count.clone();
        let mut body = spoken(|voice| async move {
            loop {
                voice.say([text(0)]).await;
                said.fetch_add(1, Ordering::Relaxed);
            }
        });
        for _ in 0..3 {
            body.frame().await.unwrap().unwrap();
        }
        assert!(count.load(Ordering::Relaxed) <= 3 + WAITING, "{count:?}");
        drop(body);
        assert_eq!(Arc::strong_count(&count), 1, "the turn is gone");
    }
}
