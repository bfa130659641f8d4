//! `mcpctl apply`: documents become rows.

use mcpctl_tests::{Mcpd, eventually, program::Program, samples};
use nix::sys::signal::Signal;
use serde_json::json;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(5);

const TEAM: &str = "\
kind: prompt
name: rules
project: apollo
content: Be brief.
---
kind: agent
name: reviewer
llm: gpt
project: apollo
defaultParams: {temperature: 0.20}
---
kind: project
name: apollo
---
kind: llm
name: gpt
type: openai
model: m
url: http://127.0.0.1:9/v1
";

/// Applies a text; what was printed, told, and how it ended.
async fn apply(mcpd: &Mcpd, text: &str, more: &[&str]) -> (Vec<String>, String, Option<i32>) {
    let file = mcpd.home.path().join("documents.yaml");
    std::fs::write(&file, text).expect("a file");
    let file = file.display().to_string();
    let output = mcpd.mcpctl(&[&["apply", "-f", &file], more].concat()).await;
    let lines = String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect();
    (lines, String::from_utf8_lossy(&output.stderr).into_owned(), output.status.code())
}

#[tokio::test]
async fn documents_are_made_in_the_order_that_they_need_and_made_once() {
    let mcpd = Mcpd::start(&[]).await;
    let lines =
        |done: &str| ["llm/gpt", "project/apollo", "agent/reviewer", "prompt/rules"].map(|row| format!("{row} {done}"));
    let before = mcpd.client().sequence().await;
    let (out, err, _) = apply(&mcpd, TEAM, &["--dry-run"]).await;
    assert_eq!(out, lines("created"));
    assert!(err.contains("nothing was changed"), "{err}");
    assert_eq!(mcpd.client().sequence().await, before);
    assert_eq!(apply(&mcpd, TEAM, &[]).await.0, lines("created"));
    let made = mcpd.client().sequence().await;
    assert_eq!(apply(&mcpd, TEAM, &[]).await.0, lines("unchanged"));
    assert_eq!(mcpd.client().sequence().await, made, "what is so already is not written");
    let changed = TEAM.replace("Be brief.", "Be kind.");
    let (out, ..) = apply(&mcpd, &changed, &["--dry-run"]).await;
    assert_eq!(out[3], "prompt/rules configured");
    assert_eq!(mcpd.client().sequence().await, made);
    assert_eq!(apply(&mcpd, &changed, &[]).await.0[3], "prompt/rules configured");
    assert_eq!(mcpd.client().get("/prompts/rules").await.json()["content"], "Be kind.");
}

#[tokio::test]
async fn what_cannot_be_applied_ends_it_and_says_why() {
    let mcpd = Mcpd::start(&[]).await;
    let (out, err, code) = apply(&mcpd, &TEAM.replace("llm: gpt", "llm: other"), &[]).await;
    assert_eq!(
        (out.as_slice(), code),
        (&["llm/gpt created".to_owned(), "project/apollo created".to_owned()][..], Some(1))
    );
    assert!(err.contains("Llm not found: other"), "{err}");
    let (out, err, code) = apply(&mcpd, &TEAM.replace("llm: gpt", "llm: other"), &["--dry-run"]).await;
    assert_eq!(
        (out.as_slice(), code),
        (&["llm/gpt unchanged".to_owned(), "project/apollo unchanged".to_owned()][..], Some(1))
    );
    assert!(err.contains("documents.yaml:6: agent/reviewer: Llm not found: other"), "{err}");
    for (text, says) in [
        ("", "there is no document in"),
        ("kind: planet\nname: mars\n", "documents.yaml:1: `kind` is one of llm, project, agent, personality, prompt"),
        ("kind: llm\nname: a\ntype: openai\nmodel: m\nurl: http://h\nmore: 1\n", "documents.yaml:6: llm/a: "),
        (
            "# two faults\nkind: agent\nname: a\nllm: 5\ndefaultParams: 1\n---\nkind: llm\nname: a\ntype: 1\nmodel: 2\n",
            "documents.yaml:10 /model: ",
        ),
    ] {
        for how in [&[][..], &["--dry-run"]] {
            let (out, err, code) = apply(&mcpd, text, how).await;
            assert!(out.is_empty() && code == Some(1) && err.contains(says), "{how:?} {err}");
        }
    }
    // A publisher's own row is its publisher's to change, while that is there.
    let mut publisher = mcpd.publisher("s");
    let _ = publisher.register(json!([samples::llm("qwen")]), json!([])).await.expect(201);
    publisher.connect("").await;
    let row = mcpd.mcpctl(&["get", "llm", "qwen", "-o", "yaml"]).await;
    let row = String::from_utf8_lossy(&row.stdout).into_owned();
    assert_eq!(apply(&mcpd, &row, &[]).await.0, ["llm/qwen unchanged"]);
    let mine = format!("{row}description: mine\nurl: http://127.0.0.1:9\n");
    for how in [&[][..], &["--dry-run"]] {
        let (_, err, code) = apply(&mcpd, &mine, how).await;
        assert!(code == Some(1) && err.contains("is active and defined by its publisher"), "{how:?} {err}");
    }
    publisher.hang_up();
    eventually("the row is inactive", SOON, async || {
        (mcpd.client().row("/llms", "qwen").await?["status"] == "inactive").then_some(())
    })
    .await;
    let (out, err, _) = apply(&mcpd, &mine, &[]).await;
    assert_eq!(out, ["llm/qwen configured"], "{err}");
    assert!(err.contains("llm/qwen was a publisher's, and is public from now on"), "{err}");
}

/// What a command printed, as lines, and what it told.
async fn run(mcpd: &Mcpd, words: &[&str]) -> (Vec<String>, String, Option<i32>) {
    let output = mcpd.mcpctl(words).await;
    let lines = String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect();
    (lines, String::from_utf8_lossy(&output.stderr).into_owned(), output.status.code())
}

#[tokio::test]
async fn labels_pick_what_is_listed_applied_pruned_paused_and_deleted() {
    let mcpd = Mcpd::start(&[]).await;
    let folder = mcpd.home.path().join("team");
    std::fs::create_dir(&folder).expect("a folder");
    let llm = |name: &str, team: &str| {
        let text = format!(
            "kind: llm\nname: {name}\ntype: openai\nmodel: m\nurl: http://127.0.0.1:9\nlabels: {{team: {team}}}\n"
        );
        std::fs::write(folder.join(format!("{name}.yaml")), text).expect("a file");
    };
    let agent = "kind: agent\nname: reviewer\nllm: one\nlabels: {team: red}\n";
    std::fs::write(folder.join("agents.yml"), agent).expect("a file");
    for (name, team) in [("one", "red"), ("two", "red"), ("three", "blue")] {
        llm(name, team);
    }
    std::fs::write(folder.join("notes.txt"), "no document").expect("a file");
    let folder_name = folder.display().to_string();
    let apply = ["apply", "-f", &folder_name];

    let (out, err, _) = run(&mcpd, &[&apply[..], &["-l", "team=red"]].concat()).await;
    assert_eq!(out, ["llm/one created", "llm/two created", "agent/reviewer created"], "{err}");
    let new = run(&mcpd, &["diff", "-f", &folder_name]).await.0;
    let fields = ["    type: openai", "    model: m", "    url: http://127.0.0.1:9", "    labels: {\"team\":\"blue\"}"];
    assert_eq!((&*new[0], &new[1..]), ("+ llm/three", &fields.map(str::to_owned)[..]));
    assert_eq!(run(&mcpd, &apply).await.0[1], "llm/three created");
    let names = ["get", "llms", "-o", "name", "-l"];
    assert_eq!(run(&mcpd, &[&names[..], &["team=red"]].concat()).await.0, ["llm/one", "llm/two"]);

    std::fs::remove_file(folder.join("two.yaml")).expect("it was there");
    llm("one", "red,gpu: a100");
    let changed = run(&mcpd, &["diff", "-f", &folder_name]).await.0;
    assert_eq!(changed[0], "~ llm/one");
    assert!(changed[1].contains("labels: ") && changed[1].contains("a100") && changed.len() == 2, "{changed:?}");
    let prune = [&apply[..], &["-l", "team=red", "--prune"]].concat();
    let expected = ["llm/one configured", "agent/reviewer unchanged", "llm/two pruned"];
    let other = json!({"name": "other", "llm": "two"});
    let _ = mcpd.client().post("/agents", &other).await.expect(201);
    let (out, err, code) = run(&mcpd, &[&prune[..], &["--dry-run"]].concat()).await;
    assert_eq!((out.len(), code), (2, Some(1)), "{out:?}");
    assert!(err.contains("llm/two is not pruned: Llm 'two' is used by public agents: other"), "{err}");
    assert_eq!(mcpd.client().delete("/agents/other").await.status, 204);
    assert_eq!(run(&mcpd, &[&prune[..], &["--dry-run"]].concat()).await.0, expected);
    assert_eq!(run(&mcpd, &prune).await.0, expected);
    assert_eq!(run(&mcpd, &["get", "llms", "-o", "name"]).await.0, ["llm/one", "llm/three"]);

    // A document that no longer has the labels is a document still.
    llm("one", "blue");
    let kept = [&apply[..], &["-l", "team=red", "--prune"]].concat();
    assert_eq!(run(&mcpd, &kept).await.0, ["agent/reviewer unchanged"]);
    let (_, err, code) = run(&mcpd, &["label", "llm", "three", r"odd=a,b\c"]).await;
    assert_eq!(code, Some(0), "{err}");
    assert_eq!(run(&mcpd, &[&names[..], &[r"odd=a\,b\\c"]].concat()).await.0, ["llm/three"]);
    let (_, err, code) = run(&mcpd, &["label", "llm", "three", "team=red", "x-", "odd-"]).await;
    assert_eq!(code, Some(0), "{err}");
    assert_eq!(run(&mcpd, &["disable", "llms", "-l", "team=red"]).await.0, ["llm/one disabled", "llm/three disabled"]);
    let (_, err, _) = run(&mcpd, &["enable", "llms", "-l", "team=green"]).await;
    assert!(err.contains("no llm has the labels team=green"), "{err}");
    let deleted = ["agent/reviewer deleted", "llm/three deleted", "llm/one deleted"];
    assert_eq!(run(&mcpd, &["delete", "-f", &folder_name]).await.0, deleted);
    let (out, err, code) = run(&mcpd, &["delete", "-f", &folder_name]).await;
    assert!(out.is_empty() && code == Some(0) && err.contains("agent/reviewer is not there"), "{err}");
}

#[tokio::test]
async fn what_create_makes_round_trips_and_edit_changes_it() {
    let mcpd = Mcpd::start(&[]).await;
    for words in [
        "create llm gpt --type openai --model m --url http://127.0.0.1:9/v1 --key-env KEY --pool p -l team=red",
        "create project apollo --description lander",
        "create agent reviewer --llm gpt --system terse --project apollo -p temperature=0.2 -l team=red",
        "create personality pirate --agent reviewer",
        "create prompt rules --personality pirate --content Arr. --priority 3",
    ] {
        let words: Vec<_> = words.split(' ').collect();
        let (out, err, _) = run(&mcpd, &words).await;
        assert_eq!(out, [format!("{}/{} created", words[1], words[2])], "{err}");
        let yaml = run(&mcpd, &["get", words[1], words[2], "-o", "yaml"]).await.0.join("\n");
        let (out, err, _) = apply(&mcpd, &yaml, &[]).await;
        assert_eq!(out, [format!("{}/{} unchanged", words[1], words[2])], "{err}");
    }
    // The editor is whatever the user says.
    let drafts = mcpd.home.path().display().to_string();
    let edit = async |editor: &str, noun: &str, name: &str| {
        let env = [("EDITOR", editor), ("VISUAL", ""), ("TMPDIR", drafts.as_str())];
        let output = mcpd.mcpctl_with(&["edit", noun, name], &env).await;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (text(&output.stdout), text(&output.stderr))
    };
    assert_eq!(edit("true", "agent", "reviewer").await.0, "agent/reviewer unchanged\n");
    assert_eq!(edit("sed -i s/terse/kind/", "agent", "reviewer").await.0, "agent/reviewer configured\n");
    assert_eq!(mcpd.client().get("/agents/reviewer").await.json()["systemPrompt"], "kind");
    let (_, err) = edit("sed -i s/gpt/gone/", "agent", "reviewer").await;
    assert!(err.contains("Llm not found: gone") && err.contains("your text is in "), "{err}");
    let (_, err) = edit("false", "agent", "reviewer").await;
    assert!(err.contains("the editor `false` ended with"), "{err}");
    let (_, err) = edit("true", "agent", "reviewr").await;
    assert!(err.contains("there is no agent 'reviewr'") && err.contains("did you mean 'reviewer'?"), "{err}");
    assert_eq!(mcpd.client().get("/agents/reviewer").await.json()["llm"]["name"], "gpt");
}

#[tokio::test]
async fn an_interrupt_is_the_editors_and_not_the_end_of_the_edit() {
    let mcpd = Mcpd::start(&[]).await;
    let _ = mcpd.client().post("/llms", &samples::public("gpt", "http://127.0.0.1:9")).await.expect(201);
    let at = |name: &str| mcpd.home.path().join(name);
    // An editor that says that it is open, and is done once it is told so.
    let script = format!(
        "#!/bin/sh\ntouch {open}\nwhile ! [ -e {done} ]; do sleep 0.05; done\nsed -i 's/^model: .*/model: other/' \"$1\"\n",
        open = at("open").display(),
        done = at("done").display()
    );
    std::fs::write(at("editor"), script).expect("a script");
    std::fs::set_permissions(at("editor"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("a script");
    let env = [("EDITOR".to_owned(), at("editor").display().to_string())];
    let args = ["edit", "llm", "gpt"].map(str::to_owned);
    let mut edit = Program::start("mcpctl", &mcpd.home, &args, &env);
    eventually("the editor is open", SOON, async || at("open").exists().then_some(())).await;
    edit.signal(Signal::SIGINT);
    std::fs::write(at("done"), "").expect("a file");
    assert_eq!(edit.exit(SOON).await.code(), Some(0), "{}", edit.log());
    assert_eq!(mcpd.client().get("/llms/gpt").await.json()["model"], "other");
}

#[tokio::test]
async fn an_edit_that_comes_to_nothing_leaves_nothing() {
    let mcpd = Mcpd::start(&[]).await;
    let _ = mcpd.client().post("/llms", &samples::public("gpt", "http://127.0.0.1:9")).await.expect(201);
    let drafts = mcpd.home.path().join("drafts");
    std::fs::create_dir(&drafts).expect("a folder");
    let folder = drafts.display().to_string();
    for (editor, code, says, left) in [
        ("true", 0, "llm/gpt unchanged", 0),
        ("false", 1, "the editor `false` ended with exit status: 1", 0),
        ("/nowhere/ed", 1, "cannot start the editor `/nowhere/ed`", 0),
        ("sh -c 'echo \"# none\" > \"$0\"'", 0, "the text is empty: nothing was changed", 0),
        ("sed -i s/gpt/other/", 1, "llm 'gpt' cannot become llm/other: kind and name stay", 1),
    ] {
        let output = mcpd.mcpctl_with(&["edit", "llm", "gpt"], &[("EDITOR", editor), ("TMPDIR", &folder)]).await;
        let said = [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat();
        assert!(output.status.code() == Some(code) && said.contains(says), "{editor}: {said}");
        assert_eq!(drafts.read_dir().expect("a folder").count(), left, "{editor}");
    }
}

#[tokio::test]
async fn parts_of_an_answer_and_what_was_meant() {
    let mcpd = Mcpd::start(&[]).await;
    assert_eq!(run(&mcpd, &["create", "project", "apollo"]).await.2, Some(0));
    for path in ["$[*].name", "{[*].name}"] {
        assert_eq!(run(&mcpd, &["get", "projects", "-o", &format!("jsonpath={path}")]).await.0, ["apollo"]);
    }
    let (_, err, code) = run(&mcpd, &["get", "project", "apolo"]).await;
    assert!(code == Some(1) && err.contains("did you mean 'apollo'?"), "{err}");
    let (_, err, _) = run(&mcpd, &["-v", "get", "projects"]).await;
    assert!(err.contains("> GET http://") && err.contains("authorization: ***") && err.contains("< 200 OK"), "{err}");
    assert!(!err.contains(&mcpd.home.token()), "{err}");
    let (out, err, _) = run(&mcpd, &["-v", "token", "create", "--name", "ci", "--role", "viewer"]).await;
    assert!(out.len() == 1 && !err.contains(&out[0]), "{err}");
}

#[tokio::test]
async fn a_shell_completes_what_the_server_has() {
    let mcpd = Mcpd::start(&[]).await;
    let _ = mcpd.client().post("/llms", &samples::public("gpt-big", "http://h")).await.expect(201);
    let _ = mcpd.client().post("/agents", &json!({"name": "gpt-writer", "llm": "gpt-big"})).await.expect(201);
    let _ = mcpd.client().post("/tokens", &json!({"name": "gpt-ci", "role": "viewer"})).await.expect(201);
    let (url, token) = (mcpd.url.clone(), mcpd.home.token());
    let added = mcpd.mcpctl(&["context", "add", "gpt-lab", "--server", &url, "--token", &token]).await;
    assert!(added.status.success(), "{added:?}");
    for (words, found) in [
        (&["get", "agent", "gp"][..], &["gpt-writer"][..]),
        (&["describe", "llm", ""], &["gpt-big"]),
        (&["chat", "gpt"], &["gpt-writer"]),
        (&["create", "agent", "x", "--llm", "g"], &["gpt-big"]),
        (&["delete", "project", ""], &[]),
        (&["token", "revoke", "gpt"], &["gpt-ci"]),
        (&["context", "use", "gpt"], &["gpt-lab"]),
        (&["create", "llm", "x", "--type", "vl"], &["vllm"]),
        (&["get", "agents", "-o", "js"], &["json", "jsonpath="]),
    ] {
        let index = words.len().to_string();
        let env = [("COMPLETE", "bash"), ("_CLAP_IFS", "\n"), ("_CLAP_COMPLETE_INDEX", index.as_str())];
        let output = mcpd.mcpctl_with(&[&["--", "mcpctl"], words].concat(), &env).await;
        let shown = String::from_utf8_lossy(&output.stdout).into_owned();
        let names: Vec<_> = shown.lines().filter(|line| !line.is_empty() && !line.starts_with('-')).collect();
        assert_eq!(names, found, "{words:?}: {shown}");
    }
}

#[tokio::test]
async fn a_list_of_many_pages_is_one_answer() {
    let mcpd = Mcpd::start(&[]).await;
    let publisher = mcpd.publisher("s");
    let names: Vec<_> = (0..2001).map(|number| format!("llm-{number:04}")).collect();
    let llms: Vec<_> = names.iter().map(|name| samples::llm(name)).collect();
    let _ = publisher.register(json!(llms), json!([])).await.expect(201);
    let (out, ..) = run(&mcpd, &["get", "llms", "-o", "name"]).await;
    assert!(out.iter().map(|line| line.trim_start_matches("llm/")).eq(names.iter().map(String::as_str)));
    let (table, ..) = run(&mcpd, &["get", "llms"]).await;
    assert_eq!((table.len(), table.iter().filter(|line| line.starts_with("NAME")).count()), (2002, 1));
    let (json, ..) = run(&mcpd, &["get", "llms", "-o", "json", "--status", "active"]).await;
    let rows: serde_json::Value = serde_json::from_str(&json.join("\n")).expect("JSON");
    assert_eq!(rows.as_array().map(Vec::len), Some(2001));
    let (yaml, ..) = run(&mcpd, &["get", "llms", "-o", "yaml"]).await;
    assert_eq!(yaml.iter().filter(|line| *line == "---").count(), 2000);
}
