//! The log as a thing of its own: exported, imported, proven, and what was made of it rebuilt.

use super::{SOON, make};
use mcpctl_tests::{Home, Mcpd, eventually, program::run, samples};
use rusqlite::Connection;
use serde_json::{Value, json};
use std::{
    fs,
    process::{Command, Output},
};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What it printed; it has to have worked.
fn printed(output: &Output) -> String {
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

/// What it said on its way out; it has to have failed.
fn failed(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{} {}", text(&output.stdout), text(&output.stderr));
    text(&output.stderr)
}

/// A server in whose registry something has happened, and its export.
async fn with_history() -> (Mcpd, String) {
    let mcpd = Mcpd::start(&[]).await;
    let client = mcpd.client();
    for name in ["one", "two", "three"] {
        make(&client, name).await;
    }
    let _ = client.delete("/llms/two").await.expect(204);
    let export = printed(&mcpd.mcpctl(&["audit", "export"]).await);
    (mcpd, export)
}

async fn import(home: &Home, export: impl AsRef<[u8]>, name: &str) -> Output {
    let file = home.path().join(format!("{name}.jsonl"));
    fs::write(&file, export).expect("the export");
    let log = format!("sqlite:{}", home.path().join(format!("{name}.db")).display());
    run("mcpctl", home, &["audit", "import", &file.display().to_string(), "--log", &log]).await
}

#[tokio::test]
async fn an_export_makes_the_same_log_again_and_a_server_goes_on_with_it() {
    let (mcpd, export) = with_history().await;
    let client = mcpd.client();
    let head = printed(&mcpd.mcpctl(&["audit", "head"]).await);
    let last = client.sequence().await;
    assert!(head.starts_with(&format!("{last}:")), "{head}");
    let as_json: Value =
        serde_json::from_str(&printed(&mcpd.mcpctl(&["audit", "head", "-o", "json"]).await)).expect("JSON");
    assert_eq!(head.trim(), format!("{last}:{}", as_json["hash"].as_str().expect("a hash")));

    let other = Home::default();
    assert_eq!(printed(&import(&other, &export, "copy").await), head);
    let again = failed(&import(&other, &export, "copy").await);
    assert!(again.contains("log already has a history"), "{again}");
    fs::create_dir_all(other.data()).expect("a folder");
    fs::copy(mcpd.home.mcpctl().join("credentials"), other.mcpctl().join("credentials")).expect("the token");
    fs::rename(other.path().join("copy.db"), other.data().join("log.db")).expect("the log in its place");
    let copy = Mcpd::start_in(other, &[], &[]).await;
    let events = copy.client().get(&format!("/events?until={last}")).await.expect(200).json();
    assert_eq!(events, client.get("/events").await.expect(200).json());
    make(&copy.client(), "four").await;
    let verified = printed(&copy.mcpctl(&["audit", "verify", "--against", head.trim()]).await);
    assert!(verified.contains(&format!("ok: {} is in the history", head.trim())), "{verified}");
}

#[tokio::test]
async fn what_is_erased_from_an_export_makes_a_log_of_its_own_that_names_the_old_head() {
    let (mcpd, _) = with_history().await;
    let pasted = json!({"name": "leaky", "llm": "one", "systemPrompt": "the password is \"hunter2\""});
    let _ = mcpd.client().post("/agents", &pasted).await.expect(201);
    let old = printed(&mcpd.mcpctl(&["audit", "head"]).await).trim().to_owned();
    let export = printed(&mcpd.mcpctl(&["audit", "export"]).await);
    let erased = export.replace("hunter2", "(erased)");
    assert_ne!(erased, export);

    let other = Home::default();
    let file = other.path().join("erased.jsonl");
    fs::write(&file, &erased).expect("the export");
    fs::create_dir_all(other.data()).expect("a folder");
    let (file, log) = (file.display().to_string(), other.data().join("log.db"));
    let target = format!("sqlite:{}", log.display());
    let import = async |head: &str| {
        run("mcpctl", &other, &["audit", "import", &file, "--log", &target, "--rewritten", head]).await
    };
    let short = failed(&import(&old.replacen(':', "0:", 1)).await);
    assert!(short.contains("ends at sequence") && short.contains("nothing was imported"), "{short}");
    let lines: Vec<_> = erased.lines().collect();
    for (odd, what) in [(2, "missing"), (3, "twice")] {
        let kept = lines.iter().enumerate().flat_map(|(at, line)| {
            let times = if at == odd { if what == "twice" { 2 } else { 0 } } else { 1 };
            std::iter::repeat_n(format!("{line}\n"), times)
        });
        fs::write(&file, kept.collect::<String>()).expect("the export");
        let said = failed(&import(&old).await);
        assert!(said.contains("a line is missing, or there twice"), "{said}");
    }
    fs::write(&file, &export).expect("the export");
    let same = failed(&import(&old).await);
    assert!(same.contains("nothing was altered in"), "{same}");
    fs::write(&file, &erased).expect("the export");
    let head = printed(&import(&old).await);
    let last: u64 = old.split(':').next().and_then(|digits| digits.parse().ok()).expect("a sequence");
    assert!(head.starts_with(&format!("{}:", last + 1)), "{head}");
    assert!(!fs::read(&log).expect("the log").windows(7).any(|bytes| bytes == b"hunter2"));

    fs::copy(mcpd.home.mcpctl().join("credentials"), other.mcpctl().join("credentials")).expect("the token");
    let new = Mcpd::start_in(other, &[], &[]).await;
    let first = new.client().get("/events?type=registry.rewritten.v1").await.expect(200).json();
    let named = &first[0]["data"];
    assert_eq!(format!("{}:{}", named["sequence"], named["head"].as_str().expect("a hash")), old);
    let source = async |of: &Mcpd| {
        let events = of.client().get("/events?limit=1").await.expect(200).json();
        events[0]["source"].as_str().expect("a source").to_owned()
    };
    let (before, after) = (source(&mcpd).await, source(&new).await);
    assert!(before != after && before.ends_with(named["logId"].as_str().expect("an id")), "{before} {after}");
    let row = new.client().get("/agents/leaky").await.expect(200);
    assert!(row.text.contains("the password is \\\"(erased)\\\""), "{}", row.text);
    let verified = printed(&new.mcpctl(&["audit", "verify"]).await);
    assert!(verified.contains("ok"), "{verified}");
}

#[tokio::test]
async fn an_export_that_was_altered_makes_no_log() {
    let (mcpd, export) = with_history().await;
    let whole = export.clone();
    let lines: Vec<_> = export.lines().collect();
    let of = |word: &str| lines.iter().position(|line| line.contains(word)).expect("a line");
    let without = |at: usize| [&lines[..at], &lines[at + 1..]].concat().join("\n");
    let two = mcpctl_tests::client::sequence_of(
        &mcpd.client().get("/events?subject=llm/two&limit=1").await.expect(200).json()[0],
    );
    let cases = [
        ("altered", export.replace("llm/two", "llm/bad"), format!("hash chain broken at sequence {}", two + 1)),
        ("hole", without(of("llm/two")), format!("after sequence {}", two - 1)),
        ("half", export[..export.len() - 30].to_owned(), "after sequence".to_owned()),
        ("new", export.replace("mcpctl.llm.created.v1", "mcpctl.llm.promoted.v1"), "mcpctl.llm.promoted.v1".to_owned()),
        ("empty", String::new(), "empty.jsonl is empty".to_owned()),
        ("blank", "\n".to_owned(), "line 1: this is no record of a log".to_owned()),
        ("marked", format!("\u{feff}{export}"), "line 1: a byte order mark was put before it".to_owned()),
        ("crlf", export.replace('\n', "\r\n"), "its lines end in CR and LF".to_owned()),
        ("text", "hello\n".to_owned(), "line 1: this is no record of a log".to_owned()),
    ];
    for (name, export, says) in cases {
        let said = failed(&import(&mcpd.home, &export, name).await);
        assert!(said.contains(&says) && said.contains("nothing was imported"), "{name}: {said}");
        let left: Vec<_> =
            fs::read_dir(mcpd.home.path()).expect("a folder").flatten().map(|file| file.file_name()).collect();
        // The lock stays, as that of every log: to remove it would race with the next one to take it.
        let lock = format!("{name}.db.lock");
        let made = left.iter().map(|file| file.to_string_lossy()).filter(|file| *file != lock);
        assert_eq!(made.filter(|file| file.starts_with(&format!("{name}.db"))).count(), 0, "{left:?}");
    }
    let zipped = failed(&import(&mcpd.home, [0x1f, 0x8b, 8, 0], "zipped").await);
    assert!(zipped.contains("it is compressed; `zcat FILE"), "{zipped}");
    let folder = mcpd.home.path().display().to_string();
    let said = mcpd.mcpctl(&["audit", "import", &folder, "--log", &format!("sqlite:{folder}/new.db")]).await;
    assert!(failed(&said).contains("cannot be read: it is a folder"), "{said:?}");
    // What is there and no file is not put away for a log.
    let (socket, nowhere) = (mcpd.home.path().join("socket"), mcpd.home.path().join("nowhere"));
    let _listener = std::os::unix::net::UnixListener::bind(&socket).expect("a socket");
    std::os::unix::fs::symlink("not/there", &nowhere).expect("a link");
    let good = mcpd.home.path().join("good.jsonl");
    fs::write(&good, &whole).expect("an export");
    for target in [&socket, &nowhere] {
        let log = format!("sqlite:{}", target.display());
        let said = failed(&mcpd.mcpctl(&["audit", "import", &good.display().to_string(), "--log", &log]).await);
        assert!(said.contains("is there, and is no file\nnext: name a file that is not there yet"), "{said}");
        assert!(!fs::symlink_metadata(target).expect("it is there").is_file());
    }
    let said = mcpd.mcpctl(&["audit", "import", "-", "--log", &format!("sqlite:{folder}")]).await;
    assert_eq!(said.status.code(), Some(2), "{said:?}");
    assert!(text(&said.stderr).contains(&format!("such as sqlite:{folder}/log.db")), "{said:?}");
}

#[tokio::test]
async fn an_old_head_proves_that_nothing_before_it_was_altered() {
    let (mcpd, export) = with_history().await;
    let head = printed(&mcpd.mcpctl(&["audit", "head"]).await);
    let head = head.trim();
    let (sequence, hash) = head.split_once(':').expect("a colon");
    let other = format!("{sequence}:{}", hash.chars().rev().collect::<String>());
    let later = format!("{}:{hash}", sequence.parse::<u64>().expect("a number") + 7);
    let verify = async |head: &str| mcpd.mcpctl(&["audit", "verify", "--against", head]).await;
    let found = printed(&verify(head).await);
    assert!(found.starts_with(&format!("ok: {sequence} events in an unbroken chain; head {head}\n")), "{found}");
    assert!(found.ends_with(&format!("ok: {head} is in the history\n")), "{found}");
    let said = failed(&verify(&other).await);
    assert!(said.contains(&format!("another history: {other} is not in it")), "{said}");
    let said = failed(&verify(&later).await);
    assert!(
        said.contains(&format!("the log was cut: it ends at sequence {sequence}, and {later} was its head once")),
        "{said}"
    );
    let said = verify("12").await;
    assert_eq!(said.status.code(), Some(2));
    assert!(text(&said.stderr).contains("as `audit head` prints them"), "{said:?}");
    let until = printed(&mcpd.mcpctl(&["audit", "export", "--until", "2"]).await);
    assert!(export.starts_with(&until) && until.len() < export.len());
}

#[tokio::test]
async fn what_differs_is_named_and_a_rebuild_makes_it_right_while_lists_go_on() {
    let (mcpd, _) = with_history().await;
    let client = mcpd.client();
    let before = client.get("/llms").await.expect(200).json();
    let tables = Connection::open(mcpd.home.data().join("tables-1.db")).expect("the tables");
    assert_eq!(tables.execute("UPDATE llm_rows SET model = 'evil' WHERE name = 'one'", []), Ok(1));
    let said = mcpd.mcpctl(&["audit", "verify"]).await;
    assert!(text(&said.stdout).contains("differs: llm_rows `one`: model is `evil`, the log says `gpt-x`"), "{said:?}");
    assert!(failed(&said).contains("differs from it in 1 place"), "{said:?}");
    let reading = async {
        for _ in 0..200 {
            let rows = client.get("/llms").await.expect(200).json();
            assert_eq!(rows.as_array().map(Vec::len), Some(2), "{rows}");
        }
    };
    // A head that is not in the history is told all the same.
    let other = format!("1:{}", "0".repeat(64));
    let said = failed(&mcpd.mcpctl(&["audit", "verify", "--against", &other]).await);
    assert!(said.contains("another history"), "{said}");
    let (rebuilt, ()) = tokio::join!(mcpd.mcpctl(&["audit", "rebuild"]), reading);
    assert!(printed(&rebuilt).contains("generation 2"), "{rebuilt:?}");
    assert_eq!(client.get("/llms").await.expect(200).json(), before);
    assert!(printed(&mcpd.mcpctl(&["audit", "verify"]).await).contains("are what the log says"));
    make(&client, "later").await;
    assert!(client.row("/llms", "later").await.is_some());
}

#[tokio::test]
async fn tables_that_were_lost_under_the_server_are_made_anew_and_followed() {
    let (mcpd, _) = with_history().await;
    let client = mcpd.client();
    fs::remove_file(mcpd.home.data().join("tables.generation")).expect("it is lost");
    for name in ["tables-1.db", "tables-1.db-wal", "tables-1.db-shm"] {
        let _ = fs::remove_file(mcpd.home.data().join(name));
    }
    make(&client, "between").await;
    let rebuilt = mcpd.mcpctl(&["audit", "rebuild"]).await;
    assert!(printed(&rebuilt).contains("read tables made anew"), "{rebuilt:?}");
    make(&client, "after").await;
    for name in ["one", "between", "after"] {
        assert!(client.row("/llms", name).await.is_some(), "{name}");
    }
    let _ = printed(&mcpd.mcpctl(&["audit", "verify"]).await);
}

#[tokio::test]
async fn a_snapshot_that_was_forged_is_found_and_a_rebuild_makes_it_right() {
    let (mut mcpd, _) = with_history().await;
    let client = mcpd.client();
    let before = client.sequence().await;
    assert!(mcpd.process.stop().await.success());
    let snapshots = mcpd.home.data().join("snapshots");
    let files: Vec<_> = fs::read_dir(&snapshots).expect("snapshots").map(|entry| entry.expect("one").path()).collect();
    let [file] = files.as_slice() else { panic!("{files:?}") };
    let snapshot = fs::read_to_string(file).expect("a snapshot");
    let (head, body) = snapshot.split_once('\n').expect("a head");
    let forged = body.replace("gpt-x", "gpt-y");
    let mut head: Value = serde_json::from_str(head).expect("JSON");
    let body = mcpd.home.path().join("body");
    fs::write(&body, &forged).expect("the body");
    let hashed = Command::new("sha256sum").arg(&body).output().expect("coreutils");
    head["sha256"] = json!(text(&hashed.stdout)[..64]);
    fs::write(file, format!("{head}\n{forged}")).expect("a forgery");

    mcpd.start_again().await;
    let at = format!("/llms/one?asOf={before}");
    assert_eq!(client.get(&at).await.expect(200).json()["model"], "gpt-y", "it is believed until it is verified");
    let said = mcpd.mcpctl(&["audit", "verify"]).await;
    for place in ["snapshot at", "memory at"] {
        assert!(text(&said.stdout).contains(&format!("differs: {place} `")), "{said:?}");
    }
    assert!(failed(&said).contains("start the server again after that"), "{said:?}");
    let _ = printed(&mcpd.mcpctl(&["audit", "rebuild"]).await);
    assert_eq!(client.get(&at).await.expect(200).json()["model"], "gpt-x");
    assert!(mcpd.process.stop().await.success());
    mcpd.start_again().await;
    let _ = printed(&mcpd.mcpctl(&["audit", "verify"]).await);
}

#[tokio::test]
async fn programs_get_what_an_audit_says_as_json() {
    let (mcpd, _) = with_history().await;
    let audit = async |args: &[&str]| {
        let said = printed(&mcpd.mcpctl(&[&["audit"], args, &["-o", "json"]].concat()).await);
        serde_json::from_str::<Value>(&said).expect("JSON")
    };
    let head = printed(&mcpd.mcpctl(&["audit", "head"]).await);
    let verified = audit(&["verify", "--against", head.trim()]).await;
    assert_eq!((&verified["count"], &verified["differences"]), (&json!(0), &json!([])), "{verified}");
    assert_eq!(verified["inHistory"], json!([head.trim()]), "{verified}");
    assert_eq!(format!("{}:{}", verified["sequence"], verified["hash"].as_str().expect("a hash")), head.trim());
    assert_eq!(audit(&["rebuild"]).await["generation"], 2);
    let pieces = audit(&["timeline", "llm", "two"]).await;
    let statuses: Vec<_> = pieces.as_array().expect("pieces").iter().map(|piece| &piece["status"]).collect();
    assert_eq!(statuses, ["active", "not there"], "{pieces}");
    assert_eq!(pieces[0]["until"], pieces[1]["from"]);
    let yaml = printed(&mcpd.mcpctl(&["audit", "replay", "-o", "yaml"]).await);
    assert!(yaml.contains("llms:\n"), "{yaml}");
}

#[tokio::test]
async fn a_chain_that_was_broken_is_exported_up_to_where_it_is_whole() {
    let (mut mcpd, export) = with_history().await;
    let events = mcpd.client().get("/events?subject=llm/two&limit=1").await.expect(200).json();
    let sequence = mcpctl_tests::client::sequence_of(&events[0]);
    assert!(mcpd.process.stop().await.success());
    let log = Connection::open(mcpd.home.data().join("log.db")).expect("the log");
    log.execute_batch("DROP TRIGGER records_are_never_changed").expect("no trigger");
    let alter = "UPDATE records SET bytes = CAST(replace(CAST(bytes AS TEXT), 'gpt-x', 'gpt-y') AS BLOB) \
                 WHERE instr(CAST(bytes AS TEXT), '\"llm/two\"') > 0 \
                 AND instr(CAST(bytes AS TEXT), 'llm.created') > 0";
    assert_eq!(log.execute(alter, []), Ok(1));
    drop(log);
    mcpd.start_again().await;
    let broken = format!("hash chain broken at sequence {}", sequence + 1);
    assert!(failed(&mcpd.mcpctl(&["audit", "verify"]).await).contains(&broken));
    let cut = mcpd.mcpctl(&["audit", "export"]).await;
    let said = failed(&cut);
    assert!(said.contains(&broken), "{said}");
    // Nothing says which of the two records was altered; what is sure is before both.
    assert!(
        said.contains(&format!("`mcpctl audit export --until {}` is the history before both", sequence - 1)),
        "{said}"
    );
    let whole = export.lines().take_while(|line| !line.contains(&format!("\"firstSequence\":{}", sequence + 1)));
    assert_eq!(text(&cut.stdout).lines().count(), whole.count());
    let imported = import(&mcpd.home, &text(&cut.stdout), "rest").await;
    assert!(printed(&imported).starts_with(&format!("{sequence}:")), "{imported:?}");
}

#[tokio::test]
async fn tables_that_nobody_has_read_since_their_rebuild_are_verified() {
    let (mcpd, _) = with_history().await;
    for generation in 2..4 {
        let rebuilt = printed(&mcpd.mcpctl(&["audit", "rebuild"]).await);
        assert!(rebuilt.contains(&format!("generation {generation}")), "{rebuilt}");
        assert!(printed(&mcpd.mcpctl(&["audit", "verify"]).await).contains("are what the log says"));
    }
}

#[tokio::test]
async fn a_log_that_lost_a_record_is_not_exported_as_if_it_ended_there() {
    let (mut mcpd, _) = with_history().await;
    let events = mcpd.client().get("/events?subject=llm/two&limit=1").await.expect(200).json();
    let sequence = mcpctl_tests::client::sequence_of(&events[0]);
    assert!(mcpd.process.stop().await.success());
    for damage in [
        "UPDATE records SET bytes = x'00ff0a' WHERE instr(CAST(bytes AS TEXT), '\"llm/two\"') > 0 \
         AND instr(CAST(bytes AS TEXT), 'llm.created') > 0",
        "DELETE FROM records WHERE bytes = x'00ff0a'",
    ] {
        let log = Connection::open(mcpd.home.data().join("log.db")).expect("the log");
        let triggers =
            "DROP TRIGGER IF EXISTS records_are_never_changed; DROP TRIGGER IF EXISTS records_are_never_removed";
        log.execute_batch(triggers).expect("no triggers");
        assert_eq!(log.execute(damage, []), Ok(1));
        drop(log);
        mcpd.start_again().await;
        let cut = mcpd.mcpctl(&["audit", "export"]).await;
        let said = failed(&cut);
        assert!(said.contains(&format!("after sequence {}: a ", sequence - 1)), "{said}");
        assert!(said.contains(&format!("{} events", sequence - 1)), "{said}");
        assert!(failed(&mcpd.mcpctl(&["audit", "verify"]).await).contains("the log is damaged"));
        // It does not go away by asking again.
        for path in ["/events", &format!("/llms?asOf={}", sequence + 1)] {
            let answer = mcpd.client().get(path).await.expect(500).json();
            assert_eq!(answer["code"], "DAMAGED", "{path}: {answer}");
        }
        assert!(mcpd.process.stop().await.success());
    }
}

#[tokio::test]
async fn of_two_imports_to_one_place_one_is_done_and_the_other_says_why_not() {
    let (mcpd, export) = with_history().await;
    let head = printed(&mcpd.mcpctl(&["audit", "head"]).await);
    for round in 0..5 {
        let home = Home::default();
        let (one, two) = tokio::join!(import(&home, &export, "copy"), import(&home, &export, "copy"));
        let done = [&one, &two].into_iter().filter(|output| output.status.success()).count();
        assert_eq!(done, 1, "round {round}: {one:?} {two:?}");
        for output in [one, two] {
            if output.status.success() {
                assert_eq!(text(&output.stdout), head);
            } else {
                let said = failed(&output);
                assert!(said.contains("already has a history") || said.contains("already being written"), "{said}");
            }
        }
        let again = import(&home, &export, "copy").await;
        assert!(failed(&again).contains("already has a history"), "the log is whole: {again:?}");
        assert!(!home.path().join("copy.db.importing").exists());
    }
}

#[tokio::test]
async fn a_log_is_not_made_beside_what_another_left() {
    let (mcpd, export) = with_history().await;
    let log = mcpd.home.path().join("copy.db");
    let wal = mcpd.home.path().join("copy.db-wal");
    fs::write(&wal, [7; 5000]).expect("a leftover");
    let said = failed(&import(&mcpd.home, &export, "copy").await);
    assert!(said.contains("copy.db-wal is there without its log") && said.contains("move it away"), "{said}");
    assert!(!log.exists() && fs::read(&wal).expect("the leftover") == [7; 5000]);
    fs::remove_file(&wal).expect("it is moved away");
    let mine = mcpd.home.path().join("copy.db.importing");
    fs::write(&mine, "hello").expect("somebody's file");
    assert!(failed(&import(&mcpd.home, &export, "copy").await).contains("copy.db.importing"));
    assert_eq!(fs::read_to_string(&mine).expect("it is there"), "hello");
}

#[tokio::test]
async fn two_points_differ_row_by_row_and_one_of_them_is_shown_whole() {
    let mcpd = Mcpd::start(&[]).await;
    let (client, mut publisher) = (mcpd.client(), mcpd.publisher("s"));
    make(&client, "old").await;
    let agents = json!([samples::agent("coder", "llm")]);
    let _ = publisher.register(json!([samples::llm("llm")]), agents).await.expect(201);
    publisher.connect("").await;
    let then = client.sequence().await;
    publisher.hang_up();
    eventually("it is inactive", SOON, async || {
        (client.row("/agents", "coder").await?["status"] == "inactive").then_some(())
    })
    .await;
    let _ = client.delete("/llms/old").await.expect(204);
    make(&client, "new").await;
    let diff = printed(&mcpd.mcpctl(&["diff", &then.to_string()]).await);
    for line in
        ["- llm/old", "+ llm/new", "~ agent/coder", "    status: active → inactive", "    connected: true → false"]
    {
        assert!(diff.lines().any(|shown| shown == line), "{line}: {diff}");
    }
    let back = printed(&mcpd.mcpctl(&["diff", &client.sequence().await.to_string(), &then.to_string()]).await);
    assert!(back.contains("+ llm/old") && back.contains("    status: inactive → active"), "{back}");
    let same = mcpd.mcpctl(&["diff", &then.to_string(), &then.to_string()]).await;
    assert_eq!((printed(&same), text(&same.stderr).contains("nothing differs")), (String::new(), true));
    let as_json = mcpd.mcpctl(&["diff", &then.to_string(), "-o", "json"]).await;
    let changes: Value = serde_json::from_str(&printed(&as_json)).expect("JSON");
    assert!(changes.as_array().expect("a list").contains(&json!({"change": "removed", "kind": "llm", "name": "old"})));

    let replayed = printed(&mcpd.mcpctl(&["audit", "replay", "--until", &then.to_string()]).await);
    assert!(replayed.starts_with(&format!("the registry at sequence {then}\n\nllms\nNAME")), "{replayed}");
    assert!(
        replayed.contains("\nagents\n") && replayed.contains("\nsessions\n") && !replayed.contains("new"),
        "{replayed}"
    );
    let timeline = printed(&mcpd.mcpctl(&["audit", "timeline", "agent", "coder"]).await);
    assert!(
        timeline.starts_with("agent/coder, ") && timeline.contains("█ active") && timeline.contains("░ inactive"),
        "{timeline}"
    );
    let unknown = failed(&mcpd.mcpctl(&["audit", "timeline", "agent", "nobody"]).await);
    assert!(unknown.contains("nobody"), "{unknown}");
}
