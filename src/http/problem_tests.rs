use actix_web::{body::MessageBody as _, http::header::HeaderName};
use serde_json::{Value, json};

use super::*;
use crate::domain::EventId;

fn reservation_id() -> ReservationId {
    ReservationId::parse("show.0198a3b2-7c1d-7def-8123-456789abcdef").expect("a canonical id")
}

/// Every problem there is, with the status, the code and whether to send it again, as published.
fn every_problem() -> Vec<(Problem, u16, &'static str, bool)> {
    let unavailable = || ServiceError::Unavailable("mongodb://user:secret@host refused".to_owned());
    vec![
        (Problem::invalid("seats", "is required"), 400, "invalid-request", false),
        (Problem::UnknownPath, 404, "not-found", false),
        (Problem::UnknownReservation, 404, "not-found", false),
        (Problem::MethodNotAllowed { allow: "GET, HEAD" }, 405, "method-not-allowed", false),
        (Problem::RequestTimeout, 408, "request-timeout", true),
        (Problem::PayloadTooLarge { max_bytes: 4096 }, 413, "payload-too-large", false),
        (Problem::UnsupportedMediaType, 415, "unsupported-media-type", false),
        (Problem::Draining, 503, "overloaded", true),
        (Problem::EventNotOpen, 503, "store-unavailable", true),
        (Problem::UnkeyedOutcomeUnknown(reservation_id()), 503, "outcome-unknown", false),
        (ServiceError::from(Rejection::UnknownReservation(reservation_id())).into(), 404, "not-found", false),
        (
            ServiceError::from(Rejection::InsufficientSeats { requested: 6, available: 4 }).into(),
            409,
            "insufficient-seats",
            false,
        ),
        (
            ServiceError::from(Rejection::PreconditionFailed { current: Version(8) }).into(),
            412,
            "precondition-failed",
            false,
        ),
        (ServiceError::from(Rejection::KeyReused).into(), 422, "idempotency-key-reused", false),
        (ServiceError::UnknownEvent(EventId::parse("show").expect("a good id")).into(), 404, "not-found", false),
        (ServiceError::VersionConflict.into(), 409, "version-conflict", true),
        (ServiceError::Overloaded.into(), 503, "overloaded", true),
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
    for (problem, status, code, retryable) in every_problem() {
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
        assert!(!body.to_string().contains("secret"), "{code} tells what only the log may hold");
        let waits = retryable || status == 503;
        assert_eq!(header(header::RETRY_AFTER), waits.then_some("1"), "{code}");
    }
}

#[test]
fn a_problem_carries_what_helps() {
    let body = |problem: Problem| answer(&problem).1;
    let rejected = |rejection: Rejection| Problem::from(ServiceError::from(rejection));

    let invalid = body(Problem::invalid("seats", "must be an integer from 1 to 10"));
    assert_eq!(invalid["errors"], json!([{ "field": "seats", "message": "must be an integer from 1 to 10" }]));
    assert_eq!(invalid["detail"], "seats must be an integer from 1 to 10.");

    let sold_out = body(rejected(Rejection::InsufficientSeats { requested: 6, available: 4 }));
    assert_eq!(sold_out["availableSeats"], 4);
    assert!(sold_out.get("errors").is_none() && sold_out.get("currentVersion").is_none());

    assert_eq!(
        body(ServiceError::OutcomeUnknown(Some(reservation_id())).into())["reservationId"],
        json!(reservation_id())
    );

    let failed = rejected(Rejection::PreconditionFailed { current: Version(8) });
    let (response, moved_on) = answer(&failed);
    assert_eq!(moved_on["currentVersion"], 8);
    assert_eq!(response.headers().get(header::ETAG).expect("the current tag"), "\"8\"");

    let (response, _) = answer(&Problem::MethodNotAllowed { allow: "GET, HEAD" });
    assert_eq!(response.headers().get(header::ALLOW).expect("the methods"), "GET, HEAD");
}
