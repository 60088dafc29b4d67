//! Halls as properties: what holds in every hall, compared with a hall that is a text, and with a choice of seats that
//! tries all places one after the other.

use proptest::{collection::vec, prelude::*};

use super::*;
use crate::model::chooser::{Picture, choose};

proptest! {
    #[test]
    fn a_chooser_that_tries_every_place_agrees(picture in hall_picture(), count in 1_u32..14) {
        let mut rows = read(&picture);
        let expected = choose(&mut rows, count as usize).then(|| write(&rows));
        let mut hall = drawn(&picture);
        let got = hall.best(count).map(|seats| {
            hall.change(&seats, Free, Held).expect("the best seats are free");
            drawing(&hall)
        });
        prop_assert_eq!(got, expected);
    }

    #[test]
    fn no_choice_of_rows_seats_a_group_in_fewer(picture in hall_picture(), count in 1_u32..14) {
        let free = |row: &Picture| row.iter().filter(|seat| **seat == '.').count();
        let frees: Vec<usize> = read(&picture).iter().map(free).collect();
        let choices = 0_u32..1 << frees.len();
        let chosen = |choice: u32| (0..frees.len()).filter(move |row| choice >> row & 1 == 1);
        let room = |choice: u32| chosen(choice).map(|row| frees[row]).sum::<usize>();
        let fewest = choices.filter(|choice| room(*choice) >= count as usize).map(u32::count_ones).min();
        let used = drawn(&picture).best(count).map(|seats| {
            u32::try_from(seats.chunk_by(|one, next| one.row == next.row).count()).expect("few rows")
        });
        prop_assert_eq!(used, fewest);
    }

    #[test]
    fn the_best_seats_come_in_the_order_of_the_map(picture in hall_picture(), count in 1_u32..14) {
        let hall = drawn(&picture);
        let seats = hall.best(count).unwrap_or_default();
        let places: Vec<_> = seats.into_iter().map(|seat| hall.map().find(seat)).collect();
        prop_assert!(places.is_sorted_by(|one, next| one < next), "{places:?}");
    }

    #[test]
    fn whatever_happened_a_hall_is_as_if_it_were_drawn_anew(
        picture in hall_picture(),
        changes in vec(change(), 1..12),
    ) {
        let mut hall = drawn(&picture);
        let mut rows = read(&picture);
        for (seats, from, to) in changes {
            let before = hall.clone();
            let culprit = change_picture(&mut rows, &seats, from, to);
            prop_assert_eq!(hall.change(&seats, from, to).err(), culprit);
            prop_assert_eq!(drawing(&hall), write(&rows));
            prop_assert_eq!(&hall, &drawn(&write(&rows)));
            let count = |state| rows.iter().flatten().filter(|seat| **seat == state).count();
            let counts = [hall.free(), hall.held(), hall.sold()].map(|count| count as usize);
            prop_assert_eq!(counts, ['.', 'h', 's'].map(count));
            if culprit.is_some() {
                prop_assert_eq!(&hall, &before);
            }
        }
    }

    #[test]
    fn a_hall_is_restored_from_its_blocks(picture in hall_picture()) {
        let hall = drawn(&picture);
        prop_assert_eq!(Hall::restore(hall.map().clone(), hall.blocks()), Ok(hall.clone()));
    }

    #[test]
    fn changed_blocks_lead_from_one_hall_to_the_next(changes in vec(wide_change(), 0..4)) {
        let before = wide_hall();
        let mut after = before.clone();
        for (row, first, seats) in changes {
            // Changes that meet a taken seat or the row's end are refused, which must show nowhere.
            let _ = after.change(&numbers(row, first..=first + seats).collect::<Vec<_>>(), Free, Sold);
        }
        let mut stored: Vec<_> = before.blocks().collect();
        let differing: Vec<_> = after.blocks().filter(|block| !stored.contains(block)).collect();
        let changed: Vec<_> = after.changed_blocks(&before).collect();
        prop_assert_eq!(&changed, &differing);
        for (number, bytes) in changed {
            stored[number as usize].1 = bytes;
        }
        // The order of the blocks is of no matter.
        stored.reverse();
        prop_assert_eq!(Hall::restore(before.map().clone(), stored), Ok(after));
    }
}

/// Up to five rows: short ones in which every case is likely, and ones that are longer than a word of packed seats.
fn hall_picture() -> impl Strategy<Value = String> {
    let seat = || proptest::sample::select("......sshx".chars().collect::<Vec<_>>());
    let row = prop_oneof![8 => vec(seat(), 1..9), 1 => vec(seat(), 30..70)];
    let for_sale = |rows: &Vec<Picture>| rows.iter().flatten().any(|seat| *seat != 'x');
    vec(row, 1..6).prop_filter("a hall sells something", for_sale).prop_map(|rows| write(&rows))
}

fn change() -> impl Strategy<Value = (Vec<SeatId>, SeatState, SeatState)> {
    let seat = (proptest::char::range('A', 'E'), 1_u16..9).prop_map(|(row, number)| SeatId { row: named(row), number });
    let state = || proptest::sample::select(vec![Free, Held, Sold]);
    (vec(seat, 1..4), state(), state())
}

/// Some seats side by side in the wide hall: the row, the first one, and how many follow.
fn wide_change() -> impl Strategy<Value = (char, u16, u16)> {
    (proptest::sample::select(vec!['A', 'C', 'E']), 1_u16..=1000, 0_u16..9)
}

fn read(picture: &str) -> Vec<Picture> {
    picture.split(" / ").map(|row| row.chars().collect()).collect()
}

fn write(rows: &[Picture]) -> String {
    rows.iter().map(|row| row.iter().collect::<String>()).collect::<Vec<_>>().join(" / ")
}

/// The naive change: gives the first culprit, and then leaves the picture as it was.
fn change_picture(rows: &mut Vec<Picture>, seats: &[SeatId], from: SeatState, to: SeatState) -> Option<SeatId> {
    let letter = |state| match state {
        Free => '.',
        Held => 'h',
        Sold => 's',
        Blocked => 'x',
    };
    let mut after = rows.clone();
    for seat in seats {
        let row = after.get_mut(usize::from(seat.row.as_str().as_bytes()[0] - b'A'));
        match row.and_then(|row| row.get_mut(usize::from(seat.number - 1))) {
            Some(found) if *found == letter(from) => *found = letter(to),
            _ => return Some(*seat),
        }
    }
    *rows = after;
    None
}
