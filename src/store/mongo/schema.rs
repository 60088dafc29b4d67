//! Collections, validators and indexes. The validators are the last line: they refuse what no rule can have produced.

use bson::{Document, RawDocumentBuf, doc, rawdoc};
use tokio::time::Instant;

use super::{
    deployment::{CommandError, Deployment, Kind},
    documents::FORMAT,
};
use crate::{domain::Status, store::StoreError};

/// Events; see [`super::documents::EventDocument`].
pub(super) const EVENTS: &str = "events";
/// Reservations; see [`super::documents::ReservationDocument`].
pub(super) const RESERVATIONS: &str = "reservations";
/// Records of keyed operations; see [`super::documents::RecordDocument`].
pub(super) const OPERATIONS: &str = "operations";
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

/// One collection as it must be.
struct Wanted {
    name: &'static str,
    validator: Option<Document>,
    indexes: Vec<Document>,
}

/// Everything that must be there.
fn wanted() -> [Wanted; 4] {
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
    [
        Wanted { name: EVENTS, validator: Some(event_validator()), indexes: vec![journaled, due] },
        Wanted { name: RESERVATIONS, validator: Some(reservation_validator()), indexes: reservation_indexes().into() },
        Wanted { name: OPERATIONS, validator: Some(operation_validator()), indexes: Vec::new() },
        Wanted { name: PULSES, validator: None, indexes: vec![expiry] },
    ]
}

/// Makes what is missing, and brings the validators up to date. Safe to run in many processes at once.
pub(super) async fn prepare(deployment: &Deployment, deadline: Instant) -> Result<(), StoreError> {
    let prepare = async |Wanted { name, validator, indexes: wanted }: Wanted| {
        if let Some(validator) = validator {
            collection(deployment, name, validator, deadline).await?;
        }
        indexes(deployment, name, wanted, deadline).await
    };
    let [events, reservations, operations, pulses] = wanted();
    tokio::try_join!(prepare(events), prepare(reservations), prepare(operations), prepare(pulses)).map(drop)
}

/// Makes again what is missing, and says what that was. A validator that differs is left as it is: it may be another
/// version's, whose process prepares it at its start.
///
/// # Errors
/// `Misconfigured` when something stands there that must be changed by hand.
pub(super) async fn mend(deployment: &Deployment, deadline: Instant) -> Result<Vec<String>, StoreError> {
    let mut made = Vec::new();
    for Wanted { name, validator, indexes: wanted } in wanted() {
        let stands = listed(deployment, rawdoc! { "listCollections": 1, "filter": { "name": name } }, deadline).await?;
        let Some(stands) = stands.into_iter().next() else {
            if let Some(validator) = validator {
                collection(deployment, name, validator, deadline).await?;
            }
            indexes(deployment, name, wanted, deadline).await?;
            made.push(format!(
                "the collection {name} was not there and is made anew, empty; if it was dropped, what it held must come from \
                 a backup"
            ));
            continue;
        };
        let has_validator = stands.get_document("options").is_ok_and(|options| options.contains_key("validator"));
        if let Some(validator) = validator.filter(|_| !has_validator) {
            collection(deployment, name, validator, deadline).await?;
            made.push(format!("the validator of the collection {name} was missing and is made anew"));
        }
        let stand = listed(deployment, rawdoc! { "listIndexes": name }, deadline).await?;
        let missing = missing_of(name, wanted, &stand)?;
        if !missing.is_empty() {
            let names: Vec<_> =
                missing.iter().map(|index| index.get_str("name").unwrap_or_default().to_owned()).collect();
            indexes(deployment, name, missing, deadline).await?;
            made.push(format!("indexes of the collection {name} were missing and are made anew: {}", names.join(", ")));
        }
    }
    Ok(made)
}

/// Those of the indexes that are `wanted` which do not stand there.
fn missing_of(collection: &str, wanted: Vec<Document>, stand: &[Document]) -> Result<Vec<Document>, StoreError> {
    let mut missing = Vec::new();
    for index in wanted {
        let name = index.get_str("name").unwrap_or_default();
        let Some(found) = stand.iter().find(|found| found.get_str("name").is_ok_and(|found| found == name)) else {
            missing.push(index);
            continue;
        };
        let shape = |index: &Document| {
            let number = |value: &bson::Bson| {
                value.as_i32().map(i64::from).or(value.as_i64()).or_else(|| {
                    #[expect(clippy::cast_possible_truncation, reason = "an index's direction is 1 or -1")]
                    value.as_f64().map(|number| number as i64)
                })
            };
            let key = index.get_document("key").ok();
            let key =
                key.map(|key| key.iter().map(|(field, value)| (field.clone(), number(value))).collect::<Vec<_>>());
            (key, index.get_document("partialFilterExpression").ok().cloned())
        };
        let by_hand = |what: &str| {
            let why = format!("the index {name} of the collection {collection} {what}");
            Err(StoreError::Misconfigured(why))
        };
        if shape(found) != shape(&index) {
            return by_hand("is not the one that TicketBoss makes; drop it, and it is made anew");
        }
        if found.get_bool("hidden").unwrap_or(false) {
            return by_hand("is hidden, so that nothing can use it; unhide it");
        }
    }
    Ok(missing)
}

/// The documents that a listing command gives; none of a collection that is not there.
async fn listed(deployment: &Deployment, list: RawDocumentBuf, deadline: Instant) -> Result<Vec<Document>, StoreError> {
    let reply = match deployment.run(list, deadline).await {
        Ok(reply) => reply,
        Err(CommandError::Refused(why) | CommandError::Unclear(why)) if why.contains("NamespaceNotFound") => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(error.into()),
    };
    let batch = reply.get_document("cursor").and_then(|cursor| cursor.get_array("firstBatch"));
    let batch = batch.map_err(|_| StoreError::Unavailable("a listing came without its batch".to_owned()))?;
    Ok(batch.iter().filter_map(|item| item.as_document().cloned()).collect())
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
    let indexes: Vec<_> = indexes.into_iter().collect();
    if indexes.is_empty() {
        return Ok(());
    }
    let mut create = doc! { "createIndexes": name, "indexes": indexes };
    if deployment.kind(deadline).await? == Kind::ReplicaSet {
        // The server's default waits for all voting nodes, also for one that is down.
        create.insert("commitQuorum", "majority");
    }
    match deployment.run(raw(&create)?, deadline).await {
        Ok(_) => Ok(()),
        Err(CommandError::Refused(why) | CommandError::Forbidden(why)) => {
            Err(StoreError::Misconfigured(format!("the indexes of the collection {name} cannot be made: {why}")))
        }
        Err(error) => Err(error.into()),
    }
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

/// A record is only ever looked up by its `_id`.
fn operation_validator() -> Document {
    doc! { "format": FORMAT, "version": { "$gte": 0 }, "eventId": { "$gt": "" } }
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
