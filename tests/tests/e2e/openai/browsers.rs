//! Pages that call from a browser.

use mcpctl_tests::{Answer, Client, Mcpd};
use reqwest::{Method, RequestBuilder};

fn from(request: RequestBuilder, origin: &str) -> RequestBuilder {
    request.header("origin", origin)
}

async fn ahead(client: &Client, origin: &str) -> Answer {
    let request = from(client.at_root(Method::OPTIONS, "/v1/chat/completions"), origin);
    let asks = request.header("access-control-request-method", "POST");
    Client::send(asks.header("access-control-request-headers", "authorization,x-stainless-lang")).await
}

#[tokio::test]
async fn only_pages_that_were_named_may_call_and_they_need_a_token_all_the_same() {
    let mcpd = Mcpd::start(&["--cors-origin", "https://ui.example", "--cors-origin", "http://localhost:3000"]).await;
    let (client, stranger) = (mcpd.client(), mcpd.client().with_token(None));
    for origin in ["https://ui.example", "http://localhost:3000"] {
        let answer = ahead(&stranger, origin).await.expect(200);
        assert_eq!(answer.header("access-control-allow-origin"), origin);
        assert!(answer.header("access-control-allow-headers").contains("x-stainless-lang"), "{:?}", answer.headers);
        let answer = Client::send(from(client.at_root(Method::GET, "/v1/models"), origin)).await.expect(200);
        assert_eq!(answer.header("access-control-allow-origin"), origin);
        assert!(answer.header("access-control-expose-headers").contains("x-request-id"), "{:?}", answer.headers);
        let answer = Client::send(from(stranger.at_root(Method::GET, "/v1/models"), origin)).await.expect(401);
        assert_eq!(answer.header("access-control-allow-origin"), origin, "a page may read the refusal");
    }
    assert_eq!(ahead(&stranger, "https://evil.example").await.header("access-control-allow-origin"), "");
    let api = Client::send(from(client.request(Method::GET, "/llms"), "https://ui.example")).await.expect(200);
    assert_eq!(api.header("access-control-allow-origin"), "", "only /v1 is for pages");
}

#[tokio::test]
async fn without_the_flag_no_page_may_call() {
    let mcpd = Mcpd::start(&[]).await;
    let answer = ahead(&mcpd.client().with_token(None), "https://ui.example").await.expect(401);
    assert_eq!(answer.header("access-control-allow-origin"), "");
}
