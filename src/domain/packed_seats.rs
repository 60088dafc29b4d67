//! The states of a hall's seats in two bits each, in blocks that halls share until one of them changes one.

use std::{iter, ops::Range, sync::Arc};

use super::{InvalidValue, SeatState};

/// How many seats a block holds: 4,096, so 1 KiB. A commit stores the blocks that it touched, and a clone copies one
/// pointer a block. Part of the stored form: it must not change.
pub const BLOCK_SEATS: u32 = 4_096;

const WORD_SEATS: u32 = 32;
const WORDS: usize = (BLOCK_SEATS / WORD_SEATS) as usize;
/// The lower bit of every seat in a word.
const LOWER_BITS: u64 = 0x5555_5555_5555_5555;

/// Seat `n` of a block is in word `n / 32`, at the bits `2 * (n % 32)` and above.
type Block = [u64; WORDS];

/// Seats are known here by their places: counted from 0 at the front of the hall.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct PackedSeats {
    seats: u32,
    /// As many as the seats need. Bits past the last seat are 0.
    blocks: Vec<Arc<Block>>,
}

impl PackedSeats {
    pub(super) fn all_free(seats: u32) -> Self {
        let blocks = (0..seats.div_ceil(BLOCK_SEATS)).map(|_| Arc::new([0; WORDS])).collect();
        Self { seats, blocks }
    }

    /// From what [`Self::bytes`] gave, in any order.
    pub(super) fn restore(seats: u32, blocks: impl IntoIterator<Item = (u32, Vec<u8>)>) -> Result<Self, InvalidValue> {
        let mut restored = Self::all_free(seats);
        let mut missing = vec![true; restored.blocks.len()];
        for (number, bytes) in blocks {
            let length = restored.block_length(number);
            let place = number as usize;
            let (Some(block), Some(missing)) = (restored.blocks.get_mut(place), missing.get_mut(place)) else {
                return Err(InvalidValue(format!("must not have a block {number}, past the last seat")));
            };
            if bytes.len() != length {
                let given = bytes.len();
                return Err(InvalidValue(format!("must have {length} bytes in block {number}, not {given}")));
            }
            if !std::mem::replace(missing, false) {
                return Err(InvalidValue(format!("must not have block {number} twice")));
            }
            for (word, bytes) in Arc::make_mut(block).iter_mut().zip(bytes.chunks(8)) {
                let mut padded = [0; 8];
                padded[..bytes.len()].copy_from_slice(bytes);
                *word = u64::from_le_bytes(padded);
            }
        }
        if let Some(number) = missing.iter().position(|missing| *missing) {
            return Err(InvalidValue(format!("must have block {number}, which is missing")));
        }
        if (seats..seats.next_multiple_of(4)).any(|past| restored.state(past) != SeatState::Free) {
            return Err(InvalidValue("must not have states past the last seat".to_owned()));
        }
        Ok(restored)
    }

    pub(super) fn state(&self, place: u32) -> SeatState {
        match self.word(place) >> shift(place) & 0b11 {
            0 => SeatState::Free,
            1 => SeatState::Held,
            2 => SeatState::Sold,
            _ => SeatState::Blocked,
        }
    }

    pub(super) fn set(&mut self, place: u32, state: SeatState) {
        let (block, word) = position(place);
        let word = &mut Arc::make_mut(&mut self.blocks[block])[word];
        *word = *word & !(0b11 << shift(place)) | bits(state) << shift(place);
    }

    /// How many seats are in `state`, which must not be free: what lies past the last seat looks free.
    pub(super) fn count_taken(&self, state: SeatState) -> u32 {
        let pattern = LOWER_BITS * bits(state);
        let in_word = |word: &u64| {
            let differs = word ^ pattern;
            (!(differs | differs >> 1) & LOWER_BITS).count_ones()
        };
        self.blocks.iter().flat_map(|block| block.iter()).map(in_word).sum()
    }

    /// The runs of free seats among `seats`: each as long as it gets, from the lowest place on.
    pub(super) fn free_runs(&self, seats: Range<u32>) -> impl Iterator<Item = Range<u32>> + '_ {
        let mut from = seats.start;
        iter::from_fn(move || {
            let start = self.find(true, from..seats.end)?;
            from = self.find(false, start..seats.end).unwrap_or(seats.end);
            Some(start..from)
        })
    }

    /// The blocks as they are stored; see [`Hall::blocks`](super::Hall::blocks).
    pub(super) fn bytes(&self) -> impl Iterator<Item = (u32, Vec<u8>)> + '_ {
        (0..).zip(&self.blocks).map(|(number, block)| (number, self.block_bytes(number, block)))
    }

    /// The blocks that differ from those of `before`, as they are stored. Blocks that both share are seen at once to
    /// be the same.
    pub(super) fn changed_bytes<'a>(&'a self, before: &'a Self) -> impl Iterator<Item = (u32, Vec<u8>)> + 'a {
        let pairs = (0..).zip(self.blocks.iter().zip(&before.blocks));
        let changed = pairs.filter(|(_, (now, before))| !Arc::ptr_eq(now, before) && now != before);
        changed.map(|(number, (block, _))| (number, self.block_bytes(number, block)))
    }

    fn block_bytes(&self, number: u32, block: &Block) -> Vec<u8> {
        let mut bytes: Vec<u8> = block.iter().flat_map(|word| word.to_le_bytes()).collect();
        bytes.truncate(self.block_length(number));
        bytes
    }

    /// How many bytes block `number` has when it is stored.
    fn block_length(&self, number: u32) -> usize {
        let seats = self.seats.saturating_sub(number.saturating_mul(BLOCK_SEATS)).min(BLOCK_SEATS);
        seats.div_ceil(4) as usize
    }

    /// The first of `places` that is free, or the first that is not.
    fn find(&self, free: bool, places: Range<u32>) -> Option<u32> {
        let mut place = places.start;
        while place < places.end {
            let word = self.word(place);
            let taken = word | word >> 1;
            let wanted = if free { !taken } else { taken } & LOWER_BITS;
            let ahead = wanted >> shift(place);
            if ahead != 0 {
                return Some(place + ahead.trailing_zeros() / 2).filter(|found| *found < places.end);
            }
            place = (place / WORD_SEATS + 1) * WORD_SEATS;
        }
        None
    }

    fn word(&self, place: u32) -> u64 {
        let (block, word) = position(place);
        self.blocks[block][word]
    }
}

/// The block that holds `place`, and the word in it.
fn position(place: u32) -> (usize, usize) {
    ((place / BLOCK_SEATS) as usize, (place % BLOCK_SEATS / WORD_SEATS) as usize)
}

/// How far `place`'s two bits are from the low end of their word.
fn shift(place: u32) -> u32 {
    place % WORD_SEATS * 2
}

/// What a state is written as. Part of the stored form: it must not change.
fn bits(state: SeatState) -> u64 {
    match state {
        SeatState::Free => 0,
        SeatState::Held => 1,
        SeatState::Sold => 2,
        SeatState::Blocked => 3,
    }
}
