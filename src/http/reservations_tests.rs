use actix_web::web::Bytes;

use super::*;

fn read(body: &str) -> Result<SeatRequest, String> {
    let body = JsonBody::of(Bytes::copy_from_slice(body.as_bytes()));
    let limits = Limits { seats_max: 3, hold_seconds_max: 900 };
    ReserveBody::parse(&body, &limits).map_err(|problem| problem.to_string())
}

fn read_with(fields: &str) -> Result<SeatRequest, String> {
    read(&format!(r#"{{"partnerId":"acme",{fields}}}"#))
}

#[test]
fn seats_are_asked_for_by_number_or_by_name() {
    let by_number = read_with(r#""seats":3"#).expect("a good body");
    assert_eq!((by_number.partner_id.as_str(), by_number.seats.get()), ("acme", 3));
    assert!(by_number.seat_ids.is_empty() && !by_number.waitlist && by_number.hold.is_none());

    let by_name = read_with(r#""seatIds":["B2","A1"],"waitlist":false,"holdSeconds":900"#).expect("a good body");
    let names: Vec<_> = by_name.seat_ids.iter().map(ToString::to_string).collect();
    assert_eq!((names, by_name.seats.get()), (vec!["B2".to_owned(), "A1".to_owned()], 2));
    assert_eq!(by_name.hold.map(HoldSeconds::get), Some(900));

    assert!(read_with(r#""seats":1,"waitlist":true"#).expect("a good body").waitlist);
}

#[test]
fn fields_that_are_null_are_as_good_as_absent() {
    let plain = read_with(r#""seats":1"#).expect("a good body");
    for fields in [
        r#""seats":1,"waitlist":null,"holdSeconds":null,"seatIds":null"#,
        r#""seats":1.0,"waitlist":false"#,
        r#""seats":1e0"#,
        r#""seats":10e-1"#,
    ] {
        let given = read_with(fields).expect("a good body");
        assert_eq!((given.seats, given.waitlist, given.hold), (plain.seats, false, None), "{fields}");
    }
    assert_eq!(read_with(r#""seats":null,"seatIds":["A1"]"#).expect("a good body").seat_ids.len(), 1);
    for (body, wanted) in [
        (r#"{"partnerId":null,"seats":1}"#, "partnerId must be a string of 1 to 64 characters, not null."),
        (r#"{"partnerId":"a","seats":null}"#, "seats is required, or seatIds instead."),
        (r#"{"partnerId":"a","seats":1,"colour":null}"#, "colour is not a field of this request."),
        (r#"{"partnerId":"a","seats":1e400}"#, "seats must be an integer from 1 to 3, not this number."),
    ] {
        assert_eq!(read(body).expect_err("refused"), wanted, "{body}");
    }
}

#[test]
fn a_partner_has_one_id_however_it_is_typed() {
    let partner = |id: &str| read(&serde_json::json!({ "partnerId": id, "seats": 1 }).to_string());
    for (one, other) in [(" acme ", "acme"), ("caf\u{65}\u{301}", "caf\u{e9}"), ("\u{a0}acme", "acme")] {
        assert_eq!(partner(one).expect("good").partner_id, partner(other).expect("good").partner_id);
    }
    for invisible in ["\u{200b}", "ac\u{ad}me", "acme\u{feff}", "\u{202e}emca", "acme\u{200d}", "\u{3164}"] {
        let why = partner(invisible).expect_err("refused");
        assert!(why.starts_with("partnerId must not hold control, format or invisible characters (U+"), "{why}");
    }
}

#[test]
fn other_requests_for_seats_are_told_what_is_wrong() {
    for (fields, wanted) in [
        (r#""waitlist":true"#, "seats is required, or seatIds instead."),
        (r#""seats":1,"seatIds":["A1"]"#, "seatIds must not be given together with seats."),
        (r#""seats":4"#, "seats must be an integer from 1 to 3."),
        (r#""seatIds":[]"#, "seatIds must name 1 to 3 seats."),
        (r#""seatIds":["A1","A2","A3","A4"]"#, "seatIds must have 3 items at most, not 4."),
        (r#""seatIds":["A1","B1","A1"]"#, "seatIds must name each seat once, and names A1 twice."),
        (
            r#""seatIds":["A01",7]"#,
            "seatIds[0] must be a row and a number from 1 to 1000, such as A7; \
             seatIds[1] must be a seat, as in \"A7\", not this number.",
        ),
        (r#""seatIds":"A1""#, "seatIds must be an array of seats, as in [\"A7\", \"A8\"], not a string."),
        (
            r#""seatIds":["A1"],"waitlist":true"#,
            "waitlist must not be true together with seatIds: named seats are not waited for.",
        ),
        (r#""seats":1,"holdSeconds":0"#, "holdSeconds must be an integer from 1 to 900."),
        (r#""seats":1,"holdSeconds":901"#, "holdSeconds must be an integer from 1 to 900."),
        (r#""seats":1,"holdSeconds":1.5"#, "holdSeconds must be an integer from 1 to 900, not a decimal number."),
    ] {
        assert_eq!(read_with(fields).expect_err("refused"), wanted, "{fields}");
    }
    assert_eq!(
        read(r#"{"seats":0,"holdSeconds":0,"waitlist":1,"note":"x"}"#).expect_err("refused"),
        "holdSeconds must be an integer from 1 to 900; note is not a field of this request; partnerId is required; seats must \
         be an integer from 1 to 3; waitlist must be true or false, not this number."
    );
}

#[test]
fn the_heaviest_body_leaves_little_more_than_it_had() {
    let mut seats =
        (1..=99).flat_map(|number| (b'A'..=b'Z').map(move |row| format!("\"{}{number}\"", char::from(row))));
    let mut body = format!(r#"{{"partnerId":"{}","seatIds":["#, "😀".repeat(64));
    body += &seats.next().expect("one");
    while body.len() < 4_096 - 8 {
        body = body + "," + &seats.next().expect("enough of them");
    }
    body += "]}";
    let limits = Limits { seats_max: 10_000_000, hold_seconds_max: 900 };
    let request = ReserveBody::parse(&JsonBody::of(Bytes::from(body)), &limits).expect("a good body");
    let bytes = size_of_val(&request) + size_of_val(&*request.seat_ids) + request.partner_id.as_str().len();
    assert!((5_000..8_000).contains(&bytes), "{bytes}");
}
