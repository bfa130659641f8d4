//! Where documents are: files, folders of files, stdin.

use crate::exit::Stuck;
use crate::output::clean;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Longest text that is read, in bytes.
const LONGEST: u64 = 64 << 20;
/// How the files of a folder end that are read.
const ENDINGS: [&str; 3] = ["yaml", "yml", "json"];

/// A text with documents.
#[derive(Debug)]
pub struct Source {
    /// How it is called in messages.
    pub name: String,
    /// What is in it.
    pub text: String,
}

/// Reads all of them. Of a folder, the files that are YAML or JSON by their name, in the order of their names.
pub fn read(given: &[PathBuf]) -> Result<Vec<Source>, Stuck> {
    let mut files = Vec::new();
    for path in given {
        if path.is_dir() { files.extend(within(path)?) } else { files.push(path.clone()) }
    }
    files.iter().map(|path| source(path)).collect()
}

fn within(dir: &Path) -> Result<Vec<PathBuf>, Stuck> {
    let entries = dir.read_dir().and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let entries = entries.map_err(|error| {
        Stuck::new(format!("cannot read {}: {error}", shown(dir)), "name a folder that you may look into")
    })?;
    let is_one = |path: &PathBuf| {
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase());
        let is_hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        !is_hidden && !path.is_dir() && ending.is_some_and(|ending| ENDINGS.contains(&&*ending))
    };
    let mut files: Vec<_> = entries.into_iter().map(|entry| entry.path()).filter(is_one).collect();
    // One that is left out would be taken for one that was deleted.
    if let Some(odd) = files.iter().find(|path| !path.is_file()) {
        let next = "make it a file that can be read, or move it out of the folder; nothing was done";
        return Err(Stuck::new(format!("{} cannot be read as a file", shown(odd)), next));
    }
    files.sort();
    if files.is_empty() {
        let problem = format!("no file in {} ends in .yaml, .yml or .json", shown(dir));
        return Err(Stuck::new(problem, "name a file, or the folder that they are in; folders below it are not read"));
    }
    Ok(files)
}

fn source(path: &Path) -> Result<Source, Stuck> {
    let text = text(path, "give a file of YAML or JSON, a folder of them, or - for stdin")?;
    Ok(Source { name: shown(path), text })
}

/// What is in a file, or in stdin for `-`; `next` is what to do where it cannot be read.
pub fn text(path: &Path, next: &str) -> Result<String, Stuck> {
    let mut text = String::new();
    let read = if path == Path::new("-") {
        io::stdin().lock().take(LONGEST + 1).read_to_string(&mut text)
    } else {
        File::open(path).and_then(|file| file.take(LONGEST + 1).read_to_string(&mut text))
    };
    read.map_err(|error| Stuck::new(format!("cannot read {}: {error}", shown(path)), next))?;
    if text.len() as u64 > LONGEST {
        let problem = format!("{} is longer than {} MiB", shown(path), LONGEST >> 20);
        return Err(Stuck::new(problem, "split it; documents may be applied one after the other"));
    }
    Ok(text)
}

fn shown(path: &Path) -> String {
    if path == Path::new("-") { "stdin".to_owned() } else { clean::line(&path.to_string_lossy()).into_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_file_of_a_folder_is_left_out_in_silence() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("b.YAML"), "b").unwrap();
        std::fs::write(at("a.json"), "a").unwrap();
        std::fs::write(at(".hidden.yaml"), "x").unwrap();
        std::fs::write(at("notes.txt"), "x").unwrap();
        std::fs::create_dir(at("below.yaml")).unwrap();
        let texts: Vec<_> = read(&[folder.path().to_owned()]).unwrap().into_iter().map(|source| source.text).collect();
        assert_eq!(texts, ["a", "b"]);
        std::os::unix::fs::symlink("/nowhere", at("c.yml")).unwrap();
        assert!(read(&[folder.path().to_owned()]).unwrap_err().problem.contains("c.yml cannot be read as a file"));
    }
}
