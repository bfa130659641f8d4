//! `disable` and `enable`: a pause by hand, which a publisher's register does not undo.

use crate::args::Many;
use crate::client::route::Route;
use crate::output::{Format, clean};
use crate::selected;
use crate::shell::Shell;

/// Which way to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Calls get 503 from now on.
    Disable,
    /// Calls go through again.
    Enable,
}

impl Change {
    fn verb(self) -> &'static str {
        match self {
            Change::Disable => "disable",
            Change::Enable => "enable",
        }
    }
}

/// Changes one after the other, and stops at the first that fails.
pub async fn run(shell: &Shell, options: &Many, change: Change) -> anyhow::Result<()> {
    let format = shell.format(&[Format::Table, Format::Name], change.verb())?;
    let client = shell.client()?;
    for name in &selected::names(shell, &client, options.noun, &options.names, options.selector.as_ref()).await? {
        client.post(&Route::api([options.noun.list(), name, change.verb()])).await?;
        let done = if format == Format::Name { String::new() } else { format!(" {}d", change.verb()) };
        crate::output::answer(&format!("{}/{}{done}\n", options.noun.word(), clean::line(name)))?;
    }
    Ok(())
}
