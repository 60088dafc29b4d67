//! Digests of what partners send: the fingerprint of a request, and the ids derived from idempotency keys.

use std::num::NonZeroU32;

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{
    Amend, Description, Event, EventId, EventName, IdSalt, IdempotencyKey, Location, Moment, OperationId, PartnerId,
    Price, Reserve, Sales,
};

/// What a request asked for, as a digest: two requests under one key are the same request when these agree.
///
/// Only the fields of the body count; `If-Match` does not, since a retry may well carry another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(pub Uuid);

impl Fingerprint {
    /// The fingerprint of a request for seats.
    #[must_use]
    pub fn of_reserve(reserve: &Reserve) -> Self {
        let mut fields = Fields::default();
        fields.add("partnerId", reserve.partner_id.as_str().as_bytes());
        if reserve.seat_ids.is_empty() {
            fields.add("seats", &reserve.seats.get().to_be_bytes());
        }
        for seat in reserve.seat_ids.iter() {
            fields.add("seatIds", seat.to_string().as_bytes());
        }
        if reserve.waitlist {
            fields.add("waitlist", &[1]);
        }
        if let Some(hold) = reserve.hold {
            fields.add("holdSeconds", &hold.get().to_be_bytes());
        }
        fields.digest()
    }

    /// The fingerprint of a request for another `amend`ed event.
    #[must_use]
    pub fn of_amend(amend: &Amend) -> Self {
        let mut fields = Fields::default();
        fields.add_text("name", amend.name.as_ref().map(EventName::as_str));
        fields.add_clearable("description", amend.description.as_ref(), |text| text.as_str().into());
        fields.add_clearable("startsAt", amend.starts_at.as_ref(), |at| at.as_millisecond().to_be_bytes().into());
        fields.add_clearable("location", amend.location.as_ref(), |text| text.as_str().into());
        fields.add_clearable("price", amend.price.as_ref(), price_bytes);
        let number = |max: &NonZeroU32| max.get().to_be_bytes().into();
        fields.add_clearable("seatsPerReservationMax", amend.seats_per_reservation_max.as_ref(), number);
        fields.add_clearable("seatsPerPartnerMax", amend.seats_per_partner_max.as_ref(), number);
        fields.add_clearable("reservationsPerPartnerMax", amend.reservations_per_partner_max.as_ref(), number);
        fields.add_text("sales", amend.sales.map(Sales::as_str));
        if let Some(total_seats) = amend.total_seats {
            fields.add("totalSeats", &total_seats.to_be_bytes());
        }
        fields.digest()
    }

    /// The fingerprint of a request for a new event, of which `event` is what it asked for.
    #[must_use]
    pub fn of_event(event: &Event) -> Self {
        let mut fields = Fields::default();
        fields.add("eventId", event.id.as_str().as_bytes());
        fields.add_text("name", Some(event.name.as_str()));
        let details = &event.details;
        fields.add_text("description", details.description.as_ref().map(Description::as_str));
        fields.add_number("startsAt", details.starts_at.map(Moment::as_millisecond));
        fields.add_text("location", details.location.as_ref().map(Location::as_str));
        if let Some(price) = &details.price {
            fields.add("price", &price_bytes(price));
        }
        let number = |max: Option<NonZeroU32>| max.map(|max| i64::from(max.get()));
        fields.add_number("seatsPerReservationMax", number(event.quotas.seats_per_reservation_max));
        fields.add_number("seatsPerPartnerMax", number(event.quotas.seats_per_partner_max));
        fields.add_number("reservationsPerPartnerMax", number(event.quotas.reservations_per_partner_max));
        match &event.hall {
            None => fields.add_number("totalSeats", Some(i64::from(event.total_seats))),
            Some(hall) => {
                for row in hall.map().rows() {
                    fields.add("row", row.label.as_str().as_bytes());
                    fields.add("seats", &row.seats.to_be_bytes());
                }
                for seat in hall.map().blocked() {
                    fields.add("blocked", seat.to_string().as_bytes());
                }
            }
        }
        fields.digest()
    }
}

/// A digest over named values, each with its length before it, so that no two requests spell the same message.
#[derive(Default)]
struct Fields(Sha256);

impl Fields {
    fn add(&mut self, name: &str, value: &[u8]) {
        for part in [name.as_bytes(), value] {
            self.0.update(length(part));
            self.0.update(part);
        }
    }

    fn add_text(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.add(name, value.as_bytes());
        }
    }

    fn add_number(&mut self, name: &str, value: Option<i64>) {
        if let Some(value) = value {
            self.add(name, &value.to_be_bytes());
        }
    }

    /// A value that may also be taken away, which is not the same as leaving it as it is.
    fn add_clearable<T>(&mut self, name: &str, value: Option<&Option<T>>, bytes: impl Fn(&T) -> Vec<u8>) {
        match value {
            Some(Some(value)) => self.add(name, &bytes(value)),
            Some(None) => self.add("taken away", name.as_bytes()),
            None => {}
        }
    }

    fn digest(self) -> Fingerprint {
        Fingerprint(uuid_from(&self.0.finalize()))
    }
}

fn price_bytes(price: &Price) -> Vec<u8> {
    let mut bytes = price.amount.to_be_bytes().to_vec();
    bytes.extend_from_slice(price.currency.as_str().as_bytes());
    bytes
}

/// The id of an event that is made under `key` by somebody who chose none: the same for every retry.
#[must_use]
#[expect(clippy::missing_panics_doc, reason = "it is made of letters, digits and a dash, and short enough")]
pub fn keyed_event_id(key: &IdempotencyKey) -> EventId {
    let uuid = uuid_from(&Sha256::digest(key.as_str().as_bytes()));
    EventId::parse(&format!("event-{}", uuid.simple())).expect("a good event id")
}

/// The uuid of the reservation that `partner` makes under `key`: the same for every retry, and unguessable without the
/// event's salt. Partner and key are length-prefixed, so no two pairs spell the same message.
#[must_use]
#[expect(clippy::missing_panics_doc, reason = "HMAC takes a key of any length (RFC 2104 section 2)")]
pub fn keyed_uuid(salt: &IdSalt, partner: &PartnerId, key: &IdempotencyKey) -> Uuid {
    let mut mac = Hmac::<Sha256>::new_from_slice(&salt.0).expect("HMAC takes a key of any length");
    for part in [partner.as_str(), key.as_str()] {
        mac.update(&length(part.as_bytes()));
        mac.update(part.as_bytes());
    }
    uuid_from(&mac.finalize().into_bytes())
}

/// The uuid of the record of an operation on a reservation, or on the event itself: the same for every retry, and unlike any
/// other's. What it is about is part of it, so that a key may be used once for each.
pub(super) fn operation_uuid(salt: &IdSalt, about: Option<Uuid>, operation: &OperationId) -> Option<Uuid> {
    let (kind, id) = match operation {
        OperationId::Key(key) => ("key", key.as_str().as_bytes()),
        OperationId::Minted(uuid) => ("minted", uuid.as_bytes().as_slice()),
        OperationId::Unasked => return None,
    };
    let mut mac = Hmac::<Sha256>::new_from_slice(&salt.0).expect("HMAC takes a key of any length");
    let about = about.map_or_else(Vec::new, |uuid| uuid.as_bytes().to_vec());
    for part in [b"operation".as_slice(), kind.as_bytes(), &about, id] {
        mac.update(&length(part));
        mac.update(part);
    }
    Some(uuid_from(&mac.finalize().into_bytes()))
}

/// The first 16 bytes of a digest as a version 8 uuid (RFC 9562 section 5.8).
fn uuid_from(digest: &[u8]) -> Uuid {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    Uuid::new_v8(bytes)
}

fn length(bytes: &[u8]) -> [u8; 8] {
    (bytes.len() as u64).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{HoldSeconds, SeatCount, SeatId};

    fn uuid(salt: u8, partner: &str, key: &str) -> Uuid {
        let partner = PartnerId::parse(partner).expect("a good partner");
        keyed_uuid(&IdSalt([salt; 32]), &partner, &IdempotencyKey::parse(key).expect("a good key"))
    }

    #[test]
    fn a_key_names_one_reservation_per_partner_and_event() {
        let id = uuid(1, "acme", "k1");
        assert_eq!(id, uuid(1, "acme", "k1"));
        assert_eq!(id.get_version_num(), 8);
        for other in [uuid(2, "acme", "k1"), uuid(1, "acme", "k2"), uuid(1, "acm", "ek1"), uuid(1, "acmek", "1")] {
            assert_ne!(id, other);
        }
    }

    #[test]
    fn a_fingerprint_tells_other_requests_apart() {
        let of = |partner: &str, seats| {
            let partner = PartnerId::parse(partner).expect("a good partner");
            Reserve::any(Uuid::nil(), partner, SeatCount::parse(seats, 10).expect("a good count"))
        };
        let seat = |text| SeatId::parse(text).expect("a good seat");
        let two = of("acme", 2);
        assert_eq!(Fingerprint::of_reserve(&two), Fingerprint::of_reserve(&of("acme", 2)));
        let others = [
            of("acme", 3),
            of("acmf", 2),
            Reserve { waitlist: true, ..two.clone() },
            Reserve { hold: Some(HoldSeconds::parse(2, 2).expect("a hold")), ..two.clone() },
            Reserve { seat_ids: [seat("A1"), seat("A2")].into(), ..two.clone() },
            Reserve { seat_ids: [seat("A1"), seat("A3")].into(), ..two.clone() },
        ];
        for (index, other) in others.iter().enumerate() {
            let fingerprint = Fingerprint::of_reserve(other);
            assert_ne!(fingerprint, Fingerprint::of_reserve(&two), "{other:?}");
            for another in &others[..index] {
                assert_ne!(fingerprint, Fingerprint::of_reserve(another), "{other:?} and {another:?}");
            }
        }
    }

    #[test]
    fn taking_a_detail_away_is_not_leaving_it_as_it_is() {
        let nothing = Amend::default();
        let cleared = Amend { location: Some(None), ..Amend::default() };
        let other = Amend { description: Some(None), ..Amend::default() };
        assert_ne!(Fingerprint::of_amend(&nothing), Fingerprint::of_amend(&cleared));
        assert_ne!(Fingerprint::of_amend(&other), Fingerprint::of_amend(&cleared));
    }
}
