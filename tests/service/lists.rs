//! Readers of lists: few at a time, and in nobody's way.

use std::{sync::Arc, time::Duration};

use ticketboss::{
    domain::{Reservation, Status},
    service::{BoxOffice, Limits, ServiceError, Terms},
    store::{Place, ReservationPage, ReservationQuery, Scope},
};
use tokio::{task::JoinHandle, time::Instant};

use crate::{
    faulty::FaultyStore,
    house::{House, LIMITS},
};

/// Lists that are read at once while a few rows are enough for them.
const QUICK: usize = 8;
/// Readers who may wait for either.
const WAITING_MAX: usize = 256;
/// More rows than are looked at quickly, and less than are scanned.
const SPARSE_ROWS: usize = 10_000;

type Listed = Result<ReservationPage, ServiceError>;

async fn open(limits: Limits) -> House {
    House::open(100_000, limits, |inner| FaultyStore::new(inner, &[])).await
}

fn query(house: &House, status: Option<Status>) -> ReservationQuery {
    let scope = Scope::Event(house.show.clone());
    ReservationQuery { scope, status, created_from: None, created_to: None, after: None, limit: 100 }
}

/// Asks for a list without waiting for it.
fn ask(house: &House) -> JoinHandle<Listed> {
    let (office, query) = (house.office.clone(), query(house, None));
    tokio::spawn(async move { office.reservations(&query).await })
}

fn overloaded(listed: &Listed) -> bool {
    matches!(listed, Err(ServiceError::ListsOverloaded(_)))
}

/// Waits until one more reader would be turned away, for as many wait as may.
async fn full(house: &House) {
    let query = query(house, None);
    let deadline = Instant::now() + LIMITS.request_timeout / 3;
    loop {
        assert!(Instant::now() < deadline, "there is room for any number of readers");
        // One look, which is over before the others go on: it must not take the place of one of them.
        let asked = futures_util::poll!(Box::pin(house.office.reservations(&query)));
        if let std::task::Poll::Ready(listed) = asked {
            assert!(overloaded(&listed), "{listed:?}");
            return;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn few_lists_are_read_at_a_time_and_some_wait_and_the_next_is_turned_away() {
    let house = open(LIMITS).await;
    house.store.hold_lists(0);
    let asked: Vec<_> = (0..QUICK + WAITING_MAX).map(|_| ask(&house)).collect();
    house.store.lists_wait(QUICK).await;
    full(&house).await;
    assert_eq!(house.store.lists_waiting(), QUICK, "no more are read at once");
    // One ends, and the next begins.
    house.store.let_lists_pass(asked.len());
    for asked in asked {
        asked.await.expect("no panic").expect("those who may wait get their turn");
    }
}

#[tokio::test]
async fn those_who_reserve_or_ask_about_one_reservation_do_not_wait_for_lists() {
    let house = open(LIMITS).await;
    let first = house.reserve("acme", 1, Terms::default()).await.expect("a seat").subject;
    house.store.hold_lists(0);
    let asked: Vec<_> = (0..QUICK + WAITING_MAX).map(|_| ask(&house)).collect();
    house.store.lists_wait(QUICK).await;
    house.reserve("acme", 1, Terms::default()).await.expect("a seat");
    assert_eq!(house.office.reservation(&first.id).await.expect("it is there").reservation.id, first.id);
    assert_eq!(house.free().await, 99_998);
    assert!(asked.iter().all(|asked| !asked.is_finished()), "the lists wait still");
}

#[tokio::test]
async fn a_list_that_gets_no_turn_in_time_is_overloaded() {
    let house = open(Limits { request_timeout: Duration::from_millis(400), ..LIMITS }).await;
    house.store.hold_lists(0);
    let reading: Vec<_> = (0..QUICK).map(|_| ask(&house)).collect();
    house.store.lists_wait(QUICK).await;
    let listed = ask(&house).await.expect("no panic");
    assert!(overloaded(&listed), "{listed:?}");
    house.store.let_lists_pass(QUICK);
    for reading in reading {
        reading.await.expect("no panic").expect("those who had their turn are answered");
    }
}

#[tokio::test]
async fn readers_who_go_away_make_room() {
    let house = open(LIMITS).await;
    house.store.hold_lists(0);
    let asked: Vec<_> = (0..QUICK + WAITING_MAX).map(|_| ask(&house)).collect();
    house.store.lists_wait(QUICK).await;
    full(&house).await;
    for asked in asked {
        asked.abort();
        assert!(asked.await.is_err_and(|why| why.is_cancelled()));
    }
    assert_eq!(house.store.lists_waiting(), 0);
    let next = ask(&house);
    house.store.lists_wait(1).await;
    house.store.let_lists_pass(1);
    next.await.expect("no panic").expect("a list");
}

#[tokio::test]
async fn scans_are_made_one_after_the_other_also_when_their_readers_have_gone() {
    let house = open(LIMITS).await;
    house.store.find_nothing_in(SPARSE_ROWS);
    house.store.hold_lists(0);
    let gone = ask(&house);
    house.store.lists_wait(1).await;
    let (waiting, also_gone, last) = (ask(&house), ask(&house), ask(&house));
    gone.abort();
    also_gone.abort();
    assert!(gone.await.is_err_and(|why| why.is_cancelled()));
    assert!(also_gone.await.is_err_and(|why| why.is_cancelled()));
    // What has begun is still at work in the store, so nothing else begins; others are answered meanwhile.
    house.reserve("acme", 1, Terms::default()).await.expect("a seat");
    assert_eq!(house.store.lists_waiting(), 1);
    // Three scans are made, not four: the first, and those of the two who are still there.
    for _ in 0..3 {
        house.store.lists_wait(1).await;
        house.store.let_lists_pass(1);
        house.store.lists_wait(0).await;
    }
    waiting.await.expect("no panic").expect("a list");
    last.await.expect("no panic").expect("a list");
}

#[tokio::test]
async fn a_scan_that_gets_no_turn_in_time_is_overloaded_and_what_was_found_before_is_not_lost() {
    let house = open(Limits { request_timeout: Duration::from_millis(400), inbox_max: 2_000, ..LIMITS }).await;
    let made = reserve_many(&house, 600).await;
    cancel(&house, &made[1]).await;
    let cancelled = query(&house, Some(Status::Cancelled));
    let event = house.office.event(&house.show).await.expect("an event").id.clone();
    // A scan of another reader takes all the time.
    house.store.find_nothing_in(SPARSE_ROWS);
    house.store.hold_lists(SPARSE_ROWS);
    let other = ask(&house);
    house.store.lists_wait(1).await;
    let listed = house.office.reservations(&cancelled).await;
    assert!(overloaded(&listed), "nothing was found quickly: {listed:?}");
    house.store.find_nothing_in(0);
    let page = house.office.reservations(&cancelled).await.expect("a page");
    assert_eq!(page.reservations.iter().map(|found| &found.id).collect::<Vec<_>>(), [&made[1].id]);
    let next = page.next.expect("more may follow");
    assert!(next.event_id == event && next < Place::of(&made[599]), "it goes on where the quick look ended: {next:?}");
    other.abort();
}

#[tokio::test]
async fn a_page_is_filled_from_a_quick_look_and_a_scan_in_order() {
    let house = open(Limits { inbox_max: 2_000, ..LIMITS }).await;
    let made = reserve_many(&house, 700).await;
    let wanted = [3, 4, 511, 512, 699].map(|index| &made[index]);
    for made in wanted {
        cancel(&house, made).await;
    }
    let cancelled = query(&house, Some(Status::Cancelled));
    let ids = |page: &ReservationPage| -> Vec<_> { page.reservations.iter().map(|found| found.id.clone()).collect() };
    let wanted: Vec<_> = wanted.iter().map(|made| made.id.clone()).collect();
    let page = house.office.reservations(&cancelled).await.expect("a page");
    assert_eq!((ids(&page), page.next), (wanted.clone(), None), "all at once");
    let four = house.office.reservations(&ReservationQuery { limit: 4, ..cancelled.clone() }).await.expect("a page");
    assert_eq!(ids(&four), wanted[..4], "a part");
    let last = ReservationQuery { after: four.next, ..cancelled };
    let last = house.office.reservations(&last).await.expect("a page");
    assert_eq!((ids(&last), last.next), (wanted[4..].to_vec(), None), "the rest");
}

/// Makes so many reservations, and gives them back in the order of the list.
async fn reserve_many(house: &House, count: usize) -> Vec<Arc<Reservation>> {
    let mut asked = Vec::new();
    for _ in 0..count {
        asked.push(house.ask("acme", 1, Terms::default()).await);
    }
    let mut made = Vec::new();
    for asked in asked {
        made.push(asked.await.expect("no panic").expect("a seat").subject);
    }
    made.sort_by_key(|made| Place::of(made));
    made
}

async fn cancel(house: &House, made: &Reservation) {
    let office: &BoxOffice = &house.office;
    office.cancel(&made.id, Terms::default()).await.expect("cancelled");
}
