//! Collections, validators and indexes. The validators are the last line: they refuse what no rule can have produced.

use bson::{Document, RawDocumentBuf, doc, rawdoc};
use tokio::time::Instant;

use super::{
    deployment::{CommandError, Deployment},
    documents::FORMAT,
};
use crate::{domain::Status, store::StoreError};

/// Events; see [`super::documents::EventDocument`].
pub(super) const EVENTS: &str = "events";
/// Reservations; see [`super::documents::ReservationDocument`].
pub(super) const RESERVATIONS: &str = "reservations";
/// One document per process, written to hasten the proof of a read; see [`super::proof`].
pub(super) const PULSES: &str = "pulses";
/// The index by which events with a journal are found. Its key never changes, so commits do not move it.
pub(super) const JOURNALED: &str = "journaled";
/// The index of events that need looking after without being asked.
pub(super) const DUE: &str = "due";
/// The index of an event's reservations in the order of their places in lists.
pub(super) const BY_PLACE: &str = "place";
/// The same of a partner's.
pub(super) const BY_PARTNER: &str = "partner";
/// The index of those who wait, in the order in which they joined. It has the status although that is the same in all of
/// it, so that they can be counted without a look at the documents, where the filter's status would else be checked.
pub(super) const WAITLIST: &str = "waitlist";
/// The index of holds in the order in which they lapse.
pub(super) const HOLDS: &str = "holds";

/// How long the pulse of a process that is gone stays.
const PULSE_EXPIRES_AFTER_SECS: i32 = 24 * 60 * 60;

/// Makes what is missing, and brings the validators up to date. Safe to run in many processes at once.
pub(super) async fn prepare(deployment: &Deployment, deadline: Instant) -> Result<(), StoreError> {
    let journaled = doc! {
        "name": JOURNALED,
        "key": { "format": 1, "_id": 1 },
        "partialFilterExpression": { "journal": { "$gt": {} } },
    };
    let due = doc! {
        "name": DUE,
        "key": { "dueAt": 1, "_id": 1 },
        "partialFilterExpression": { "dueAt": { "$exists": true } },
    };
    let expiry = doc! { "name": "expiry", "key": { "at": 1 }, "expireAfterSeconds": PULSE_EXPIRES_AFTER_SECS };
    let events = async {
        collection(deployment, EVENTS, event_validator(), deadline).await?;
        indexes(deployment, EVENTS, [journaled, due], deadline).await
    };
    let reservations = async {
        collection(deployment, RESERVATIONS, reservation_validator(), deadline).await?;
        indexes(deployment, RESERVATIONS, reservation_indexes(), deadline).await
    };
    tokio::try_join!(events, reservations, indexes(deployment, PULSES, [expiry], deadline)).map(drop)
}

/// Every index costs settling speed. The full ones are on fields that never change, so a changed reservation moves only in
/// those of its status.
fn reservation_indexes() -> [Document; 4] {
    let of_status = |status: Status| doc! { "status": status.as_str() };
    [
        doc! { "name": BY_PLACE, "key": { "eventId": 1, "createdAt": 1, "createdVersion": 1 } },
        doc! { "name": BY_PARTNER, "key": { "partnerId": 1, "eventId": 1, "createdAt": 1, "createdVersion": 1 } },
        doc! {
            "name": WAITLIST,
            "key": { "eventId": 1, "status": 1, "createdVersion": 1 },
            "partialFilterExpression": of_status(Status::Waitlisted),
        },
        doc! {
            "name": HOLDS,
            "key": { "eventId": 1, "expiresAt": 1, "createdVersion": 1 },
            "partialFilterExpression": of_status(Status::Held),
        },
    ]
}

async fn collection(
    deployment: &Deployment,
    name: &str,
    validator: Document,
    deadline: Instant,
) -> Result<(), StoreError> {
    const EXISTS: &str = "NamespaceExists";
    let create = raw(&doc! { "create": name, "validator": &validator })?;
    match deployment.run(create, deadline).await {
        Ok(_) => return Ok(()),
        Err(CommandError::Refused(why) | CommandError::Unclear(why)) if why.contains(EXISTS) => {}
        Err(error) => return Err(error.into()),
    }
    let list = rawdoc! { "listCollections": 1, "filter": { "name": name } };
    let reply = deployment.run(list, deadline).await?;
    let stands =
        reply.get_document("cursor").and_then(|cursor| cursor.get_array("firstBatch")).ok().and_then(|batch| {
            batch.first()?.as_document()?.get_document("options").ok()?.get_document("validator").ok()
        });
    if stands == Some(&validator) {
        return Ok(());
    }
    let change = raw(&doc! { "collMod": name, "validator": validator })?;
    match deployment.run(change, deadline).await {
        Ok(_) => Ok(()),
        // The rules hold without validators too; a role without collMod is no reason not to sell.
        Err(CommandError::Forbidden(why)) => {
            log::warn!("the validator of {name} is out of date and may not be changed with this MONGO_URI: {why}");
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

async fn indexes(
    deployment: &Deployment,
    name: &str,
    indexes: impl IntoIterator<Item = Document>,
    deadline: Instant,
) -> Result<(), StoreError> {
    let create = raw(&doc! { "createIndexes": name, "indexes": indexes.into_iter().collect::<Vec<_>>() })?;
    deployment.run(create, deadline).await?;
    Ok(())
}

fn raw(command: &Document) -> Result<RawDocumentBuf, StoreError> {
    RawDocumentBuf::try_from(command).map_err(|why| StoreError::Unreadable(why.to_string()))
}

fn event_validator() -> Document {
    let count = doc! { "bsonType": ["int", "long"], "minimum": 0 };
    doc! {
        "$jsonSchema": {
            "bsonType": "object",
            "required": [
                "_id", "format", "name", "totalSeats", "availableSeats", "confirmedSeats", "heldSeats",
                "reservationCount", "holdCount", "waitlistCount", "version", "head", "idSalt", "journal",
            ],
            "properties": {
                "_id": { "bsonType": "string", "pattern": "^[a-z0-9-]{1,64}$" },
                "format": { "enum": [FORMAT] },
                "name": { "bsonType": "string", "minLength": 1 },
                "details": { "bsonType": "object" },
                "quotas": { "bsonType": "object" },
                "sales": { "enum": ["open", "paused", "closed"] },
                "totalSeats": &count,
                "availableSeats": &count,
                "confirmedSeats": &count,
                "heldSeats": &count,
                "reservationCount": &count,
                "holdCount": &count,
                "waitlistCount": &count,
                "version": { "bsonType": "long", "minimum": 0 },
                "head": { "bsonType": "binData" },
                "idSalt": { "bsonType": "binData" },
                "dueAt": { "bsonType": "date" },
                "seatMap": { "bsonType": "object" },
                "seats": { "bsonType": "object" },
                "operations": { "bsonType": "array" },
                "journal": { "bsonType": "object" },
            },
        },
        "$expr": { "$eq": ["$totalSeats", { "$add": ["$availableSeats", "$confirmedSeats", "$heldSeats"] }] },
    }
}

/// Checked for every reservation that is settled, so it is made of comparisons, which the server does in a quarter of the
/// time that `$jsonSchema` and `$expr` take for the same. A comparison also refuses values of other types, and absent ones.
fn reservation_validator() -> Document {
    doc! {
        "format": FORMAT,
        "eventId": { "$gt": "" },
        "partnerId": { "$gt": "" },
        "seats": { "$gte": 1 },
        "status": { "$in": Status::ALL.map(Status::as_str).to_vec() },
        "version": { "$gte": 1 },
        "createdVersion": { "$gte": 1 },
        "createdAt": { "$type": "date" },
        "operations.0": { "$exists": true },
    }
}
