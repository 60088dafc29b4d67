//! Where runs take place. At most one deployment of mongods stands at a time, so that none takes time from another.

use std::time::Duration;

use crate::{
    arguments::Plan,
    failure::{Failure, Outcome},
    generator::{Keep, Load, Pace, Script, requests},
    ground::{Deployment, Ground, StoreKind},
    reckoning::{audit::Told, tally::Tally},
    stage::{BOOKED, CANCELLED, SEATS_MAX, Stage, TO_RESERVE, UNKNOWN},
};

/// How long one run may take in all, whatever hangs.
pub(crate) const RUN_PATIENCE: Duration = Duration::from_mins(15);

/// The lab.
pub(crate) struct Lab {
    pub(crate) plan: Plan,
    deployment: Option<Deployment>,
}

impl Lab {
    pub(crate) fn new(plan: Plan) -> Self {
        Self { plan, deployment: None }
    }

    /// Fresh ground of a kind.
    pub(crate) async fn ground(&mut self, kind: StoreKind) -> Outcome<Ground> {
        if self.deployment.as_ref().is_some_and(|standing| standing.kind != kind) {
            self.end().await;
        }
        if kind == StoreKind::Embedded {
            return Ok(Ground::embedded());
        }
        if self.deployment.is_none() {
            self.deployment = Some(Deployment::start(kind).await?);
        }
        let deployment = self.deployment.as_mut().ok_or_else(|| Failure::Failed(format!("no {kind} stands")))?;
        Ground::mongo(deployment)
    }

    /// Fresh ground with one or more servers on it, for an event of so many seats.
    pub(crate) async fn stage(
        &mut self,
        kind: StoreKind,
        seats: u64,
        settings: &[(&'static str, String)],
        processes: usize,
    ) -> Outcome<Stage> {
        let ground = self.ground(kind).await?;
        let mut all = vec![("EVENT_SEATS", seats.to_string())];
        all.extend_from_slice(settings);
        Stage::open(ground, &self.plan.server, &all, processes).await
    }

    /// Ends what stands.
    pub(crate) async fn end(&mut self) {
        if let Some(deployment) = self.deployment.take() {
            deployment.stop().await;
        }
    }

    /// A closed loop of so many clients who each reserve one seat after the other, for the plan's window.
    pub(crate) fn reserving(&self, stage: &Stage, clients: usize) -> Load {
        Load {
            servers: stage.addresses(),
            scripts: (0..clients).map(|client| Script::always(requests::reserve("/reservations", client))).collect(),
            pace: Pace::Closed,
            window: Some(self.plan.window),
            requests_max: SEATS_MAX,
            expected: TO_RESERVE,
            keep: Keep::Sample,
        }
    }

    /// A closed loop of so many clients who each read the same page over and over.
    pub(crate) fn reading(&self, stage: &Stage, clients: usize, path: &str) -> Load {
        let scripts = vec![Script::always(requests::get(path)); clients];
        let load = self.reserving(stage, 0);
        Load { scripts, requests_max: u64::MAX, expected: &[(200, "")], keep: Keep::Nothing, ..load }
    }
}

/// What the clients of these loads were told together, of an event of so many seats.
pub(crate) fn told(total_seats: u64, tallies: &[&Tally]) -> Told {
    let sum = |kinds| tallies.iter().map(|tally| tally.all(kinds)).sum();
    Told { total_seats, booked: sum(BOOKED), cancelled: sum(CANCELLED), unknown: sum(UNKNOWN) }
}
