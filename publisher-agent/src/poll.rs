//! Tasks by long-poll, for networks that hold streams back.

use crate::{connection::End, frame, notice::Notice, publisher::Publisher, server::CallError, server::Server};
use hyper::StatusCode;
use std::{sync::Arc, time::Duration};
use tracing::{info, warn};

const WAIT: Duration = Duration::from_secs(25);

/// Polls and does what comes, until a poll fails.
pub async fn follow(publisher: &Publisher, server: &Arc<Server>, notice: &mut Notice) -> End {
    let mut woke = publisher.woke();
    let mut connected = false;
    loop {
        let polled = tokio::select! {
            polled = server.poll_tasks(WAIT) => polled,
            _ = woke.changed() => return End::Slept,
        };
        let answer = match polled {
            Ok(answer) => answer,
            Err(error) => return end(error),
        };
        if !std::mem::replace(&mut connected, true) {
            notice.over("connected again");
            info!("polling {} for tasks", server.endpoint.url);
        }
        let frames = match frame::parse_polled(&answer) {
            Ok(frames) => frames,
            Err(why) => {
                return End::Lost(format!(
                    "{} answered a poll with what is no list of tasks: {why}",
                    server.endpoint.url
                ));
            }
        };
        for frame in frames {
            match frame {
                Ok(frame) => publisher.tasks.handle(frame, server),
                Err(why) => warn!("a task that cannot be understood: {why}"),
            }
        }
    }
}

fn end(error: CallError) -> End {
    match error.status() {
        Some(StatusCode::CONFLICT | StatusCode::GONE) => End::Superseded,
        _ => error.into(),
    }
}
