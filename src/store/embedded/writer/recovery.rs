//! What the writer does about a file that takes no writes, or is gone.
//!
//! 1. Writes stop: whoever decides or writes is told so at once. Readers see the last durable state as before.
//! 2. After a failed commit, and then from time to time, it is tried whether there is room, the file is opened anew, its
//!    state is shown, and something is written to it. Only then are writes taken again.
//! 3. A commit that failed in its flush may have been made. It was if its state is that of the file opened anew, once that
//!    takes writes; until that is known, nobody is told that it was or that it was not.
//!
//! A file opened anew that lacks what was acknowledged (a disk that lost what it had flushed, an older copy put in its place) is
//! not gone on with: seats would be sold again that are sold.
//!
//! A file that was moved away or deleted is the same to those who ask. It is never replaced by another one that stands under
//! its name: reservations would be missing there that were acknowledged here.

use std::{any::Any, time::Instant};

use super::{Inbox, Mark, Outcome, Work, Write, Writer, last_made, turn_away};
use crate::store::{
    CommitError, StoreError,
    embedded::{medium::Medium, outage::Outage, view::View},
};

impl Writer {
    /// Finds out, before there is work, whether the file takes writes.
    pub(in super::super) fn begin(&mut self) {
        let found = self.file.failure().and_then(|()| self.disk.medium().has_room().map_err(|why| why.to_string()));
        if let Err(why) = found.and_then(|()| self.file.probe()) {
            self.break_off(&why);
        }
    }

    /// Looks after the file, with or without work.
    pub(super) fn look(&mut self) {
        if self.outage.is_none() {
            return self.look_for_file();
        }
        match self.recover() {
            Ok(()) => self.go_on(),
            Err(why) => {
                if self.condition.why() == why {
                    log::debug!(error = why.as_str(); "the embedded store still takes no writes");
                } else {
                    log::warn!(error = why.as_str(); "the embedded store still takes no writes, for another reason now");
                }
                self.condition.stop(&why);
                self.put_off();
            }
        }
    }

    /// Stops if the file is no longer what the next start would open, or if a reader could not read it: redb reads nothing
    /// more then until it is opened anew.
    pub(super) fn look_for_file(&mut self) {
        self.looked = Instant::now();
        if self.outage.is_some() {
            return;
        }
        if self.condition.is_stopped() {
            self.break_off(&self.condition.why());
        } else if let Err(why) = is_in_place(self.disk.medium()) {
            self.stop(&why);
        }
    }

    /// Takes no more writes, because the file does not.
    pub(super) fn break_off(&mut self, why: &str) {
        self.file.session().detach(why);
        self.stop(why);
    }

    /// Has the next try wait.
    pub(super) fn put_off(&mut self) {
        if let Some(outage) = &mut self.outage {
            outage.tried();
        }
    }

    fn stop(&mut self, why: &str) {
        self.condition.stop(why);
        if self.outage.is_none() {
            log::error!(error = why; "the embedded store takes no writes; reads go on, and it tries again by itself");
            self.outage = Some(Outage::begin(self.last_outage));
        }
    }

    fn go_on(&mut self) {
        self.looked = Instant::now();
        if let Some(outage) = self.outage.take() {
            self.last_outage = Some(outage.end(&self.condition));
        }
    }

    /// Finds out whether a transaction was made that failed in its flush, if the file can be opened at once, and says what came
    /// of its writes.
    pub(super) fn find_out(
        &mut self,
        failure: &str,
        writes: &[Write],
        outcomes: Vec<Outcome>,
        inbox: &mut Inbox<Work>,
    ) -> Vec<Outcome> {
        self.break_off(failure);
        let known = self.acknowledged.as_ref();
        let same_event = |(write, outcome): &(&Write, &Outcome)| {
            outcome.is_ok() && known.is_some_and(|known| known.event_id == write.rows.event_id)
        };
        let unclear = writes.iter().zip(&outcomes).rev().find(same_event);
        self.unclear = unclear.map(|(write, _)| write.rows.state.base());
        // Whoever waits to be written is not concerned, and is told so first: opening the file may take a while.
        let mut waiting: Vec<Work> = std::iter::from_fn(|| inbox.take()).collect();
        let waiting = self.sort(&mut waiting, inbox);
        turn_away(waiting, &self.condition);

        let made = self.recover().and_then(|()| {
            self.go_on();
            self.is_made(writes, &outcomes).map_err(|why| why.to_string())
        });
        let made = match made {
            Ok(made) => made,
            Err(why) => {
                log::debug!("the embedded store cannot tell yet whether a commit was made: {why}");
                let unclear = || CommitError::Unclear(format!("the embedded store failed in a commit: {failure}"));
                return writes.iter().map(|_| Err(unclear())).collect();
            }
        };
        if made {
            self.acknowledged = last_made(writes, &outcomes).map(Mark::of);
            return outcomes;
        }
        let undone = || StoreError::Unavailable(format!("the embedded store failed in a commit: {failure}"));
        writes.iter().map(|_| Err(undone().into())).collect()
    }

    /// Whether the file is in the state that the last of `writes` made. One is as good as all: they were one transaction.
    fn is_made(&self, writes: &[Write], outcomes: &[Outcome]) -> Result<bool, StoreError> {
        let (Some(last), Some(view)) = (last_made(writes, outcomes), self.shown.view()) else { return Ok(false) };
        let found = view.state(&last.rows.event_id)?;
        Ok(found.is_some_and(|found| found.base() == last.rows.state.base()))
    }

    /// What the file, as it was opened anew, has of the event that was written last: the write that was acknowledged, or the one
    /// after it, of which nobody knew. An error if it has something else.
    fn kept(&self, view: &View) -> Result<Option<Mark>, String> {
        let Some(Mark { event_id, base }) = &self.acknowledged else { return Ok(None) };
        let found = view.state(event_id).map_err(|why| why.to_string())?.map(|found| found.base());
        if let Some(found) = found.filter(|found| found == base || Some(*found) == self.unclear) {
            return Ok(Some(Mark { event_id: event_id.clone(), base: found }));
        }
        let version = found.map_or_else(|| "missing".to_owned(), |found| format!("at version {}", found.version));
        Err(format!(
            "the file has lost what was acknowledged: event {event_id} was at version {} and is {version} there. What was shown \
             last is still read; put the right file back, or restart on what there is",
            base.version
        ))
    }

    /// Tries to write again, with the file opened anew if it must be.
    fn recover(&mut self) -> Result<(), String> {
        let medium = self.disk.medium();
        is_in_place(medium)?;
        if self.file.failure().is_err() {
            medium.has_room().map_err(|why| why.to_string())?;
            // What was written and not flushed must not be taken for what the disk has.
            medium.sync_data().map_err(|why| why.to_string())?;
            let file = self.file.reopened(&self.disk)?;
            file.failure()?;
            let view = file.view().map_err(|why| why.to_string());
            let view = view.and_then(|view| Ok((self.kept(&view)?, view)));
            // What is not gone on with must not be written to when it is let go.
            let (kept, view) = view.inspect_err(|why| file.session().detach(why))?;
            self.shown.show(Some(view));
            self.file.replace(file);
            // It is shown now, so that the next file must have it, and nothing is unclear any more.
            self.acknowledged = kept;
            self.unclear = None;
        }
        self.file.probe().inspect_err(|why| self.file.session().detach(why))
    }
}

fn is_in_place(medium: &dyn Medium) -> Result<(), String> {
    medium.is_in_place().map_err(|why| format!("{why} ({})", medium.rescue_hint()))
}

/// What a panic said.
pub(super) fn told(panic: &(dyn Any + Send)) -> String {
    let said = panic.downcast_ref::<&str>().copied().or(panic.downcast_ref::<String>().map(String::as_str));
    format!("the writer panicked: {}", said.unwrap_or("without a word"))
}
