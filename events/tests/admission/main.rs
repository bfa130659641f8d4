//! Admission for ever: the golden logs, and whatever else may stand on a log.
#![expect(clippy::unwrap_used, reason = "tests")]

mod golden;
mod soup;
