//! What server, publisher and command line say to each other, as types.
//!
//! Only shapes live here, and what both sides must read or judge alike: no client, no server. Field names are camelCase on the wire; times are RFC 3339
//! UTC with milliseconds. Values that belong to a model server (`request`, `body`, `defaultParams`, …) are carried
//! as [`RawValue`](serde_json::value::RawValue), token for token.

pub mod access;
pub mod audit;
pub mod chat;
pub mod documents;
pub mod dry_run;
pub mod error;
pub mod publish;
pub mod rows;
pub mod secrets;
pub mod selector;
pub mod server;
pub mod sessions;
pub mod sse;
pub mod status;
pub mod tasks;
pub mod tokens;
pub mod why;

/// The request header that names a publisher's session on stream, long-poll and result routes.
pub const SESSION_HEADER: &str = "x-mcpctl-provider-session";
/// The request header in which a publisher announces what it can do, comma-separated: [`FEATURE_ACCEPT`], [`FEATURE_ACK`].
pub const FEATURES_HEADER: &str = "x-mcpctl-features";
/// The publisher acknowledges a task within the server's accept timeout, before its result.
pub const FEATURE_ACCEPT: &str = "accept";
/// The publisher wants an `ack` frame once the server has the first object of a task's upload.
pub const FEATURE_ACK: &str = "ack";
/// On writes, the last sequence written (or the current one); on lists, the sequence the tables are at.
pub const SEQUENCE_HEADER: &str = "x-mcpctl-sequence";
/// On writes that did not wait for the read tables, the sequence that those are at.
pub const PROJECTED_HEADER: &str = "x-mcpctl-projected";
/// The content type of a streamed result: one JSON object a line.
pub const NDJSON: &str = "application/x-ndjson";
