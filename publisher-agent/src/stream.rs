//! One stream of tasks, from its opening to its end.

use crate::{
    connection::End,
    frame,
    notice::Notice,
    publisher::Publisher,
    server::{CallError, LARGEST_FRAME, Server},
};
use http_body_util::BodyExt;
use mcpctl_events::wire::{
    publish::{Goodbye, Hello},
    sse::{Event, Parser},
};
use std::{pin::Pin, sync::Arc, time::Duration};
use tokio::time::{Instant, Sleep, sleep_until};
use tracing::{info, warn};

/// Pings that may be missed.
const MISSED_PINGS: f64 = 3.0;

/// Opens a stream and does what comes, until it ends.
pub async fn follow(publisher: &Publisher, server: &Arc<Server>, notice: &mut Notice) -> End {
    let mut woke = publisher.woke();
    let opened = tokio::select! {
        opened = server.open_stream(2 * publisher.timing.hello) => opened,
        _ = woke.changed() => return End::Slept,
    };
    let mut body = match opened {
        Ok(body) => body,
        // Something on the way holds the answer back until it is complete, which it never is.
        Err(CallError::TooSlow { .. }) => return End::Mute,
        Err(error) => return error.into(),
    };
    let mut silence = Silence::until(Instant::now() + publisher.timing.hello);
    let parser = Parser::with_largest(LARGEST_FRAME);
    let mut reader = Reader { publisher, server, parser, ping: None };
    loop {
        tokio::select! {
            biased;
            frame = body.frame() => match frame {
                None => return End::Lost(format!("{} closed the stream", server.endpoint.url)),
                Some(Err(error)) => return End::Lost(format!("stream from {}: {error}", server.endpoint.url)),
                Some(Ok(frame)) => {
                    let data = frame.into_data().unwrap_or_default();
                    if let Err(end) = reader.read(&data, notice) {
                        return end;
                    }
                    if let Some(ping) = reader.ping {
                        silence.extend(Instant::now() + ping);
                    }
                }
            },
            () = silence.over() => return reader.fell_silent(),
            _ = woke.changed() => return End::Slept,
        }
    }
}

struct Reader<'a> {
    publisher: &'a Publisher,
    server: &'a Arc<Server>,
    parser: Parser,
    /// How long the server may be silent, as it said in its `hello`.
    ping: Option<Duration>,
}

impl Reader<'_> {
    fn read(&mut self, data: &[u8], notice: &mut Notice) -> Result<(), End> {
        let Self { publisher, server, parser, ping } = self;
        let mut end = Ok(());
        let fed = parser.feed(data, &mut |event| match event.name {
            b"task" => match frame::parse(event.data) {
                Ok(frame) => publisher.tasks.handle(frame, server),
                Err(why) => warn!("a task that cannot be understood: {why}"),
            },
            b"hello" => {
                *ping = hello(event, server, notice).or(*ping);
                publisher.has_its_session();
            }
            b"goodbye" => end = Err(goodbye(event)),
            _ => {}
        });
        fed.map_err(|error| End::Lost(format!("stream from {}: {error}", server.endpoint.url)))?;
        end
    }

    fn fell_silent(&self) -> End {
        match self.ping {
            None => End::Mute,
            Some(ping) => {
                let url = &self.server.endpoint.url;
                End::Lost(format!("no sign of life from {url} for {:.0} s", ping.as_secs_f64()))
            }
        }
    }
}

fn hello(event: Event<'_>, server: &Server, notice: &mut Notice) -> Option<Duration> {
    let hello: Hello = serde_json::from_slice(event.data).ok()?;
    notice.over("connected again");
    info!("connected to {} as session {} (stream {})", server.endpoint.url, hello.provider_session_id, hello.epoch);
    Some(Duration::from_secs_f64((hello.ping_seconds * MISSED_PINGS).clamp(0.1, 3600.0)))
}

fn goodbye(event: Event<'_>) -> End {
    match serde_json::from_slice::<Goodbye>(event.data) {
        Ok(goodbye) if goodbye.reason == "shutdown" => End::Shutdown,
        Ok(goodbye) if goodbye.reason == "superseded" => End::Superseded,
        Ok(goodbye) => End::Lost(format!("the server said goodbye: {}", goodbye.reason)),
        Err(_) => End::Lost("the server said goodbye".to_owned()),
    }
}

/// A deadline that is put off with each sign of life, without touching the timer each time.
struct Silence {
    deadline: Instant,
    timer: Pin<Box<Sleep>>,
}

impl Silence {
    fn until(deadline: Instant) -> Self {
        Self { deadline, timer: Box::pin(sleep_until(deadline)) }
    }

    fn extend(&mut self, deadline: Instant) {
        self.deadline = deadline;
        if deadline < self.timer.deadline() {
            self.timer.as_mut().reset(deadline);
        }
    }

    async fn over(&mut self) {
        loop {
            self.timer.as_mut().await;
            if Instant::now() >= self.deadline {
                return;
            }
            self.timer.as_mut().reset(self.deadline);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn silence_counts_from_the_last_sign_of_life() {
        let began = Instant::now();
        let second = Duration::from_secs(1);
        let mut silence = Silence::until(began + second);
        for signs in 1..=5 {
            tokio::time::advance(second / 2).await;
            silence.extend(began + second / 2 * signs + second);
        }
        silence.over().await;
        assert_eq!(began.elapsed().as_millis() / 100, 35);
    }

    #[test]
    fn goodbyes() {
        let said = |data: &str| goodbye(Event { name: b"goodbye", data: data.as_bytes() });
        assert!(matches!(said(r#"{"reason":"shutdown"}"#), End::Shutdown));
        assert!(matches!(said(r#"{"reason":"superseded"}"#), End::Superseded));
        assert!(matches!(said(r#"{"reason":"other"}"#), End::Lost(why) if why.contains("other")));
        assert!(matches!(said(""), End::Lost(_)));
    }
}
