//! Contexts: servers with their tokens, by name. `default` is the credentials file, which other programs read too; each
//! other one is a file of the same form below `contexts/`.

use super::replace;
use crate::exit::{Stuck, Usage};
use crate::home;
use std::path::PathBuf;

const FOLDER: &str = "contexts";
/// Holds the name of the context that commands use.
const CURRENT: &str = "context";
const DEFAULT: &str = "default";

/// A server and a token, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context(String);

impl Default for Context {
    fn default() -> Self {
        Self(DEFAULT.to_owned())
    }
}

impl Context {
    /// Checks a name.
    pub fn named(name: &str) -> Result<Self, Usage> {
        let is_letter = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
        if name.len() <= 100 && name.bytes().all(is_letter) && name.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            return Ok(Self(name.to_owned()));
        }
        Err(Usage(format!(
            "a context's name is letters, digits, `.`, `_` and `-`, and begins with one of the first two; {name:?} is not"
        )))
    }

    /// The one that `asked` names, else the one that `use` has chosen, else `default`.
    pub fn settle(asked: Option<&str>) -> anyhow::Result<Self> {
        match asked {
            Some(name) => Ok(Self::named(name)?),
            None => Self::current(),
        }
    }

    /// The one that `use` has chosen, else `default`.
    pub fn current() -> anyhow::Result<Self> {
        let path = home::folder()?.join(CURRENT);
        match std::fs::read_to_string(&path) {
            Ok(name) => Self::named(name.trim()).map_err(|_| {
                let next = "run `mcpctl context use default` to write it anew";
                Stuck::new(format!("{} holds no context's name", path.display()), next).into()
            }),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(e) => Err(Stuck::new(format!("cannot read {}: {e}", path.display()), "make it readable").into()),
        }
    }

    /// Has commands use this one.
    pub fn make_current(&self) -> anyhow::Result<()> {
        let path = home::ensure()?.join(CURRENT);
        let written = replace(&path, format!("{}\n", self.0).as_bytes());
        Ok(written
            .map_err(|e| Stuck::new(format!("cannot write {}: {e}", path.display()), "make its folder writable"))?)
    }

    /// All of them by name, `default` first, where there are any.
    pub fn all() -> anyhow::Result<Vec<Self>> {
        let folder = home::folder()?.join(FOLDER);
        let mut names: Vec<String> = match std::fs::read_dir(&folder) {
            Ok(entries) => entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect(),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(e) => {
                return Err(Stuck::new(format!("cannot read {}: {e}", folder.display()), "make it readable").into());
            }
        };
        names.sort_unstable();
        let others = names.iter().filter_map(|name| Self::named(name).ok());
        let default = Some(Self::default()).filter(Self::exists);
        Ok(default.into_iter().chain(others).collect())
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.0
    }

    /// Its file.
    pub fn path(&self) -> anyhow::Result<PathBuf> {
        let home = home::folder()?;
        Ok(if self.0 == DEFAULT { home.join("credentials") } else { home.join(FOLDER).join(&self.0) })
    }

    /// Whether there is such a file.
    pub fn exists(&self) -> bool {
        self.path().is_ok_and(|path| path.exists())
    }

    /// Forgets it, server and token.
    pub fn remove(&self) -> anyhow::Result<()> {
        let path = self.path()?;
        std::fs::remove_file(&path).map_err(|e| {
            let next = "`mcpctl context list` lists what there is";
            Stuck::new(format!("cannot delete {}: {e}", path.display()), next).into()
        })
    }
}
