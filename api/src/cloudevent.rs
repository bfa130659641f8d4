//! Events as CloudEvents 1.0.

use mcpctl_events::{
    event::Body,
    log::kafka::{Published, SOURCE_HEADER},
    record::{Actor, Record},
    time::LogTime,
};
use serde::Serialize;
use uuid::Uuid;

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
            source: source(log_id),
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

/// Where the events of a log are from.
pub fn source(log_id: Uuid) -> String {
    format!("/mcpctl/{log_id}")
}

/// The event at `sequence`, which is in this record, in CloudEvents' binary mode for Kafka.
pub fn published(record: &Record, sequence: u64) -> Option<Published> {
    let event = CloudEvent::of(record, sequence)?;
    let data = serde_json::to_vec(event.data).ok()?.into();
    let attributes = vec![
        ("content-type", event.datacontenttype.to_owned()),
        ("ce_specversion", event.specversion.to_owned()),
        ("ce_id", event.id),
        (SOURCE_HEADER, event.source),
        ("ce_type", event.type_.to_owned()),
        ("ce_subject", event.subject.clone()),
        ("ce_time", event.time.to_string()),
        ("ce_actor", event.actor.to_string()),
    ];
    Some(Published { sequence, subject: event.subject, attributes, data })
}
