//! Tools that agents of a project may use: MCP servers, asked over Model Context Protocol.
//!
//! Connections are kept while they are used, one for each user and server: what a server remembers of one user never
//! reaches another. A server that cannot be reached has no tools; a tool that fails is an answer to the model.

mod allowed;
mod answer;
mod connection;
mod group;
mod offer;
mod pool;

pub use allowed::{Allowed, MAX_PATTERNS};
pub use answer::{Answer, cut};
pub use offer::{Offer, Offered, Server, offer};
pub use pool::Pool;
