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
