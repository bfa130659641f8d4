//! The secret that the replicas of one log share.

use anyhow::{Context, ensure};
use axum::http::{HeaderMap, HeaderValue};
use mcpctl_events::hash::Hash;
use std::{fmt, fs, path::Path};

/// The header in which replicas send it.
pub const KEY_HEADER: &str = "x-mcpctl-cluster-key";
/// Fewest characters.
const SHORTEST: usize = 16;

/// Who has it may write to the registry as anybody.
pub struct Key(HeaderValue);

impl Key {
    /// Reads it from a file; what is blank around it does not count.
    ///
    /// # Errors
    /// There is no such file, or what is in it can't be sent, or is short enough to be guessed.
    pub fn read(file: &Path) -> anyhow::Result<Self> {
        let bytes = fs::read(file).with_context(|| format!("--cluster-key {}", file.display()))?;
        // What is no text is refused for that.
        let text = String::from_utf8_lossy(&bytes);
        let key = text.trim();
        ensure!(
            key.len() >= SHORTEST && key.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()),
            "--cluster-key {}: the secret is at least {SHORTEST} ASCII characters in one line, such as `openssl rand -hex 32` makes",
            file.display()
        );
        let mut header = HeaderValue::from_str(key)?;
        header.set_sensitive(true);
        Ok(Self(header))
    }

    /// As it is sent.
    pub(super) fn as_header(&self) -> HeaderValue {
        self.0.clone()
    }

    /// Whether a request has it. Hashes are compared: how long that takes tells nothing of the secret.
    pub fn is_in(&self, headers: &HeaderMap) -> bool {
        headers.get(KEY_HEADER).is_some_and(|sent| Hash::of(sent.as_bytes()) == Hash::of(self.0.as_bytes()))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: impl AsRef<[u8]>) -> anyhow::Result<Key> {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text.as_ref()).unwrap();
        Key::read(file.path())
    }

    #[test]
    fn it_is_one_line_that_nobody_guesses() {
        let key = key("  a secret of this test\n").unwrap_or_else(|error| panic!("{error:#}"));
        let mut headers = HeaderMap::new();
        assert!(!key.is_in(&headers));
        headers.insert(KEY_HEADER, HeaderValue::from_static("a secret of this tesT"));
        assert!(!key.is_in(&headers));
        headers.insert(KEY_HEADER, HeaderValue::from_static("a secret of this test"));
        assert!(key.is_in(&headers));
        assert!(!format!("{key:?} {headers:?}").contains("{key}"));
    }

    #[test]
    fn what_cannot_be_one_is_refused_with_the_way_out() {
        for text in ["", "short", "two lines of\na secret key", "ein Schlüssel mit Umlaut"] {
            let error = key(text).unwrap_err().to_string();
            assert!(error.contains("--cluster-key") && error.contains("openssl rand -hex 32"), "{error}");
        }
        let error = key(b"\xff\x00 binary, and long enough").unwrap_err().to_string();
        assert!(error.contains("ASCII characters"), "{error}");
        let error = format!("{:#}", Key::read(Path::new("/nowhere/key")).unwrap_err());
        assert!(error.contains("--cluster-key /nowhere/key") && error.contains("No such file"), "{error}");
    }
}
