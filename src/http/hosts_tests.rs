use actix_web::test::TestRequest;

use super::*;

fn on(host: &str, bound: &str, allowed: &[&str]) -> Hosts {
    let allowed = allowed.iter().map(|text| HostName::parse(text).expect("a host")).collect();
    Hosts::of(host, bound.parse().expect("an address"), allowed)
}

fn status(hosts: &Hosts, target: &str, lines: &[&str], version: Version) -> u16 {
    let mut request = TestRequest::with_uri(target).version(version);
    for line in lines {
        request = request.append_header((header::HOST, *line));
    }
    let checked = hosts.check_head(request.to_srv_request().head());
    checked.map_or_else(|problem| actix_web::ResponseError::status_code(&problem).as_u16(), |()| 200)
}

fn answers(hosts: &Hosts, host: &str) -> bool {
    status(hosts, "/reservations", &[host], Version::HTTP_11) == 200
}

#[test]
fn a_loopback_server_answers_for_itself_and_for_nobody_else() {
    let hosts = on("127.0.0.1", "127.0.0.1", &[]);
    for good in [
        "localhost",
        "LocalHost:5000",
        "localhost.",
        "shop.localhost:80",
        "127.0.0.1",
        "127.0.0.1:5000",
        "127.8.9.1",
        "[::1]",
        "[::1]:5000",
        "[::ffff:127.0.0.1]:5000",
        "localhost:",
    ] {
        assert!(answers(&hosts, good), "{good}");
    }
    for bad in [
        "evil.example",
        "evil.example:5000",
        "localhost.evil.example",
        "notlocalhost",
        "127.0.0.1.evil.example",
        "10.0.0.7",
        "0.0.0.0:5000",
        "[::]:5000",
        "[fe80::1]",
        "",
        ":5000",
        "localhost:x",
        "localhost:+80",
        "localhost:99999",
        "localhost@evil.example",
        "[::1",
        "[localhost]",
        "::1",
        "localhost, evil.example",
    ] {
        assert!(!answers(&hosts, bad), "{bad}");
    }
}

#[test]
fn a_server_that_others_reach_answers_for_its_addresses_and_for_names_that_it_was_told() {
    let hosts = on("0.0.0.0", "0.0.0.0", &["tickets.example", "api.example:8443"]);
    for good in
        ["10.0.0.7:5000", "[2001:db8::1]", "Tickets.Example", "tickets.example:80", "api.example:8443", "localhost"]
    {
        assert!(answers(&hosts, good), "{good}");
    }
    for bad in ["evil.example", "a.tickets.example", "api.example", "api.example:80"] {
        assert!(!answers(&hosts, bad), "{bad}");
    }
    assert!(answers(&on("ticketboss.lan", "10.0.0.7", &[]), "ticketboss.lan:5000"));
    assert!(answers(&on("::", "::", &[]), "[2001:db8::1]:5000"));
    assert!(answers(&on("127.0.0.1", "127.0.0.1", &["10.0.0.7"]), "10.0.0.7"), "a tunnel's own address");
}

#[test]
fn the_target_counts_before_the_header() {
    let hosts = on("127.0.0.1", "127.0.0.1", &[]);
    let at = |target, lines: &[&str]| status(&hosts, target, lines, Version::HTTP_11);
    assert_eq!(at("http://localhost:5000/reservations", &["evil.example"]), 200);
    assert_eq!(at("http://evil.example/reservations", &["localhost"]), 421);
    assert_eq!(at("http://localhost@evil.example/reservations", &["localhost"]), 421);
}

#[test]
fn a_request_names_one_host() {
    let hosts = on("127.0.0.1", "127.0.0.1", &[]);
    assert_eq!(status(&hosts, "/", &[], Version::HTTP_11), 400);
    assert_eq!(status(&hosts, "/", &["localhost", "localhost"], Version::HTTP_11), 400);
    assert_eq!(status(&hosts, "/", &[], Version::HTTP_10), 200);
    assert_eq!(status(&hosts, "/", &["evil.example"], Version::HTTP_10), 421);
}

#[test]
fn what_is_no_host_is_not_allowed_as_one() {
    for bad in ["", "a b", "http://a", "a/b", "a:b", "[::1", "*.example", "a,b"] {
        assert_eq!(HostName::parse(bad), None, "{bad}");
    }
}
