//! A named seat belongs to one reservation, and groups sit together.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::{join, join_all};
use serde_json::{Value, json};

use super::{Sale, seat_ids, seats_of};
use crate::support::{
    heavy,
    store::{Store, for_each_store},
};

#[tokio::test]
async fn two_hundred_partners_want_three_each_of_the_same_ten_seats() {
    let _room = heavy().await;
    for_each_store("named seats", async |store: Store| {
        let map = json!({ "rows": [{ "row": "A", "seats": 20 }, { "row": "B", "seats": 20 }], "blocked": ["B20"] });
        let sale = &Sale::open(&store, json!({ "seatMap": map })).await;
        let want = async |number: u32| {
            let wanted: Vec<_> =
                (0..3).map(|step| format!("A{}", 6 + (number * 7 + step * (1 + number % 3)) % 10)).collect();
            let answer = sale.reserve(&format!("p{number}"), json!({ "seatIds": wanted })).await;
            if answer.status == 201 {
                return assert_eq!(seat_ids(answer.json()), wanted, "these or none");
            }
            let problem = answer.expect_problem(409, "seat-taken");
            let taken = seat_ids(problem.json());
            assert!(!taken.is_empty() && taken.iter().all(|seat| wanted.contains(seat)), "{problem}");
        };
        join(join_all((0..200).map(want)), sale.kill_one()).await;

        let all = sale.audit().await;
        assert!((1..=3).contains(&all.len()), "three each of ten seats: {}", all.len());
        let map = sale.clients[0].get(&format!("/events/{}/seats", sale.event)).await.expect(200);
        assert_eq!(seats_of(&map, 's').len(), 3 * all.len());
        assert_eq!(seats_of(&map, 'x'), BTreeSet::from(["B20".to_owned()]));
    })
    .await;
}

#[tokio::test]
async fn no_group_is_split_that_could_sit_together() {
    const ROWS: u32 = 20;
    const SEATS_PER_ROW: u32 = 15;
    let _room = heavy().await;
    for_each_store("best seats", async |store: Store| {
        let rows: Vec<_> = (0..ROWS).map(|row| json!({ "row": label(row), "seats": SEATS_PER_ROW })).collect();
        let sale = &Sale::open(&store, json!({ "seatMap": { "rows": rows } })).await;
        let group = async |number: u32| {
            let answer = sale.reserve(&format!("p{number}"), json!({ "seats": 1 + number * 5 % 7 })).await;
            if answer.status != 201 {
                answer.expect_problem(409, "insufficient-seats");
            }
        };
        join(join_all((0..120).map(group)), sale.kill_one()).await;

        // Told in the order of the versions, every group that found a run of free seats long enough got one.
        let all = sale.audit().await;
        let mut in_order: Vec<&Value> = all.values().collect();
        in_order.sort_by_key(|item| item["version"].as_i64());
        let mut free: BTreeMap<String, Vec<bool>> =
            (0..ROWS).map(|row| (label(row), vec![true; SEATS_PER_ROW as usize])).collect();
        let mut split = 0;
        for item in in_order {
            let ids = seat_ids(item);
            let could = free.values().any(|row| row.split(|free| !free).any(|run| run.len() >= ids.len()));
            let together = are_adjacent(&ids);
            assert!(together || !could, "split although a row had room: {item}");
            split += usize::from(!together);
            for id in ids {
                let (row, number) = id.split_at(id.find(|c: char| c.is_ascii_digit()).expect("row and number"));
                free.get_mut(row).expect("a row")[number.parse::<usize>().expect("a number") - 1] = false;
            }
        }
        println!("{} groups, {split} of them split for want of room", all.len());
    })
    .await;
}

fn label(row: u32) -> String {
    char::from_u32(u32::from(b'A') + row).expect("a letter").to_string()
}

fn are_adjacent(ids: &[String]) -> bool {
    let place = |id: &String| {
        let (row, number) = id.split_at(id.find(|c: char| c.is_ascii_digit()).expect("row and number"));
        (row.to_owned(), number.parse::<u32>().expect("a number"))
    };
    let mut places: Vec<_> = ids.iter().map(place).collect();
    places.sort();
    places.windows(2).all(|pair| pair[0].0 == pair[1].0 && pair[0].1 + 1 == pair[1].1)
}
