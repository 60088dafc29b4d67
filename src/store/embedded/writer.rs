//! The one thread that writes: it sleeps until there is work, takes all that has gathered, and folds it into one
//! durable transaction, so that many events cost one flush of the disk.
//!
//! After a failure redb takes nothing more until the file was closed and opened again. That is done when the next work
//! comes, at most once for all work that came together; until it succeeds there is no state to show, and every
//! answer is that the store is out of reach.

use std::sync::Arc;

use redb::{Database, Durability, WriteTransaction};
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use super::{
    OpenError,
    fold::Fold,
    recent::{Gathering, Moved},
    rows::Rows,
    run::Row,
    shown::Shown,
    tables, too_late,
    view::View,
};
use crate::store::{Base, CommitError, Damage, StoreError};

/// Work that one transaction takes. Many more would gain little, and delay the answers of the first among them.
const FOLD_MAX: usize = 256;

/// What the writer can be asked for.
pub(super) enum Work {
    /// To write.
    Write(Box<Write>),
    /// To open the file anew if there is no state to show, and to say which there is then.
    Reopen { answer: oneshot::Sender<Result<Arc<View>, StoreError>> },
    /// To finish what was handed over before, to close the file, and to end.
    Close { answer: oneshot::Sender<()> },
}

/// Rows to be written if their event is at `base`.
pub(super) struct Write {
    pub(super) base: Option<Base>,
    pub(super) rows: Rows,
    /// Not written after this: whoever asked has given up by then.
    pub(super) deadline: Instant,
    pub(super) answer: oneshot::Sender<Result<(), CommitError>>,
}

/// Opens the file.
pub(super) type Connect = Box<dyn Fn() -> Result<OpenFile, OpenError> + Send>;

/// The owner of the file.
pub(super) struct Writer {
    connect: Connect,
    /// None while the file is out of order.
    file: Option<OpenFile>,
    shown: Arc<Shown>,
    inbox: mpsc::Receiver<Work>,
}

/// The file, and what is remembered of it.
pub(super) struct OpenFile {
    database: Database,
    gathering: Gathering,
    damage: Arc<Damage>,
}

impl OpenFile {
    pub(super) fn of(database: Database, generation_rows: usize, damage: Arc<Damage>) -> Result<Self, redb::Error> {
        let gathering = Gathering::open(&database, generation_rows, &damage)?;
        Ok(Self { database, gathering, damage })
    }

    /// The last durable state.
    pub(super) fn view(&self) -> Result<View, redb::Error> {
        View::of(&self.database, self.gathering.recent().clone(), self.damage.clone())
    }
}

/// How a transaction was lost.
enum Lost {
    /// Before it was committed: it will never be seen.
    Undone(redb::Error),
    /// While it was committed: the file, once opened again, tells.
    Unclear(redb::Error),
}

impl Writer {
    pub(super) fn new(connect: Connect, file: OpenFile, shown: Arc<Shown>, inbox: mpsc::Receiver<Work>) -> Self {
        Self { connect, file: Some(file), shown, inbox }
    }

    /// Works until it is told to close, or nobody is left to tell it.
    pub(super) fn run(mut self) {
        let mut works = Vec::with_capacity(FOLD_MAX);
        let mut farewells = Vec::new();
        while self.inbox.blocking_recv_many(&mut works, FOLD_MAX) > 0 {
            let mut writes = Vec::with_capacity(works.len());
            for work in works.drain(..) {
                match work {
                    Work::Write(write) => writes.push(*write),
                    Work::Reopen { answer } => drop(answer.send(self.reopened())),
                    Work::Close { answer } => {
                        // Nothing more comes in; what did come is still written.
                        self.inbox.close();
                        farewells.push(answer);
                    }
                }
            }
            self.fold(writes);
        }
        self.shown.show(None);
        drop(self.file);
        for farewell in farewells {
            // Whoever asked may have stopped waiting.
            let _ = farewell.send(());
        }
    }

    /// Writes what can be written in one transaction, and answers each write.
    fn fold(&mut self, writes: Vec<Write>) {
        let now = Instant::now();
        let (writes, late): (Vec<_>, Vec<_>) = writes.into_iter().partition(|write| now < write.deadline);
        for write in late {
            let _ = write.answer.send(Err(too_late().into()));
        }
        if writes.is_empty() {
            return;
        }
        let outcomes = match self.reopened() {
            Err(why) => vec![Err(why.into()); writes.len()],
            Ok(_) => self.transact(&writes).unwrap_or_else(|lost| vec![Err(self.lose(lost)); writes.len()]),
        };
        let mut written = Vec::with_capacity(writes.len());
        for (Write { rows, answer, .. }, outcome) in writes.into_iter().zip(outcomes) {
            let _ = answer.send(outcome);
            written.push(rows);
        }
        // They take a while to be freed: not while others wait for their answers.
        drop(written);
    }

    /// Applies `writes` in their order, makes them durable, and shows the state that they made.
    fn transact(&mut self, writes: &[Write]) -> Result<Vec<Result<(), CommitError>>, Lost> {
        let file = self.file.as_mut().ok_or(Lost::Undone(redb::Error::DatabaseClosed))?;
        let mut transaction = file.database.begin_write().map_err(|why| Lost::Undone(why.into()))?;
        // One flush and checksums over everything (redb's default); a second flush would only guard against a partner
        // who can also choose which of our pages reach the disk.
        transaction.set_durability(Durability::Immediate).map_err(|why| Lost::Undone(why.into()))?;
        let applied = apply(&transaction, writes, &file.gathering).map_err(Lost::Undone)?;
        let outcomes = applied.outcomes;
        if outcomes.iter().all(Result::is_err) {
            transaction.abort().map_err(|why| Lost::Undone(why.into()))?;
            return Ok(outcomes);
        }
        transaction.commit().map_err(|why| Lost::Unclear(why.into()))?;
        for (write, _) in writes.iter().zip(&outcomes).filter(|(_, outcome)| outcome.is_ok()) {
            if let Some(event) = &write.rows.kept {
                self.shown.keep(write.rows.state.base(), event);
            }
        }
        // Durable, but a commit is acknowledged only when every reader sees it.
        file.gathering.went_on(&applied.added, applied.moved);
        self.shown.show(Some(file.view().map_err(Lost::Unclear)?));
        Ok(outcomes)
    }

    /// Takes the failed file out of service, and says what that means for those whose writes were in it.
    fn lose(&mut self, lost: Lost) -> CommitError {
        self.shown.show(None);
        self.file = None;
        let (Lost::Undone(why) | Lost::Unclear(why)) = &lost;
        log::error!(error:% = why; "the embedded store failed to write; it is opened anew before the next work");
        match lost {
            Lost::Undone(why) => tables::failed(&why).into(),
            Lost::Unclear(why) => CommitError::Unclear(format!("the embedded store failed in a commit: {why}")),
        }
    }

    /// The state that is shown; when none is, because a write or a read failed, that of the file opened anew.
    fn reopened(&mut self) -> Result<Arc<View>, StoreError> {
        if let Some(view) = self.shown.view() {
            return Ok(view);
        }
        // The file must be let go before it can be opened again.
        self.file = None;
        let file = (self.connect)().map_err(|why| StoreError::Unavailable(why.to_string()))?;
        self.shown.show(Some(file.view().map_err(|why| tables::failed(&why))?));
        self.file = Some(file);
        log::info!("the embedded store works again");
        self.shown.view().ok_or_else(|| tables::failed(&redb::Error::DatabaseClosed))
    }
}

/// What a transaction that is not yet committed did.
struct Applied<'w> {
    outcomes: Vec<Result<(), CommitError>>,
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
