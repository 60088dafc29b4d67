//! Why a side of a scenario gave no figure.

/// Why there is no figure.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum Failure {
    /// The server under measurement does not have what the side needs.
    #[error("skipped: {0}")]
    Skipped(String),
    /// Something went wrong; a figure would be a lie.
    #[error("{0}")]
    Failed(String),
}

/// What a side of a scenario gives.
pub(crate) type Outcome<T> = Result<T, Failure>;

/// Turns any error into a failure that says what was being done.
pub(crate) fn failed<E: std::fmt::Display>(doing: &str) -> impl FnOnce(E) -> Failure + '_ {
    move |why| Failure::Failed(format!("{doing}: {why}"))
}
