//! The user's own folder, `$MCPCTL_HOME` or `~/.mcpctl`.

use crate::exit::Stuck;
use std::path::{Path, PathBuf};

/// Where the user's files are. The folder need not exist.
pub fn folder() -> anyhow::Result<PathBuf> {
    if let Some(home) = std::env::var_os("MCPCTL_HOME").filter(|h| !h.is_empty()) {
        return Ok(home.into());
    }
    let home = std::env::home_dir()
        .ok_or_else(|| Stuck::new("there is no home directory", "set MCPCTL_HOME to a folder for mcpctl's files"))?;
    Ok(home.join(".mcpctl"))
}

/// Makes the folder, readable by its user alone, if it is missing.
pub fn ensure() -> anyhow::Result<PathBuf> {
    let folder = folder()?;
    ensure_folder(&folder)?;
    Ok(folder)
}

/// The same for a folder within it.
pub fn ensure_folder(folder: &Path) -> anyhow::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(|e| {
        let next = "set MCPCTL_HOME to another folder";
        Stuck::new(format!("cannot make the folder {}: {e}", folder.display()), next).into()
    })
}
