//! Log lines on stderr: each readable alone.

use crate::config::LogFormat;
use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

/// A library that tells at length of what is no news here: failures are logged where they are met.
const NOISY: &str = "rmcp=off";

/// Begins to log; `RUST_LOG` overrides the level. A second call changes nothing.
pub fn init(format: LogFormat, level: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(format!("{level},{NOISY}")));
    let registry = tracing_subscriber::registry().with(filter);
    let lines = fmt::layer().with_writer(std::io::stderr).with_target(false);
    let outcome = match format {
        LogFormat::Text => {
            // https://no-color.org
            let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
            let coloured = !plain && std::io::IsTerminal::is_terminal(&std::io::stderr());
            registry.with(lines.with_ansi(coloured)).try_init()
        }
        LogFormat::Json => registry.with(lines.json().flatten_event(true)).try_init(),
    };
    // Somebody else in this process logs already.
    let _ = outcome;
}
