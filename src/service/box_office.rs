//! The façade: every face of the service asks here, and only here.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep, timeout};

use super::{
    Answer, Limits, NewEvent, SeatRequest, Seating, ServiceError, Standing, Terms,
    answers::answering,
    batch::{Envelope, Sender},
    caretaker,
    inbox::Inboxes,
    list_reads::ListReads,
    shared_read::SharedReads,
};
use crate::{
    domain::{
        Amend, Cancellation, Command, Details, Event, EventId, EventName, EventOperation, EventSummary, Fingerprint,
        OperationId, Outcome, Quotas, Rejection, Request, Reservation, ReservationId, Reserve, Status, Subject,
        keyed_event_id,
    },
    ids,
    store::{Creation, EventStore, ReservationPage, ReservationQuery, StoreError},
};

/// The pause before making an event is tried again.
const CREATE_PAUSE: Duration = Duration::from_millis(50);

/// How long a look at readiness may take: an orchestrator's own limit is often one second, and the answer must travel too.
const READY_PATIENCE: Duration = Duration::from_millis(800);

/// Events that are looked over at once, and the pause before the next ones: a thousand a second, which nobody else feels.
const LOOKED_OVER_AT_ONCE: usize = 100;
const LOOK_OVER_PAUSE: Duration = Duration::from_millis(100);

/// Sells the seats of events. Cheap to clone; all clones are one box office.
#[derive(Clone)]
pub struct BoxOffice {
    store: Arc<dyn EventStore>,
    inboxes: Arc<Inboxes>,
    summaries: Arc<SharedReads>,
    lists: Arc<ListReads>,
    request_timeout: Duration,
}

impl BoxOffice {
    /// A box office on `store`. Must be called on the runtime that the store lives on; its methods may be called from
    /// any.
    #[must_use]
    pub fn new(store: Arc<dyn EventStore>, limits: Limits) -> Self {
        let inboxes = Arc::new(Inboxes::new(store.clone(), limits));
        tokio::spawn(caretaker::look_forever(store.clone(), Arc::downgrade(&inboxes)));
        Self {
            inboxes,
            summaries: Arc::new(SharedReads::new(store.clone(), limits.request_timeout)),
            lists: Arc::new(ListReads::new(store.clone(), limits.request_timeout)),
            store,
            request_timeout: limits.request_timeout,
        }
    }

    /// Makes sure that the event exists, with `total_seats` free seats if it is new; an existing one is left as it is.
    pub async fn open_event(
        &self,
        id: &EventId,
        name: &EventName,
        total_seats: u32,
    ) -> Result<Arc<Event>, ServiceError> {
        let new = NewEvent {
            id: Some(id.clone()),
            name: name.clone(),
            details: Details::default(),
            quotas: Quotas::default(),
            seating: Seating::Unnamed(total_seats),
        };
        let event = new_event(new, ids::operation());
        self.store.create(&event, ids::head(), self.deadline()).await?;
        self.event(id).await
    }

    /// Makes a new event.
    pub async fn create_event(&self, new: NewEvent, terms: Terms) -> Result<Answer<Box<EventSummary>>, ServiceError> {
        let operation = terms.key.map_or_else(ids::operation, OperationId::Key);
        let event = new_event(new, operation.clone());
        let deadline = self.deadline();
        // A store that cannot even tell has not been asked to make anything yet.
        let mut existing = self.store.event(&event.id, deadline).await?;
        let mut tried = false;
        if let OperationId::Key(key) = &operation {
            // Earlier versions of this program kept no record of a key, but who chose no id got one that follows from it.
            let minted = keyed_event_id(key);
            if minted != event.id
                && let Some(other) = self.store.event(&minted, deadline).await?
                && other.operations.first().is_some_and(|made| made.id == operation)
            {
                return Err(Rejection::KeyReused.into());
            }
        }
        while existing.is_none() {
            match self.store.create(&event, ids::head(), deadline).await {
                Ok(Creation::Created) => {
                    return Ok(Answer { subject: Box::new(event.summary()), replayed: false });
                }
                Ok(Creation::KeyTaken) => return Err(Rejection::KeyReused.into()),
                Ok(Creation::Existed) => {
                    let found = self.store.event(&event.id, deadline).await;
                    existing =
                        found.map_err(|why| if tried { ServiceError::OutcomeUnknown(None) } else { why.into() })?;
                }
                // Whether it was made is seen at the next try.
                Err(StoreError::Unavailable(_)) if Instant::now() + CREATE_PAUSE < deadline => {
                    tried = true;
                    sleep(CREATE_PAUSE).await;
                }
                Err(why) if !tried && !matches!(why, StoreError::Unavailable(_)) => {
                    if matches!(why, StoreError::ReadOnly(_)) {
                        self.store.turned_away(1);
                    }
                    return Err(why.into());
                }
                Err(_) => return Err(ServiceError::OutcomeUnknown(None)),
            }
        }
        let made = existing.and_then(|existing| existing.operations.into_iter().next());
        match made.filter(|made| made.id == operation) {
            Some(made) if made.fingerprint == event.operations[0].fingerprint => {
                Ok(Answer { subject: Box::new(made.answer), replayed: !tried })
            }
            Some(_) => Err(Rejection::KeyReused.into()),
            None => Err(ServiceError::EventExists(event.id)),
        }
    }

    /// Gives an event other terms.
    pub async fn amend_event(
        &self,
        event_id: &EventId,
        amend: Amend,
        terms: Terms,
    ) -> Result<Answer<Box<EventSummary>>, ServiceError> {
        let Answer { subject, replayed } = self.ask(event_id, Request::Amend(Box::new(amend)), terms).await?;
        match subject {
            Subject::Event(subject) => Ok(Answer { subject, replayed }),
            Subject::Reservation(_) | Subject::Cancellation(_) => Err(mixed_up()),
        }
    }

    /// The event in a state that was current at some time after this call began.
    pub async fn event(&self, event_id: &EventId) -> Result<Arc<Event>, ServiceError> {
        let event = self.summaries.read(event_id).await?;
        event.ok_or_else(|| ServiceError::UnknownEvent(event_id.clone()))
    }

    /// Events in the order of their ids, those after `after`, `limit` at most.
    pub async fn events(&self, after: Option<&EventId>, limit: usize) -> Result<Vec<EventSummary>, ServiceError> {
        self.lists.events(after, limit).await
    }

    /// Reserves seats for a partner.
    pub async fn reserve(
        &self,
        event_id: &EventId,
        request: SeatRequest,
        terms: Terms,
    ) -> Result<Answer<Arc<Reservation>>, ServiceError> {
        let SeatRequest { partner_id, seats, seat_ids, waitlist, hold } = request;
        let reserve = Reserve { minted: ids::reservation(), partner_id, seats, seat_ids, waitlist, hold };
        self.ask_for_reservation(event_id, Request::Reserve(reserve), terms).await
    }

    /// Cancels a reservation: its seats, or its place on the waitlist, go to others.
    pub async fn cancel(&self, id: &ReservationId, terms: Terms) -> Result<Answer<Cancellation>, ServiceError> {
        let asked = self.ask(&id.event_id, Request::Cancel(id.uuid), terms).await;
        let Answer { subject, replayed } = asked.map_err(|error| unknown_reservation(error, id))?;
        let subject = match subject {
            Subject::Cancellation(cancellation) => *cancellation,
            Subject::Reservation(cancelled) => Cancellation { cancelled, promoted: Vec::new() },
            Subject::Event(_) => return Err(mixed_up()),
        };
        Ok(Answer { subject, replayed })
    }

    /// Confirms a hold.
    pub async fn confirm(&self, id: &ReservationId, terms: Terms) -> Result<Answer<Arc<Reservation>>, ServiceError> {
        let asked = self.ask_for_reservation(&id.event_id, Request::Confirm(id.uuid), terms).await;
        asked.map_err(|error| unknown_reservation(error, id))
    }

    /// A reservation in its current state, whatever its status.
    pub async fn reservation(&self, id: &ReservationId) -> Result<Standing, ServiceError> {
        let deadline = self.deadline();
        let reservation = self.store.reservation(id, deadline).await?;
        let reservation = reservation.ok_or_else(|| Rejection::UnknownReservation(id.clone()))?;
        let waitlist_position = match reservation.status {
            Status::Waitlisted => {
                let joined = [reservation.created_version];
                self.lists.waitlist_positions(&id.event_id, &joined, deadline).await?.pop()
            }
            _ => None,
        };
        Ok(Standing { reservation, waitlist_position })
    }

    /// A page of the reservations that `query` asks for, in the order of their places. It may hold fewer than the limit, even
    /// none, and not be the last one. Of an event that does not exist there are none.
    pub async fn reservations(&self, query: &ReservationQuery) -> Result<ReservationPage, ServiceError> {
        self.lists.reservations(query).await
    }

    /// The current place on its event's waitlist of each of the `listed` reservations, counted from 1, if it waits. The list is
    /// one of [`BoxOffice::reservations`]: event by event.
    pub async fn waitlist_positions(&self, listed: &[Arc<Reservation>]) -> Result<Vec<Option<u32>>, ServiceError> {
        let deadline = self.deadline();
        let waits = |reservation: &&Arc<Reservation>| reservation.status == Status::Waitlisted;
        let mut positions = Vec::with_capacity(listed.len());
        for of_event in listed.chunk_by(|one, other| one.id.event_id == other.id.event_id) {
            // A list is sorted by time before it is by version, and the clocks of two processes may differ.
            let mut joined: Vec<_> = of_event.iter().filter(waits).map(|waiting| waiting.created_version).collect();
            joined.sort_unstable();
            let found = match joined.as_slice() {
                [] => Vec::new(),
                joined => self.lists.waitlist_positions(&of_event[0].id.event_id, joined, deadline).await?,
            };
            let position = |reservation: &Arc<Reservation>| {
                let place = joined.binary_search(&reservation.created_version).ok()?;
                found.get(place).copied()
            };
            positions.extend(of_event.iter().map(|reservation| Some(reservation).filter(waits).and_then(position)));
        }
        Ok(positions)
    }

    /// Looks at every event once, at leisure, so that the probe tells of those that cannot be read before somebody asks for
    /// them. Ends early when the store is away; whoever asks for an event then finds out.
    pub async fn look_over_events(&self) {
        let mut after = None;
        loop {
            match self.store.events(after.as_ref(), LOOKED_OVER_AT_ONCE, self.deadline()).await {
                Ok(events) if events.len() == LOOKED_OVER_AT_ONCE => {
                    after = events.into_iter().next_back().map(|last| last.id);
                }
                Ok(_) => return,
                Err(why) => return log::debug!("could not look over all events: {why}"),
            }
            sleep(LOOK_OVER_PAUSE).await;
        }
    }

    /// Events that could not be read when they were last looked at, in the order of their ids.
    #[must_use]
    pub fn unreadable(&self) -> Vec<EventId> {
        self.store.unreadable()
    }

    /// Whether writes can be taken, and the event `id` is there to take them. It answers within a second, however long requests
    /// may take and whatever the store does meanwhile.
    pub async fn ready(&self, id: &EventId) -> Result<(), ServiceError> {
        let looked = async {
            self.store.ready(Instant::now() + READY_PATIENCE).await?;
            // A store that was emptied or replaced under a running process takes writes, but has nothing to sell.
            self.event(id).await.map(drop)
        };
        let too_late = || ServiceError::Unavailable(format!("it did not answer a probe within {READY_PATIENCE:?}"));
        timeout(READY_PATIENCE, looked).await.unwrap_or_else(|_| Err(too_late()))
    }

    /// Answers what was accepted, finishes the store's work, and lets it go, all within `patience`. New commands are
    /// turned away.
    pub async fn close(&self, patience: Duration) {
        let deadline = Instant::now() + patience;
        // Accepted commands end within the request timeout; half of the patience is left for the store. Tasks that
        // take longer are not cut off: their commits may land as long as the store lets them.
        let mut tasks = self.inboxes.close();
        if timeout(patience / 2, async { while tasks.join_next().await.is_some() {} }).await.is_err() {
            log::warn!("commands were still in flight when the time to shut down ran out");
        }
        self.store.close(deadline).await;
    }

    async fn ask_for_reservation(
        &self,
        event_id: &EventId,
        request: Request,
        terms: Terms,
    ) -> Result<Answer<Arc<Reservation>>, ServiceError> {
        match self.ask(event_id, request, terms).await? {
            Answer { subject: Subject::Reservation(subject), replayed } => Ok(Answer { subject, replayed }),
            Answer { subject: Subject::Cancellation(_) | Subject::Event(_), .. } => Err(mixed_up()),
        }
    }

    async fn ask(&self, event_id: &EventId, request: Request, terms: Terms) -> Result<Answer<Subject>, ServiceError> {
        let operation = terms.key.map_or_else(ids::operation, OperationId::Key);
        let known = match (&operation, &request) {
            (OperationId::Key(_), Request::Reserve(_)) | (_, Request::Amend(_)) => None,
            (_, Request::Reserve(reserve)) => Some(reserve.minted),
            (_, Request::Cancel(uuid) | Request::Confirm(uuid)) => Some(*uuid),
        };
        let command = Command { operation, expected: terms.expected, request };
        let (answer, answered) = answering();
        let request_id = terms.request_id;
        let sender = Sender { request_id: request_id.clone(), deadline: self.deadline(), answer };
        self.inboxes.send(event_id, Envelope { command, sender })?;
        // The task answers every command by its deadline. A dropped channel means that it panicked, or that the process
        // ends, at a point that nobody here knows.
        let lost = || {
            log::error!(event_id:%, request_id = &*request_id; "the event's task ended before it answered");
            ServiceError::OutcomeUnknown(known.map(|uuid| ReservationId { event_id: event_id.clone(), uuid }))
        };
        let outcome = answered.await.map_err(|_| lost())??;
        match outcome {
            Outcome::Accepted(subject) => Ok(Answer { subject, replayed: false }),
            Outcome::Replayed(subject) => Ok(Answer { subject, replayed: true }),
            Outcome::AlreadySo(reservation) => {
                Ok(Answer { subject: Subject::Reservation(reservation), replayed: false })
            }
            Outcome::Refused(rejection) => Err(rejection.into()),
        }
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.request_timeout
    }
}

/// The event that is asked for, with every seat free, and the memory of who made it.
fn new_event(new: NewEvent, operation: OperationId) -> Event {
    let id = new.id.unwrap_or_else(|| match &operation {
        // The same for every retry.
        OperationId::Key(key) => keyed_event_id(key),
        OperationId::Minted(_) | OperationId::Unasked => ids::event(),
    });
    let salt = ids::id_salt();
    let mut event = match new.seating {
        Seating::Unnamed(seats) => Event::open(id, new.name, seats, salt),
        Seating::Mapped(map) => Event::open_mapped(id, new.name, &map, salt),
    };
    event.details = Arc::new(new.details);
    event.quotas = new.quotas;
    let fingerprint = matches!(operation, OperationId::Key(_)).then(|| Fingerprint::of_event(&event));
    let answer = event.summary();
    event.operations.push(EventOperation { id: operation, fingerprint, answer });
    event
}

/// What was answered is not what was asked about.
fn mixed_up() -> ServiceError {
    ServiceError::Internal("the answer to a write is about something else than was asked for".to_owned())
}

/// The id of a reservation says which event it belongs to; of an event that does not exist there is no reservation.
fn unknown_reservation(error: ServiceError, id: &ReservationId) -> ServiceError {
    match error {
        ServiceError::UnknownEvent(_) => Rejection::UnknownReservation(id.clone()).into(),
        other => other,
    }
}

impl From<StoreError> for ServiceError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(why) | StoreError::Misconfigured(why) => Self::Unavailable(why),
            StoreError::ReadOnly(why) => Self::ReadOnly(why),
            StoreError::Overloaded(why) => Self::ListsOverloaded(why),
            StoreError::Unreadable(why) => Self::Internal(why),
        }
    }
}
