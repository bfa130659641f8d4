//! HTTPS by the server itself.

use mcpctl_tests::{Home, eventually, port, program::Program};
use nix::sys::signal::Signal;
use reqwest::{Certificate, Client};
use serde_json::json;
use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

const SOON: Duration = Duration::from_secs(20);

fn openssl(dir: &Path, args: &str) {
    let made = Command::new("openssl").args(args.split_whitespace()).current_dir(dir).output().expect("openssl runs");
    assert!(made.status.success(), "{made:?}");
}

/// An authority of our own, and a certificate of its for this machine, in `cert.pem` and `key.pem`.
fn certify(dir: &Path, authority: &str) -> PathBuf {
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    openssl(
        dir,
        &format!("req -x509 {key} -keyout {authority}.key -out {authority}.pem -subj /CN={authority} -days 2"),
    );
    openssl(dir, &format!("req {key} -keyout key.pem -out request.pem -subj /CN=localhost"));
    std::fs::write(dir.join("names"), "subjectAltName=IP:127.0.0.1").expect("a file");
    let sign = format!("x509 -req -in request.pem -CA {authority}.pem -CAkey {authority}.key -CAcreateserial");
    openssl(dir, &format!("{sign} -days 2 -extfile names -out cert.pem"));
    dir.join(format!("{authority}.pem"))
}

/// A client that trusts this authority alone.
fn trusting(authority: &Path) -> Client {
    let authority = Certificate::from_pem(&std::fs::read(authority).expect("a certificate")).expect("a certificate");
    Client::builder().tls_certs_only([authority]).pool_max_idle_per_host(0).build().expect("a client")
}

async fn is_ready(client: &Client, url: &str) -> bool {
    client.get(format!("{url}/readyz")).send().await.is_ok_and(|answer| answer.status().is_success())
}

#[tokio::test]
async fn all_programs_speak_tls_with_a_server_that_reads_its_certificate_again() {
    let home = Home::default();
    let (first, listen) = (certify(home.path(), "first"), format!("127.0.0.1:{}", port::free()));
    let url = format!("https://{listen}");
    let flags = ["--listen", &listen, "--tls-cert", "cert.pem", "--tls-key", "key.pem", "--ping-interval", "50ms"];
    let mcpd = Program::start("mcpd", &home, &flags.map(str::to_owned), &[]);
    let client = trusting(&first);
    eventually("it is ready", SOON, async || is_ready(&client, &url).await.then_some(())).await;
    let saved: serde_json::Value =
        serde_json::from_slice(&std::fs::read(home.mcpctl().join("credentials")).expect("credentials")).expect("JSON");
    assert_eq!(saved["mcpdUrl"], url);
    // A publisher, its stream, a call through both, and the command line.
    home.configure(&json!({
        "llm": {"providers": [{"name": "echo", "type": "echo", "model": "m", "publish": true}]},
        "agents": [{"name": "demo", "llm": "echo"}],
    }));
    let trust = [("SSL_CERT_FILE".to_owned(), first.display().to_string())];
    let publisher = Program::start("mcplocal", &home, &[], &trust);
    let row = client.get(format!("{url}/api/v1/llms/echo")).bearer_auth(home.token());
    eventually("it is connected", SOON, async || {
        let row: serde_json::Value = row.try_clone().expect("a request").send().await.ok()?.json().await.ok()?;
        (row["connected"] == true).then_some(())
    })
    .await;
    for streaming in [&["--no-stream"][..], &[]] {
        let args = [&["chat", "demo", "-m", "through TLS"], streaming].concat();
        let mut chat = Program::start("mcpctl", &home, &args.iter().map(|&a| a.to_owned()).collect::<Vec<_>>(), &trust);
        assert!(chat.exit(SOON).await.success(), "{}", chat.log());
        assert!(chat.log().contains("through TLS"), "{}", chat.log());
    }
    for (server, env, says) in [
        (url.replace("https", "http"), &trust[..], "it answers no plain HTTP; its address may begin with https://"),
        (url.clone(), &[], "its certificate is not trusted here; SSL_CERT_FILE=cert.pem trusts those of a file"),
    ] {
        let args = ["--server", &server, "--token", "any-token-will-do", "get", "llms"].map(str::to_owned);
        let elsewhere = Home::default();
        let mut asked = Program::start("mcpctl", &elsewhere, &args, env);
        assert!(!asked.exit(SOON).await.success());
        assert!(asked.log().contains(says), "{}", asked.log());
    }
    // In the clear nothing is said.
    assert!(client.get(format!("http://{listen}/healthz")).send().await.is_err());

    // Another certificate: new connections have it at once, and the publisher's stream goes on.
    let second = certify(home.path(), "second");
    mcpd.signal(Signal::SIGHUP);
    let client = trusting(&second);
    eventually("it has the new certificate", SOON, async || is_ready(&client, &url).await.then_some(())).await;
    assert!(!is_ready(&trusting(&first), &url).await);
    // What is no certificate changes nothing, and is told.
    std::fs::write(home.path().join("cert.pem"), "none").expect("a file");
    mcpd.signal(Signal::SIGHUP);
    eventually("it says so", SOON, async || mcpd.log().contains("the certificate before stays in use").then_some(()))
        .await;
    assert!(is_ready(&client, &url).await);
    let row: serde_json::Value = client
        .get(format!("{url}/api/v1/llms/echo"))
        .bearer_auth(home.token())
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(row["connected"], true, "{}", publisher.log());
}

#[tokio::test]
async fn the_users_file_follows_a_server_that_learns_tls() {
    let mut mcpd = mcpctl_tests::Mcpd::start(&[]).await;
    let (home, listen) = (mcpd.home.clone(), mcpd.url.trim_start_matches("http://").to_owned());
    assert!(mcpd.process.stop().await.success());
    let certificate = certify(home.path(), "first");
    let flags = ["--listen", &listen, "--tls-cert", "cert.pem", "--tls-key", "key.pem"].map(str::to_owned);
    let _mcpd = Program::start("mcpd", &home, &flags, &[]);
    let (client, url) = (trusting(&certificate), format!("https://{listen}"));
    eventually("it is ready", SOON, async || is_ready(&client, &url).await.then_some(())).await;
    let saved = std::fs::read_to_string(home.mcpctl().join("credentials")).expect("credentials");
    assert!(saved.contains(&format!("\"{url}\"")), "{saved}");
}

#[tokio::test]
async fn what_cannot_be_served_with_is_refused_at_the_start() {
    let home = Home::default();
    certify(home.path(), "first");
    openssl(home.path(), "genpkey -algorithm ed25519 -out other.pem");
    for (flags, says) in [
        (&["--tls-cert", "cert.pem"][..], "--tls-cert is of no use without --tls-key"),
        (&["--tls-key", "key.pem"], "--tls-key is of no use without --tls-cert"),
        (&["--tls-cert", "none.pem", "--tls-key", "key.pem"], "--tls-cert none.pem: "),
        (&["--tls-cert", "key.pem", "--tls-key", "key.pem"], "--tls-cert key.pem: there is no certificate in it (PEM)"),
        (&["--tls-cert", "cert.pem", "--tls-key", "names"], "--tls-key names: "),
        (
            &["--tls-cert", "cert.pem", "--tls-key", "other.pem"],
            "--tls-key other.pem: does not go with the certificate",
        ),
    ] {
        let output = mcpctl_tests::program::run("mcpd", &home, &[&["--listen", "127.0.0.1:0"], flags].concat()).await;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && said.contains(says), "{flags:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}
