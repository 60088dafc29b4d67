//! What somebody most likely meant by a name that means nothing here: other services have other words for the same.

use std::borrow::Cow;

/// Words of other services, without capitals, dashes and underscores, and ours for the same. Of several the first one counts that
/// the request takes.
const SYNONYMS: &[(&str, &[&str])] = &[
    ("amount", &["seats", "totalSeats"]),
    ("before", &["createdTo"]),
    ("bookingid", &["reservationId"]),
    ("capacity", &["totalSeats"]),
    ("clientid", &["partnerId"]),
    ("count", &["seats", "limit"]),
    ("customer", &["partnerId"]),
    ("customerid", &["partnerId"]),
    ("date", &["startsAt"]),
    ("enddate", &["createdTo"]),
    ("eventname", &["name"]),
    ("from", &["createdFrom"]),
    ("hold", &["holdSeconds"]),
    ("holdfor", &["holdSeconds"]),
    ("id", &["eventId"]),
    ("maxseats", &["seatsPerReservationMax", "totalSeats"]),
    ("next", &["cursor"]),
    ("nextcursor", &["cursor"]),
    ("number", &["seats"]),
    ("numberofseats", &["seats", "totalSeats"]),
    ("numseats", &["seats", "totalSeats"]),
    ("offset", &["cursor"]),
    ("page", &["cursor"]),
    ("pagenumber", &["cursor"]),
    ("pagesize", &["limit"]),
    ("partner", &["partnerId"]),
    ("perpage", &["limit"]),
    ("place", &["location"]),
    ("qty", &["seats", "totalSeats"]),
    ("quantity", &["seats", "totalSeats"]),
    ("seat", &["seats", "seatIds"]),
    ("seatcount", &["seats", "totalSeats"]),
    ("seatnumbers", &["seatIds"]),
    ("seatscount", &["seats", "totalSeats"]),
    ("since", &["createdFrom"]),
    ("size", &["limit"]),
    ("skip", &["cursor"]),
    ("start", &["startsAt"]),
    ("startdate", &["startsAt", "createdFrom"]),
    ("starttime", &["startsAt"]),
    ("state", &["status", "sales"]),
    ("ticketcount", &["seats", "totalSeats"]),
    ("tickets", &["seats", "totalSeats"]),
    ("title", &["name"]),
    ("to", &["createdTo"]),
    ("top", &["limit"]),
    ("total", &["totalSeats"]),
    ("totaltickets", &["totalSeats"]),
    ("ttl", &["holdSeconds"]),
    ("until", &["createdTo"]),
    ("user", &["partnerId"]),
    ("userid", &["partnerId"]),
    ("venue", &["location"]),
    ("wait", &["waitlist"]),
];

/// The longest name that is compared letter by letter; the longest of ours has 25.
const NAME_MAX_BYTES: usize = 32;

/// Which of the `known` names was most likely meant by `name`.
pub(super) fn meant(name: &str, known: &[&'static str]) -> Option<&'static str> {
    let plain = plain(name);
    let same = |known: &&&str| known.eq_ignore_ascii_case(&plain);
    if let Some(same) = known.iter().find(same) {
        return Some(same);
    }
    if let Some((_, ours)) = SYNONYMS.iter().find(|(word, _)| *word == plain) {
        return ours.iter().find_map(|ours| known.iter().find(|known| *known == ours)).copied();
    }
    nearest(&plain, known)
}

/// The one of `known` that differs from `plain` by a slip or two: more of them make another word.
fn nearest(plain: &str, known: &[&'static str]) -> Option<&'static str> {
    if !(3..=NAME_MAX_BYTES).contains(&plain.len()) {
        return None;
    }
    let distance = |known: &&&str| strsim::osa_distance(plain, &known.to_ascii_lowercase());
    let slips = if plain.len() > 5 { 2 } else { 1 };
    known.iter().min_by_key(distance).filter(|nearest| distance(nearest) <= slips).copied()
}

/// `name` without what people write differently.
fn plain(name: &str) -> String {
    name.chars().filter(|letter| !matches!(letter, '_' | '-')).map(|letter| letter.to_ascii_lowercase()).collect()
}

const LISTS: &str =
    "Reservations are listed by GET /events/{eventId}/reservations and GET /partners/{partnerId}/reservations.";
const RESERVE: &str = "A reservation is made by POST /reservations and shown by GET /reservations/{reservationId}.";
const RESERVE_AT: &str = "Seats of this event are reserved by POST /events/{eventId}/reservations.";
const CANCEL: &str = "A reservation is cancelled by DELETE /reservations/{reservationId}.";
const CONFIRM: &str = "A hold is confirmed by POST /reservations/{reservationId}/confirm.";
const SUMMARY: &str = "The event in numbers is GET /reservations, every event is GET /events/{eventId}, and its named seats are GET \
                       /events/{eventId}/seats.";
const PARTNERS: &str = "A partner's reservations are GET /partners/{partnerId}/reservations.";
const HEALTH: &str = "The probes are GET /health and GET /readyz.";
const DOCS: &str = "The contract is in docs/api.md, and GET / shows where to begin.";

/// The longest path that is repeated in an answer.
const PATH_MAX_CHARS: usize = 128;

/// What to ask for instead of a path that leads nowhere, if it looks like one that somebody may have guessed.
pub(super) fn right_path(path: &str) -> Option<Cow<'static, str>> {
    let lower = path.to_ascii_lowercase();
    let segments: Vec<&str> = lower.split('/').filter(|segment| !segment.is_empty()).collect();
    let is_prefix = |segment: &&&str| {
        matches!(**segment, "api" | "rest") || segment.strip_prefix('v').is_some_and(|rest| rest.parse::<u8>().is_ok())
    };
    let prefixes = segments.iter().take_while(is_prefix).count();
    let rest = &segments[prefixes..];
    if let Some(hint) = guessed(rest) {
        return Some(hint.into());
    }
    let is_ours = match rest {
        [] => true,
        [first, ..] => matches!(*first, "reservations" | "events" | "partners" | "health" | "livez" | "readyz"),
    };
    let as_sent = path.split('/').filter(|segment| !segment.is_empty()).skip(prefixes);
    if !is_ours || path.chars().count() > PATH_MAX_CHARS {
        return None;
    }
    // Ids are told apart by case, names of collections are not meant to be.
    let right = as_sent.enumerate().fold(String::new(), |right, (place, segment)| match place {
        0 => format!("/{}", segment.to_ascii_lowercase()),
        _ => format!("{right}/{segment}"),
    });
    let right = if right.is_empty() { "/" } else { &right };
    (right != path)
        .then(|| format!("Ask for {right}: these paths have no prefix, no capitals and single slashes.").into())
}

/// Paths of other services, and where the same is here.
fn guessed(segments: &[&str]) -> Option<&'static str> {
    Some(match segments {
        [
            "book" | "booking" | "bookings" | "reserve" | "reservation" | "order" | "orders" | "ticket" | "tickets"
            | "buy" | "purchase" | "purchases" | "hold" | "holds",
        ]
        | ["reservations", "new" | "create" | "book" | "reserve"] => RESERVE,
        ["events", _, "book" | "booking" | "bookings" | "reserve" | "tickets" | "orders" | "holds"] => RESERVE_AT,
        ["cancel" | "cancellations"]
        | ["cancel" | "bookings" | "booking", _]
        | ["bookings" | "reservations", _, "cancel"]
        | ["reservations", "cancel"] => CANCEL,
        ["confirm"] | ["confirm", _] | ["reservations", "confirm"] => CONFIRM,
        ["reservations", "all" | "list" | "search" | "mine" | "history" | "index"] => LISTS,
        ["status" | "summary" | "availability" | "stats" | "event" | "seats" | "capacity" | "inventory"]
        | ["reservations", "status" | "summary" | "availability" | "available" | "stats" | "count"]
        | ["events", _, "status" | "summary" | "availability" | "stats"] => SUMMARY,
        ["partner" | "partners" | "users" | "customers"] | ["partners", _] => PARTNERS,
        [
            "healthz" | "healthcheck" | "health-check" | "ping" | "live" | "alive" | "ready" | "readiness" | "liveness",
        ]
        | ["health", _] => HEALTH,
        [
            "docs" | "doc" | "swagger" | "api-docs" | "openapi" | "openapi.json" | "openapi.yaml" | "swagger.json"
            | "redoc",
        ] => DOCS,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_other_services_lead_to_ours() {
        let reserve = &["partnerId", "seats", "seatIds", "waitlist", "holdSeconds"][..];
        let event = &["name", "totalSeats", "seatMap", "startsAt", "location", "seatsPerReservationMax"][..];
        let list = &["partnerId", "status", "createdFrom", "createdTo", "limit", "cursor"][..];
        for (name, known, wanted) in [
            ("tickets", reserve, Some("seats")),
            ("quantity", reserve, Some("seats")),
            ("seats_count", reserve, Some("seats")),
            ("userId", reserve, Some("partnerId")),
            ("partner_id", reserve, Some("partnerId")),
            ("PARTNERID", reserve, Some("partnerId")),
            ("wait-list", reserve, Some("waitlist")),
            ("seatID", reserve, Some("seatIds")),
            ("totalTickets", event, Some("totalSeats")),
            ("total_seats", event, Some("totalSeats")),
            ("totalSeat", event, Some("totalSeats")),
            ("quantity", event, Some("totalSeats")),
            ("nmae", event, Some("name")),
            ("page", list, Some("cursor")),
            ("offset", list, Some("cursor")),
            ("per_page", list, Some("limit")),
            ("staus", list, Some("status")),
            ("tickets", list, None),
            ("quantity", &[], None),
            ("colour", reserve, None),
            ("note", event, None),
            ("x", reserve, None),
            ("", reserve, None),
            ("$where", reserve, None),
        ] {
            assert_eq!(meant(name, known), wanted, "{name}");
        }
    }

    #[test]
    fn guessed_paths_lead_to_the_right_ones() {
        for (path, wanted) in [
            ("/api/events", "Ask for /events"),
            ("/api/v1/reservations", "Ask for /reservations"),
            ("/v2/events/Show/seats", "Ask for /events/Show/seats"),
            ("/api", "Ask for /:"),
            ("/Reservations", "Ask for /reservations"),
            ("//reservations", "Ask for /reservations"),
            ("/API/Bookings", "POST /reservations"),
            ("/reservations/all", "GET /events/{eventId}/reservations"),
            ("/reservations/x/cancel", "DELETE /reservations/"),
            ("/book", "POST /reservations"),
            ("/status", "GET /reservations"),
            ("/cancel/x", "DELETE /reservations/"),
            ("/partners/acme", "/partners/{partnerId}/reservations"),
            ("/events/show/book", "POST /events/{eventId}/reservations"),
            ("/healthz", "GET /health"),
            ("/openapi.json", "docs/api.md"),
        ] {
            let hint = right_path(path).unwrap_or_else(|| panic!("{path} leads nowhere"));
            assert!(hint.contains(wanted), "{path}: {hint}");
        }
        for path in
            ["/nowhere", "/favicon.ico", "/events/show/x", "/reservations/x", "/vip/events", "/.env", "/wp-login.php"]
        {
            assert_eq!(right_path(path), None, "{path}");
        }
        assert_eq!(right_path(&format!("/api/events/{}", "x".repeat(8_000))), None);
    }

    #[test]
    fn the_synonyms_are_written_as_they_are_looked_for() {
        for (word, ours) in SYNONYMS {
            assert_eq!(plain(word), *word);
            assert!(!ours.is_empty() && ours.iter().all(|ours| ours.len() <= NAME_MAX_BYTES), "{word}");
        }
        assert!(SYNONYMS.is_sorted_by(|(one, _), (other, _)| one < other));
    }
}
