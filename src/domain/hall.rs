//! Who sits where: a seat map and the state of each of its seats.

use std::{fmt, ops::Range, sync::Arc};

use super::{
    InvalidValue, RowLabel, SeatId, SeatMap,
    best_seats::{self, Openings},
    packed_seats::PackedSeats,
};

/// What may happen to a seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SeatState {
    /// Nobody has it.
    Free,
    /// Somebody has it for a while, until a hold is confirmed or lapses.
    Held,
    /// Somebody has it.
    Sold,
    /// It is never sold: the layout says so.
    Blocked,
}

/// A seat map and who sits where.
///
/// Halls share what is the same in them: a clone copies a pointer for each 4,096 seats and a few numbers for each row,
/// and a change copies the blocks that it touches.
#[derive(Clone, PartialEq, Eq)]
pub struct Hall {
    map: Arc<SeatMap>,
    seats: PackedSeats,
    /// How many seats are in each state, in the order of [`SeatState`].
    counts: [u32; 4],
    /// One for each row: the choice of seats looks at all rows, but at the seats of few.
    openings: Vec<Openings>,
}

impl Hall {
    /// A hall in which all seats but the blocked ones are free.
    #[must_use]
    pub fn new(map: Arc<SeatMap>) -> Self {
        let mut seats = PackedSeats::all_free(map.seats());
        for (_, place) in map.blocked().filter_map(|seat| map.find(seat)) {
            seats.set(place, SeatState::Blocked);
        }
        Self::of(map, seats)
    }

    /// The hall that gave these [`blocks`](Self::blocks), which may come in any order.
    ///
    /// # Errors
    /// When a block is missing, given twice, past the last seat or of a wrong length, when bits past the last seat are
    /// set, or when the blocked seats are not those of the map.
    pub fn restore(map: Arc<SeatMap>, blocks: impl IntoIterator<Item = (u32, Vec<u8>)>) -> Result<Self, InvalidValue> {
        let seats = PackedSeats::restore(map.seats(), blocks)?;
        let hall = Self::of(map, seats);
        let map = &hall.map;
        if let Some(seat) = map.blocked().find(|seat| hall.state(*seat) != Some(SeatState::Blocked)) {
            return Err(InvalidValue(format!("must have {seat} blocked, as in the seat map")));
        }
        if hall.counts[SeatState::Blocked as usize] != map.seats() - map.seats_for_sale() {
            return Err(InvalidValue("must have no seats blocked that the seat map has for sale".to_owned()));
        }
        Ok(hall)
    }

    fn of(map: Arc<SeatMap>, seats: PackedSeats) -> Self {
        let [held, sold, blocked] =
            [SeatState::Held, SeatState::Sold, SeatState::Blocked].map(|state| seats.count_taken(state));
        let free = map.seats() - held - sold - blocked;
        let rows = 0..map.rows().len();
        let openings = rows.map(|row| seats.free_runs(map.seats_of_row(row)).collect()).collect();
        Self { map, seats, counts: [free, held, sold, blocked], openings }
    }

    /// The layout.
    #[must_use]
    pub fn map(&self) -> &Arc<SeatMap> {
        &self.map
    }

    /// How many seats are free.
    #[must_use]
    pub fn free(&self) -> u32 {
        self.counts[SeatState::Free as usize]
    }

    /// How many seats are held.
    #[must_use]
    pub fn held(&self) -> u32 {
        self.counts[SeatState::Held as usize]
    }

    /// How many seats are sold.
    #[must_use]
    pub fn sold(&self) -> u32 {
        self.counts[SeatState::Sold as usize]
    }

    /// How it is with `seat`, or `None` when there is no such seat.
    #[must_use]
    pub fn state(&self, seat: SeatId) -> Option<SeatState> {
        let (_, place) = self.map.find(seat)?;
        Some(self.seats.state(place))
    }

    /// Takes all of `seats` from one state to another, or none of them. No seat enters or leaves
    /// [`SeatState::Blocked`].
    ///
    /// # Errors
    /// The first seat that does not exist or is not in state `from`, which is also so when it is named a second time.
    pub fn change(&mut self, seats: &[SeatId], from: SeatState, to: SeatState) -> Result<(), SeatId> {
        if let Some(first) = seats.first().filter(|_| [from, to].contains(&SeatState::Blocked)) {
            return Err(*first);
        }
        let mut rows = Vec::with_capacity(seats.len());
        for (changed, seat) in seats.iter().enumerate() {
            let Some(row) = self.change_one(*seat, from, to) else {
                for seat in &seats[..changed] {
                    self.change_one(*seat, to, from);
                }
                return Err(*seat);
            };
            rows.push(row);
        }
        if from == SeatState::Free || to == SeatState::Free {
            rows.sort_unstable();
            rows.dedup();
            for row in rows {
                self.openings[row] = self.free_runs(row).collect();
            }
        }
        Ok(())
    }

    /// Leaves the row's openings as they were; gives the row's place, or `None` when the seat cannot change.
    fn change_one(&mut self, seat: SeatId, from: SeatState, to: SeatState) -> Option<usize> {
        let (row, place) = self.map.find(seat)?;
        if self.seats.state(place) != from {
            return None;
        }
        self.seats.set(place, to);
        self.counts[from as usize] -= 1;
        self.counts[to as usize] += 1;
        Some(row)
    }

    /// The best `count` free seats from the front to the back, or `None` when fewer are free; [`best_seats`] has the
    /// rule.
    #[must_use]
    pub fn best(&self, count: u32) -> Option<Vec<SeatId>> {
        let runs = best_seats::best(&self.openings, |row| self.free_runs(row), count)?;
        Some(runs.into_iter().flat_map(|run| self.map.seats_in(run)).collect())
    }

    fn free_runs(&self, row: usize) -> impl Iterator<Item = Range<u32>> + '_ {
        self.seats.free_runs(self.map.seats_of_row(row))
    }

    /// The states of all seats as they are stored: blocks, numbered from 0, of [`BLOCK_SEATS`](super::BLOCK_SEATS)
    /// seats in the order of the map, row after row; the last block is as long as the seats that are left need.
    ///
    /// Seat `n` of a block, counted from 0, is in byte `n / 4`, in its bits `2 * (n % 4)` (value 1) and
    /// `2 * (n % 4) + 1` (value 2), bit 0 being the lowest: 0 is free, 1 held, 2 sold, 3 blocked. Bits of the last byte
    /// that belong to no seat are 0.
    pub fn blocks(&self) -> impl Iterator<Item = (u32, Vec<u8>)> + '_ {
        self.seats.bytes()
    }

    /// Those of the [`blocks`](Self::blocks) that differ from what they were in `before`, a hall with the same map.
    /// Cheap when this hall was made of `before` by a clone and few changes.
    pub fn changed_blocks<'a>(&'a self, before: &'a Self) -> impl Iterator<Item = (u32, Vec<u8>)> + 'a {
        self.seats.changed_bytes(&before.seats)
    }

    /// A picture for people, from the front to the back: each row's label and one character a seat, `.` free, `h`
    /// held, `s` sold, `x` blocked.
    pub fn rows(&self) -> impl Iterator<Item = (RowLabel, String)> + '_ {
        let draw = |place| match self.seats.state(place) {
            SeatState::Free => '.',
            SeatState::Held => 'h',
            SeatState::Sold => 's',
            SeatState::Blocked => 'x',
        };
        let rows = self.map.rows().iter().enumerate();
        rows.map(move |(place, row)| (row.label, self.map.seats_of_row(place).map(draw).collect()))
    }
}

impl fmt::Debug for Hall {
    /// The picture of [`Hall::rows`].
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hall ")?;
        f.debug_map().entries(self.rows()).finish()
    }
}

#[cfg(test)]
#[path = "hall_tests.rs"]
mod tests;
