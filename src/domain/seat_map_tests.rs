use super::*;

fn row(text: &str, seats: u16) -> Row {
    Row { label: RowLabel::parse(text).expect(text), seats }
}

fn seat(text: &str) -> SeatId {
    SeatId::parse(text).expect(text)
}

fn map(rows: &[(&str, u16)], blocked: &[&str]) -> Result<SeatMap, InvalidValue> {
    SeatMap::new(
        rows.iter().map(|(label, seats)| row(label, *seats)).collect(),
        blocked.iter().map(|text| seat(text)).collect(),
    )
}

#[test]
fn row_labels_are_capitals_and_digits_with_a_letter_at_the_end() {
    for good in ["A", "Z", "AA", "1A", "0A", "BALCONY", "ABCDEFGH", "1234567A"] {
        let label = RowLabel::parse(good).expect(good);
        assert_eq!((label.as_str(), label.to_string().as_str()), (good, good));
    }
    for bad in ["", "a", "A1", "1", "A ", " A", "A-B", "É", "AÉ", "ABCDEFGHI", "A\0", "\0A", "Ａ"] {
        assert!(RowLabel::parse(bad).is_err(), "{bad:?} must be refused");
    }
}

#[test]
fn seats_have_one_spelling() {
    for (good, label, number) in
        [("A7", "A", 7), ("A1", "A", 1), ("A1000", "A", 1000), ("1A7", "1A", 7), ("ABCDEFGH10", "ABCDEFGH", 10)]
    {
        let seat = SeatId::parse(good).expect(good);
        assert_eq!((seat.row.as_str(), seat.number, seat.to_string().as_str()), (label, number, good));
    }
    for bad in [
        "",
        "A",
        "7",
        "a7",
        "A0",
        "A07",
        "A1001",
        "A65537",
        "A99999999999999999999",
        "A 7",
        " A7",
        "A7 ",
        "A+7",
        "A-7",
        "É7",
        "A7É",
        "A٧",
        "ABCDEFGHI1",
        "A1B",
        "A7.0",
    ] {
        assert!(SeatId::parse(bad).is_err(), "{bad:?} must be refused");
    }
}

#[test]
fn names_are_written_and_read_as_text() {
    let json = serde_json::to_string(&(seat("B12"), row("AA", 1).label)).expect("text");
    assert_eq!(json, r#"["B12","AA"]"#);
    let read: (SeatId, RowLabel) = serde_json::from_str(&json).expect("its own text");
    assert_eq!(read, (seat("B12"), row("AA", 1).label));
    assert!(serde_json::from_str::<SeatId>(r#""b12""#).is_err());
    assert!(serde_json::from_str::<RowLabel>(r#""A1""#).is_err());
}

#[test]
fn rows_of_a_longer_label_do_not_come_between() {
    let mut labels = ["B", "AB", "A", "AA", "1A"].map(|text| row(text, 1).label);
    labels.sort();
    assert_eq!(labels.map(|label| label.to_string()), ["1A", "A", "AA", "AB", "B"]);
}

#[test]
fn a_hall_has_the_seats_of_its_rows() {
    let hall = map(&[("B", 2), ("A", 3)], &["A2", "B1"]).expect("a sound map");
    for (text, there) in [("B1", true), ("B2", true), ("B3", false), ("A3", true), ("A4", false), ("C1", false)] {
        assert_eq!(hall.has(seat(text)), there, "{text}");
    }
    assert!(!hall.has(SeatId { number: 0, ..seat("A1") }));
    assert_eq!(hall.seats_for_sale(), 3);
    assert_eq!(hall.rows(), [row("B", 2), row("A", 3)]);
    assert_eq!(hall.blocked().collect::<Vec<_>>(), [seat("B1"), seat("A2")], "B is in front of A here");
}

#[test]
fn a_place_and_its_seat_name_each_other() {
    let hall = map(&[("B", 2), ("A", 3), ("C", 1)], &[]).expect("a sound map");
    let in_order = ["B1", "B2", "A1", "A2", "A3", "C1"].map(seat);
    for (place, seat) in (0..).zip(in_order) {
        assert_eq!(hall.find(seat).map(|(_, place)| place), Some(place));
        assert_eq!(hall.seats_in(place..place + 1).collect::<Vec<_>>(), [seat]);
    }
    assert_eq!(hall.seats_in(3..5).collect::<Vec<_>>(), ["A2", "A3"].map(seat));
    assert_eq!(hall.seats_of_row(1), 2..5);
    assert_eq!(hall.seats_of_row(3), 0..0);
}

#[test]
fn a_layout_that_cannot_be_is_refused_with_the_culprits_name() {
    refused(&[], &[], "1 to 1000 rows, not 0");
    refused(&[("A", 1), ("B", 1), ("A", 2)], &[], "two rows called A");
    refused(&[("A", 1), ("B", 0)], &[], "row B, not 0");
    refused(&[("A", 1001)], &[], "row A, not 1001");
    refused(&[("A", 2)], &["A1", "A3"], "A3");
    refused(&[("A", 3)], &["A2", "A1", "A2"], "A2 twice");
    refused(&[("A", 1), ("B", 1)], &["A1", "B1"], "every seat");
}

#[track_caller]
fn refused(rows: &[(&str, u16)], blocked: &[&str], culprit: &str) {
    let why = map(rows, blocked).expect_err(culprit).to_string();
    assert!(why.contains(culprit), "{why:?} must name {culprit:?}");
}

#[test]
fn the_largest_hall_is_laid_out_and_a_larger_one_is_refused() {
    let rows =
        |count: usize, seats| -> Vec<Row> { (0..count).map(|number| row(&format!("{number}R"), seats)).collect() };
    let most = SeatMap::new(rows(SeatMap::ROWS_MAX, 100), vec![]).expect("as large as it gets");
    assert_eq!(most.seats_for_sale(), SeatMap::SEATS_MAX);
    assert!(SeatMap::new(rows(100, Row::SEATS_MAX), vec![]).is_ok());

    let why = SeatMap::new(rows(SeatMap::ROWS_MAX + 1, 1), vec![]).expect_err("a row too many").to_string();
    assert!(why.contains("not 1001"), "{why}");
    let mut one_more = rows(100, Row::SEATS_MAX);
    one_more.push(row("Z", 1));
    let why = SeatMap::new(one_more, vec![]).expect_err("a seat too many").to_string();
    assert!(why.contains("row Z"), "{why}");
}
