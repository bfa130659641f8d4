//! `GET /api/v1/audit/records`: the records of the log as they are stored, one a line.

use crate::routes::openapi::values::Sequence;
use crate::routes::rows::sequence;
use crate::{app::App, auth::Caller, error::ApiError};
use axum::{
    Extension,
    body::Body,
    extract::{Query, State},
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Response},
};
use bytes::{BufMut, Bytes, BytesMut};
use futures_util::stream;
use mcpctl_events::{
    admission::{Admission, Verdict},
    hash::Hash,
    log::{EventLog, Position},
    record::Header,
    wire::{NDJSON, error::ErrorBody},
};
use serde::{Deserialize, Deserializer, de};
use std::{io, sync::Arc};
use tokio_util::sync::CancellationToken;
use utoipa::IntoParams;

/// Records that are read at once.
const PAGE: usize = 256;

/// How much of the log.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RecordsQuery {
    /// Up to the record that holds this sequence.
    #[serde(default, deserialize_with = "signed")]
    #[param(value_type = Option<Sequence>)]
    until: Option<u64>,
}

/// A sequence, as everywhere else.
fn signed<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let text = String::deserialize(deserializer)?;
    sequence(&text).map(Some).ok_or_else(|| de::Error::custom("until: is a sequence"))
}

/// Exports the log: every admitted record, byte for byte, in log order. Their hashes, and with them the head, can be
/// computed from it again. A record that breaks the chain, or is damage, is the last one.
#[utoipa::path(get, path = "/api/v1/audit/records", operation_id = "exportLog", tag = "audit", params(RecordsQuery),
    responses((status = 200, description = "a record a line", content_type = "application/x-ndjson", body = String),
        (status = "default", body = ErrorBody)))]
pub async fn records(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Query(query): Query<RecordsQuery>,
) -> Result<Response, ApiError> {
    caller.must_be_admin("audit", "the log")?;
    let until = query.until.unwrap_or(u64::MAX);
    let (log, stopping) = (app.log.clone(), app.stopping.clone());
    let rest = Rest { log, stopping, after: Position::default(), admission: Admission::default(), until };
    let lines = stream::try_unfold(Some(rest), |rest| async {
        let Some(rest) = rest else { return Ok(None) };
        if rest.stopping.is_cancelled() {
            return Err(io::Error::other("the server stops"));
        }
        let read = tokio::task::spawn_blocking(move || rest.next());
        read.await.map_err(io::Error::other)?
    });
    Ok(([(CONTENT_TYPE, NDJSON)], Body::from_stream(lines)).into_response())
}

/// Records that are still to be written down.
struct Rest {
    log: Arc<dyn EventLog>,
    stopping: CancellationToken,
    after: Position,
    admission: Admission,
    until: u64,
}

impl Rest {
    /// The lines of the next page, and what comes after it; none at the end.
    fn next(mut self) -> io::Result<Option<(Bytes, Option<Self>)>> {
        if self.admission.last_sequence >= self.until {
            return Ok(None);
        }
        let page = self.log.read(self.after, PAGE).map_err(io::Error::other)?;
        let (mut lines, mut goes_on) = (BytesMut::new(), !page.at_tip);
        for entry in &page.entries {
            self.after = entry.position;
            let verdict = self.admission.admit(Header::decode(&entry.bytes).as_ref(), Hash::of(&entry.bytes));
            let is_broken = match verdict {
                Verdict::Rejected(why) if self.log.has_one_appender() && why.is_damage() => true,
                Verdict::Rejected(_) => continue,
                Verdict::Fatal(_) => true,
                _ => false,
            };
            if memchr::memchr(b'\n', &entry.bytes).is_none() {
                lines.extend_from_slice(&entry.bytes);
            } else {
                // It would read back as two. No writer of this format leaves one, so its reader may as well refuse it.
                lines.extend_from_slice(b"a record with a line break");
            }
            lines.put_u8(b'\n');
            if is_broken || self.admission.last_sequence >= self.until {
                goes_on = false;
                break;
            }
        }
        Ok(Some((lines.freeze(), goes_on.then_some(self))))
    }
}
