use serde_json::json;

use super::*;
use crate::http::problem::FieldError;

/// Reads `body` as a request of a `name`, a string, and a `count`, an integer, of which rules forbid 7.
fn read_fields(body: &[u8]) -> Result<(String, u32), Vec<FieldError>> {
    let read = || -> Result<_, Problem> {
        let mut fields = Fields::read(body)?;
        let name = fields.required("name", value("a string"));
        let count: Option<u32> = fields.required("count", integer("an integer"));
        let mut rules = ValidationErrors::new();
        if count == Some(7) {
            rules.add("count", validator::ValidationError::new("invalid").with_message("must not be 7".into()));
        }
        fields.finish(if rules.is_empty() { Ok(()) } else { Err(rules) })?;
        Ok((name.expect("checked"), count.expect("checked")))
    };
    read().map_err(|problem| match problem {
        Problem::InvalidRequest(errors) => errors,
        other => panic!("only fields can be wrong: {other}"),
    })
}

#[test]
fn a_good_body_is_read() {
    for body in [
        r#"{"name":"a","count":2}"#,
        r#"{"count":2,"name":"a"}"#,
        " \r\n\t{ \"name\" : \"a\" , \"count\" : 2 } \n",
        r#"{"n\u0061me":"\u0061","count":2}"#,
    ] {
        assert_eq!(read_fields(body.as_bytes()), Ok(("a".to_owned(), 2)), "{body}");
    }
}

#[test]
fn what_is_no_object_is_refused_as_a_whole() {
    let deep = "[".repeat(4_000);
    let deep_object = "{\"a\":".repeat(800);
    for (body, wanted) in [
        (&b""[..], "is empty"),
        (b" \n", "is empty"),
        (b"[]", "must be a JSON object"),
        (br#"["a",2]"#, "must be a JSON object"),
        (br#"[{"name":"a","count":2}]"#, "must be a JSON object"),
        (b"\"a\"", "must be a JSON object"),
        (b"null", "must be a JSON object"),
        (b"true", "must be a JSON object"),
        (b"2", "must be a JSON object"),
        (b"{", "must be JSON"),
        (b"name=a&count=2", "must be JSON"),
        (br#"{"name":"a","count":2"#, "must be JSON"),
        (br#"{"name":"a","count":2}{}"#, "must be JSON"),
        (br#"{"name":"a","count":2,}"#, "must be JSON"),
        (br#"{name:"a","count":2}"#, "must be JSON"),
        (br#"{"name":"a","count":NaN}"#, "must be JSON"),
        (br#"{"name":"a","count":Infinity}"#, "must be JSON"),
        (br#"{"name":"a","count":0x2}"#, "must be JSON"),
        (br#"{"name":"a","count":02}"#, "must be JSON"),
        (b"{\"name\":\"a\nb\",\"count\":2}", "must be JSON"),
        (b"{\"name\":\"\xff\",\"count\":2}", "must be JSON"),
        (b"{\"\xff\":\"a\",\"count\":2}", "must be JSON"),
        (b"\xef\xbb\xbf{\"name\":\"a\",\"count\":2}", "must be JSON"),
        (b"\xff\xfe{\0}\0", "must be JSON"),
        (b"\0", "must be JSON"),
        (deep.as_bytes(), "must be a JSON object"),
        (deep_object.as_bytes(), "must be JSON"),
    ] {
        let errors = read_fields(body).expect_err("refused");
        let body = String::from_utf8_lossy(body);
        assert_eq!((errors.len(), &*errors[0].field), (1, "body"), "{body}");
        assert!(errors[0].message.contains(wanted), "{body}: {}", errors[0].message);
    }
}

#[test]
fn a_field_of_another_type_is_named() {
    for (value, wanted) in [
        (r#""2""#, "must be an integer, not a string"),
        ("2.5", "must be an integer, not a decimal number"),
        ("25e-1", "must be an integer, not this number"),
        ("1e400", "must be an integer, not this number"),
        ("1e999999999999999999999", "must be an integer, not this number"),
        ("-1", "must be an integer, not this number"),
        ("4294967296", "must be an integer, not this number"),
        ("99999999999999999999999999", "must be an integer, not this number"),
        ("true", "must be an integer, not a boolean"),
        ("null", "must be an integer, not null"),
        ("[2]", "must be an integer, not an array"),
        (r#"{"$gt":0}"#, "must be an integer, not an object"),
        ("7", "must not be 7"),
    ] {
        let errors = read_fields(format!(r#"{{"name":"a","count":{value}}}"#).as_bytes()).expect_err("refused");
        assert_eq!(errors, [FieldError { field: "count".into(), message: wanted.to_owned() }], "{value}");
    }
    let errors = read_fields(br#"{"name":"\ud800","count":2}"#).expect_err("half a surrogate pair is no character");
    assert!(errors[0].message.starts_with("must be a string: "), "{}", errors[0].message);
}

#[test]
fn an_integer_may_be_written_as_clients_do_that_know_one_kind_of_number() {
    for (count, wanted) in [("2.0", 2), ("2e0", 2), ("20e-1", 2), ("-0", 0), ("-0.0", 0), ("4294967295.0", u32::MAX)] {
        let body = format!(r#"{{"name":"a","count":{count}}}"#);
        assert_eq!(read_fields(body.as_bytes()), Ok(("a".to_owned(), wanted)), "{count}");
    }
}

#[test]
fn null_is_as_good_as_nothing_unless_it_takes_something_away() {
    let read = |body: &str| {
        let mut fields = Fields::read(body.as_bytes())?;
        let found = (
            fields.optional("a", integer::<u8>("an integer")),
            fields.clearable("b", integer::<u8>("an integer")),
            fields.given("c", integer::<u8>("an integer")),
        );
        fields.finish(Ok(()))?;
        Ok::<_, Problem>(found)
    };
    assert_eq!(read(r#"{"a":null,"b":null}"#).expect("good"), (None, Some(None), None));
    assert_eq!(read(r#"{"a":1,"b":2,"c":3}"#).expect("good"), (Some(1), Some(Some(2)), Some(3)));
    for (body, wanted) in [
        (r#"{"c":null}"#, "c must be an integer, not null."),
        (r#"{"a":null,"a":1}"#, "a must be given once."),
        (r#"{"a":null,"a":null}"#, "a must be given once."),
        (r#"{"d":null}"#, "d is not a field of this request."),
    ] {
        assert_eq!(read(body).expect_err("refused").to_string(), wanted, "{body}");
    }
}

#[test]
fn everything_wrong_is_told_at_once() {
    let errors = read_fields(br#"{"name":5,"count":7,"cuont":1,"name":"a","_id":{"$ne":1}}"#).expect_err("refused");
    let said: Vec<_> = errors.iter().map(|error| format!("{} {}", error.field, error.message)).collect();
    assert_eq!(
        said,
        [
            "_id is not a field of this request",
            "count must not be 7",
            "cuont is not a field of this request: did you mean count?",
            "name must be given once",
        ]
    );
    let errors = read_fields(b"{}").expect_err("refused");
    assert_eq!(
        json!(errors),
        json!([
            { "field": "count", "message": "is required" },
            { "field": "name", "message": "is required" },
        ])
    );
}

#[test]
fn the_list_of_mistakes_is_bounded() {
    let many: Vec<_> = (0..300).map(|number| format!("\"field-{number}\":0")).collect();
    let errors = read_fields(format!("{{{}}}", many.join(",")).as_bytes()).expect_err("refused");
    assert_eq!(errors.len(), 16);
    let errors = read_fields(format!(r#"{{"name":"a","count":1,"{}":0}}"#, "ü".repeat(1_000)).as_bytes());
    assert_eq!(errors.expect_err("refused")[0].field.chars().count(), 64);
}

#[test]
fn rust_names_become_the_contracts() {
    assert_eq!(camel_case("partner_id"), "partnerId");
    assert_eq!(camel_case("seats"), "seats");
}

/// Reads a `hall` of `rows`, objects with a `seats` each, and `tags`, of which there may be two.
#[expect(clippy::type_complexity, reason = "it is what the body says, one by one")]
fn read_nested(body: &str) -> Result<(Vec<u32>, Option<Option<Vec<String>>>), String> {
    let row = |fields: &mut Fields<'_>| fields.required("seats", value("an integer"));
    let mut fields = Fields::read(body.as_bytes()).map_err(|problem| problem.to_string())?;
    let rows = fields.required(
        "hall",
        object("an object", |hall| hall.required("rows", list("an array", 200, object("an object", row)))),
    );
    let tags = fields.clearable("tags", list("an array", 2, value("a string")));
    fields.finish(Ok(())).map_err(|problem| problem.to_string())?;
    Ok((rows.expect("checked"), tags))
}

#[test]
fn what_is_nested_is_read() {
    for (body, rows, tags) in [
        (r#"{"hall":{"rows":[]}}"#, vec![], None),
        (r#"{"hall":{"rows":[{"seats":2},{"seats":3}]},"tags":null}"#, vec![2, 3], Some(None)),
        (r#"{"hall":{"rows":[]},"tags":["a"]}"#, vec![], Some(Some(vec!["a".to_owned()]))),
    ] {
        assert_eq!(read_nested(body), Ok((rows, tags)), "{body}");
    }
}

#[test]
fn what_is_wrong_inside_is_named_by_its_way() {
    for (body, wanted) in [
        (r#"{"hall":[]}"#, "hall must be an object, not an array."),
        (r#"{"hall":null}"#, "hall must be an object, not null."),
        (r#"{"hall":{}}"#, "hall.rows is required."),
        (r#"{"hall":{"rows":{}}}"#, "hall.rows must be an array, not an object."),
        (r#"{"hall":{"rows":[{"seats":1},7]}}"#, "hall.rows[1] must be an object, not this number."),
        (
            r#"{"hall":{"rows":[{"seats":"2"},{"seats":1,"seats":1},{}],"x":1},"tags":[1],"y":1}"#,
            "hall.rows[0].seats must be an integer, not a string; hall.rows[1].seats must be given once; \
             hall.rows[2].seats is required; hall.x is not a field of this request; tags[0] must be a string, not this \
             number; y is not a field of this request.",
        ),
        (r#"{"hall":{"rows":[]},"tags":["a","b","c"]}"#, "tags must have 2 items at most, not 3."),
    ] {
        assert_eq!(read_nested(body), Err(wanted.to_owned()), "{body}");
    }
    let many = format!(r#"{{"hall":{{"rows":[{}7]}}}}"#, "7,".repeat(199));
    assert_eq!(read_nested(&many).expect_err("refused").matches("must be").count(), 16);
}

#[test]
fn of_two_fields_one_is_to_be_chosen() {
    let choose = |body: &str| {
        let mut fields = Fields::read(body.as_bytes())?;
        fields.exactly_one("one", "other");
        let _: (Option<u8>, Option<u8>) = (fields.optional("one", value("a")), fields.optional("other", value("a")));
        fields.finish(Ok(()))
    };
    assert!(choose(r#"{"one":1}"#).is_ok() && choose(r#"{"other":1}"#).is_ok());
    assert!(choose(r#"{"one":1,"other":null}"#).is_ok() && choose(r#"{"one":null,"other":1}"#).is_ok());
    let why = |body| choose(body).expect_err("refused").to_string();
    assert_eq!(why("{}"), "one is required, or other instead.");
    assert_eq!(why(r#"{"one":null,"other":null}"#), "one is required, or other instead.");
    assert_eq!(why(r#"{"one":1,"other":1}"#), "other must not be given together with one.");
}
