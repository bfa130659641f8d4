//! `docs/security.md`: each promise names a test that there is.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            sources(&path, into);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            into.push(path);
        }
    }
}

/// Names of all functions that are tests.
fn tests(root: &Path) -> BTreeSet<String> {
    let (mut files, mut names) = (Vec::new(), BTreeSet::new());
    sources(root, &mut files);
    for file in files {
        let text = fs::read_to_string(file).expect("a source");
        let mut marked = false;
        for line in text.lines().map(str::trim) {
            if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
                marked = true;
            } else if let Some((_, after)) = line.split_once("fn ") {
                let name: String = after.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                if std::mem::take(&mut marked) || line.ends_with(") {") && text.contains("proptest!") {
                    names.insert(name);
                }
            }
        }
    }
    names
}

#[test]
fn each_promise_of_the_security_document_has_its_tests() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the repository");
    let (text, tests) = (fs::read_to_string(root.join("docs/security.md")).expect("the document"), tests(root));
    let (_, table) = text.split_once("\n## Promises, and their tests\n").expect("the table");
    let rows: Vec<&str> = table.lines().filter(|line| line.starts_with("| ")).skip(2).collect();
    assert!(rows.len() > 15, "{rows:?}");
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").collect();
        let [_, proofs] = cells[..] else { panic!("{row}") };
        let named: Vec<&str> = proofs.split('`').skip(1).step_by(2).filter(|it| !it.contains(['/', ' '])).collect();
        assert!(!named.is_empty(), "no test: {row}");
        for name in named {
            assert!(tests.contains(name), "there is no test {name}: {row}");
        }
    }
}
