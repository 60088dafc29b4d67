//! Collections, validators and indexes. The validators are the last line: they refuse what no rule can have produced.

use bson::{Document, RawDocumentBuf, doc, rawdoc};
use tokio::time::Instant;

use super::{
    deployment::{CommandError, Deployment},
    documents::FORMAT,
};
use crate::store::StoreError;

/// Events; see [`super::documents::EventDocument`].
pub(super) const EVENTS: &str = "events";
/// Reservations; see [`super::documents::ReservationDocument`].
pub(super) const RESERVATIONS: &str = "reservations";
/// One document per process, written to hasten the proof of a read; see [`super::proof`].
pub(super) const PULSES: &str = "pulses";
/// The index by which events with a journal are found. Its key never changes, so commits do not move it.
pub(super) const JOURNALED: &str = "journaled";

/// How long the pulse of a process that is gone stays.
const PULSE_EXPIRES_AFTER_SECS: i32 = 24 * 60 * 60;

/// Makes what is missing, and brings the validators up to date. Safe to run in many processes at once.
pub(super) async fn prepare(deployment: &Deployment, deadline: Instant) -> Result<(), StoreError> {
    collection(deployment, EVENTS, event_validator(), deadline).await?;
    collection(deployment, RESERVATIONS, reservation_validator(), deadline).await?;
    let unsettled = doc! { "journal": { "$gt": {} } };
    index(
        deployment,
        EVENTS,
        doc! { "name": JOURNALED, "key": { "format": 1, "_id": 1 }, "partialFilterExpression": unsettled },
        deadline,
    )
    .await?;
    let operations = doc! { "name": "operations", "key": { "eventId": 1, "operations.version": 1 } };
    index(deployment, RESERVATIONS, operations, deadline).await?;
    let expiry = doc! { "name": "expiry", "key": { "at": 1 }, "expireAfterSeconds": PULSE_EXPIRES_AFTER_SECS };
    index(deployment, PULSES, expiry, deadline).await
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

async fn index(deployment: &Deployment, name: &str, index: Document, deadline: Instant) -> Result<(), StoreError> {
    let create = raw(&doc! { "createIndexes": name, "indexes": [index] })?;
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
                "_id", "format", "name", "totalSeats", "availableSeats", "confirmedSeats", "reservationCount",
                "version", "head", "idSalt", "journal",
            ],
            "properties": {
                "_id": { "bsonType": "string", "pattern": "^[a-z0-9-]{1,64}$" },
                "format": { "enum": [FORMAT] },
                "name": { "bsonType": "string", "minLength": 1 },
                "totalSeats": &count,
                "availableSeats": &count,
                "confirmedSeats": &count,
                "reservationCount": &count,
                "version": { "bsonType": "long", "minimum": 0 },
                "head": { "bsonType": "binData" },
                "idSalt": { "bsonType": "binData" },
                "journal": { "bsonType": "object" },
            },
        },
        "$expr": { "$eq": ["$totalSeats", { "$add": ["$availableSeats", "$confirmedSeats"] }] },
    }
}

fn reservation_validator() -> Document {
    doc! {
        "$jsonSchema": {
            "bsonType": "object",
            "required": [
                "_id", "format", "eventId", "partnerId", "seats", "status", "version", "createdVersion", "createdAt",
                "operations",
            ],
            "properties": {
                "_id": { "bsonType": "string" },
                "format": { "enum": [FORMAT] },
                "eventId": { "bsonType": "string" },
                "partnerId": { "bsonType": "string", "minLength": 1 },
                "seats": { "bsonType": ["int", "long"], "minimum": 1 },
                "status": { "enum": ["confirmed", "cancelled"] },
                "version": { "bsonType": "long", "minimum": 1 },
                "createdVersion": { "bsonType": "long", "minimum": 1 },
                "createdAt": { "bsonType": "date" },
                "operations": { "bsonType": "array", "minItems": 1 },
            },
        },
        "$expr": { "$gte": ["$version", "$createdVersion"] },
    }
}
