//! Clients that others wrote, each with a thousand requests over connections that are kept. Those that are on PATH run;
//! the output says which did not. Python's runs always, since the tests need Python anyway.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use crate::support::{
    mongod::node::scratch,
    server::{Launch, Server},
    store::Store,
};

#[tokio::test]
async fn other_peoples_clients_get_a_thousand_answers_over_kept_connections() {
    let server = Launch::on(&Store::embedded()).set("EVENT_SEATS", "100000").start().await;
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/api/clients");
    let base = format!("http://127.0.0.1:{}", server.port());
    for (program, script) in [("python3", "client.py"), ("node", "client.mjs"), ("java", "Client.java")] {
        let Some(program) = found(program) else {
            assert_ne!(program, "python3", "the tests need Python");
            println!("did not run, because it is not on PATH: {program}");
            continue;
        };
        let run = run(&program, vec![scripts.join(script), base.clone().into()]).await;
        let (told, failed) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
        assert!(run.status.success() && told.contains("1000 requests"), "{}: {told}{failed}", program.display());
        println!("ran: {}", program.display());
    }
    match found("curl") {
        Some(curl) => ask_with_curl(&curl, &server).await,
        None => println!("did not run, because it is not on PATH: curl"),
    }
    let summary = server.client().summary().await;
    assert_eq!(summary.number("availableSeats"), if found("curl").is_some() { 100_000 - 500 } else { 100_000 });
}

/// Has `curl --http2` ask five hundred times and reserve as often, each over one connection.
async fn ask_with_curl(curl: &Path, server: &Server) {
    for (path, options, status) in [
        ("/health", "", "200"),
        (
            "/reservations",
            "data = \"{\\\"partnerId\\\":\\\"curl\\\",\\\"seats\\\":1}\"\nheader = \"content-type: application/json\"\n",
            "201",
        ),
    ] {
        let mut config = format!("silent\nhttp2\nwrite-out = \"%{{http_code}} %{{num_connects}}\\n\"\n{options}");
        for _ in 0..500 {
            writeln!(config, "url = \"http://127.0.0.1:{}{path}\"\noutput = /dev/null", server.port()).expect("memory");
        }
        let directory = scratch("curl");
        let file = directory.path().join("requests");
        fs::write(&file, config).expect("written");
        let run = run(curl, vec!["-q".into(), "--config".into(), file]).await;
        let told = String::from_utf8_lossy(&run.stdout);
        let answers: Vec<&str> = told.lines().collect();
        assert!(run.status.success() && answers.len() == 500, "{answers:?}");
        assert!(answers.iter().all(|answer| answer.starts_with(status)), "{answers:?}");
        let connections = answers.iter().filter(|answer| answer.ends_with(" 1")).count();
        assert_eq!(connections, 1, "each request after the first used the connection before it: {answers:?}");
    }
    println!("ran: {}", curl.display());
}

/// Runs a program to its end.
async fn run(program: &Path, arguments: Vec<PathBuf>) -> Output {
    let mut command = Command::new(program);
    command.args(arguments);
    let run = tokio::task::spawn_blocking(move || command.output());
    run.await.expect("no panic").expect("it starts")
}

/// Where a program is.
#[expect(clippy::disallowed_methods, reason = "what the tests run against is no setting of the service")]
fn found(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join(program)).find(|file| file.is_file())
}
