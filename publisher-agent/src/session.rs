//! The sticky session id: made once, stored before the first call, the same ever after.

use anyhow::{Context, bail};
use std::{
    fs::{self, File},
    io::{ErrorKind, Write},
    path::Path,
};
use uuid::Uuid;

/// Reads the session id, or makes one and stores it durably.
///
/// # Errors
/// When the file holds something else, or cannot be read or written.
pub fn load_or_create(file: &Path) -> anyhow::Result<String> {
    match fs::read_to_string(file) {
        Ok(text) => parse(&text).with_context(|| format!("{}: delete it to start a new session", file.display())),
        Err(error) if error.kind() == ErrorKind::NotFound => create(file),
        Err(error) => Err(error).with_context(|| format!("{}: cannot read the session id", file.display())),
    }
}

fn parse(text: &str) -> anyhow::Result<String> {
    let id = text.trim();
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if id.is_empty() || id.len() > 128 || !id.bytes().all(allowed) {
        bail!("not a session id (1 to 128 letters, digits, `_` or `-`)");
    }
    Ok(id.to_owned())
}

/// Makes a new id and stores it durably in the place of the one before.
///
/// # Errors
/// When it cannot be stored.
pub fn create(file: &Path) -> anyhow::Result<String> {
    let id = Uuid::new_v4().to_string();
    store(file, &id).with_context(|| format!("{}: cannot store the session id", file.display()))?;
    Ok(id)
}

/// A reader sees the whole id or no file, also after a crash: written beside, synced, renamed.
fn store(file: &Path, id: &str) -> std::io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    // It is where credentials are kept, too.
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)?;
    let beside = file.with_extension(format!("{}.tmp", std::process::id()));
    let mut out = File::create(&beside)?;
    out.write_all(id.as_bytes())?;
    out.write_all(b"\n")?;
    out.sync_all()?;
    fs::rename(&beside, file)?;
    // Not every system can sync a folder; the rename itself has happened by now.
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_made_once_and_kept() {
        let home = tempfile::tempdir().expect("a folder");
        let file = home.path().join("new/folder/provider-session");
        let first = load_or_create(&file).expect("made");
        assert!(Uuid::parse_str(&first).is_ok());
        assert_eq!(load_or_create(&file).expect("read"), first);
        let left: Vec<_> = fs::read_dir(file.parent().expect("a parent")).expect("listed").collect();
        assert_eq!(left.len(), 1, "no temporary file stays");
    }

    #[test]
    fn what_people_put_there_is_kept_if_it_is_one() {
        let home = tempfile::tempdir().expect("a folder");
        let file = home.path().join("provider-session");
        fs::write(&file, "my-laptop_1\n").expect("written");
        assert_eq!(load_or_create(&file).expect("read"), "my-laptop_1");
        for bad in ["", "two words", "a/b", &"x".repeat(129)] {
            fs::write(&file, bad).expect("written");
            let why = format!("{:#}", load_or_create(&file).expect_err("refused"));
            assert!(why.contains("provider-session"), "{why}");
        }
    }
}
