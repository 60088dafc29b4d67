//! The entries of one commit as they travel in the event document: one packed value.
//!
//! The server looks at every field of what a commit sets, several times over, and copies it into its log and its cache. The
//! states of one commit are much alike, so together they pack to about a quarter; and one binary value is one field.
//!
//! Form: the BSON documents one after the other, as a block of LZ4 behind its unpacked size (four bytes, little-endian).

use bson::{Binary, RawDocument, RawDocumentBuf, rawdoc, spec::BinarySubtype};
use serde::Deserialize;

use super::ReservationDocument;
use crate::domain::Reservation;

/// Says that it is packed, to whoever looks at the document.
const PACKED: BinarySubtype = BinarySubtype::UserDefined(0x80);

/// The largest that may come out: as much as an event document could hold unpacked. More is damage, or an attack.
const UNPACKED_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What stands under one key of a journal.
#[derive(Debug, Deserialize)]
pub(super) struct PackedDocument {
    entries: usize,
    packed: Binary,
}

/// The document of one commit's entries. `by` names the process that made the commit, and settles it as long as it lives.
pub(in super::super) fn pack<'a>(entries: impl ExactSizeIterator<Item = &'a RawDocument>, by: &str) -> RawDocumentBuf {
    let count = i64::try_from(entries.len()).unwrap_or(i64::MAX);
    let mut bytes = Vec::new();
    for entry in entries {
        bytes.extend_from_slice(entry.as_bytes());
    }
    let packed = Binary { subtype: PACKED, bytes: lz4_flex::block::compress_prepend_size(&bytes) };
    rawdoc! { "entries": count, "packed": packed, "by": by }
}

/// The entries of one commit, unpacked.
pub(super) struct Unpacked {
    entries: usize,
    bytes: Vec<u8>,
}

impl Unpacked {
    pub(super) fn of(document: &PackedDocument) -> Result<Self, String> {
        let PackedDocument { entries, packed } = document;
        let (size, block) = packed.bytes.split_first_chunk().ok_or("too short")?;
        let size = usize::try_from(u32::from_le_bytes(*size)).unwrap_or(usize::MAX);
        if packed.subtype != PACKED || size > UNPACKED_BYTES_MAX {
            return Err("not packed by this program".to_owned());
        }
        let bytes = lz4_flex::block::decompress(block, size).map_err(|why| why.to_string())?;
        Ok(Self { entries: *entries, bytes })
    }

    /// Those entries that are `wanted`, by a look at their documents.
    pub(super) fn entries(&self, wanted: impl Fn(&RawDocument) -> bool) -> Result<Vec<Reservation>, String> {
        let mut found = Vec::new();
        self.each(|document| {
            if wanted(document) {
                let document: ReservationDocument =
                    bson::deserialize_from_slice(document.as_bytes()).map_err(|why| why.to_string())?;
                found.push(document.reservation()?);
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// Visits all documents in their order.
    pub(super) fn each(&self, mut visit: impl FnMut(&RawDocument) -> Result<(), String>) -> Result<(), String> {
        let mut rest = &self.bytes[..];
        for _ in 0..self.entries {
            let size = rest.first_chunk().map_or(0, |size| i32::from_le_bytes(*size));
            let size = usize::try_from(size).unwrap_or_default().max(size_of::<i32>());
            let (document, behind) = rest.split_at_checked(size).ok_or("an entry is cut off")?;
            rest = behind;
            let document = RawDocument::from_bytes(document).map_err(|why| why.to_string())?;
            visit(document)?;
        }
        if rest.is_empty() { Ok(()) } else { Err("there is more behind the last entry".to_owned()) }
    }
}
