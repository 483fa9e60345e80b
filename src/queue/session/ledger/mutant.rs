/// What breaks its rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Breach {
    /// It goes on under its id though the outcome of something is unknown.
    KeepsItsId,
    SettlesInDoubt,
    StepsTwiceAtATime,
    ClaimsTwiceAtATime,
    AdoptsWhileSomethingIsOnItsWay,
    /// A step in doubt counts as not applied, whatever the server says.
    IgnoresTheMark,
    /// A step in doubt counts as applied, whatever the server says.
    TrustsAnyMark,
    /// It goes on with what it held, whatever the server has.
    AdoptsWhateverThereIs,
    /// What an recovery in doubt may have left behind is not looked for.
    ForgetsFormerIds,
    /// It waits though the server does not know it.
    WaitsUnknown,
    /// It waits again without a step between.
    WaitsAgain,
    /// What a wait may have brought to an id that was left behind is not looked for.
    ForgetsLateWaits,
    /// What a wait in doubt may still bring is not looked for.
    LeavesNothingBehind,
    /// What is reported of a wait counts after it was given up.
    BelievesLateReports,
    /// What the server does not know of is handed out, though a consumer was once lost with it.
    HandsOutWhatWasLostUnrecorded,
    /// What a server still has after it came back counts as delivered.
    CountsWhatComesBack,
    /// It goes on with what it held when it was lost.
    GoesOnWhenLost,
}
