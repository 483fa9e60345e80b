/// What breaks its rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::queue) enum Breach {
    /// It goes on under its id though the outcome of something is unknown.
    KeepsItsId,
    SettlesInDoubt,
    SettlesTwiceAtATime,
    ClaimsTwiceAtATime,
    AdoptsWhileSomethingIsOnItsWay,
    /// A settlement in doubt counts as not applied, whatever the server says.
    IgnoresTheMark,
    /// A settlement in doubt counts as applied, whatever the server says.
    TrustsAnyMark,
    /// What an adoption in doubt may have left behind is not looked for.
    ForgetsFormerIds,
    /// It waits though the server does not know it.
    WaitsUnknown,
    /// It goes on with what it held when it was lost.
    GoesOnWhenLost,
}
