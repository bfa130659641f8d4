//! Every input of every corpus, as a plain test: seeds, and what once broke something.

use mcpctl_fuzz::TARGETS;
use std::{fs, path::Path};

#[test]
fn what_is_in_the_corpora_breaks_nothing() {
    for (name, target) in TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
        let mut inputs = 0;
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.expect("an entry").path();
            eprintln!("{}", path.display());
            target(&fs::read(&path).expect("an input"));
            inputs += 1;
        }
        assert!(inputs > 0, "{} is empty", folder.display());
    }
}

#[test]
fn every_target_is_built_for_the_fuzzer_too() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz_targets");
    for (name, _) in TARGETS {
        let source = fs::read_to_string(folder.join(format!("{name}.rs"))).expect("a target");
        assert!(source.contains(&format!("mcpctl_fuzz::{name}(data)")), "{source}");
    }
    assert_eq!(fs::read_dir(folder).expect("a folder").count(), TARGETS.len());
}
