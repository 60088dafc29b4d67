//! Halls as drawings: rows from the front to the back with `/` between them, called A, B, C and so on; `.` is a free
//! seat, `h` a held one, `s` a sold one, `x` a blocked one.

use super::*;
use crate::domain::{Row, SeatState::*};

#[path = "hall_properties.rs"]
mod properties;

#[test]
fn a_group_sits_side_by_side_as_near_to_the_front_as_it_can() {
    gets("........", 3, "hhh.....");
    gets("ss....ss", 2, "sshh..ss");
    gets("s.s.s... / ........", 3, "s.s.shhh / ........");
    gets("s.s.s.s. / ........", 3, "s.s.s.s. / hhh.....");
    gets("..x....x", 4, "..xhhhhx");
    gets("..h....s", 4, "..hhhhhs");
}

#[test]
fn a_group_leaves_no_single_seat_behind() {
    gets("...s....", 2, "...shh..");
    gets("...s.. / ....", 2, "...shh / ....");
    gets("... / ...s / ..", 2, "... / ...s / hh");
    gets("... / ....", 2, "... / hh..");
}

#[test]
fn a_single_visitor_takes_the_seat_that_nobody_else_wants() {
    gets("..s.s...", 1, "..shs...");
    gets("..s...", 1, "..sh..");
    gets(". / ...", 1, "h / ...");
}

#[test]
fn a_single_seat_is_left_when_it_cannot_be_helped() {
    gets("ss...s", 2, "sshh.s");
    gets("...s... / ...", 2, "hh.s... / ...");
    gets(".. / ..", 1, "h. / ..");
}

#[test]
fn a_group_that_no_run_can_seat_stays_in_one_row_in_its_longest_runs() {
    gets("..s.s...", 5, "hhs.shhh");
    gets("..s...s.", 4, "..shhhsh");
    gets(".s.s / ..x..", 3, ".s.s / hhxh.");
    gets("...x..x...", 5, "hhhxhhx...");
}

#[test]
fn a_group_that_no_row_can_seat_takes_few_rows() {
    gets(".... / ...... / ....", 8, "hh.. / hhhhhh / ....");
    gets(".s.s / s..s / s.ss", 4, "hshs / shhs / s.ss");
    gets(".s / .s / .s", 2, "hs / hs / .s");
    gets("... / .... / .....", 12, "hhh / hhhh / hhhhh");
}

#[test]
fn no_more_seats_are_given_than_are_free() {
    gets("..s.x / h.", 5, "none");
    gets("..s.x / h.", 4, "hhshx / hh");
    gets("ss", 1, "none");
    gets("..", u32::MAX, "none");
    gets("ss", 0, "ss");
}

#[test]
fn a_group_may_sit_across_the_border_of_two_blocks() {
    let mut hall = wide_hall();
    let free = 90..=105;
    let taken: Vec<_> = numbers('E', 1..=89).chain(numbers('E', 106..=1000)).collect();
    for row in 'A'..='D' {
        hall.change(&numbers(row, 1..=1000).collect::<Vec<_>>(), Free, Sold).expect("all free");
    }
    hall.change(&taken, Free, Held).expect("all free");
    assert_eq!(hall.free(), 16);
    assert_eq!(hall.best(16), Some(numbers('E', free).collect()));
    assert_eq!(hall.best(10), Some(numbers('E', 90..=99).collect()));
}

#[test]
fn seats_change_together_or_not_at_all() {
    for (before, seats, from, to, after) in [
        ("....", "A2 A3", Free, Held, Ok(".hh.")),
        (".hh.", "A2 A3", Held, Sold, Ok(".ss.")),
        (".ss.", "A3 A2", Sold, Free, Ok("....")),
        (".s / .h", "A1 B1", Free, Sold, Ok("ss / sh")),
        (".s / .h", "A1 B2 A2", Free, Sold, Err("B2")),
        ("....", "A1 A2 A5", Free, Sold, Err("A5")),
        ("....", "A1 B1", Free, Sold, Err("B1")),
        ("....", "A1 A2 A1", Free, Sold, Err("A1")),
        (".x..", "A1 A2", Free, Sold, Err("A2")),
        (".x..", "A2", Blocked, Free, Err("A2")),
        (".x..", "A1 A3", Free, Blocked, Err("A1")),
        ("....", "", Free, Sold, Ok("....")),
    ] {
        let seats: Vec<_> = seats.split_terminator(' ').map(seat).collect();
        let mut hall = drawn(before);
        let expected = after.map(|_| ()).map_err(seat);
        assert_eq!(hall.change(&seats, from, to), expected, "{before}: {seats:?} from {from:?} to {to:?}");
        assert_eq!(hall, drawn(after.unwrap_or(before)), "{before}: {seats:?} from {from:?} to {to:?}");
    }
}

#[test]
fn a_hall_counts_its_seats_and_tells_their_states() {
    let hall = drawn("..sx / hhs.");
    assert_eq!((hall.free(), hall.held(), hall.sold(), hall.map().seats_for_sale()), (3, 2, 2, 7));
    for (text, state) in
        [("A1", Some(Free)), ("A3", Some(Sold)), ("A4", Some(Blocked)), ("B1", Some(Held)), ("B5", None), ("C1", None)]
    {
        assert_eq!(hall.state(seat(text)), state, "{text}");
    }
    assert_eq!(format!("{hall:?}"), r#"Hall {A: "..sx", B: "hhs."}"#);
}

/// Stored halls depend on it: this form must not change.
#[test]
fn the_stored_form_has_two_bits_a_seat() {
    let stored = |text: &str| drawn(text).blocks().collect::<Vec<_>>();
    assert_eq!(stored(".hsx"), [(0, vec![0b11_10_01_00])]);
    assert_eq!(stored("h.. / .s."), [(0, vec![0b00_00_00_01, 0b00_00_00_10])]);
    let lengths: Vec<_> = wide_hall().blocks().map(|(number, bytes)| (number, bytes.len())).collect();
    assert_eq!(lengths, [(0, 1024), (1, 226)]);
}

#[test]
fn only_blocks_that_fit_the_map_are_restored() {
    let hall = drawn(".hsx / .");
    let good = || hall.blocks().collect::<Vec<_>>();
    let restored = Hall::restore(hall.map().clone(), good());
    assert_eq!(restored, Ok(hall.clone()));

    let twice = [good(), good()].concat();
    for (blocks, culprit) in [
        (vec![], "block 0, which is missing"),
        (twice, "block 0 twice"),
        (vec![(1, vec![0])], "block 1,"),
        (vec![(u32::MAX, vec![])], "block 4294967295,"),
        (vec![(0, vec![0b11_00_00_00])], "2 bytes in block 0, not 1"),
        (vec![(0, vec![0b11_00_00_00, 0, 0])], "2 bytes in block 0, not 3"),
        (vec![(0, vec![0b11_00_00_00, 0b00_00_01_00])], "past the last seat"),
        (vec![(0, vec![0b00_00_00_00, 0])], "A4"),
        (vec![(0, vec![0b11_00_00_11, 0])], "for sale"),
    ] {
        let why = Hall::restore(hall.map().clone(), blocks).expect_err(culprit).to_string();
        assert!(why.contains(culprit), "{why:?} must name {culprit:?}");
    }
}

#[test]
fn only_blocks_of_touched_seats_count_as_changed() {
    let before = wide_hall();
    let mut after = before.clone();
    let numbers_changed = |after: &Hall| after.changed_blocks(&before).map(|(number, _)| number).collect::<Vec<_>>();
    assert_eq!(numbers_changed(&after), [0; 0]);
    after.change(&[seat("E97")], Free, Held).expect("free");
    assert_eq!(numbers_changed(&after), [1]);
    after.change(&[seat("E96")], Free, Held).expect("free");
    assert_eq!(numbers_changed(&after), [0, 1]);
    after.change(&[seat("E97")], Held, Free).expect("held");
    assert_eq!(numbers_changed(&after), [0], "what was undone is no change");
}

/// Seats the best `count` of the hall in `before`, and compares with the drawing of the hall `after`.
#[track_caller]
fn gets(before: &str, count: u32, after: &str) {
    let mut hall = drawn(before);
    let picture = hall.best(count).map_or("none".to_owned(), |seats| {
        assert_eq!(seats.len(), count as usize);
        hall.change(&seats, Free, Held).expect("the best seats are free");
        drawing(&hall)
    });
    assert_eq!(picture, after, "{count} of {before}");
}

fn drawn(picture: &str) -> Hall {
    let rows: Vec<&str> = picture.split(" / ").collect();
    let labels = || ('A'..).zip(&rows);
    let seats_in = |state: char| -> Vec<SeatId> {
        let all =
            labels().flat_map(|(label, row)| (1..).zip(row.chars()).map(move |(number, seat)| (label, number, seat)));
        all.filter(|(_, _, seat)| *seat == state)
            .flat_map(|(label, number, _)| numbers(label, number..=number))
            .collect()
    };
    let layout = labels().map(|(label, row)| Row { label: named(label), seats: u16::try_from(row.len()).expect(row) });
    let map = SeatMap::new(layout.collect(), seats_in('x')).expect(picture);
    let mut hall = Hall::new(Arc::new(map));
    hall.change(&seats_in('h'), Free, Held).expect("a new hall is free");
    hall.change(&seats_in('s'), Free, Sold).expect("a new hall is free");
    hall
}

fn drawing(hall: &Hall) -> String {
    hall.rows().map(|(_, row)| row).collect::<Vec<_>>().join(" / ")
}

/// Rows A to E of 1,000 seats each, so that the first block ends in row E with seat E96.
fn wide_hall() -> Hall {
    let rows = ('A'..='E').map(|label| Row { label: named(label), seats: 1000 });
    Hall::new(Arc::new(SeatMap::new(rows.collect(), vec![]).expect("a sound map")))
}

fn numbers(label: char, numbers: std::ops::RangeInclusive<u16>) -> impl Iterator<Item = SeatId> {
    numbers.map(move |number| SeatId { row: named(label), number })
}

fn named(label: char) -> RowLabel {
    RowLabel::parse(&label.to_string()).expect("a letter")
}

fn seat(text: &str) -> SeatId {
    SeatId::parse(text).expect(text)
}
