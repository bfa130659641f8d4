//! End-to-end tests of the real programs, one module a topic.
#![allow(clippy::disallowed_methods, reason = "what a test starts ends with its runtime")]

mod access;
mod applying;
mod audit;
mod calls;
mod chat;
mod cluster;
mod documents;
mod dry_run;
mod durability;
mod editing;
mod first_start;
mod help;
mod input;
mod limits;
mod lists;
mod nodelay;
mod openai;
mod operations;
mod promises;
mod publisher;
mod publishing;
mod repeats;
mod secrets;
mod sequences;
mod shutdown;
mod tables;
mod tls;
mod transcript;
