//! What compose.yaml says, as processes: the same commands and the same environment, with addresses of this machine.

use mcpctl_tests::{
    client::Client, eventually, home::Home, kafka::Kafka, nginx::Nginx, port, postgres::Postgres, program::Program,
};
use serde_norway::Value;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

const READY: Duration = Duration::from_secs(30);

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the repository").to_owned()
}

fn read(file: &str) -> String {
    std::fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The services, with what they share merged into them.
fn services() -> BTreeMap<String, Value> {
    let mut file: Value = serde_norway::from_str(&read("compose.yaml")).expect("compose.yaml is YAML");
    file.apply_merge().expect("compose.yaml merges what exists");
    serde_norway::from_value(file["services"].clone()).expect("services")
}

fn texts(value: &Value) -> Vec<String> {
    value.as_sequence().into_iter().flatten().map(|item| item.as_str().expect("a text").to_owned()).collect()
}

/// What the image sets for every program.
fn of_the_image() -> Vec<(String, String)> {
    let file = read("Dockerfile").replace("\\\n", " ");
    let lines = file.lines().filter_map(|line| line.strip_prefix("ENV "));
    let pairs = lines.flat_map(|line| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
    pairs.map(|pair| pair.split_once('=').map(|(a, b)| (a.to_owned(), b.to_owned())).expect("NAME=value")).collect()
}

/// Names of services, and paths in containers, and what they are here.
struct Here(Vec<(String, String)>);

impl Here {
    fn put(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (there, here)| text.replace(there.as_str(), here))
    }
}

fn start(name: &str, service: &Value, home: &Home, here: &Here, port: u16) -> Program {
    let command = texts(&service["command"]);
    let (program, args) = command.split_first().expect("a command");
    let mut env: BTreeMap<String, String> = of_the_image().into_iter().collect();
    for (key, value) in service["environment"].as_mapping().into_iter().flatten() {
        env.insert(key.as_str().expect("a name").to_owned(), value.as_str().expect("a text").to_owned());
    }
    env.insert("MCPD_LISTEN".to_owned(), format!("127.0.0.1:{port}"));
    env.insert("MCPD_DATA_DIR".to_owned(), home.path().join(name).display().to_string());
    let env: Vec<_> = env.into_iter().map(|(key, value)| (key, here.put(&value))).collect();
    let args: Vec<_> = args.iter().map(|arg| here.put(arg)).collect();
    Program::start(program, home, &args, &env)
}

/// Cargo reads all of a workspace, also what is not built.
#[test]
fn the_image_is_built_from_the_whole_workspace() {
    let (manifest, file) = (read("Cargo.toml"), read("Dockerfile"));
    let members = manifest.split_once("members = [").and_then(|(_, rest)| rest.split_once(']')).expect("members").0;
    for member in members.split(',').map(|member| member.trim().trim_matches('"')) {
        assert!(file.contains(&format!("\nCOPY {member} {member}\n")), "the Dockerfile does not copy {member}");
    }
}

#[tokio::test]
async fn what_compose_yaml_says_runs_and_its_first_commands_work() {
    let services = services();
    let (kafka, postgres, home) = (Kafka::start(), Postgres::start(), Home::default());
    postgres.run("postgres", "CREATE USER mcpd PASSWORD 'a password of this test'");
    postgres.run("postgres", "CREATE DATABASE registry OWNER mcpd");
    let secrets = home.path().join("secrets");
    std::fs::create_dir_all(&secrets).expect("the home can be written");
    let token = "mcp_a-token-of-this-test".to_owned();
    let shared = "a cluster key of this test";
    for (secret, text) in [("cluster-key", shared), ("postgres", "a password of this test"), ("admin-token", &token)] {
        std::fs::write(secrets.join(secret), format!("{text}\n")).expect("the home can be written");
    }
    let (one, two, proxy) = (port::free(), port::free(), port::free());
    let at = |port: u16| format!("127.0.0.1:{port}");
    let database = postgres.url("registry");
    let (_, database) = database.split_once('@').expect("a user");
    let (database, _) = database.split_once('/').expect("a database");
    let here = Here(vec![
        ("kafka:9092".to_owned(), kafka.broker.clone()),
        ("postgres:5432".to_owned(), database.to_owned()),
        ("mcpd-1:8420".to_owned(), at(one)),
        ("mcpd-2:8420".to_owned(), at(two)),
        ("proxy:8420".to_owned(), at(proxy)),
        ("/run/secrets".to_owned(), secrets.display().to_string()),
        ("/etc/mcplocal/config.json".to_owned(), root().join("deploy/mcplocal.json").display().to_string()),
        ("/home/mcpctl/.mcpctl".to_owned(), home.mcpctl().display().to_string()),
        ("listen 8420".to_owned(), format!("listen {}", at(proxy))),
    ]);
    let mut running = vec![start("mcpd-1", &services["mcpd-1"], &home, &here, one)];
    running.push(start("projector", &services["projector"], &home, &here, 0));
    let ready = async |port: u16| {
        let client = Client::new(&format!("http://{}", at(port)), None);
        eventually("a server is ready", READY, async || {
            let answer = Client::try_send(client.at_root(reqwest::Method::GET, "/readyz")).await;
            answer.ok().filter(|answer| answer.status == 200)
        })
        .await;
    };
    ready(one).await;
    running.push(start("mcpd-2", &services["mcpd-2"], &home, &here, two));
    ready(two).await;
    let _nginx = Nginx::serve(&home, proxy, &here.put(&read("deploy/nginx.conf"))).await;
    ready(proxy).await;
    running.push(start("mcplocal", &services["mcplocal"], &home, &here, 0));

    let proxy = format!("http://{}", at(proxy));
    let client = Client::new(&proxy, Some(token.clone()));
    eventually("the publisher is there", READY, async || {
        let row = client.get("/agents/demo").await;
        (row.status == 200 && row.json()["connected"] == true).then_some(())
    })
    .await;
    for server in [&proxy, &format!("http://{}", at(one)), &format!("http://{}", at(two))] {
        let args = ["--server", server, "--token", &token, "chat", "demo", "-m", "hello"];
        let said = mcpctl_tests::program::run("mcpctl", &home, &args).await;
        assert_eq!(String::from_utf8_lossy(&said.stdout), "hello\n", "{}", String::from_utf8_lossy(&said.stderr));
    }
    // As in an upgrade: one after the other, and the proxy always has somebody to ask.
    for (at, (name, port)) in [("mcpd-1", one), ("mcpd-2", two)].into_iter().enumerate() {
        let server = if at == 0 { 0 } else { 2 };
        assert_eq!(running[server].stop().await.code(), Some(0));
        let _ = client.get("/llms").await.expect(200);
        running[server] = start(name, &services[name], &home, &here, port);
        ready(port).await;
    }
    let _ = client.get("/llms").await.expect(200);
    let hidden = Client::new(&proxy, None).at_root(reqwest::Method::POST, "/internal/v1/ping");
    assert_eq!(Client::send(hidden).await.status, 404, "the proxy keeps what servers ask of each other to themselves");
}
