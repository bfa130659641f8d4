//! Keeping a caller's stream alive: an SSE comment whenever nothing was said for a while, before the first byte too.
//!
//! Proxies cut silent connections after a minute; a model that thinks, or loads, is silent for longer.

use super::{Reply, boundary::Boundary, sse_response};
use crate::{error::ApiError, relay::object::Whole};
use axum::{
    body::{Body, Bytes, HttpBody},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use http_body::Frame;
use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::{Instant, Sleep, sleep};

/// Silence after which a comment is sent; the promise is 15 s.
const SILENCE: Duration = Duration::from_secs(10);
/// A stream begins, or goes on, within this time.
pub const LONGEST_SILENCE: Duration = SILENCE;
/// Characters of a late refusal that are passed on.
const SHOWN: usize = 1000;
const COMMENT: Bytes = Bytes::from_static(b": waiting\n\n");

/// How an error is told once the answer has begun.
pub type LateError = fn(&ApiError) -> Bytes;

type Waiting = Pin<Box<dyn Future<Output = Result<Reply, ApiError>> + Send>>;

/// Answers a streaming call. A failure that comes before the caller has to be comforted keeps its status; a later one
/// is an event.
pub async fn respond(mut waiting: Waiting, late_error: LateError) -> Result<Response, ApiError> {
    let silence = sleep(SILENCE);
    tokio::select! {
        reply = &mut waiting => match reply? {
            Reply::Whole(whole) => Ok(Reply::Whole(whole).into_response()),
            Reply::Stream(body) => Ok(sse_response(Body::new(Held::new(State::Streaming(body))))),
        },
        () = silence => {
            let mut held = Held::new(State::Waiting(waiting, late_error));
            held.owed = true;
            Ok(sse_response(Body::new(held)))
        }
    }
}

/// A body with comments in its silences.
struct Held {
    state: State,
    said: Instant,
    silence: Pin<Box<Sleep>>,
    boundary: Boundary,
    owed: bool,
}

enum State {
    Waiting(Waiting, LateError),
    Streaming(Body),
    Over,
}

impl Held {
    fn new(state: State) -> Self {
        Self {
            state,
            said: Instant::now(),
            silence: Box::pin(sleep(SILENCE)),
            boundary: Boundary::default(),
            owed: false,
        }
    }

    fn say(&mut self, bytes: Bytes) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.said = Instant::now();
        self.boundary.see(&bytes);
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }

    fn poll_inner(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            match &mut self.state {
                State::Over => return Poll::Ready(None),
                State::Streaming(body) => match Pin::new(body).poll_frame(context) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                        Ok(bytes) => return Poll::Ready(Some(bytes)),
                        Err(_) => self.state = State::Over,
                    },
                    Poll::Ready(Some(Err(_)) | None) => self.state = State::Over,
                },
                State::Waiting(waiting, late_error) => match waiting.as_mut().poll(context) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Ok(Reply::Stream(body))) => self.state = State::Streaming(body),
                    Poll::Ready(Ok(Reply::Whole(whole))) => {
                        let event = as_event(&whole, *late_error);
                        self.state = State::Over;
                        return Poll::Ready(Some(event));
                    }
                    Poll::Ready(Err(error)) => {
                        let event = late_error(&error);
                        self.state = State::Over;
                        return Poll::Ready(Some(event));
                    }
                },
            }
        }
    }
}

/// A whole answer to a call that was promised a stream.
fn as_event(whole: &Whole, late_error: LateError) -> Bytes {
    let text = String::from_utf8_lossy(&whole.body);
    if whole.status == 200 {
        return format!("data: {}\n\ndata: [DONE]\n\n", text.replace(['\n', '\r'], " ")).into();
    }
    let said: String = text.chars().take(SHOWN).collect();
    let message = format!("the model server answered {}: {said}", whole.status);
    late_error(&ApiError::new(StatusCode::BAD_GATEWAY, "UPSTREAM_ERROR", message))
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if std::mem::take(&mut self.owed) {
            return self.say(COMMENT);
        }
        match self.poll_inner(context) {
            Poll::Ready(Some(bytes)) => return self.say(bytes),
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Pending => {}
        }
        // The timer is set again only when it rings, so that a chunk does not cost a timer.
        while self.silence.as_mut().poll(context).is_ready() {
            let next = self.said + SILENCE;
            if Instant::now() >= next {
                self.silence.as_mut().reset(Instant::now() + SILENCE);
                // A model server that stalls within an event gets no comment into it.
                if self.boundary.is_between_events() {
                    return self.say(COMMENT);
                }
                continue;
            }
            self.silence.as_mut().reset(next);
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::error_event;
    use futures_util::{FutureExt, StreamExt, stream::BoxStream};
    use std::convert::Infallible;
    use tokio::sync::mpsc;

    /// What a model says, piece by piece.
    fn model() -> (mpsc::Sender<&'static str>, Body) {
        let (says, said) = mpsc::channel(8);
        let pieces = futures_util::stream::unfold(said, async |mut said: mpsc::Receiver<&'static str>| {
            Some((Ok::<_, Infallible>(said.recv().await?), said))
        });
        (says, Body::from_stream(pieces))
    }

    async fn caller(waiting: Waiting) -> BoxStream<'static, String> {
        let response = respond(waiting, error_event).await.expect("an answer");
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let pieces = response.into_body().into_data_stream();
        pieces.map(|piece| String::from_utf8(piece.expect("a piece").to_vec()).expect("text")).boxed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_silence_is_commented_in_time_but_never_within_an_event() {
        let (says, body) = model();
        let began = Instant::now();
        let mut heard = caller(async move { Ok(Reply::Stream(body)) }.boxed()).await;
        says.send("data: one\n\n").await.unwrap();
        assert_eq!(heard.next().await.unwrap(), "data: one\n\n");
        for silences in 1..4 {
            assert_eq!(heard.next().await.unwrap(), ": waiting\n\n");
            assert!(began.elapsed() <= SILENCE * silences + SILENCE / 10, "{:?}", began.elapsed());
        }
        says.send("data: tw").await.unwrap();
        assert_eq!(heard.next().await.unwrap(), "data: tw");
        let within = tokio::time::timeout(SILENCE * 10, heard.next()).await;
        assert!(within.is_err(), "said within an event: {within:?}");
        says.send("o\n\n").await.unwrap();
        assert_eq!(heard.next().await.unwrap(), "o\n\n");
        assert_eq!(heard.next().await.unwrap(), ": waiting\n\n");
        drop(says);
        assert_eq!(heard.next().await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_for_the_first_byte_is_commented_and_may_end_in_any_way() {
        let whole = Whole { status: 200, content_type: "application/json".into(), body: "{\n}".into() };
        let refused = ApiError::new(StatusCode::BAD_GATEWAY, "PUBLISHER_ERROR", "boom");
        let late = |reply: Result<Reply, ApiError>| {
            async move {
                sleep(SILENCE * 3).await;
                reply
            }
            .boxed()
        };
        let (says, body) = model();
        says.send("data: one\n\n").await.unwrap();
        drop(says);
        for (reply, last) in [
            (Ok(Reply::Stream(body)), "data: one\n\n"),
            (Ok(Reply::Whole(whole)), "data: { }\n\ndata: [DONE]\n\n"),
            (Err(refused), "data: {\"error\":\"boom\",\"code\":\"PUBLISHER_ERROR\"}\n\n"),
        ] {
            let heard: Vec<_> = caller(late(reply)).await.collect().await;
            let (comments, said) = heard.split_at(heard.len() - 1);
            assert!((2..=3).contains(&comments.len()) && comments.iter().all(|it| it == ": waiting\n\n"), "{heard:?}");
            assert_eq!(said, [last]);
        }
    }
}
