//! The façade: every face of the service asks here, and only here.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::oneshot,
    time::{Instant, timeout},
};

use super::{Answer, Limits, ServiceError, Terms, batch::Envelope, inbox::Inboxes, shared_read::SharedReads};
use crate::{
    domain::{
        Command, Event, EventId, EventName, OperationId, Outcome, PartnerId, Rejection, Request, Reservation,
        ReservationId, Reserve, SeatCount,
    },
    ids,
    store::{EventStore, StoreError},
};

/// Sells the seats of events. Cheap to clone; all clones are one box office.
#[derive(Clone)]
pub struct BoxOffice {
    store: Arc<dyn EventStore>,
    inboxes: Arc<Inboxes>,
    summaries: Arc<SharedReads>,
    request_timeout: Duration,
}

impl BoxOffice {
    /// A box office on `store`. Must be called on the runtime that the store lives on; its methods may be called from
    /// any.
    #[must_use]
    pub fn new(store: Arc<dyn EventStore>, limits: Limits) -> Self {
        Self {
            inboxes: Arc::new(Inboxes::new(store.clone(), limits)),
            summaries: Arc::new(SharedReads::new(store.clone(), limits.request_timeout)),
            store,
            request_timeout: limits.request_timeout,
        }
    }

    /// Makes sure that the event exists, with `total_seats` free seats if it is new; an existing one is left as it is.
    pub async fn open_event(&self, id: &EventId, name: &EventName, total_seats: u32) -> Result<Event, ServiceError> {
        let event = Event::open(id.clone(), name.clone(), total_seats, ids::id_salt());
        self.store.create(&event, ids::head(), self.deadline()).await?;
        self.summary(id).await
    }

    /// The event in a state that was current at some time after this call began.
    pub async fn summary(&self, event_id: &EventId) -> Result<Event, ServiceError> {
        let event = self.summaries.read(event_id).await?;
        event.ok_or_else(|| ServiceError::UnknownEvent(event_id.clone()))
    }

    /// Reserves seats for a partner.
    pub async fn reserve(
        &self,
        event_id: &EventId,
        partner_id: PartnerId,
        seats: SeatCount,
        terms: Terms,
    ) -> Result<Answer, ServiceError> {
        let reserve = Reserve { minted: ids::reservation(), partner_id, seats };
        self.ask(event_id, Request::Reserve(reserve), terms).await
    }

    /// Cancels a reservation and gives its seats back.
    pub async fn cancel(&self, id: &ReservationId, terms: Terms) -> Result<Answer, ServiceError> {
        self.ask(&id.event_id, Request::Cancel(id.uuid), terms).await.map_err(|error| match error {
            ServiceError::UnknownEvent(_) => Rejection::UnknownReservation(id.clone()).into(),
            other => other,
        })
    }

    /// A reservation in its current state, whatever its status.
    pub async fn reservation(&self, id: &ReservationId) -> Result<Arc<Reservation>, ServiceError> {
        let reservation = self.store.reservation(id, self.deadline()).await?;
        reservation.ok_or_else(|| Rejection::UnknownReservation(id.clone()).into())
    }

    /// Whether writes can be taken.
    pub async fn ready(&self) -> Result<(), ServiceError> {
        Ok(self.store.ready(self.deadline()).await?)
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

    async fn ask(&self, event_id: &EventId, request: Request, terms: Terms) -> Result<Answer, ServiceError> {
        let operation = terms.key.map_or_else(ids::operation, OperationId::Key);
        let known = match (&operation, &request) {
            (OperationId::Key(_), Request::Reserve(_)) => None,
            (_, Request::Reserve(reserve)) => Some(reserve.minted),
            (_, Request::Cancel(uuid)) => Some(*uuid),
        };
        let command = Command { operation, expected: terms.expected, request };
        let (answer, answered) = oneshot::channel();
        let request_id = terms.request_id;
        let envelope = Envelope { command, request_id: request_id.clone(), deadline: self.deadline(), answer };
        self.inboxes.send(event_id, envelope)?;
        // The task answers every command by its deadline. A dropped channel means that it panicked, or that the process
        // ends, at a point that nobody here knows.
        let lost = || {
            log::error!(event_id:%, request_id = &*request_id; "the event's task ended before it answered");
            ServiceError::OutcomeUnknown(known.map(|uuid| ReservationId { event_id: event_id.clone(), uuid }))
        };
        let outcome = answered.await.map_err(|_| lost())??;
        match outcome {
            Outcome::Accepted(reservation) => Ok(Answer { reservation, replayed: false }),
            Outcome::Replayed(reservation) => Ok(Answer { reservation, replayed: true }),
            Outcome::Refused(rejection) => Err(rejection.into()),
        }
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.request_timeout
    }
}

impl From<StoreError> for ServiceError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(why) | StoreError::Misconfigured(why) => Self::Unavailable(why),
            StoreError::Unreadable(why) => Self::Internal(why),
        }
    }
}
