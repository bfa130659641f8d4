//! Model servers that sleep, and are woken.

use crate::{complete, connected, eventually, model::*, provider, registry::Registry, settings, start, streams};
use mcplocal::config::*;
use serde_json::json;
use std::{collections::BTreeMap, fs, sync::atomic::Ordering, time::Duration};

fn sleepy(model: &Model, recipe: Recipe) -> Provider {
    Provider { wake: Some(Wake { recipe, max_wait_seconds: 10 }), ..provider(model) }
}

fn command(command: &str, args: &[&str]) -> Recipe {
    Recipe::Command { command: command.to_owned(), args: args.iter().map(|&arg| arg.to_owned()).collect() }
}

fn wake(registry: &Registry, task: &str, seconds: u32) {
    registry.send(&json!({"kind": "wake", "taskId": task, "llmName": "v", "maxWaitSeconds": seconds}));
}

#[tokio::test]
async fn sleeps_and_wakes() {
    let (registry, model) = (Registry::start().await, Model::start(Reply::Never).await);
    model.down.store(true, Ordering::SeqCst);
    let home = tempfile::tempdir().expect("a folder");
    let flag = home.path().join("woken");
    let sleepy = sleepy(&model, command("touch", &[&flag.display().to_string()]));
    let running = start(settings(&registry, &home, sleepy), home);
    streams(&registry, 1).await;
    assert_eq!(registry.seen().registers[0]["providers"][0]["initialStatus"], "hibernating");
    assert_eq!(registry.seen().registers[0]["providers"][0]["maxWaitSeconds"], 10);
    wake(&registry, "w1", 10);
    eventually("the recipe followed", || flag.exists().then_some(())).await;
    assert_eq!(registry.lines("w1").len(), 0, "not up yet");
    model.down.store(false, Ordering::SeqCst);
    let lines = complete(&registry, "w1").await;
    assert_eq!((&lines[0]["status"], &lines[0]["body"]["ok"]), (&json!(200), &json!(true)));
    eventually("declared active", || {
        let last = registry.seen().registers.last().cloned()?;
        (last["providers"][0]["initialStatus"] == "active").then_some(())
    })
    .await;
    running.stop().await;
}

#[tokio::test]
async fn who_is_idle_is_put_to_sleep_and_a_call_brings_it_back() {
    let (registry, model) = (Registry::start().await, Model::start(Reply::Never).await);
    let home = tempfile::tempdir().expect("a folder");
    let flag = home.path().join("asleep");
    let recipe = command("touch", &[&flag.display().to_string()]);
    let sleep = Some(Sleep { recipe, after_idle: Duration::from_secs(1) });
    let provider = Provider { sleep, ..sleepy(&model, command("true", &[])) };
    let running = start(settings(&registry, &home, provider), home);
    streams(&registry, 1).await;
    let declared = async |status: &str| {
        eventually("declared", || {
            let last = registry.seen().registers.last().cloned()?;
            (last["providers"][0]["initialStatus"] == status).then_some(())
        })
        .await;
    };
    declared("hibernating").await;
    assert!(!flag.exists(), "first the registry knows, then it sleeps");
    eventually("the recipe followed", || flag.exists().then_some(())).await;
    wake(&registry, "w1", 10);
    assert_eq!(complete(&registry, "w1").await[0]["status"], 200);
    declared("active").await;
    running.stop().await;
}

#[tokio::test]
async fn a_failed_wake_says_why() {
    let (registry, model) = (Registry::start().await, Model::start(Reply::Never).await);
    model.down.store(true, Ordering::SeqCst);
    let running = connected(&registry, sleepy(&model, command("false", &[]))).await;
    wake(&registry, "w1", 10);
    let lines = complete(&registry, "w1").await;
    assert!(lines[0]["error"].as_str().expect("an error").contains("`false` failed"), "{lines:?}");
    running.stop().await;
}

#[tokio::test]
async fn a_recipe_that_still_runs_is_not_started_again() {
    let (registry, model) = (Registry::start().await, Model::start(Reply::Never).await);
    model.down.store(true, Ordering::SeqCst);
    let home = tempfile::tempdir().expect("a folder");
    let (starts, up) = (home.path().join("starts"), home.path().join("up"));
    fs::write(&up, "").expect("written");
    // Runs, as a model server does, for as long as the file is there.
    let script = "echo started >> \"$0\"; while [ -e \"$1\" ]; do sleep 0.02; done";
    let recipe = command("sh", &["-c", script, &starts.display().to_string(), &up.display().to_string()]);
    let running = connected(&registry, sleepy(&model, recipe)).await;
    let started = || fs::read_to_string(&starts).unwrap_or_default().lines().count();
    for task in ["w1", "w2"] {
        wake(&registry, task, 1);
        let lines = complete(&registry, task).await;
        assert!(lines[0]["error"].as_str().expect("an error").contains("not up within 1 s"), "{lines:?}");
        assert_eq!(started(), 1);
    }

    fs::remove_file(&up).expect("removed");
    wake(&registry, "w3", 10);
    model.down.store(false, Ordering::SeqCst);
    assert_eq!(complete(&registry, "w3").await[0]["status"], 200);
    running.stop().await;
}

#[tokio::test]
async fn a_failed_wake_keeps_what_its_url_holds_to_itself() {
    let (registry, model) = (Registry::start().await, Model::start(Reply::Never).await);
    model.down.store(true, Ordering::SeqCst);
    let base = model.url.trim_end_matches("/v1");
    let (method, headers) = ("POST".to_owned(), BTreeMap::new());
    let recipe = Recipe::Http { url: format!("{base}/s3cret?key=s3cret").into(), method, headers, body: None };
    let running = connected(&registry, sleepy(&model, recipe)).await;
    wake(&registry, "w1", 10);
    let lines = complete(&registry, "w1").await;
    assert_eq!(lines, [json!({"error": format!("wake of 'v': {base} answered 404")})]);
    running.stop().await;
}
