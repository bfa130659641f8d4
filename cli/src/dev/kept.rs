//! The token of the registry that `dev` runs, kept beside its data: the credentials file follows every `login`, also to
//! other servers, and this registry's only token must not go with it.

use crate::credentials::{Credentials, context::Context, replace};
use crate::exit::Stuck;
use mcpctl_events::log::sqlite::{OpenError, SqliteLog};
use std::path::{Path, PathBuf};

/// Moves the registry's folder aside, so that the next start makes a new one; where to, if there was any. Nothing is
/// deleted.
pub fn set_aside(data: &Path) -> Result<Option<PathBuf>, Stuck> {
    if !data.exists() || data.read_dir().is_ok_and(|mut entries| entries.next().is_none()) {
        return Ok(None);
    }
    // Who moves a registry that runs would have it write into what was moved.
    let log = data.join("log.db");
    if !log.is_file() {
        let next = "name the folder of a registry with --data-dir, or leave out --reset";
        return Err(Stuck::new(format!("{} is not moved: there is no log.db in it", data.display()), next));
    }
    drop(SqliteLog::open(&log).map_err(|error| {
        let next = match error {
            OpenError::Locked { .. } => "stop what runs there, or take another --data-dir",
            _ => "see that its disk is not full and may be written, or take another --data-dir",
        };
        Stuck::new(format!("{} is not moved: {error}", data.display()), next)
    })?);
    let name = data.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let aside = data.with_file_name(format!("{name}-{}", crate::clock::id().simple()));
    std::fs::rename(data, &aside).map_err(|error| {
        let problem = format!("cannot move {} to {}: {error}", data.display(), aside.display());
        Stuck::new(problem, "make the folder that it is in writable, or take another --data-dir")
    })?;
    Ok(Some(aside))
}

/// The file with the token.
pub struct Kept(PathBuf);

impl Kept {
    /// The one of the registry in this folder.
    pub fn beside(data: &Path) -> Self {
        Self(data.join("admin-token"))
    }

    /// The file.
    pub fn file(&self) -> &Path {
        &self.0
    }

    /// The token to use: the one that the server `knows`, else the one of the flag, else what was kept; only then what
    /// the `variable` or the credentials say, which may be another server's. What the server knows is kept from now on.
    pub fn settle(&self, flag: Option<&str>, knows: Option<&str>, variable: Option<&str>) -> anyhow::Result<String> {
        if let Some(token) = knows {
            self.keep(token)?;
        }
        let kept = || std::fs::read_to_string(&self.0).ok().map(|token| token.trim().to_owned());
        let token = knows.or(flag).map(str::to_owned).or_else(kept).or(variable.map(str::to_owned));
        if let Some(token) = token.or(Credentials::read(&Context::default())?.token).filter(|token| !token.is_empty()) {
            return Ok(token);
        }
        let problem =
            format!("the registry in {} has a user already, and its token is not here", self.folder().display());
        let next = "give the token with --token, or take another --data-dir to begin anew";
        Err(Stuck::new(problem, next).into())
    }

    fn keep(&self, token: &str) -> anyhow::Result<()> {
        if std::fs::read_to_string(&self.0).is_ok_and(|kept| kept.trim() == token) {
            return Ok(());
        }
        let written = replace(&self.0, format!("{token}\n").as_bytes());
        let next = "make its folder writable, or take another --data-dir";
        Ok(written.map_err(|error| Stuck::new(format!("cannot write {}: {error}", self.0.display()), next))?)
    }

    fn folder(&self) -> &Path {
        self.0.parent().unwrap_or(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_registry_that_nobody_runs_is_moved_aside() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        assert_eq!(set_aside(&data).unwrap(), None, "there is nothing yet");
        std::fs::create_dir(&data).unwrap();
        assert_eq!(set_aside(&data).unwrap(), None, "nor is there anything in it");
        std::fs::write(data.join("thesis.txt"), "years of work").unwrap();
        let refused = set_aside(&data).unwrap_err();
        assert!(refused.problem.contains("there is no log.db in it") && data.join("thesis.txt").is_file());
        let running = SqliteLog::open(data.join("log.db")).unwrap();
        let refused = set_aside(&data).unwrap_err();
        assert!(refused.problem.contains("is not moved") && data.is_dir(), "{refused}");
        drop(running);
        let aside = set_aside(&data).unwrap().unwrap();
        assert!(!data.exists() && aside.join("log.db").is_file(), "{}", aside.display());
    }

    #[test]
    fn what_was_known_once_is_known_later() {
        let folder = std::env::temp_dir().join(format!("mcpctl-kept-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let kept = Kept::beside(&folder);
        assert_eq!(kept.settle(None, None, Some("variable")).unwrap(), "variable", "nothing is known yet");
        assert_eq!(kept.settle(Some("flag"), Some("known"), Some("variable")).unwrap(), "known");
        assert_eq!(kept.settle(None, None, Some("variable")).unwrap(), "known", "the variable may be another server's");
        assert_eq!(kept.settle(Some("flag"), None, Some("variable")).unwrap(), "flag");
        assert_eq!(kept.settle(None, None, None).unwrap(), "known", "who gives one may be wrong");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
