//! The first start, and what it finds in the user's folder.

use mcpctl_tests::{Client, Home, Mcpd, port, program};

#[tokio::test]
async fn a_damaged_credentials_file_is_named_and_left_as_it_is() {
    for damaged in ["{\"mcpdUrl\": \"http://127.0.0.1:1\", \"tok", "{\"mcpdUrl\": \"http://127.0.0.1:1\"}", ""] {
        let home = Home::default();
        let file = home.mcpctl().join("credentials");
        std::fs::create_dir_all(home.mcpctl()).expect("the home can be written");
        std::fs::write(&file, damaged).expect("the home can be written");
        for attempt in ["first", "second"] {
            let listen = format!("127.0.0.1:{}", port::free());
            let output = program::run("mcpd", &home, &["--listen", &listen]).await;
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(matches!(output.status.code(), Some(1 | 2)), "{attempt} with {damaged:?}: {said}");
            let last = said.lines().last().unwrap_or_default();
            assert!(last.contains(&file.display().to_string()), "{attempt} with {damaged:?}: {said}");
            assert_eq!(std::fs::read_to_string(&file).expect("it is there"), damaged, "{attempt}");
        }
        std::fs::remove_file(&file).expect("the home can be written");
        let mcpd = Mcpd::start_in(home, &[], &[]).await;
        let _ = mcpd.client().get("/llms").await.expect(200);
    }
}

#[tokio::test]
async fn the_token_for_another_server_is_no_admins_here() {
    let (other, home) = (Mcpd::start(&[]).await, Home::default());
    let file = home.mcpctl().join("credentials");
    std::fs::create_dir_all(home.mcpctl()).expect("the home can be written");
    let theirs = other.mcpctl(&["token", "create", "--name", "bob", "--role", "viewer", "-q"]).await;
    let theirs = String::from_utf8_lossy(&theirs.stdout).trim().to_owned();
    for url in [other.url.as_str(), "https://models.example"] {
        let written = format!("{{\"mcpdUrl\":\"{url}\",\"token\":\"{theirs}\"}}");
        std::fs::write(&file, &written).expect("the home can be written");
        let data = home.path().join(if url.starts_with("https") { "one" } else { "two" });
        let mut mcpd = Mcpd::start_in(home.clone(), &["--data-dir", &data.display().to_string()], &[]).await;
        let client = Client::new(&mcpd.url, Some(theirs.clone()));
        client.get("/llms").await.refused(401, "UNAUTHORIZED", "not known");
        let own = data.join("admin-token");
        let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&own).expect("a file").permissions());
        assert_eq!(mode & 0o777, 0o600);
        let token = std::fs::read_to_string(&own).expect("a token").trim().to_owned();
        let _ = client.with_token(Some(&token)).get("/tokens").await.expect(200);
        assert!(mcpd.process.log().contains(&own.display().to_string()), "{}", mcpd.process.log());
        assert!(!mcpd.process.log().contains(&token));
        assert_eq!(std::fs::read_to_string(&file).expect("it is there"), written, "it is left as it is");

        assert!(mcpd.process.stop().await.success());
        let reset = program::run("mcpd", &home, &["reset-admin", "--data-dir", &data.display().to_string()]).await;
        let new = String::from_utf8_lossy(&reset.stdout).trim().to_owned();
        assert_eq!(std::fs::read_to_string(&own).expect("a token").trim(), new, "{reset:?}");
        assert_eq!(std::fs::read_to_string(&file).expect("it is there"), written, "nor does it get the new one");
    }
}

#[tokio::test]
async fn a_token_that_is_there_already_becomes_the_admins() {
    let home = Home::default();
    let file = home.mcpctl().join("credentials");
    std::fs::create_dir_all(home.mcpctl()).expect("the home can be written");
    let token = "made-before-the-server-was-0123456789";
    let written = format!("{{\"mcpdUrl\":\"http://127.0.0.1:1\",\"token\":\"{token}\"}}");
    std::fs::write(&file, &written).expect("the home can be written");
    let mcpd = Mcpd::start_in(home, &[], &[]).await;
    assert_eq!(mcpd.home.token(), token);
    let _ = Client::new(&mcpd.url, Some(token.to_owned())).get("/llms").await.expect(200);
}
