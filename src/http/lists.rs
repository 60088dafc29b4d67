//! Lists of reservations, and what is common to all lists: pages, and the way from one to the next.

use std::fmt::Write as _;

use actix_web::{HttpRequest, HttpResponse, http::header, web::Data};
use jiff::Timestamp;
use serde::Serialize;

use super::{
    Desk, Problem,
    cursor::ListId,
    query::{Parameters, encoded},
    shape::ReservationBody,
};
use crate::{
    domain::{EventId, InvalidValue, Moment, PartnerId, Rounding, Status},
    store::{Place, ReservationPage, ReservationQuery, Scope},
};

/// The most items of one page.
const LIMIT_MAX: usize = 100;

/// The items of a page when nothing is said.
const LIMIT_DEFAULT: usize = 20;

/// `GET /events/{eventId}/reservations`: those of one event, in the order in which they were made.
pub(super) async fn of_event(
    desk: Data<Desk>,
    event_id: EventId,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let path = format!("/events/{event_id}/reservations");
    let mut parameters = Parameters::of(&request);
    let partner_id = parameters.take("partnerId", PartnerId::parse);
    let scope = match partner_id {
        Some(partner_id) => Scope::PartnerOfEvent(partner_id, event_id.clone()),
        None => Scope::Event(event_id.clone()),
    };
    let list = List::parse(path, scope, parameters)?;

    // Of an event that does not exist there are no reservations, which is not what was asked.
    desk.box_office.event(&event_id).await?;
    list.answer(&desk).await
}

/// `GET /partners/{partnerId}/reservations`: a partner's, event by event.
pub(super) async fn of_partner(
    desk: Data<Desk>,
    partner_id: PartnerId,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let path = format!("/partners/{}/reservations", encoded(partner_id.as_str()));
    let list = List::parse(path, Scope::Partner(partner_id), Parameters::of(&request))?;

    list.answer(&desk).await
}

/// A list of reservations as it was asked for.
struct List {
    id: ListId,
    path: String,
    /// The parameters as they were sent.
    sent: Vec<(&'static str, String)>,
    query: ReservationQuery,
}

impl List {
    fn parse(path: String, scope: Scope, mut parameters: Parameters) -> Result<Self, Problem> {
        let status = parameters.take("status", parse_status);
        // Reservations are made at whole milliseconds, so that both bounds move up to the next one without letting in or
        // keeping out another reservation.
        let created_from = parameters.take("createdFrom", parse_bound);
        let created_to = parameters.take("createdTo", parse_bound);
        let limit = take_limit(&mut parameters);

        let partner = match &scope {
            Scope::PartnerOfEvent(partner_id, _) => partner_id.as_str(),
            Scope::Event(_) | Scope::Partner(_) => "",
        };
        let moment = |at: Option<Timestamp>| at.map(|at| at.to_string()).unwrap_or_default();
        let filters = [partner, status.map_or("", Status::as_str), &moment(created_from), &moment(created_to)];
        let id = ListId::of(&path, &filters);
        let after = parameters.take("cursor", |cursor| id.place(cursor));
        let sent = parameters.finish()?;
        Ok(Self { id, path, sent, query: ReservationQuery { scope, status, created_from, created_to, after, limit } })
    }

    async fn answer(&self, desk: &Desk) -> Result<HttpResponse, Problem> {
        let limit = self.query.limit;
        let one_more = ReservationQuery { limit: limit + 1, ..self.query.clone() };
        let ReservationPage { reservations, next } = desk.box_office.reservations(&one_more).await?;

        let page = Page::of(reservations, limit, |last| self.id.after_place(&Place::of(last)));
        // One that was broken off before it was full goes on where that was.
        let Page { items, next_cursor } = page.or_next(|| next.map(|next| self.id.after_place(&next)));
        let positions = desk.box_office.waitlist_positions(&items).await?;
        let page = Page { items: items.into_iter().zip(positions).collect(), next_cursor };
        Ok(page.answer(&self.path, &self.sent, |(reservation, position)| ReservationBody::new(reservation, *position)))
    }
}

/// A bound in time. Reservations are made at times of the clock, so a bound beyond those is as good as the last of them.
fn parse_bound(text: &str) -> Result<Timestamp, InvalidValue> {
    Moment::parse_with_dates(text, Rounding::Up).map(Moment::to_timestamp)
}

fn parse_status(text: &str) -> Result<Status, InvalidValue> {
    let found = Status::ALL.into_iter().find(|status| status.as_str() == text);
    found.ok_or_else(|| InvalidValue(format!("must be one of {}", Status::ALL.map(Status::as_str).join(", "))))
}

/// Takes `limit`, or what it is when nothing is said.
pub(super) fn take_limit(parameters: &mut Parameters) -> usize {
    let parse = |text: &str| {
        let digits = Some(text).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        let limit = digits.and_then(|digits| digits.parse().ok()).filter(|limit| (1..=LIMIT_MAX).contains(limit));
        limit.ok_or_else(|| InvalidValue(format!("must be an integer from 1 to {LIMIT_MAX}")))
    };
    parameters.take("limit", parse).unwrap_or(LIMIT_DEFAULT)
}

/// One page of a list.
pub(super) struct Page<T> {
    items: Vec<T>,
    next_cursor: Option<String>,
}

/// A page as partners see it. `nextCursor` is always there, and null on the last page.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PageBody<'a, B> {
    items: Vec<B>,
    next_cursor: Option<&'a str>,
}

impl<T> Page<T> {
    /// The first `limit` of `items`; one more of them tells that there is another page, for which `cursor` is made of the
    /// last one shown.
    pub(super) fn of(mut items: Vec<T>, limit: usize, cursor: impl FnOnce(&T) -> String) -> Self {
        let more = items.len() > limit;
        items.truncate(limit);
        let next_cursor = items.last().filter(|_| more).map(cursor);
        Self { items, next_cursor }
    }

    /// The same page, followed by the one at `cursor` if it does not know of another.
    pub(super) fn or_next(self, cursor: impl FnOnce() -> Option<String>) -> Self {
        Self { next_cursor: self.next_cursor.or_else(cursor), ..self }
    }

    /// The answer, with a link to the next page that keeps the parameters that were `sent`.
    pub(super) fn answer<'a, B: Serialize>(
        &'a self,
        path: &str,
        sent: &[(&'static str, String)],
        shape: impl Fn(&'a T) -> B,
    ) -> HttpResponse {
        let mut response = HttpResponse::Ok();
        response.insert_header((header::CACHE_CONTROL, "no-cache"));
        if let Some(cursor) = &self.next_cursor {
            let mut link = format!("<{path}?");
            for (name, value) in sent.iter().filter(|(name, _)| *name != "cursor") {
                // Writing to a string cannot fail.
                let _ = write!(link, "{name}={}&", encoded(value));
            }
            response.insert_header((header::LINK, format!("{link}cursor={cursor}>; rel=\"next\"")));
        }
        let items = self.items.iter().map(shape).collect();
        response.json(PageBody { items, next_cursor: self.next_cursor.as_deref() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_knows_whether_another_follows() {
        let cursor = |last: &i32| format!("after-{last}");
        for (items, shown, next) in
            [(vec![], vec![], None), (vec![1, 2], vec![1, 2], None), (vec![1, 2, 3], vec![1, 2], Some("after-2"))]
        {
            let page = Page::of(items, 2, cursor);
            assert_eq!((page.items, page.next_cursor.as_deref()), (shown, next));
        }
    }

    #[test]
    fn an_empty_page_may_lead_on() {
        let broken_off = Page::of(Vec::<i32>::new(), 2, |_| unreachable!("nothing was found"));
        let answer = broken_off.or_next(|| Some("further".to_owned())).answer("/events", &[], |number| *number);
        assert_eq!(answer.headers().get(header::LINK).expect("a link"), "</events?cursor=further>; rel=\"next\"");
        // A page that is full goes on behind what it shows, however far was looked.
        let full = Page::of(vec![1, 2, 3], 2, |last| format!("after-{last}")).or_next(|| Some("further".to_owned()));
        assert_eq!(full.next_cursor.as_deref(), Some("after-2"));
        assert_eq!(Page::of(vec![1], 2, |_| String::new()).or_next(|| None).next_cursor, None, "the end");
    }

    #[test]
    fn the_link_keeps_what_was_sent() {
        let page = Page::of(vec![1, 2], 1, |_| "c".to_owned());
        let sent = [("partnerId", "ü&b".to_owned()), ("cursor", "old".to_owned()), ("limit", "1".to_owned())];
        let answer = page.answer("/events", &sent, |number| *number);
        let link = answer.headers().get(header::LINK).expect("there is more");
        assert_eq!(link, "</events?partnerId=%C3%BC%26b&limit=1&cursor=c>; rel=\"next\"");
        let last =
            Page::of(vec![1], 1, |_| "c".to_owned()).answer("/events", &sent, |number| *number).headers().clone();
        assert!(!last.contains_key(header::LINK));
    }
}
