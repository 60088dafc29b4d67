//! Who waits for seats gets them strictly in order: the head of the list, or nobody. Whoever can never get them does not
//! stand in the way of those behind.

use super::{super::Sales, Arc, Batch, OperationId, OperationKind, Reservation, Status, Undecided, Wanted};

/// How many more who wait are asked for when all who are known were served.
const MORE_WAITING: usize = 8;

impl Batch<'_> {
    /// Gives free seats to those who wait, in order, until the seats do not suffice for the head of the list. While sales are
    /// paused or closed nobody gets any.
    ///
    /// A head that wants more seats than the event has (any more) would wait for ever, and everybody behind it too: its
    /// wait ends here. Nobody joins who wants as much, so this is for those who joined before the event lost seats.
    pub(super) fn serve_waitlist(&mut self) -> Result<(), Undecided> {
        while self.event.waitlist_count > 0 {
            if self.is_full() || self.unasked_left.is_none_or(|left| left == 0) {
                // What becomes of the head is a question for the next decision.
                self.waiting_left = true;
                break;
            }
            let head = self.head_of_waitlist()?;
            let seats = head.seats.get();
            if seats > self.event.total_seats {
                self.take_unasked();
                self.end_wait(&head)?;
            } else if self.event.sales == Sales::Open && seats <= self.event.available_seats {
                self.take_unasked();
                self.promote(&head)?;
            } else {
                break;
            }
        }
        Ok(())
    }

    /// Gives the seats of a reservation that ended here to those who wait. They are no more than its seats, and whoever comes
    /// to the head after them.
    pub(super) fn serve_with(&mut self, ended: &Reservation) -> Result<(), Undecided> {
        self.allow_unasked(ended.seats.get() as usize + 1);
        self.serve_waitlist()
    }

    /// Ends a wait that can never be served. It counts as a lapse: nobody asked for it, and earlier versions read it.
    fn end_wait(&mut self, head: &Reservation) -> Result<(), Undecided> {
        let expired = Reservation { status: Status::Expired, ..head.clone() };
        self.step(OperationId::Unasked, OperationKind::Lapse, Some(Status::Waitlisted), expired).map(drop)
    }

    fn promote(&mut self, head: &Reservation) -> Result<(), Undecided> {
        let seat_ids = self.best_seats(head.seats.get());
        let promoted = Reservation { status: Status::Confirmed, seat_ids, ..head.clone() };
        let promoted = self.held_from_now(promoted);
        self.step(OperationId::Unasked, OperationKind::Promote, Some(Status::Waitlisted), promoted).map(drop)
    }

    /// Who waits longest.
    fn head_of_waitlist(&mut self) -> Result<Arc<Reservation>, Undecided> {
        while let Some(listed) = self.waiting.front() {
            let current = self.current(listed);
            if current.status == Status::Waitlisted {
                return Ok(current);
            }
            self.waiting.pop_front();
        }
        if !self.waiting_is_known {
            let known = self.facts.waitlist.len();
            return Err(Undecided::Missing(Wanted { waitlist: known.max(1) * MORE_WAITING, ..Wanted::default() }));
        }
        while let Some(uuid) = self.joined.front() {
            if let Some(current) = self.touched.get(uuid).filter(|joined| joined.status == Status::Waitlisted) {
                return Ok(current.clone());
            }
            self.joined.pop_front();
        }
        Err(self.event.broken("somebody waits whom nobody knows").into())
    }
}
