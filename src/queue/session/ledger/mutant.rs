/// Mutants of the ledger, each of which breaks one rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum LedgerMutant {
    /// Keeps its id though the outcome of a request is unknown.
    KeepsItsId,
    /// Settles jobs while a doubt is not resolved.
    SettlesInDoubt,
    /// Sends a poll while another one is in flight.
    PollsTwiceAtATime,
    /// Sends a claim or a wait while another one is in flight.
    ClaimsTwiceAtATime,
    /// Recovers while a poll or a wait is in flight.
    RecoversWhileARequestIsInFlight,
    /// Treats a poll in doubt as not applied, whatever the server reports.
    IgnoresTheSequence,
    /// Treats a poll in doubt as applied, whatever the server reports.
    TrustsAnySequence,
    /// Continues with its own jobs, whatever the server's list holds.
    RecoversWhateverThereIs,
    /// Does not reap the ids that a recovery in doubt may have retired.
    ForgetsFormerIds,
    /// Waits though the server does not know the consumer.
    WaitsUnknown,
    /// Waits again without a poll between.
    WaitsAgain,
    /// Does not reap a job that a wait may have brought to a retired id.
    ForgetsLateWaits,
    /// Does not reap a job that a wait in doubt may still bring.
    LeavesNothingBehind,
    /// Accepts the report of a wait after it was given up.
    BelievesLateReports,
    /// Hands out a job that the server has not recorded, though a lost consumer once held it.
    HandsOutWhatWasLostUnrecorded,
    /// Counts as delivered the jobs that a server still has after it came back.
    CountsWhatComesBack,
    /// Continues with its jobs after its lease was lost.
    GoesOnWhenLost,
}
