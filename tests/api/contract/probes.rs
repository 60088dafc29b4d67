//! `GET /health`, `/livez` and `/readyz`.

use super::{expect_fields, for_each_server};

#[tokio::test]
async fn a_live_process_says_ok_and_nothing_else() {
    for_each_server("probes", async |server| {
        let client = server.client();
        for path in ["/health", "/livez"] {
            let answer = client.get(path).await.expect(200);
            assert_eq!(answer.body, br#"{"status":"ok"}"#, "{path}");
            assert_eq!(answer.header("content-type"), Some("application/json"), "{path}");
        }
        let ready = client.readyz().await.expect(200);
        expect_fields(&ready, &["status"]);
    })
    .await;
}
