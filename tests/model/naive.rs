//! The rules as a list of everything that was ever reserved, searched from end to end for each question.

use jiff::Timestamp;
use uuid::Uuid;

use super::{
    chooser::{Picture, choose},
    domain::{
        Amend, Command, Event, EventSummary, Expected, IdSalt, Limited, OperationId, PartnerId, Quotas, Rejection,
        Request, Reserve, Sales, SeatId, Status, Version,
    },
    words::{Told, refused, tell_reservation},
};

mod amend;

/// An event and all its reservations.
pub(crate) struct Naive {
    salt: IdSalt,
    /// What the event says and allows. Its numbers of seats and reservations are counted anew whenever somebody asks.
    terms: EventSummary,
    /// The seats that have names, from the front to the back.
    seats: Vec<Seat>,
    entries: Vec<Entry>,
    amendments: Vec<(OperationId, Amend, String)>,
    /// When something happened last. Whatever the clock tells, nothing happens before that.
    last: Option<Timestamp>,
}

struct Seat {
    id: SeatId,
    blocked: bool,
    owner: Option<Uuid>,
}

struct Entry {
    uuid: Uuid,
    asked: Reserve,
    status: Status,
    version: i64,
    created_at: Timestamp,
    expires_at: Option<Timestamp>,
    place: Option<u32>,
    /// Kept when they are given back.
    seats: Vec<SeatId>,
    /// Who did what, and the answer.
    done: Vec<(OperationId, Deed, String)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deed {
    Reserve,
    Confirm,
    Cancel,
}

impl Naive {
    /// A list for `event`, which nobody has touched yet.
    pub(crate) fn of(event: &Event) -> Self {
        let map = event.hall.as_ref().map(super::domain::Hall::map);
        let rows = map.map(|map| map.rows().to_vec()).unwrap_or_default();
        let ids = rows.iter().flat_map(|row| (1..=row.seats).map(|number| SeatId { row: row.label, number }));
        let blocked: Vec<_> = map.map(|map| map.blocked().collect()).unwrap_or_default();
        let seats = ids.map(|id| Seat { id, blocked: blocked.contains(&id), owner: None }).collect();
        let (salt, terms) = (event.id_salt, event.summary());
        Self { salt, terms, seats, entries: Vec::new(), amendments: Vec::new(), last: None }
    }

    /// What comes of `command` at `now`, in the words of [`super::describe`].
    pub(crate) fn tell(&mut self, command: &Command, now: Timestamp) -> String {
        self.look_after(now);
        let version = self.terms.version;
        let now = self.time(now);
        let told = match &command.request {
            Request::Reserve(reserve) => self.reserve(command, reserve, now),
            Request::Cancel(uuid) => self.cancel(command, *uuid),
            Request::Confirm(uuid) => self.confirm(command, *uuid),
            Request::Amend(amend) => self.amend(command, amend, now),
        };
        let told = told.unwrap_or_else(|why| refused(&why));
        self.serve(now);
        self.happened(version, now);
        told
    }

    fn time(&self, clock: Timestamp) -> Timestamp {
        self.last.map_or(clock, |last| last.max(clock))
    }

    fn happened(&mut self, since: Version, now: Timestamp) {
        if self.terms.version > since {
            self.last = Some(now);
        }
    }

    /// What happens at `now` although nobody asks.
    pub(crate) fn look_after(&mut self, clock: Timestamp) {
        let (version, now) = (self.terms.version, self.time(clock));
        let due = |entry: &Entry| entry.status == Status::Held && entry.expires_at.is_some_and(|at| at <= now);
        // Whoever joined first is first in the list, and of equals `min_by_key` takes the first.
        while let Some(index) = (0..self.entries.len())
            .filter(|index| due(&self.entries[*index]))
            .min_by_key(|index| self.entries[*index].expires_at)
        {
            self.release(index, Status::Expired);
        }
        self.serve(now);
        self.happened(version, now);
    }

    /// The event as its summary shows it.
    pub(crate) fn summary(&self) -> EventSummary {
        let with = |status: Status| self.entries.iter().filter(move |entry| entry.status == status);
        let seats = |status: Status| with(status).map(|entry| entry.asked.seats.get()).sum::<u32>();
        let count = |status: Status| u32::try_from(with(status).count()).expect("a short list");
        EventSummary {
            available_seats: self.terms.total_seats - seats(Status::Confirmed) - seats(Status::Held),
            held_seats: seats(Status::Held),
            reservation_count: count(Status::Confirmed),
            waitlist_count: count(Status::Waitlisted),
            ..self.terms.clone()
        }
    }

    /// Every reservation, and how it stands in the words of [`super::describe`].
    pub(crate) fn reservations(&self) -> impl Iterator<Item = (Uuid, String)> {
        self.entries.iter().map(|entry| (entry.uuid, entry.tell("is")))
    }

    /// Who waits, in the order of the list.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = Uuid> {
        self.entries.iter().filter(|entry| entry.status == Status::Waitlisted).map(|entry| entry.uuid)
    }

    fn reserve(&mut self, command: &Command, reserve: &Reserve, now: Timestamp) -> Result<String, Rejection> {
        // A key is the same key when partner and text are: no digest is needed to see that.
        let same = |entry: &&Entry| {
            entry.asked.partner_id == reserve.partner_id
                && entry.done.iter().any(|(id, deed, _)| *id == command.operation && *deed == Deed::Reserve)
        };
        if let Some(entry) = self.entries.iter().find(same) {
            let sorted = |asked: &Reserve| {
                let mut seats = asked.seat_ids.to_vec();
                seats.sort_unstable();
                Reserve { minted: reserve.minted, seat_ids: seats.into(), ..asked.clone() }
            };
            return if sorted(&entry.asked) == sorted(reserve) {
                Ok(again(&entry.done[0].2))
            } else {
                Err(Rejection::KeyReused)
            };
        }
        self.precondition(command)?;
        self.forbidden(reserve)?;
        let seats = self.seats_at_once(reserve)?;
        let mut entry = Entry {
            uuid: command.reservation_uuid(&self.salt).expect("a reservation's uuid"),
            asked: reserve.clone(),
            status: Status::Waitlisted,
            version: self.next_version(),
            created_at: now,
            expires_at: None,
            place: None,
            seats: Vec::new(),
            done: Vec::new(),
        };
        match seats {
            Some(seats) => self.seat(&mut entry, seats, now),
            None => entry.place = Some(self.summary().waitlist_count + 1),
        }
        let made = entry.tell("made");
        entry.done.push((command.operation.clone(), Deed::Reserve, made.clone()));
        self.entries.push(entry);
        Ok(made)
    }

    fn forbidden(&self, reserve: &Reserve) -> Result<(), Rejection> {
        let known = |id: &&SeatId| self.seats.iter().any(|seat| seat.id == **id);
        let unknown: Vec<_> = reserve.seat_ids.iter().filter(|id| !known(id)).copied().collect();
        if !unknown.is_empty() {
            return Err(Rejection::UnknownSeats(unknown));
        }
        let seats = reserve.seats.get();
        let Quotas { seats_per_reservation_max, seats_per_partner_max, reservations_per_partner_max } =
            self.terms.quotas;
        if let Some(max) = seats_per_reservation_max.filter(|max| seats > max.get()) {
            return Err(Rejection::TooManySeats { max: max.get() });
        }
        match self.terms.sales {
            Sales::Open => {}
            Sales::Paused => return Err(Rejection::SalesPaused),
            Sales::Closed => return Err(Rejection::SalesClosed),
        }
        let (partner_seats, partner_count) = self.possessions(&reserve.partner_id);
        let over = |what, max: u32, taken| Err(Rejection::PartnerLimit { what, max, taken });
        match (seats_per_partner_max, reservations_per_partner_max) {
            (Some(max), _) if partner_seats + seats > max.get() => over(Limited::Seats, max.get(), partner_seats),
            (_, Some(max)) if partner_count + 1 > max.get() => over(Limited::Reservations, max.get(), partner_count),
            _ => Ok(()),
        }
    }

    /// The seats and reservations that `partner` has or waits for.
    fn possessions(&self, partner: &PartnerId) -> (u32, u32) {
        let gone = |entry: &&Entry| [Status::Cancelled, Status::Expired].contains(&entry.status);
        let mine = self.entries.iter().filter(|entry| entry.asked.partner_id == *partner && !gone(entry));
        mine.fold((0, 0), |(seats, count), entry| (seats + entry.asked.seats.get(), count + 1))
    }

    /// The seats for somebody who comes now, or `None` when that one is to wait.
    fn seats_at_once(&self, reserve: &Reserve) -> Result<Option<Vec<SeatId>>, Rejection> {
        let EventSummary { available_seats: available, waitlist_count: waiting, total_seats, .. } = self.summary();
        let requested = reserve.seats.get();
        let free =
            |id: &&SeatId| self.seats.iter().any(|seat| seat.id == **id && !seat.blocked && seat.owner.is_none());
        let taken: Vec<_> = reserve.seat_ids.iter().filter(|id| !free(id)).copied().collect();
        if !taken.is_empty() {
            return Err(Rejection::SeatTaken(taken));
        }
        if waiting == 0 && requested <= available {
            let any = reserve.seat_ids.is_empty();
            return Ok(Some(if any { self.best(requested) } else { reserve.seat_ids.to_vec() }));
        }
        if reserve.waitlist && reserve.seat_ids.is_empty() && requested <= total_seats {
            return Ok(None);
        }
        Err(Rejection::InsufficientSeats { requested, available, waiting })
    }

    /// The best free seats, where seats have names.
    fn best(&self, count: u32) -> Vec<SeatId> {
        let character = |seat: &Seat| if seat.blocked || seat.owner.is_some() { 'x' } else { '.' };
        let rows = self.seats.chunk_by(|one, other| one.id.row == other.id.row);
        let mut rows: Vec<Picture> = rows.map(|row| row.iter().map(character).collect()).collect();
        choose(&mut rows, count as usize);
        let chosen = self.seats.iter().zip(rows.iter().flatten()).filter(|(_, character)| **character == 'h');
        chosen.map(|(seat, _)| seat.id).collect()
    }

    fn seat(&mut self, entry: &mut Entry, seats: Vec<SeatId>, now: Timestamp) {
        for seat in self.seats.iter_mut().filter(|seat| seats.contains(&seat.id)) {
            assert_eq!(seat.owner.replace(entry.uuid), None, "{} has an owner", seat.id);
        }
        entry.seats = seats;
        entry.expires_at = entry.asked.hold.map(|hold| hold.after(now));
        entry.status = if entry.expires_at.is_some() { Status::Held } else { Status::Confirmed };
    }

    fn confirm(&mut self, command: &Command, uuid: Uuid) -> Result<String, Rejection> {
        let index = self.find(uuid)?;
        if let Some(told) = self.entries[index].told(command, Deed::Confirm)? {
            return Ok(told);
        }
        if self.entries[index].status == Status::Cancelled {
            return Err(self.unknown(uuid));
        }
        self.precondition(command)?;
        match self.entries[index].status {
            Status::Held => {}
            Status::Waitlisted => return Err(Rejection::NothingHeld),
            Status::Confirmed => {
                let told = self.entries[index].tell("already");
                if command.key().is_some() {
                    self.next_version();
                    self.entries[index].done.push((command.operation.clone(), Deed::Confirm, told.clone()));
                }
                return Ok(told);
            }
            Status::Expired | Status::Cancelled => return Err(Rejection::HoldExpired),
        }
        let version = self.next_version();
        let entry = &mut self.entries[index];
        (entry.status, entry.version, entry.expires_at) = (Status::Confirmed, version, None);
        Ok(entry.note(command, Deed::Confirm))
    }

    fn cancel(&mut self, command: &Command, uuid: Uuid) -> Result<String, Rejection> {
        let index = self.find(uuid)?;
        if let Some(told) = self.entries[index].told(command, Deed::Cancel)? {
            return Ok(told);
        }
        match (self.entries[index].status, self.unknown(uuid)) {
            (Status::Cancelled, unknown) => return Err(unknown),
            (Status::Expired, Rejection::UnknownReservation(id)) => return Err(Rejection::ReservationExpired(id)),
            _ => {}
        }
        self.precondition(command)?;
        self.release(index, Status::Cancelled);
        Ok(self.entries[index].note(command, Deed::Cancel))
    }

    /// Ends a reservation; its seats are free again.
    fn release(&mut self, index: usize, status: Status) {
        let version = self.next_version();
        let entry = &mut self.entries[index];
        (entry.status, entry.version, entry.expires_at) = (status, version, None);
        for seat in self.seats.iter_mut().filter(|seat| seat.owner == Some(entry.uuid)) {
            seat.owner = None;
        }
    }

    /// Gives seats to whoever is first in the list, as long as they suffice and sales are open. Whoever is first and wants more
    /// than there are in all waits no more.
    fn serve(&mut self, now: Timestamp) {
        while let Some(index) = self.entries.iter().position(|entry| entry.status == Status::Waitlisted) {
            let seats = self.entries[index].asked.seats.get();
            if seats > self.terms.total_seats {
                self.release(index, Status::Expired);
                continue;
            }
            if self.terms.sales != Sales::Open || seats > self.summary().available_seats {
                break;
            }
            let mut entry = self.entries.remove(index);
            entry.version = self.next_version();
            let best = self.best(seats);
            self.seat(&mut entry, best, now);
            self.entries.insert(index, entry);
        }
    }

    fn find(&self, uuid: Uuid) -> Result<usize, Rejection> {
        self.entries.iter().position(|entry| entry.uuid == uuid).ok_or_else(|| self.unknown(uuid))
    }

    fn unknown(&self, uuid: Uuid) -> Rejection {
        Rejection::UnknownReservation(super::domain::ReservationId { event_id: self.terms.id.clone(), uuid })
    }

    fn precondition(&self, command: &Command) -> Result<(), Rejection> {
        let current = self.terms.version;
        match &command.expected {
            Some(Expected::Versions(versions)) if !versions.contains(&current) => {
                Err(Rejection::PreconditionFailed { current })
            }
            Some(Expected::Except(versions)) if versions.contains(&current) => {
                Err(Rejection::PreconditionFailed { current })
            }
            _ => Ok(()),
        }
    }

    fn next_version(&mut self) -> i64 {
        self.terms.version = Version(self.terms.version.0 + 1);
        self.terms.version.0
    }
}

impl Entry {
    fn tell(&self, verb: &str) -> String {
        let told = Told {
            version: self.version,
            status: self.status,
            created_second: self.created_at.as_second(),
            expires_second: self.expires_at.map(Timestamp::as_second),
            place: self.place.filter(|_| self.status == Status::Waitlisted),
            seats: self.seats.clone(),
        };
        tell_reservation(verb, &told)
    }

    /// The answer that this very operation got before.
    fn told(&self, command: &Command, deed: Deed) -> Result<Option<String>, Rejection> {
        match self.done.iter().find(|(id, ..)| *id == command.operation) {
            Some((_, done, answer)) if *done == deed => Ok(Some(again(answer))),
            Some(_) => Err(Rejection::KeyReused),
            None => Ok(None),
        }
    }

    fn note(&mut self, command: &Command, deed: Deed) -> String {
        let answer = self.tell("done");
        self.done.push((command.operation.clone(), deed, answer.clone()));
        answer
    }
}

/// The answer when it is given again: only its first word differs.
fn again(answer: &str) -> String {
    let (_, told) = answer.split_once(' ').expect("an answer has words");
    format!("again {told}")
}
