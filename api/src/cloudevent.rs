//! Events as CloudEvents 1.0.

use mcpctl_events::{
    event::Body,
    record::{Actor, Record},
    time::LogTime,
};
use serde::Serialize;

/// One event, in the JSON form of CloudEvents 1.0 with the extensions `sequence` and `actor`.
#[derive(Debug, Serialize)]
pub struct CloudEvent<'a> {
    specversion: &'static str,
    id: String,
    source: String,
    #[serde(rename = "type")]
    type_: &'static str,
    subject: String,
    time: LogTime,
    sequence: String,
    actor: &'a Actor,
    datacontenttype: &'static str,
    data: &'a Body,
}

impl<'a> CloudEvent<'a> {
    /// The event at `sequence`, which is in this record.
    pub fn of(record: &'a Record, sequence: u64) -> Option<Self> {
        let index = usize::try_from(sequence.checked_sub(record.header.first_sequence)?).ok()?;
        let event = record.events.get(index)?;
        let log_id = record.header.log_id;
        Some(Self {
            specversion: "1.0",
            id: format!("{log_id}/{sequence}"),
            source: format!("/mcpctl/{log_id}"),
            type_: event.type_name(),
            subject: event.subject.to_string(),
            time: record.decided_at,
            sequence: sequence.to_string(),
            actor: &record.actor,
            datacontenttype: "application/json",
            data: &event.body,
        })
    }

    /// Its type, as in `mcpctl.agent.deactivated.v1`.
    pub fn type_name(&self) -> &'static str {
        self.type_
    }

    /// What it is about, as in `agent/local-coder`.
    pub fn subject(&self) -> &str {
        &self.subject
    }
}
