//! What an event says about itself and allows, and what people are told of it.

use std::sync::Arc;

use bson::{Document, RawDocumentBuf};
use serde::{Deserialize, Serialize};

use super::{check_format, name_of};
use crate::{
    domain::{
        Currency, Description, Details, EventId, EventName, EventSummary, InvalidValue, Location, Moment, Price,
        Quotas, Sales, Version,
    },
    store::StoreError,
};

/// What an event says about itself beside its name.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DetailsDocument {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    starts_at: Option<bson::DateTime>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    location: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    price: Option<PriceDocument>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct PriceDocument {
    amount: u32,
    currency: String,
}

impl DetailsDocument {
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn details(self) -> Result<Arc<Details>, String> {
        let bad = |field: &'static str| move |why: InvalidValue| format!("details.{field} {why}");
        let price = |price: PriceDocument| {
            let currency = Currency::parse(&price.currency).map_err(bad("price.currency"))?;
            Ok::<_, String>(Price { amount: price.amount, currency })
        };
        let description = self.description.map(|text| Description::stored(&text)).transpose();
        let location = self.location.map(|text| Location::stored(&text)).transpose();
        Ok(Arc::new(Details {
            description: description.map_err(bad("description"))?,
            starts_at: self.starts_at.map(|at| Moment::stored(at.timestamp_millis())),
            location: location.map_err(bad("location"))?,
            price: self.price.map(price).transpose()?,
        }))
    }
}

impl From<&Details> for DetailsDocument {
    fn from(details: &Details) -> Self {
        let price =
            |price: &Price| PriceDocument { amount: price.amount, currency: price.currency.as_str().to_owned() };
        Self {
            description: details.description.as_ref().map(|text| text.as_str().to_owned()),
            starts_at: details.starts_at.map(|at| bson::DateTime::from_millis(at.as_millisecond())),
            location: details.location.as_ref().map(|text| text.as_str().to_owned()),
            price: details.price.as_ref().map(price),
        }
    }
}

/// Whether there are no quotas, so that they are left out.
pub(super) fn has_none(quotas: &Quotas) -> bool {
    *quotas == Quotas::default()
}

/// `details` as a commit sets them.
pub(in super::super) fn details_value(details: &Details) -> bson::error::Result<RawDocumentBuf> {
    bson::serialize_to_raw_document_buf(&DetailsDocument::from(details))
}

/// `quotas` as a commit sets them.
pub(in super::super) fn quotas_value(quotas: &Quotas) -> bson::error::Result<RawDocumentBuf> {
    bson::serialize_to_raw_document_buf(quotas)
}

/// `sales` as a commit sets them.
pub(in super::super) fn sales_value(sales: Sales) -> &'static str {
    sales.as_str()
}

/// What people are told of an event: in lists of events, and as the answer that an operation of an event remembers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct SummaryDocument {
    name: String,
    #[serde(default, skip_serializing_if = "DetailsDocument::is_empty")]
    details: DetailsDocument,
    #[serde(default, skip_serializing_if = "has_none")]
    quotas: Quotas,
    #[serde(default)]
    sales: Sales,
    has_seat_map: bool,
    total_seats: u32,
    available_seats: u32,
    #[serde(default)]
    held_seats: u32,
    reservation_count: u32,
    #[serde(default)]
    waitlist_count: u32,
    version: Version,
}

impl SummaryDocument {
    /// The summary that a query for the fields of this document found.
    pub(in super::super) fn read(document: Document) -> Result<EventSummary, StoreError> {
        let name = name_of("events", &document);
        check_format(&name, &document)?;
        let unreadable = |why: String| StoreError::Unreadable(format!("{name}: {why}"));
        let id = EventId::parse(document.get_str("_id").unwrap_or_default());
        let id = id.map_err(|why| unreadable(format!("_id {why}")))?;
        let document: Self = bson::deserialize_from_document(document).map_err(|why| unreadable(why.to_string()))?;
        document.summary(id).map_err(unreadable)
    }

    pub(super) fn summary(self, id: EventId) -> Result<EventSummary, String> {
        Ok(EventSummary {
            id,
            name: EventName::stored(&self.name).map_err(|why| format!("name {why}"))?,
            details: self.details.details()?,
            quotas: self.quotas,
            sales: self.sales,
            has_seat_map: self.has_seat_map,
            total_seats: self.total_seats,
            available_seats: self.available_seats,
            held_seats: self.held_seats,
            reservation_count: self.reservation_count,
            waitlist_count: self.waitlist_count,
            version: self.version,
        })
    }
}

impl From<&EventSummary> for SummaryDocument {
    fn from(summary: &EventSummary) -> Self {
        Self {
            name: summary.name.as_str().to_owned(),
            details: DetailsDocument::from(&*summary.details),
            quotas: summary.quotas,
            sales: summary.sales,
            has_seat_map: summary.has_seat_map,
            total_seats: summary.total_seats,
            available_seats: summary.available_seats,
            held_seats: summary.held_seats,
            reservation_count: summary.reservation_count,
            waitlist_count: summary.waitlist_count,
            version: summary.version,
        }
    }
}
