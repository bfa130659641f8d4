//! A user's home folder that goes away with the test.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};
use tempfile::TempDir;

/// A home folder; clones share it.
#[derive(Debug, Clone)]
pub struct Home(Arc<TempDir>);

impl Default for Home {
    fn default() -> Self {
        Self(Arc::new(TempDir::with_prefix("mcpctl-e2e-").expect("a temporary folder")))
    }
}

impl Home {
    /// The folder.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// `$MCPCTL_HOME`.
    pub fn mcpctl(&self) -> PathBuf {
        self.path().join(".mcpctl")
    }

    /// The server's data folder.
    pub fn data(&self) -> PathBuf {
        self.mcpctl().join("data")
    }

    /// The token that the server wrote at its first start.
    pub fn token(&self) -> String {
        let file = self.mcpctl().join("credentials");
        let text = std::fs::read_to_string(&file).expect("the credentials file, written at the first start");
        let credentials: serde_json::Value = serde_json::from_str(&text).expect("credentials are JSON");
        credentials["token"].as_str().expect("credentials hold a token").to_owned()
    }

    /// Writes `config.json`.
    pub fn configure(&self, config: &serde_json::Value) {
        std::fs::create_dir_all(self.mcpctl()).expect("the home can be written");
        std::fs::write(self.mcpctl().join("config.json"), config.to_string()).expect("the home can be written");
    }
}
