//! End-to-end tests of the real programs, one module a topic.

mod calls;
mod chat;
mod durability;
mod input;
mod nodelay;
mod operations;
mod publisher;
mod publishing;
