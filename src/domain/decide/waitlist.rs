//! Who waits for seats gets them strictly in order: the head of the list, or nobody.

use super::{Arc, Batch, OperationId, OperationKind, Reservation, Status, Undecided, Wanted};

/// How many more who wait are asked for when all who are known were served.
const MORE_WAITING: usize = 8;

impl Batch<'_> {
    /// Gives free seats to those who wait, in order, until the seats do not suffice for the head of the list.
    pub(super) fn serve_waitlist(&mut self) -> Result<(), Undecided> {
        while self.event.available_seats > 0 && self.event.waitlist_count > 0 {
            if self.is_full() {
                // Whether the seats suffice for the head is a question for the next decision.
                self.left_over = true;
                break;
            }
            let head = self.head_of_waitlist()?;
            if head.seats.get() > self.event.available_seats {
                break;
            }
            self.promote(&head)?;
        }
        Ok(())
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
