//! Builds the read tables from the log, and answers what lists ask of them.
//!
//! The tables are the rows of the fold and nothing else: they can be dropped and rebuilt from the log at any time. How
//! events are decided is not known here, nor is HTTP.
#![warn(missing_docs)]

mod blocking;
pub mod checkpoint;
pub mod follow;
mod kept;
pub mod progress;
pub mod projection;
pub mod rebuild;
pub mod store;
pub mod verify;

pub use checkpoint::Checkpoint;
pub use kept::Kept;
pub use progress::Progress;
pub use projection::Batch;
pub use store::Tables;
