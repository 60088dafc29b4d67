//! What an event says about itself, and the limits that its organizer sets: values that cannot be wrong.

use std::{num::NonZeroU32, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{
    InvalidValue, Moment,
    text::{self, Kind},
};

/// What people call the event: 1 to 200 characters that can be seen, in NFC and trimmed; joiners are allowed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventName(Arc<str>);

impl EventName {
    /// The most characters that it may have.
    pub const CHARS_MAX: usize = 200;

    /// Takes `text` as a name, in its normal form.
    ///
    /// # Errors
    /// When it is blank, longer than that, or holds what cannot be seen.
    pub fn parse(text: &str) -> Result<Self, InvalidValue> {
        text::checked(text, Kind::Name, Self::CHARS_MAX).map(Self)
    }

    /// Takes a name as a store holds it: by the rules of its time.
    ///
    /// # Errors
    /// When no version of this program has written it.
    pub fn stored(text: &str) -> Result<Self, InvalidValue> {
        text::stored(text, Self::CHARS_MAX).map(Self)
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A few sentences about the event: 1 to 1,000 characters as in a name, and line feeds and tabs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Description(Arc<str>);

impl Description {
    /// The most characters that it may have.
    pub const CHARS_MAX: usize = 1_000;

    /// Takes `text` as a description, in its normal form.
    ///
    /// # Errors
    /// When it is blank, longer than that, or holds what cannot be seen.
    pub fn parse(text: &str) -> Result<Self, InvalidValue> {
        text::checked(text, Kind::Lines, Self::CHARS_MAX).map(Self)
    }

    /// Takes a description as a store holds it: by the rules of its time.
    ///
    /// # Errors
    /// When no version of this program has written it.
    pub fn stored(text: &str) -> Result<Self, InvalidValue> {
        text::stored(text, Self::CHARS_MAX).map(Self)
    }

    /// The description as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Where the event is: 1 to 200 characters as in a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Location(Arc<str>);

impl Location {
    /// The most characters that it may have.
    pub const CHARS_MAX: usize = 200;

    /// Takes `text` as a location, in its normal form.
    ///
    /// # Errors
    /// When it is blank, longer than that, or holds what cannot be seen.
    pub fn parse(text: &str) -> Result<Self, InvalidValue> {
        text::checked(text, Kind::Name, Self::CHARS_MAX).map(Self)
    }

    /// Takes a location as a store holds it: by the rules of its time.
    ///
    /// # Errors
    /// When no version of this program has written it.
    pub fn stored(text: &str) -> Result<Self, InvalidValue> {
        text::stored(text, Self::CHARS_MAX).map(Self)
    }

    /// The location as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What one seat costs. For information: no money moves here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Price {
    /// In the currency's smallest unit, so 4950 of EUR are 49.50 euros.
    pub amount: u32,
    /// Which currency.
    pub currency: Currency,
}

/// A currency by its three letters (ISO 4217).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Currency(Arc<str>);

impl Currency {
    /// Takes `text` as a currency.
    ///
    /// # Errors
    /// When it is not three letters out of `A-Z`.
    pub fn parse(text: &str) -> Result<Self, InvalidValue> {
        if text.len() != 3 || !text.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return Err(InvalidValue("must be three letters out of A-Z, as in EUR (ISO 4217)".to_owned()));
        }
        Ok(Self(text.into()))
    }

    /// The letters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What an event says about itself beside its name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Details {
    /// What it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Description>,
    /// When it begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts_at: Option<Moment>,
    /// Where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
    /// What a seat costs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
}

/// How much of an event one reservation or one partner may take; what is absent is not limited by the event.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Quotas {
    /// Seats of one reservation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seats_per_reservation_max: Option<NonZeroU32>,
    /// Seats of one partner's confirmed, held and waitlisted reservations together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seats_per_partner_max: Option<NonZeroU32>,
    /// Confirmed, held and waitlisted reservations of one partner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reservations_per_partner_max: Option<NonZeroU32>,
}

impl Quotas {
    /// Whether what a partner has must be known before the partner gets more.
    #[must_use]
    pub fn limit_partners(&self) -> bool {
        self.seats_per_partner_max.is_some() || self.reservations_per_partner_max.is_some()
    }
}

/// Whether new reservations are taken. Confirming, cancelling and the waitlist go on in every state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sales {
    /// They are.
    #[default]
    Open,
    /// Not now.
    Paused,
    /// Not any more.
    Closed,
}

impl Sales {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Paused => "paused",
            Self::Closed => "closed",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_counted_in_characters_and_hold_no_control_characters() {
        assert!(EventName::parse(&"é".repeat(200)).is_ok());
        assert!(Location::parse("Hall 3, 1st floor").is_ok());
        assert!(Description::parse("Two talks.\r\n\tThen pizza.").is_ok());
        for bad in ["", "  ", "a\0b", "a\u{1b}b", &"é".repeat(1_001)] {
            assert!(EventName::parse(bad).is_err(), "{bad:?} must be refused");
            assert!(Location::parse(bad).is_err(), "{bad:?} must be refused");
            assert!(Description::parse(bad).is_err(), "{bad:?} must be refused");
        }
        assert!(EventName::parse("a\nb").is_err() && EventName::parse("a\tb").is_err());
    }

    #[test]
    fn a_currency_is_three_capitals() {
        assert_eq!(Currency::parse("EUR").expect("a currency").as_str(), "EUR");
        for bad in ["", "eur", "EU", "EURO", "E1R", "ÉUR"] {
            assert!(Currency::parse(bad).is_err(), "{bad:?} must be refused");
        }
    }
}
