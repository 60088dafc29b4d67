use actix_web::{body::MessageBody as _, http::header::HeaderName};
use serde_json::{Value, json};

use super::*;
use crate::domain::{EventId, Limited, Rejection, SeatId, Version};

fn seat(text: &str) -> SeatId {
    SeatId::parse(text).expect("a good seat")
}

fn event_id() -> EventId {
    EventId::parse("show").expect("a good id")
}

fn refused(rejection: Rejection) -> Problem {
    ServiceError::from(rejection).into()
}

/// Whatever a rule can say, with the status and the code as published. The match makes sure that none is left out.
fn every_rejection() -> Vec<(Problem, u16, &'static str, bool)> {
    let all = [
        Rejection::InsufficientSeats { requested: 6, available: 4, waiting: 0 },
        Rejection::InsufficientSeats { requested: 1, available: 4, waiting: 2 },
        Rejection::SeatTaken(vec![seat("A7")]),
        Rejection::UnknownSeats(vec![seat("Z9")]),
        Rejection::SeatsHaveNoNames(vec![seat("Z9")]),
        Rejection::TooManySeats { max: 2 },
        Rejection::PartnerLimit { what: Limited::Seats, max: 4, taken: 3 },
        Rejection::PartnerLimit { what: Limited::Reservations, max: 4, taken: 4 },
        Rejection::SalesPaused,
        Rejection::SalesClosed,
        Rejection::HoldExpired,
        Rejection::NothingHeld,
        Rejection::UnknownReservation(reservation_id()),
        Rejection::ReservationExpired(reservation_id()),
        Rejection::SeatsTaken { requested: 1, taken: 2 },
        Rejection::SeatsAreMapped,
        Rejection::PreconditionFailed { current: Version(8) },
        Rejection::KeyReused,
    ];
    let published = |rejection: &Rejection| match rejection {
        Rejection::InsufficientSeats { .. } => (409, "insufficient-seats"),
        Rejection::SeatTaken(_) => (409, "seat-taken"),
        Rejection::UnknownSeats(_)
        | Rejection::SeatsHaveNoNames(_)
        | Rejection::TooManySeats { .. }
        | Rejection::SeatsAreMapped => (400, "invalid-request"),
        Rejection::PartnerLimit { .. } => (409, "partner-limit"),
        Rejection::SalesPaused => (409, "sales-paused"),
        Rejection::SalesClosed => (409, "sales-closed"),
        Rejection::HoldExpired => (409, "hold-expired"),
        Rejection::NothingHeld => (409, "nothing-held"),
        Rejection::UnknownReservation(_) | Rejection::ReservationExpired(_) => (404, "not-found"),
        Rejection::SeatsTaken { .. } => (409, "seats-taken"),
        Rejection::PreconditionFailed { .. } => (412, "precondition-failed"),
        Rejection::KeyReused => (422, "idempotency-key-reused"),
    };
    let row = |rejection: Rejection| {
        let (status, code) = published(&rejection);
        (refused(rejection), status, code, false)
    };
    all.map(row).into()
}

fn reservation_id() -> ReservationId {
    ReservationId::parse("show.0198a3b2-7c1d-7def-8123-456789abcdef").expect("a canonical id")
}

/// Every problem there is, with the status, the code and whether to send it again, as published.
fn every_problem() -> Vec<(Problem, u16, &'static str, bool)> {
    let unavailable = || ServiceError::Unavailable("mongodb://user:secret@host refused".to_owned());
    vec![
        (Problem::invalid("seats", "is required"), 400, "invalid-request", false),
        (Problem::UnknownPath(None), 404, "not-found", false),
        (Problem::UnknownReservation, 404, "not-found", false),
        (Problem::MethodNotAllowed { allow: "GET, HEAD" }, 405, "method-not-allowed", false),
        (Problem::Malformed("Host is missing."), 400, "invalid-request", false),
        (Problem::HeadTooLarge { max_bytes: 16_384 }, 431, "head-too-large", false),
        (Problem::TooManyHeaders, 431, "head-too-large", false),
        (Problem::UriTooLong, 414, "uri-too-long", false),
        (Problem::HeadTimeout, 408, "request-timeout", true),
        (Problem::Full("Ask another one."), 503, "overloaded", true),
        (Problem::RequestTimeout, 408, "request-timeout", true),
        (Problem::PayloadTooLarge { max_bytes: 4096 }, 413, "payload-too-large", false),
        (Problem::TooManyLargeBodies, 503, "overloaded", true),
        (Problem::UnsupportedMediaType, 415, "unsupported-media-type", false),
        (Problem::UntypedFromBrowser, 415, "unsupported-media-type", false),
        (Problem::MisdirectedRequest, 421, "misdirected-request", false),
        (Problem::Draining, 503, "overloaded", true),
        (Problem::EventNotOpen, 503, "store-unavailable", true),
        (Problem::EventUnreadable(event_id()), 503, "event-unreadable", false),
        (Problem::UnkeyedOutcomeUnknown(None), 503, "outcome-unknown", false),
        (Problem::UnkeyedOutcomeUnknown(Some(reservation_id())), 503, "outcome-unknown", false),
        (Problem::UnknownEvent, 404, "not-found", false),
        (Problem::NoSeatMap, 404, "not-found", false),
        (Problem::PreconditionRequired, 428, "precondition-required", false),
        (Problem::WeakTag { current: Version(8) }, 412, "precondition-failed", false),
        (Problem::NamedSeatsWaitedFor { available: 4, waiting: 1 }, 409, "insufficient-seats", false),
        (Problem::MoreThanAllSeats { requested: 6, available: 4 }, 409, "insufficient-seats", false),
        (ServiceError::EventExists(event_id()).into(), 409, "event-exists", false),
        (ServiceError::UnknownEvent(event_id()).into(), 404, "not-found", false),
        (ServiceError::VersionConflict.into(), 409, "version-conflict", true),
        (ServiceError::Overloaded.into(), 503, "overloaded", true),
        (ServiceError::ListsOverloaded("secret".to_owned()).into(), 503, "overloaded", true),
        (unavailable().into(), 503, "store-unavailable", true),
        (ServiceError::OutcomeUnknown(Some(reservation_id())).into(), 503, "outcome-unknown", true),
        (ServiceError::Internal("secret".to_owned()).into(), 500, "internal", false),
    ]
}

fn answer(problem: &Problem) -> (HttpResponse, Value) {
    let (response, body) = problem.error_response().into_parts();
    let body = body.try_into_bytes().expect("a body in memory");
    (response.map_body(|_, ()| actix_web::body::BoxBody::new(())), serde_json::from_slice(&body).expect("JSON"))
}

#[test]
fn each_problem_has_its_published_status_and_code() {
    for (problem, status, code, retryable) in every_problem().into_iter().chain(every_rejection()) {
        let (response, body) = answer(&problem);
        let header = |name: HeaderName| response.headers().get(name).map(|value| value.to_str().expect("ASCII"));
        assert_eq!(response.status().as_u16(), status, "{code}");
        assert_eq!(header(header::CONTENT_TYPE), Some("application/problem+json"), "{code}");
        assert_eq!(body["status"], status, "{code}");
        assert_eq!(body["code"], code);
        assert_eq!(body["type"], format!("urn:ticketboss:problem:{code}"));
        assert_eq!(body["retryable"], retryable, "{code}");
        for text in ["title", "detail"] {
            assert!(body[text].as_str().is_some_and(|text| !text.is_empty()), "{code} has no {text}");
        }
        assert_eq!((&body["error"], &body["message"]), (&body["detail"], &body["detail"]), "{code}");
        assert!(!body.to_string().contains("secret"), "{code} tells what only the log may hold");
        // What must not be sent again says nothing of when: some clients obey the header and read no further.
        assert_eq!(header(header::RETRY_AFTER), retryable.then_some("1"), "{code}");
    }
}

#[test]
fn a_problem_carries_what_helps() {
    let body = |problem: Problem| answer(&problem).1;

    let invalid = body(Problem::invalid("seats", "must be an integer from 1 to 10"));
    assert_eq!(invalid["errors"], json!([{ "field": "seats", "message": "must be an integer from 1 to 10" }]));
    assert_eq!(invalid["detail"], "seats must be an integer from 1 to 10.");

    let sold_out = body(refused(Rejection::InsufficientSeats { requested: 6, available: 4, waiting: 0 }));
    assert_eq!(sold_out["availableSeats"], 4);
    assert!(sold_out.get("errors").is_none() && sold_out.get("currentVersion").is_none());

    assert_eq!(
        body(ServiceError::OutcomeUnknown(Some(reservation_id())).into())["reservationId"],
        json!(reservation_id())
    );

    let failed = refused(Rejection::PreconditionFailed { current: Version(8) });
    let (response, moved_on) = answer(&failed);
    assert_eq!(moved_on["currentVersion"], 8);
    assert_eq!(response.headers().get(header::ETAG).expect("the current tag"), "\"8\"");

    let (response, _) = answer(&Problem::MethodNotAllowed { allow: "GET, HEAD" });
    assert_eq!(response.headers().get(header::ALLOW).expect("the methods"), "GET, HEAD");
}

#[test]
fn a_refusal_says_what_to_do() {
    let body = |rejection: Rejection| answer(&refused(rejection)).1;
    let detail = |rejection: Rejection| body(rejection)["detail"].as_str().expect("words").to_owned();

    let sold_out = detail(Rejection::InsufficientSeats { requested: 6, available: 4, waiting: 0 });
    assert!(!sold_out.contains("wait"), "{sold_out}");
    for (waiting, wanted) in [(1, "which one reservation waits"), (2, "which 2 reservations wait")] {
        let behind = detail(Rejection::InsufficientSeats { requested: 1, available: 4, waiting });
        assert!(behind.contains(wanted) && behind.contains("\"waitlist\": true"), "{behind}");
    }

    assert_eq!(body(Rejection::SeatTaken(vec![seat("A7"), seat("B1")]))["seatIds"], json!(["A7", "B1"]));
    for (rejection, field, wanted) in [
        (Rejection::UnknownSeats(vec![seat("Z9")]), "seatIds", "Z9"),
        (Rejection::TooManySeats { max: 2 }, "seats", "2"),
        (Rejection::SeatsAreMapped, "totalSeats", "seat map"),
    ] {
        let errors = &body(rejection)["errors"];
        assert_eq!(errors[0]["field"], field);
        assert!(errors[0]["message"].as_str().expect("words").contains(wanted), "{errors}");
    }
    let limit = detail(Rejection::PartnerLimit { what: Limited::Seats, max: 4, taken: 3 });
    assert!(limit.contains("4 seats") && limit.contains("has 3"), "{limit}");
    let taken = detail(Rejection::SeatsTaken { requested: 1, taken: 2 });
    assert!(taken.contains("totalSeats to 2"), "{taken}");
    let unnamed = detail(Rejection::SeatsHaveNoNames(vec![seat("A1")]));
    assert!(unnamed.contains("no names") && !unnamed.contains("/seats"), "{unnamed}");
    let expired = detail(Rejection::ReservationExpired(reservation_id()));
    assert!(expired.contains("has expired"), "{expired}");
}

#[test]
fn one_is_one_and_several_are_several() {
    let detail = |problem: Problem| answer(&problem).1["detail"].as_str().expect("words").to_owned();
    let limit = |what, max, taken| detail(refused(Rejection::PartnerLimit { what, max, taken }));
    for (said, wanted) in [
        (limit(Limited::Seats, 1, 1), "have 1 seat of this event"),
        (limit(Limited::Seats, 4, 3), "Ask for 1 seat at most"),
        (limit(Limited::Seats, 4, 2), "Ask for 2 seats at most"),
        (limit(Limited::Reservations, 1, 1), "have 1 reservation of this event"),
        (limit(Limited::Reservations, 2, 2), "have 2 reservations of this event"),
        (detail(refused(Rejection::SeatsTaken { requested: 0, taken: 1 })), "1 seat is confirmed"),
        (detail(refused(Rejection::SeatsTaken { requested: 1, taken: 2 })), "2 seats are confirmed"),
        (detail(Problem::NamedSeatsWaitedFor { available: 4, waiting: 1 }), "1 reservation waits"),
        (detail(Problem::NamedSeatsWaitedFor { available: 4, waiting: 2 }), "2 reservations wait"),
    ] {
        assert!(said.contains(wanted), "{said}");
    }
    // Who has all that is allowed can ask for no less.
    let full = limit(Limited::Seats, 4, 4);
    assert!(!full.contains("Ask for"), "{full}");
}
