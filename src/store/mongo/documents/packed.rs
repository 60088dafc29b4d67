//! The entries of one commit as they travel in the event document: one packed value.
//!
//! The server looks at every field of what a commit sets, several times over, and copies it into its log and its cache. The
//! states of one commit are much alike, so together they pack to about a quarter; and one binary value is one field.
//!
//! Form: the BSON documents one after the other, as a block of LZ4 behind its unpacked size (four bytes, little-endian).

use bson::{Binary, RawDocument, spec::BinarySubtype};

use super::ReservationDocument;
use crate::domain::Reservation;

/// Says that it is packed, to whoever looks at the document.
const PACKED: BinarySubtype = BinarySubtype::UserDefined(0x80);

/// The largest that may come out: as much as an event document could hold unpacked. More is damage, or an attack.
const UNPACKED_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Packs the documents of one commit's entries.
pub(in super::super) fn pack<'a>(entries: impl Iterator<Item = &'a RawDocument>) -> Binary {
    let mut bytes = Vec::new();
    for entry in entries {
        bytes.extend_from_slice(entry.as_bytes());
    }
    Binary { subtype: PACKED, bytes: lz4_flex::block::compress_prepend_size(&bytes) }
}

/// The entries of one commit, unpacked.
pub(in super::super) struct Unpacked(Vec<u8>);

impl Unpacked {
    pub(in super::super) fn of(packed: &Binary) -> Result<Self, String> {
        let (size, block) = packed.bytes.split_first_chunk().ok_or("too short")?;
        let size = usize::try_from(u32::from_le_bytes(*size)).unwrap_or(usize::MAX);
        if packed.subtype != PACKED || size > UNPACKED_BYTES_MAX {
            return Err("not packed by this program".to_owned());
        }
        lz4_flex::block::decompress(block, size).map(Self).map_err(|why| why.to_string())
    }

    /// Those entries that are `wanted`, by a look at their documents.
    pub(in super::super) fn entries(&self, wanted: impl Fn(&RawDocument) -> bool) -> Result<Vec<Reservation>, String> {
        let mut entries = Vec::new();
        let mut rest = &self.0[..];
        while let Some(size) = rest.first_chunk() {
            let size = usize::try_from(i32::from_le_bytes(*size)).unwrap_or_default();
            let Some((document, behind)) = rest.split_at_checked(size).filter(|_| size > 0) else { break };
            rest = behind;
            let document = RawDocument::from_bytes(document).map_err(|why| why.to_string())?;
            if wanted(document) {
                let document: ReservationDocument =
                    bson::deserialize_from_slice(document.as_bytes()).map_err(|why| why.to_string())?;
                entries.push(document.reservation()?);
            }
        }
        if rest.is_empty() { Ok(entries) } else { Err("the last entry is cut off".to_owned()) }
    }
}
