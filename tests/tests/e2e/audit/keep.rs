//! What is kept elsewhere: backups, and heads that the server signed.

use super::{SOON, make};
use mcpctl_tests::{
    Home, Mcpd, eventually,
    program::{Program, run},
    samples,
};
use serde_json::{Value, json};
use std::{fs, path::Path, process::Command};

fn openssl(args: &[&str]) {
    let made = Command::new("openssl").args(args).output().expect("openssl runs");
    assert!(made.status.success(), "{made:?}");
}

/// A private key, and beside it the public one.
fn keys(home: &Home, name: &str) -> (String, String) {
    let [key, public] = ["pem", "pub"].map(|end| home.path().join(format!("{name}.{end}")).display().to_string());
    openssl(&["genpkey", "-algorithm", "ed25519", "-out", &key]);
    openssl(&["pkey", "-in", &key, "-pubout", "-out", &public]);
    (key, public)
}

fn stderr(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

async fn back_up(mcpd: &Mcpd, to: &Path) -> std::process::Output {
    let data = mcpd.home.data().display().to_string();
    // As a shell completes the name of a folder.
    run("mcpd", &mcpd.home, &["backup", &format!("{}/", to.display()), "--data-dir", &data]).await
}

#[tokio::test]
async fn a_backup_that_was_taken_under_load_is_a_whole_registry() {
    let mut mcpd = Mcpd::start(&[]).await;
    let (client, mut publisher) = (mcpd.client(), mcpd.publisher("s"));
    let _ = publisher.register(json!([samples::llm("llm")]), json!([samples::agent("coder", "llm")])).await.expect(201);
    publisher.connect("").await;
    let to = mcpd.home.path().join("backup");
    let writing = async {
        for number in 0..100 {
            make(&client, &format!("llm-{number}")).await;
        }
    };
    let (copied, ()) = tokio::join!(back_up(&mcpd, &to), writing);
    assert!(copied.status.success(), "{}", stderr(&copied));
    let said = String::from_utf8_lossy(&copied.stdout).into_owned();
    let head = said.split("head ").nth(1).and_then(|rest| rest.lines().next()).expect("a head").to_owned();
    let again = back_up(&mcpd, &to).await;
    assert_eq!(again.status.code(), Some(2));
    assert!(stderr(&again).contains("is not empty"), "{again:?}");
    assert!(!mcpd.home.path().join("backup.partial").exists());
    let verified = mcpd.mcpctl(&["audit", "verify", "--against", &head]).await;
    assert!(verified.status.success(), "{verified:?}");

    mcpd.process.kill();
    fs::rename(mcpd.home.data(), mcpd.home.path().join("lost")).expect("the data is gone");
    fs::rename(&to, mcpd.home.data()).expect("the backup in its place");
    mcpd.start_again().await;
    let verified = mcpd.mcpctl(&["audit", "verify", "--against", &head]).await;
    assert!(verified.status.success(), "{verified:?}");
    assert!(client.row("/agents", "coder").await.is_some());
    make(&client, "after").await;
}

#[tokio::test]
async fn backups_leave_each_other_and_what_is_not_theirs_alone() {
    let mcpd = Mcpd::start(&[]).await;
    make(&mcpd.client(), "one").await;
    let to = mcpd.home.path().join("backup");
    let partial = mcpd.home.path().join("backup.partial");
    fs::create_dir(&partial).expect("somebody's folder");
    fs::write(partial.join("precious"), "x").expect("somebody's file");
    let refused = back_up(&mcpd, &to).await;
    assert_eq!(refused.status.code(), Some(2));
    assert!(stderr(&refused).contains("is in the way"), "{refused:?}");
    assert!(partial.join("precious").exists());
    fs::remove_dir_all(&partial).expect("it is moved away");
    // One that was killed left its lock behind, free.
    fs::create_dir(&partial).expect("a folder");
    fs::write(partial.join("backup.lock"), "").expect("a lock");
    let (one, two) = tokio::join!(back_up(&mcpd, &to), back_up(&mcpd, &to));
    let done = [&one, &two].into_iter().filter(|output| output.status.success()).count();
    assert_eq!(done, 1, "{one:?} {two:?}");
    assert!(to.join("log.db").exists() && !to.join("backup.lock").exists() && !partial.exists());
}

#[tokio::test]
async fn heads_of_one_file_are_signed_with_one_key() {
    let home = Home::default();
    let ((key, _), (other, _)) = (keys(&home, "head"), keys(&home, "other"));
    let mut mcpd = Mcpd::start_in(home, &["--head-key", &key], &[]).await;
    assert!(mcpd.process.stop().await.success());
    let data = mcpd.home.data().display().to_string();
    let flags = ["--listen", "127.0.0.1:0", "--data-dir", &data, "--head-key", &other];
    let refused = run("mcpd", &mcpd.home, &flags).await;
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    assert!(stderr(&refused).contains("are signed with another key; keep them and move them away"), "{refused:?}");
}

#[tokio::test]
async fn heads_are_signed_while_something_happens_and_survive_a_kill() {
    let home = Home::default();
    let (key, public) = keys(&home, "head");
    let mut mcpd = Mcpd::start_in(home, &["--head-key", &key, "--head-interval", "20ms"], &[]).await;
    let client = mcpd.client();
    let heads = mcpd.home.data().join("heads.jsonl");
    let signed = || {
        let lines = fs::read_to_string(&heads).unwrap_or_default();
        let sequence = |line: &str| serde_json::from_str::<Value>(line).ok()?["sequence"].as_u64();
        lines.lines().filter_map(sequence).collect::<Vec<_>>()
    };
    for name in ["one", "two"] {
        make(&client, name).await;
        let made = client.sequence().await;
        eventually("the head is signed", SOON, async || (signed().last() == Some(&made)).then_some(())).await;
    }
    let all = signed();
    assert!(all.is_sorted_by(|one, next| one < next), "{all:?}: each once");
    mcpd.process.kill();
    mcpd.start_again().await;
    let file = heads.display().to_string();
    let verified = mcpd.mcpctl(&["audit", "verify", "--heads", &file, "--head-key", &public]).await;
    assert!(verified.status.success(), "{verified:?}");
}

#[tokio::test]
async fn signed_heads_that_are_cut_or_moved_away_under_the_server_go_on_as_whole_lines() {
    let home = Home::default();
    let (key, public) = keys(&home, "head");
    let mcpd = Mcpd::start_in(home, &["--head-key", &key, "--head-interval", "20ms"], &[]).await;
    let client = mcpd.client();
    let heads = mcpd.home.data().join("heads.jsonl");
    let sequences = || {
        let text = fs::read_to_string(&heads).unwrap_or_default();
        let sequence = |line: &str| serde_json::from_str::<Value>(line).ok()?["sequence"].as_u64();
        text.lines().map(sequence).collect::<Option<Vec<_>>>()
    };
    let moved = mcpd.home.path().join("moved");
    let attacks: [&dyn Fn(); 3] = [&|| {}, &|| fs::write(&heads, "").expect("it is cut"), &|| {
        fs::rename(&heads, &moved).expect("it is moved away");
    }];
    for (number, attack) in attacks.into_iter().enumerate() {
        attack();
        make(&client, &format!("llm-{number}")).await;
        let made = client.sequence().await;
        let signed = async || (sequences()?.last() == Some(&made)).then_some(());
        eventually("the head is signed where the file belongs", SOON, signed).await;
        let file = heads.display().to_string();
        let verified = mcpd.mcpctl(&["audit", "verify", "--heads", &file, "--head-key", &public]).await;
        assert!(verified.status.success(), "{verified:?}");
    }
}

#[tokio::test]
async fn who_serves_a_backup_beside_the_server_goes_on_talking_to_the_server() {
    let mut mcpd = Mcpd::start(&[]).await;
    make(&mcpd.client(), "one").await;
    let to = mcpd.home.path().join("backup");
    assert!(back_up(&mcpd, &to).await.status.success());
    let file = mcpd.home.mcpctl().join("credentials");
    let names = |url: &str| fs::read_to_string(&file).expect("credentials").contains(url);
    let serve = || {
        let flags = ["--listen", "127.0.0.1:0", "--data-dir", &to.display().to_string()].map(str::to_owned);
        Program::start("mcpd", &mcpd.home, &flags, &[])
    };
    let mut beside = serve();
    let told = async || beside.log().contains("still names the server at").then_some(());
    eventually("it says how to talk to this one", SOON, told).await;
    assert!(beside.log().contains("mcpctl login --server http://127.0.0.1:"), "{}", beside.log());
    assert!(names(&mcpd.url));
    assert!(beside.stop().await.success());
    // Where the old one is gone, the backup is the server.
    assert!(mcpd.process.stop().await.success());
    let _restored = serve();
    eventually("the file names the backup", SOON, async || (!names(&mcpd.url)).then_some(())).await;
}

#[tokio::test]
async fn a_log_that_was_cut_or_altered_is_not_the_one_whose_heads_were_signed() {
    let home = Home::default();
    let ((key, public), (_, other)) = (keys(&home, "head"), keys(&home, "other"));
    let mut mcpd = Mcpd::start_in(home, &["--head-key", &key], &[]).await;
    let client = mcpd.client();
    make(&client, "one").await;
    let early = mcpd.home.path().join("early");
    assert!(back_up(&mcpd, &early).await.status.success());
    make(&client, "two").await;
    let sequence = client.sequence().await;
    assert!(mcpd.process.stop().await.success());
    let heads = mcpd.home.data().join("heads.jsonl");
    let kept = fs::read_to_string(&heads).expect("signed heads");
    let last: Value = serde_json::from_str(kept.lines().last().expect("a line")).expect("JSON");
    assert!(last["sequence"].as_u64() >= Some(sequence), "{last}: it was signed on the way out");
    let copy = mcpd.home.path().join("kept.jsonl").display().to_string();
    fs::write(&copy, &kept).expect("a copy");

    mcpd.start_again().await;
    let verify = async |mcpd: &Mcpd, key: &str| {
        let output = mcpd.mcpctl(&["audit", "verify", "--heads", &copy, "--head-key", key]).await;
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned() + &stderr(&output))
    };
    let (ok, said) = verify(&mcpd, &public).await;
    assert!(ok && said.contains("ok: the signed heads are in the history: 1, the last of them"), "{said}");
    let (ok, said) = verify(&mcpd, &other).await;
    assert!(!ok && said.contains("line 1: is not signed with that key"), "{said}");
    fs::write(&copy, kept.replace("\"sequence\":", "\"sequence\":1")).expect("a forged copy");
    let (ok, said) = verify(&mcpd, &public).await;
    assert!(!ok && said.contains("is not signed with that key"), "{said}");
    fs::write(&copy, &kept).expect("a copy");

    // Everything but the heads is set back; whoever kept a copy of them sees it, too.
    assert!(mcpd.process.stop().await.success());
    let signed = fs::read(&heads).expect("signed heads");
    fs::remove_dir_all(mcpd.home.data()).expect("the data is gone");
    fs::rename(&early, mcpd.home.data()).expect("the old state in its place");
    fs::write(&heads, &signed).expect("the heads stay");
    mcpd.spawn_again();
    let status = mcpd.process.exit(SOON).await;
    assert_eq!(status.code(), Some(1));
    assert!(
        mcpd.process.log().contains("the log was cut short, or another one is in its place"),
        "{}",
        mcpd.process.log()
    );
    fs::remove_file(&heads).expect("the way out");
    mcpd.start_again().await;
    let (ok, said) = verify(&mcpd, &public).await;
    assert!(!ok && (said.contains("the log was cut") || said.contains("another history")), "{said}");
}

#[tokio::test]
async fn a_key_that_is_none_says_how_to_make_one() {
    let home = Home::default();
    let file = home.path().join("key");
    for (content, says) in [(None, "cannot be read"), (Some("hello"), "is no private key in PEM")] {
        if let Some(content) = content {
            fs::write(&file, content).expect("a file");
        }
        let refused = run("mcpd", &home, &["--listen", "127.0.0.1:0", "--head-key", &file.display().to_string()]).await;
        assert_eq!(refused.status.code(), Some(2), "{refused:?}");
        assert!(stderr(&refused).contains(says) && stderr(&refused).contains("openssl genpkey"), "{refused:?}");
    }
}

#[tokio::test]
async fn a_line_that_a_crash_cut_off_is_not_in_the_way() {
    let home = Home::default();
    let (key, _) = keys(&home, "head");
    let mut mcpd = Mcpd::start_in(home, &["--head-key", &key], &[]).await;
    assert!(mcpd.process.stop().await.success());
    let heads = mcpd.home.data().join("heads.jsonl");
    let kept = fs::read_to_string(&heads).expect("signed heads");
    fs::write(&heads, format!("{kept}{{\"logId\":\"0")).expect("a torn line");
    mcpd.start_again().await;
    let whole = eventually("it is gone", SOON, async || {
        let now = fs::read_to_string(&heads).expect("signed heads");
        now.starts_with(&kept).then_some(now)
    });
    assert_eq!(whole.await, kept);
}
