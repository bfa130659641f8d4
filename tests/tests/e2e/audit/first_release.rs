//! The log of a registry of the first release, kept as it was written: it is read for ever.
//!
//! `first-release/` holds the export, its head, and the registry at two points as it was told then. No file there is ever
//! changed. Members that came later may be in what is told now.

use mcpctl_tests::{Client, Home, Mcpd, program::run};
use serde_json::Value;
use std::{fs, path::PathBuf};

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/audit/first-release").join(name)
}

fn read(name: &str) -> String {
    fs::read_to_string(file(name)).expect("a committed file")
}

/// Whether all that was told then is told now.
fn holds(now: &Value, then: &Value) -> bool {
    match (now, then) {
        (Value::Object(now), Value::Object(then)) => {
            then.iter().all(|(key, value)| now.get(key).is_some_and(|now| holds(now, value)))
        }
        (Value::Array(now), Value::Array(then)) => {
            now.len() == then.len() && now.iter().zip(then).all(|(now, then)| holds(now, then))
        }
        _ => now == then,
    }
}

#[tokio::test]
async fn a_log_of_the_first_release_is_the_same_history_now() {
    let (home, head) = (Home::default(), read("head.txt"));
    fs::create_dir_all(home.data()).expect("a folder");
    let (export, log) = (file("log.jsonl"), format!("sqlite:{}", home.data().join("log.db").display()));
    let imported = run("mcpctl", &home, &["audit", "import", &export.display().to_string(), "--log", &log]).await;
    assert_eq!(String::from_utf8_lossy(&imported.stdout), head, "{imported:?}");
    // Nobody knows the tokens of that registry any more.
    let mcpd = Mcpd::start_in(home, &["--auth", "off"], &[]).await;
    let audit =
        async |args: &[&str]| mcpd.mcpctl(&[&["--server", &mcpd.url, "--token", "none", "audit"], args].concat()).await;
    let verified = audit(&["verify", "--against", head.trim()]).await;
    assert!(verified.status.success(), "{verified:?}");
    for name in ["middle.json", "end.json"] {
        let then: Value = serde_json::from_str(&read(name)).expect("JSON");
        let until = then["sequence"].to_string();
        let told = audit(&["replay", "--until", &until, "-o", "json"]).await;
        let now: Value = serde_json::from_slice(&told.stdout).unwrap_or_else(|_| panic!("{told:?}"));
        assert!(holds(&now, &then), "{name}: then {then:#}\nnow {now:#}");
    }
    let events = Client::new(&mcpd.url, None).get("/events?type=agent.*&limit=10000").await.expect(200).json();
    assert!(events.as_array().is_some_and(|events| events.len() > 20), "{events}");
}
