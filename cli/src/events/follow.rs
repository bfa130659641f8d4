//! `events -f`: what happened, and then what happens, until the user has seen enough.

use super::printer::Printer;
use super::query::{Query, sequence};
use crate::client::Client;
use crate::client::failure::Failure;
use crate::output::Screen;
use crate::output::document::Document;
use std::time::Duration;

/// Pauses between two tries to reach the server again.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Follows from where the query begins. A stream that breaks off is taken up where it was; only a server that cannot be
/// reached at the first try, or that refuses, ends it.
pub async fn run(client: &Client, mut query: Query, mut printer: Printer, screen: Screen) -> anyhow::Result<()> {
    let mut pause = FIRST_PAUSE;
    let mut stream = client.follow(&query.followed()).await?;
    loop {
        let broke_off = loop {
            match stream.next().await {
                Ok(Some(data)) => {
                    let event = Document::parse(&data)?;
                    query.after = sequence(&event)?;
                    printer.page(&[event])?;
                    pause = FIRST_PAUSE;
                }
                Ok(None) => break "the server ended the stream".to_owned(),
                Err(error) => break format!("{error:#}"),
            }
        };
        screen.note(&format!("{broke_off}; going on after event {} as soon as it is there again", query.after));
        stream = loop {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
            match client.follow(&query.followed()).await {
                Ok(stream) => break stream,
                Err(error) if is_final(&error) => return Err(error),
                Err(_) => {}
            }
        };
    }
}

/// Whether it is no use to try again: the server is there, and says no.
fn is_final(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref::<Failure>(), Some(Failure::Refused(refusal)) if refusal.status.is_client_error())
}
