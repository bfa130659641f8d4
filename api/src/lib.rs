//! The server of the registry: HTTP API, writer, relay.
//!
//! Every change is a command to the [writer]; it is history once the [follower] has read it back from the log; the
//! [inline projector](projecting) then writes it into the read tables that lists ask. Calls go through the [relay], or
//! to a public model's own URL, and never touch the log.

pub mod access;
mod app;
mod auth;
pub mod backup;
mod call;
mod chat;
mod client_address;
mod clock;
mod cloudevent;
mod cluster;
pub mod config;
mod credentials;
mod durable;
mod error;
mod follower;
mod heads;
mod heartbeats;
mod in_the_end;
mod json;
mod leases;
mod limits;
pub mod logging;
mod lost;
mod past;
mod present;
mod projecting;
mod rates;
mod rehearsal;
mod relay;
mod request;
pub mod routes;
pub mod server;
mod snapshots;
mod subscribers;
mod tail;
pub mod tls;
mod tools;
pub mod untrusted;
mod unwelcome;
mod upstream;
mod uses;
mod vital;
pub mod writer;
