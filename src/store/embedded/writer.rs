//! The one thread that writes: it sleeps until there is work, takes all that has gathered, and folds it into one
//! durable transaction, so that many events cost one flush of the disk.
//!
//! When the file takes no writes, or is no longer where it was, this thread alone deals with it ([`recovery`]): readers go on
//! with the last durable state, and who wants to write is told so at once.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::{Duration, Instant},
};

use redb::{Durability, WriteTransaction};
use tokio::{
    sync::{mpsc, oneshot},
    time,
};

use super::{
    fold::Fold,
    inbox::Inbox,
    medium::Disk,
    open_file::OpenFile,
    outage::{Condition, Ended, Outage},
    recent::{Gathering, Moved},
    rows::Rows,
    run::Row,
    shown::Shown,
    too_late,
};
use crate::{
    domain::EventId,
    store::{Base, CommitError, StoreError},
};

mod recovery;

/// Work that one transaction takes. Many more would gain little, and delay the answers of the first among them.
const FOLD_MAX: usize = 256;

/// How often the file is looked for under its name, whether or not there is work: for so long, at most, is sold into a file
/// that was deleted, and does a failed read wait for the file to be opened anew. A look takes two microseconds.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What the writer can be asked for.
pub(super) enum Work {
    /// To write.
    Write(Box<Write>),
    /// To finish what was handed over before, to close the file, and to end.
    Close { answer: oneshot::Sender<()> },
}

/// Rows to be written if their event is at `base`.
pub(super) struct Write {
    pub(super) base: Option<Base>,
    pub(super) rows: Rows,
    /// Not written after this: whoever asked has given up by then.
    pub(super) deadline: time::Instant,
    pub(super) answer: oneshot::Sender<Outcome>,
}

/// What came of a write.
type Outcome = Result<(), CommitError>;

/// The owner of the file.
pub(super) struct Writer {
    disk: Arc<Disk>,
    /// The one whose last durable state is shown. It stays until another one can take its place.
    file: OpenFile,
    shown: Arc<Shown>,
    condition: Arc<Condition>,
    outage: Option<Outage>,
    last_outage: Option<Ended>,
    /// When the file was last looked for.
    looked: Instant,
    farewells: Vec<oneshot::Sender<()>>,
    /// The last write that was acknowledged: a file opened anew must have it.
    acknowledged: Option<Mark>,
    /// What the last commit, if nobody could tell whether it was made, would have made of the event of `acknowledged`.
    unclear: Option<Base>,
}

/// An event and a state of it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mark {
    event_id: EventId,
    base: Base,
}

impl Mark {
    /// What a write makes.
    fn of(write: &Write) -> Self {
        Self { event_id: write.rows.event_id.clone(), base: write.rows.state.base() }
    }
}

impl Writer {
    pub(super) fn new(disk: Arc<Disk>, file: OpenFile, shown: Arc<Shown>, condition: Arc<Condition>) -> Self {
        let looked = Instant::now();
        Self {
            disk,
            file,
            shown,
            condition,
            outage: None,
            last_outage: None,
            looked,
            farewells: Vec::new(),
            acknowledged: None,
            unclear: None,
        }
    }

    /// Works until it is told to close, or nobody is left to tell it. A panic, which only a defect can cause, is treated as a
    /// failure of the file: what was under way is then looked for in the file, opened anew.
    pub(super) fn run(mut self, inbox: mpsc::Receiver<Work>) {
        let mut inbox = Inbox::here(inbox);
        while let Err(panic) = catch_unwind(AssertUnwindSafe(|| self.work(&mut inbox))) {
            self.break_off(&recovery::told(&*panic));
            self.put_off();
        }
        self.shown.show(None);
        self.file.close();
        self.disk.close();
        for farewell in self.farewells {
            // Whoever asked may have stopped waiting.
            let _ = farewell.send(());
        }
    }

    fn work(&mut self, inbox: &mut Inbox<Work>) {
        let mut works = Vec::with_capacity(FOLD_MAX);
        loop {
            match inbox.receive(&mut works, FOLD_MAX, self.next_look()) {
                Some(0) => return,
                Some(_) => {
                    let writes = self.sort(&mut works, inbox);
                    self.fold(writes, inbox);
                }
                None => {}
            }
            if Instant::now() >= self.next_look() {
                self.look();
            }
        }
    }

    /// When the file needs to be looked at next, whether or not there is work.
    fn next_look(&self) -> Instant {
        self.outage.as_ref().map_or(self.looked + LOOK_EVERY, Outage::next_try)
    }

    /// Deals with what came in, and returns what is to be written of it.
    fn sort(&mut self, works: &mut Vec<Work>, inbox: &mut Inbox<Work>) -> Vec<Write> {
        let mut writes = Vec::with_capacity(works.len());
        for work in works.drain(..) {
            match work {
                Work::Write(write) => writes.push(*write),
                Work::Close { answer } => {
                    // Nothing more comes in; what did come is still written.
                    inbox.close();
                    self.farewells.push(answer);
                }
            }
        }
        writes
    }

    /// Writes what can be written in one transaction, and answers each write.
    fn fold(&mut self, writes: Vec<Write>, inbox: &mut Inbox<Work>) {
        let now = time::Instant::now();
        let (writes, late): (Vec<_>, Vec<_>) = writes.into_iter().partition(|write| now < write.deadline);
        for write in late {
            let _ = write.answer.send(Err(too_late().into()));
        }
        if writes.is_empty() {
            return;
        }
        if self.outage.is_some() {
            return turn_away(writes, &self.condition);
        }
        let mut outcomes = Vec::new();
        let headers_written = self.file.session().headers_written();
        let transacted = catch_unwind(AssertUnwindSafe(|| self.transact(&writes, &mut outcomes)));
        let failure = match transacted {
            Ok(Ok(())) => return answer(writes, outcomes),
            Ok(Err(why)) => why,
            Err(panic) => recovery::told(&*panic),
        };
        if self.file.session().headers_written() == headers_written {
            // The header that would have made it the file's state never went out, and never will.
            self.break_off(&failure);
            turn_away(writes, &self.condition);
        } else {
            let outcomes = self.find_out(&failure, &writes, outcomes, inbox);
            answer(writes, outcomes);
        }
    }

    /// Applies `writes` in their order, makes them durable, and shows the state that they made. `outcomes` is what came of
    /// them if this succeeds, or if the transaction turns out to have been made although it does not.
    fn transact(&mut self, writes: &[Write], outcomes: &mut Vec<Outcome>) -> Result<(), String> {
        let file = &mut self.file;
        let mut transaction = file.begin_write()?;
        // One flush and checksums over everything (redb's default); a second flush would only guard against a partner
        // who can also choose which of our pages reach the disk.
        transaction.set_durability(Durability::Immediate).map_err(|why| why.to_string())?;
        let applied = apply(&transaction, writes, file.gathering()).map_err(|why| why.to_string())?;
        *outcomes = applied.outcomes;
        if outcomes.iter().all(Result::is_err) {
            transaction.abort().map_err(|why| why.to_string())?;
            return file.failure();
        }
        transaction.commit().map_err(|why| why.to_string())?;
        file.failure()?;
        for (write, _) in writes.iter().zip(&*outcomes).filter(|(_, outcome)| outcome.is_ok()) {
            if let Some(event) = &write.rows.kept {
                self.shown.keep(write.rows.state.base(), event);
            }
        }
        // Durable, but a commit is acknowledged only when every reader sees it.
        file.went_on(&applied.added, applied.moved);
        self.shown.show(Some(file.view().map_err(|why| why.to_string())?));
        self.acknowledged = last_made(writes, outcomes).map(Mark::of);
        Ok(())
    }
}

/// The last of `writes` that changed something.
fn last_made<'w>(writes: &'w [Write], outcomes: &[Outcome]) -> Option<&'w Write> {
    writes.iter().zip(outcomes).rev().find(|(_, outcome)| outcome.is_ok()).map(|(write, _)| write)
}

fn answer(writes: Vec<Write>, outcomes: Vec<Outcome>) {
    let mut written = Vec::with_capacity(writes.len());
    for (Write { rows, answer, .. }, outcome) in writes.into_iter().zip(outcomes) {
        let _ = answer.send(outcome);
        written.push(rows);
    }
    // They take a while to be freed: not while others wait for their answers.
    drop(written);
}

/// Answers that nothing was changed, and that nothing can be changed for now.
fn turn_away(writes: Vec<Write>, condition: &Condition) {
    for write in writes {
        let _ = write.answer.send(Err(StoreError::ReadOnly(condition.why()).into()));
    }
}

/// What a transaction that is not yet committed did.
struct Applied<'w> {
    outcomes: Vec<Outcome>,
    added: Vec<Row<'w>>,
    moved: Moved,
}

fn apply<'w>(
    transaction: &WriteTransaction,
    writes: &'w [Write],
    gathering: &Gathering,
) -> Result<Applied<'w>, redb::Error> {
    let mut fold = Fold::of(transaction, gathering.recent())?;
    let outcomes = writes.iter().map(|write| fold.take(write.base, &write.rows)).collect::<Result<_, _>>()?;
    let added = fold.write()?;
    let moved = gathering.move_on(transaction, added.len())?;
    Ok(Applied { outcomes, added, moved })
}
