//! Events: make, list, look at, amend.

use actix_web::{HttpRequest, HttpResponse, http::header, web::Data};

use super::{
    Desk, Problem,
    body::{JsonBody, Patch, Plan},
    conditions,
    cursor::ListId,
    event_bodies::{AmendBody, NewEventBody},
    lists::{self, Page},
    query::Parameters,
    shape::{EventBody, SummaryBody, fresh_or, replayed},
};
use crate::{
    domain::EventId,
    service::{ServiceError, Terms},
};

/// `POST /events`: a new event.
pub(super) async fn create(
    desk: Data<Desk>,
    terms: Terms,
    body: JsonBody<Plan>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let new = NewEventBody::parse(&body, desk.seats_per_reservation_max)?;
    conditions::check_creation(request.headers())?;

    let known = new.id.is_some() || terms.key.is_some();
    let answer = desk.box_office.create_event(new, terms).await.map_err(|error| match error {
        ServiceError::OutcomeUnknown(None) if !known => Problem::UnkeyedOutcomeUnknown(None),
        other => other.into(),
    })?;

    Ok(replayed(HttpResponse::Created(), answer.replayed)
        .insert_header((header::LOCATION, format!("/events/{}", answer.subject.id)))
        .insert_header((header::ETAG, conditions::etag(answer.subject.version)))
        .json(EventBody::from(&*answer.subject)))
}

/// `GET /events`: all events, in the order of their ids.
pub(super) async fn list(desk: Data<Desk>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let path = "/events";
    let id = ListId::of(path, &[]);
    let mut parameters = Parameters::of(&request);
    let limit = lists::take_limit(&mut parameters);
    let after = parameters.take("cursor", |cursor| id.event(cursor));
    let sent = parameters.finish()?;

    let events = desk.box_office.events(after.as_ref(), limit + 1).await?;

    let page = Page::of(events, limit, |last| id.after_event(&last.id));
    Ok(page.answer(path, &sent, EventBody::from))
}

/// `GET /events/{eventId}`: the event, or 304 to a client that has it as it is.
pub(super) async fn show(desk: Data<Desk>, event_id: EventId, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let event = desk.box_office.event(&event_id).await?;

    fresh_or(&request, event.version, |mut ok| ok.json(EventBody::from(&event.summary())))
}

/// `PATCH /events/{eventId}`: other terms. Only at a version that the client has seen: the event may have been amended by
/// somebody else since.
pub(super) async fn amend(
    desk: Data<Desk>,
    event_id: EventId,
    terms: Terms,
    body: JsonBody<Patch>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    if !request.headers().contains_key(header::IF_MATCH) {
        return Err(Problem::PreconditionRequired);
    }
    let amend = AmendBody::parse(&body, desk.seats_per_reservation_max)?;

    let asked = desk.box_office.amend_event(&event_id, amend, terms).await;
    let answer = asked.map_err(|error| conditions::explained(request.headers(), error))?;

    Ok(replayed(HttpResponse::Ok(), answer.replayed)
        .insert_header((header::ETAG, conditions::etag(answer.subject.version)))
        .json(EventBody::from(&*answer.subject)))
}

/// `GET /reservations`: the configured event in numbers, or 304 to a client that has it as it is.
pub(super) async fn summary(desk: Data<Desk>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let event = desk.box_office.event(&desk.event_id).await.map_err(of_configured_event)?;

    fresh_or(&request, event.version, |mut ok| ok.json(SummaryBody::from(&event.summary())))
}

/// The problem behind `error` on a path that serves the configured event: that one is never unknown, only not made yet.
pub(super) fn of_configured_event(error: ServiceError) -> Problem {
    match error {
        ServiceError::UnknownEvent(_) => Problem::EventNotOpen,
        other => other.into(),
    }
}
