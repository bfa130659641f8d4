//! Writer, desk and follower against a log whose appends go wrong, step by step and on a clock that is moved by hand.

mod chaos;
mod doubt;
mod registry;
mod replicas;
mod shared;
mod sweep;
