//! Digests of what partners send: the fingerprint of a request, and the ids derived from idempotency keys.

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{IdSalt, IdempotencyKey, PartnerId, SeatCount};

/// What a request asked for, as a digest: two requests under one key are the same request when these agree.
///
/// Only the fields of the body count; `If-Match` does not, since a retry may well carry another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(pub Uuid);

impl Fingerprint {
    /// The fingerprint of a request for `seats` seats by `partner`.
    #[must_use]
    pub fn of_reserve(partner: &PartnerId, seats: SeatCount) -> Self {
        let mut digest = Sha256::new();
        for (name, value) in
            [("partnerId", partner.as_str().as_bytes()), ("seats", seats.get().to_be_bytes().as_slice())]
        {
            digest.update(length(name.as_bytes()));
            digest.update(name);
            digest.update(length(value));
            digest.update(value);
        }
        Self(uuid_from(&digest.finalize()))
    }
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
            Fingerprint::of_reserve(&partner, SeatCount::parse(seats, 10).expect("a good count"))
        };
        assert_eq!(of("acme", 2), of("acme", 2));
        assert_ne!(of("acme", 2), of("acme", 3));
        assert_ne!(of("acme", 2), of("acmf", 2));
    }
}
