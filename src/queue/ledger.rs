//! What a consumer holds, as it stands in its list on the server. No I/O.
//!
//! The list is as long as the ledger, and in the same order: claims append to it, steps settle jobs in
//! place and trim the first ones once they are settled. At most one step that settles anything is on its
//! way at a time, and at most one claim. If the outcome of either is unknown, the ledger is in doubt
//! until the list was given to a new id (`adopt.lua`), whose reply says where the list stands.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::keys::ConsumerId;

#[derive(Debug)]
pub(super) struct Ledger {
    consumer: ConsumerId,
    /// Whether the server knows the consumer, so that it may tell that it has been lost.
    known: bool,
    /// Ids that the server may have used before, and the claims and steps in doubt.
    former: Vec<ConsumerId>,
    in_doubt: bool,
    entries: VecDeque<Entry>,
    ready: VecDeque<(u64, Vec<u8>)>,
    next: u64,
    /// The step that settles something, as long as it is on its way or in doubt.
    settling: Option<Settlement>,
    settles: bool,
    claims: bool,
    /// The number of the last step that settled something.
    mark: u16,
    /// When the server last knew of the consumer, at least.
    heard: Instant,
    closing: bool,
    /// The number of the first job that was not lost with the lease, if any was.
    not_lost: u64,
    /// Ids that the server does not know any more, though it may still have jobs for them.
    orphaned: Vec<ConsumerId>,
}

#[derive(Debug)]
struct Entry {
    number: u64,
    since: Instant,
    fate: Fate,
}

/// What becomes of a job.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Fate {
    /// Nobody has seen it yet.
    Ready,
    Running,
    Done,
    /// It failed, and is due again after some time.
    Retry(Duration, String),
    Bury(String),
    /// It goes back to the head of the queue, as delivered in vain.
    Back,
    /// The same for what nobody has seen.
    Unseen,
}

/// What a step tells the server about jobs.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Settlement {
    mark: u16,
    /// How many of the first entries are trimmed, and how many of them are done.
    pub(super) trimmed: usize,
    pub(super) done: usize,
    /// By index and number, in their order.
    pub(super) fates: Vec<(usize, u64, Fate)>,
}

/// A step on its way.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub(super) consumer: ConsumerId,
    pub(super) known: bool,
    pub(super) settlement: Option<Settlement>,
    pub(super) claims: bool,
    /// Whether it is a wait, by which the server does not hear of the consumer.
    waits: bool,
}

/// An adoption on its way.
#[derive(Debug, Clone)]
pub(super) struct Adoption {
    pub(super) consumer: ConsumerId,
    pub(super) former: Vec<ConsumerId>,
}

/// What came of something that was sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Outcome {
    Applied,
    NotSent,
    Unknown,
}

/// What keeps a step from being sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Obstacle {
    Doubt,
    Busy,
    Nothing,
}

impl Ledger {
    pub(super) fn new() -> Self {
        Self {
            consumer: ConsumerId::new(),
            known: false,
            former: Vec::new(),
            in_doubt: false,
            entries: VecDeque::new(),
            ready: VecDeque::new(),
            next: 0,
            settling: None,
            settles: false,
            claims: false,
            mark: 0,
            heard: Instant::now(),
            closing: false,
            not_lost: 0,
            orphaned: Vec::new(),
        }
    }

    /// A step that claims, and settles what there is to settle unless another one does.
    pub(super) fn claim(&mut self) -> Result<Step, Obstacle> {
        match () {
            () if self.in_doubt => Err(Obstacle::Doubt),
            () if self.claims => Err(Obstacle::Busy),
            () => {
                self.claims = true;
                let settlement = if self.settles { None } else { self.settlement() };
                Ok(self.step(settlement, true))
            }
        }
    }

    /// A wait for one job.
    pub(super) fn wait(&mut self) -> Result<Step, Obstacle> {
        match () {
            () if self.in_doubt => Err(Obstacle::Doubt),
            () if self.claims => Err(Obstacle::Busy),
            () => {
                self.claims = true;
                Ok(Step { waits: true, ..self.step(None, true) })
            }
        }
    }

    /// A step that only settles, if there is something to settle.
    pub(super) fn settle_now(&mut self) -> Result<Step, Obstacle> {
        match () {
            () if self.in_doubt => Err(Obstacle::Doubt),
            () if self.settles => Err(Obstacle::Busy),
            () => match self.settlement() {
                Some(settlement) => Ok(self.step(Some(settlement), false)),
                None => Err(Obstacle::Nothing),
            },
        }
    }

    fn step(&mut self, settlement: Option<Settlement>, claims: bool) -> Step {
        if settlement.is_some() {
            (self.settles, self.settling) = (true, settlement.clone());
        }
        let (consumer, known) = (self.consumer.clone(), self.known);
        Step { consumer, known, settlement, claims, waits: false }
    }

    fn settlement(&mut self) -> Option<Settlement> {
        let trimmed = self.entries.iter().take_while(|entry| entry.fate.is_decided()).count();
        let told = |fate: &Fate| !matches!(fate, Fate::Ready | Fate::Running | Fate::Done);
        let mut many = self.entries.iter().take(trimmed).enumerate();
        let many = many.by_ref().filter(|(_, entry)| told(&entry.fate)).nth(MOST_FATES);
        let trimmed = many.map_or(trimmed, |(index, _)| index);
        let done = self.entries.iter().take(trimmed).filter(|entry| entry.fate == Fate::Done);
        let done = done.count();
        let entries = self.entries.iter().enumerate();
        let fates = entries.filter(|(index, entry)| match entry.fate {
            Fate::Ready | Fate::Running => false,
            Fate::Done => *index >= trimmed,
            Fate::Retry(..) | Fate::Bury(_) | Fate::Back | Fate::Unseen => true,
        });
        let fates = fates.map(|(index, entry)| (index, entry.number, entry.fate.clone()));
        let fates: Vec<_> = fates.take(MOST_FATES).collect();
        if trimmed == 0 && fates.is_empty() {
            return None;
        }
        self.mark = (self.mark + 1) % MARKS;
        Some(Settlement { mark: self.mark, trimmed, done, fates })
    }

    /// A step is over. Says whether its claims count, if it was applied.
    pub(super) fn finish(&mut self, step: &Step, outcome: Outcome, sent: Instant) -> bool {
        let is_current = step.consumer == self.consumer;
        if step.claims {
            self.claims = false;
        }
        if step.settlement.is_some() {
            self.settles = false;
        }
        if !is_current {
            return false;
        }
        match outcome {
            Outcome::Unknown => {
                self.in_doubt = true;
                return false;
            }
            Outcome::NotSent if step.settlement.is_some() => self.settling = None,
            Outcome::NotSent => {}
            Outcome::Applied if step.waits => {}
            Outcome::Applied => {
                self.known = true;
                self.heard = self.heard.max(sent);
                if step.settlement.is_some()
                    && let Some(settlement) = self.settling.take()
                {
                    self.apply(settlement);
                }
            }
        }
        outcome == Outcome::Applied
    }

    fn apply(&mut self, settlement: Settlement) {
        let mut settled = settlement.fates.iter().map(|(_, number, _)| *number).peekable();
        let mut left = settlement.trimmed;
        self.entries.retain(|entry| {
            let is_settled = settled.next_if_eq(&entry.number).is_some();
            let is_trimmed = left > 0;
            left -= usize::from(is_trimmed);
            !is_settled && !is_trimmed
        });
    }

    /// Appends what was claimed.
    pub(super) fn append(&mut self, items: impl IntoIterator<Item = Vec<u8>>) {
        for item in items {
            let (number, since) = (self.next, Instant::now());
            self.next += 1;
            let fate = if self.closing { Fate::Unseen } else { Fate::Ready };
            if fate == Fate::Ready {
                self.ready.push_back((number, item));
            }
            self.entries.push_back(Entry { number, since, fate });
        }
    }

    /// The next job, which runs from now on.
    pub(super) fn take(&mut self) -> Option<(u64, Vec<u8>)> {
        let (number, item) = self.ready.pop_front()?;
        if let Some(entry) = self.entry(number) {
            (entry.fate, entry.since) = (Fate::Running, Instant::now());
        }
        Some((number, item))
    }

    /// Decides what becomes of a running job, and says whether that can still be told.
    pub(super) fn decide(&mut self, number: u64, fate: Fate) -> bool {
        match self.entry(number) {
            Some(entry) if entry.fate == Fate::Running => {
                (entry.fate, entry.since) = (fate, Instant::now());
                true
            }
            _ => false,
        }
    }

    /// Whether a job runs, or is not settled yet. Of a consumer that was lost, none is.
    pub(super) fn holds(&self, number: u64) -> bool {
        self.position(number).is_some()
    }

    fn position(&self, number: u64) -> Option<usize> {
        self.entries.binary_search_by_key(&number, |entry| entry.number).ok()
    }

    fn entry(&mut self, number: u64) -> Option<&mut Entry> {
        let index = self.position(number)?;
        self.entries.get_mut(index)
    }

    /// Takes the list of an id in doubt over, unless something is on its way.
    pub(super) fn adopt(&mut self) -> Result<Adoption, Obstacle> {
        match () {
            () if !self.in_doubt => Err(Obstacle::Nothing),
            () if self.claims || self.settles => Err(Obstacle::Busy),
            () => {
                (self.claims, self.settles) = (true, true);
                let mut former = self.former.clone();
                former.push(self.consumer.clone());
                Ok(Adoption { consumer: ConsumerId::new(), former })
            }
        }
    }

    /// An adoption failed. If it may have been applied, the next one has to look there too.
    pub(super) fn not_adopted(&mut self, adoption: Adoption, outcome: Outcome) {
        (self.claims, self.settles) = (false, false);
        if outcome != Outcome::NotSent && adoption.former.last() == Some(&self.consumer) {
            self.former = adoption.former;
            self.consumer = adoption.consumer;
        }
    }

    /// An adoption brought `items`. `mark` is the last step that settled something, or `None` if
    /// the consumer had been lost.
    pub(super) fn adopted(
        &mut self,
        adoption: Adoption,
        mark: Option<u16>,
        items: Vec<Vec<u8>>,
        sent: Instant,
    ) {
        (self.claims, self.settles) = (false, false);
        (self.consumer, self.known) = (adoption.consumer, true);
        self.in_doubt = false;
        self.former.clear();
        self.heard = sent;
        let settling = self.settling.take();
        let was_known = mark.is_some() || (self.entries.is_empty() && settling.is_none());
        if let Some(settlement) = settling.filter(|settlement| mark == Some(settlement.mark)) {
            self.apply(settlement);
        }
        if !was_known || items.len() < self.entries.len() {
            self.forget();
        }
        let tombstone = tombstone(&self.consumer);
        for item in items.into_iter().skip(self.entries.len()) {
            let is_tombstone = item == tombstone;
            self.append([item]);
            if is_tombstone && let Some(entry) = self.entries.back_mut() {
                entry.fate = Fate::Unseen;
                let number = entry.number;
                self.ready.retain(|(ready, _)| *ready != number);
            }
        }
    }

    /// The server does not know the consumer any more: others have got its jobs.
    pub(super) fn lost(&mut self, consumer: &ConsumerId) {
        if *consumer != self.consumer {
            return;
        }
        self.orphaned.push(self.consumer.clone());
        self.leave_behind();
    }

    fn leave_behind(&mut self) {
        self.consumer = ConsumerId::new();
        (self.known, self.in_doubt) = (false, false);
        self.former.clear();
        self.settling = None;
        self.forget();
    }

    /// Ids that are still to be looked after.
    pub(super) fn orphaned(&mut self) -> Vec<ConsumerId> {
        std::mem::take(&mut self.orphaned)
    }

    fn forget(&mut self) {
        self.not_lost = self.next;
        self.entries.clear();
        self.ready.clear();
    }

    /// Whether a job was lost before it was settled, if it was held not long ago.
    pub(super) fn has_lost(&self, number: u64) -> bool {
        number < self.not_lost
    }

    /// What a beat tells of the consumer: its id, how many jobs run, and since when the oldest does.
    pub(super) fn pulse(&self) -> Option<(ConsumerId, usize, Duration)> {
        if !self.known || self.in_doubt {
            return None;
        }
        let running = self.entries.iter().filter(|entry| entry.fate == Fate::Running);
        let longest = running.clone().map(|entry| entry.since.elapsed()).max();
        Some((self.consumer.clone(), running.count(), longest.unwrap_or_default()))
    }

    /// The server has heard of the consumer.
    pub(super) fn heard(&mut self, consumer: &ConsumerId, sent: Instant) {
        if *consumer == self.consumer {
            self.heard = self.heard.max(sent);
        }
    }

    /// For how long the server may not have heard of the consumer.
    pub(super) fn silence(&self) -> Duration {
        self.heard.elapsed()
    }

    /// For how long something could have been settled.
    pub(super) fn settleable_for(&self) -> Option<Duration> {
        let decided = |entry: &&Entry| entry.fate.is_decided();
        self.entries.iter().filter(decided).map(|entry| entry.since.elapsed()).max()
    }

    /// Nothing more is wanted: what nobody has seen goes back.
    pub(super) fn close(&mut self) {
        self.closing = true;
        for (number, _) in std::mem::take(&mut self.ready) {
            if let Some(entry) = self.entry(number) {
                entry.fate = Fate::Unseen;
            }
        }
    }

    /// What is left to do for a consumer that is closed.
    pub(super) fn leave(&self) -> Leave {
        let runs = |entry: &Entry| entry.fate == Fate::Running;
        match () {
            () if !self.closing || self.entries.iter().any(runs) => Leave::NotYet,
            () if self.claims || self.settles => Leave::NotYet,
            () if self.in_doubt || !self.entries.is_empty() => Leave::AfterSettling,
            () if self.known => Leave::Now(self.consumer.clone()),
            () => Leave::Nothing,
        }
    }

    /// The server has forgotten the consumer, as it should.
    pub(super) fn left(&mut self, consumer: &ConsumerId) {
        if *consumer == self.consumer {
            self.leave_behind();
        }
    }

    pub(super) fn is_in_doubt(&self) -> bool {
        self.in_doubt
    }

    pub(super) fn is_closing(&self) -> bool {
        self.closing
    }

    /// Whether nothing is on its way.
    pub(super) fn is_idle(&self) -> bool {
        !self.claims && !self.settles
    }

    /// How many jobs run.
    pub(super) fn running(&self) -> usize {
        self.entries.iter().filter(|entry| entry.fate == Fate::Running).count()
    }
}

/// What is left to do.
#[derive(Debug, PartialEq)]
pub(super) enum Leave {
    NotYet,
    AfterSettling,
    Now(ConsumerId),
    Nothing,
}

impl Fate {
    fn is_decided(&self) -> bool {
        !matches!(self, Fate::Ready | Fate::Running)
    }
}

impl Settlement {
    pub(super) fn mark(&self) -> u16 {
        self.mark
    }
}

/// What stands in the place of a job that was settled. Nobody else can have pushed it.
fn tombstone(consumer: &ConsumerId) -> Vec<u8> {
    [b"\x1eq1;-", consumer.as_bytes()].concat()
}

/// How many jobs a step settles one by one.
const MOST_FATES: usize = 1000;

/// Numbers of steps fit into the fraction of a time in milliseconds.
const MARKS: u16 = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    /// A consumer with a list on a server that always knows it.
    struct Both {
        ledger: Ledger,
        list: Vec<Vec<u8>>,
        mark: u16,
    }

    impl Both {
        fn new() -> Self {
            Self { ledger: Ledger::new(), list: Vec::new(), mark: 0 }
        }

        /// What `step.lua` does.
        fn apply(&mut self, step: &Step, items: &[&str]) -> Vec<Vec<u8>> {
            let items: Vec<_> = items.iter().map(|item| item.as_bytes().to_vec()).collect();
            if let Some(settlement) = &step.settlement {
                self.mark = settlement.mark();
                for (index, ..) in &settlement.fates {
                    self.list[*index] = tombstone(&step.consumer);
                }
            }
            self.list.extend(items.clone());
            let trimmed = step.settlement.as_ref().map_or(0, |settlement| settlement.trimmed);
            self.list.drain(..trimmed);
            self.list.retain(|item| *item != tombstone(&step.consumer));
            items
        }

        fn claim(&mut self, items: &[&str]) {
            let step = self.ledger.claim().unwrap();
            let items = self.apply(&step, items);
            assert!(self.ledger.finish(&step, Outcome::Applied, Instant::now()));
            self.ledger.append(items);
        }

        fn adopt(&mut self) {
            let adoption = self.ledger.adopt().unwrap();
            for item in &mut self.list {
                if item.starts_with(b"\x1eq1;-") {
                    *item = tombstone(&adoption.consumer);
                }
            }
            self.ledger.adopted(adoption, Some(self.mark), self.list.clone(), Instant::now());
        }

        fn take_all(&mut self) -> Vec<(u64, String)> {
            let take = || self.ledger.take();
            let text = |(number, item)| (number, String::from_utf8(item).unwrap());
            std::iter::from_fn(take).map(text).collect()
        }

        fn numbers(&self) -> (usize, usize) {
            (self.ledger.entries.len(), self.list.len())
        }
    }

    fn names(jobs: &[(u64, String)]) -> Vec<&str> {
        jobs.iter().map(|(_, name)| name.as_str()).collect()
    }

    #[test]
    fn what_is_done_is_trimmed_with_the_next_claim() {
        let mut both = Both::new();
        both.claim(&["a", "b", "c"]);
        let jobs = both.take_all();
        assert_eq!(names(&jobs), ["a", "b", "c"]);
        assert!(both.ledger.decide(0, Fate::Done) && both.ledger.decide(2, Fate::Done));
        assert!(!both.ledger.decide(0, Fate::Back), "it is done");
        both.claim(&["d"]);
        assert_eq!(both.list, [b"b", b"d"], "settled before it or after it");
        assert!(both.ledger.holds(1) && !both.ledger.holds(0) && !both.ledger.holds(2));
        both.ledger.decide(1, Fate::Done);
        both.claim(&[]);
        assert_eq!(both.list, [b"d"]);
    }

    #[test]
    fn a_step_of_unknown_outcome_is_cleared_up_by_adoption() {
        for applied in [false, true] {
            let mut both = Both::new();
            both.claim(&["same", "same"]);
            both.take_all();
            both.ledger.decide(0, Fate::Done);
            both.ledger.decide(1, Fate::Done);
            let step = both.ledger.claim().unwrap();
            if applied {
                both.apply(&step, &["same"]);
            }
            both.ledger.finish(&step, Outcome::Unknown, Instant::now());
            assert_eq!(both.ledger.claim().unwrap_err(), Obstacle::Doubt);
            both.adopt();
            assert_eq!(both.take_all().len(), usize::from(applied), "{applied}");
            assert_eq!(both.numbers().0, both.numbers().1);
            both.claim(&["e"]);
            assert_eq!(names(&both.take_all()), ["e"]);
        }
    }

    #[test]
    fn a_flush_and_a_claim_may_both_be_in_doubt() {
        for (flushed, claimed) in [(false, false), (false, true), (true, false), (true, true)] {
            let mut both = Both::new();
            both.claim(&["a", "b", "c"]);
            both.take_all();
            both.ledger.decide(0, Fate::Done);
            both.ledger.decide(2, Fate::Back);
            let flush = both.ledger.settle_now().unwrap();
            let claim = both.ledger.claim().unwrap();
            assert!(claim.settlement.is_none());
            if claimed {
                both.apply(&claim, &["d"]);
            }
            if flushed {
                both.apply(&flush, &[]);
            }
            both.ledger.finish(&claim, Outcome::Unknown, Instant::now());
            assert_eq!(both.ledger.adopt().unwrap_err(), Obstacle::Busy);
            both.ledger.finish(&flush, Outcome::Unknown, Instant::now());
            both.adopt();
            assert_eq!(both.take_all().len(), usize::from(claimed));
            assert!(both.ledger.holds(1));
            assert_eq!(both.ledger.holds(2), !flushed);
            both.ledger.decide(1, Fate::Done);
            both.claim(&[]);
            let left = if claimed { vec![b"d".to_vec()] } else { Vec::new() };
            assert_eq!(both.list, left);
        }
    }

    #[test]
    fn a_step_settles_a_thousand_jobs_one_by_one() {
        for fate in [Fate::Back, Fate::Done] {
            let mut both = Both::new();
            both.claim(&["x"; 2500]);
            let jobs = both.take_all();
            jobs.iter().for_each(|(number, _)| assert!(both.ledger.decide(*number, fate.clone())));
            for left in if fate == Fate::Done { [0, 0, 0] } else { [1500, 500, 0] } {
                both.claim(&[]);
                assert_eq!(both.numbers(), (left, left));
            }
        }
    }

    #[test]
    fn who_was_lost_holds_nothing_and_is_somebody_else() {
        let mut both = Both::new();
        both.claim(&["a", "b"]);
        both.ledger.take();
        let step = both.ledger.claim().unwrap();
        both.ledger.lost(&step.consumer);
        assert!(!both.ledger.finish(&step, Outcome::Applied, Instant::now()));
        assert!(!both.ledger.holds(0) && both.ledger.take().is_none());
        let step = both.ledger.claim().unwrap();
        assert!(!step.known);
    }

    #[test]
    fn an_adoption_of_unknown_outcome_is_made_from_both_ids() {
        let mut both = Both::new();
        both.claim(&["a"]);
        let step = both.ledger.claim().unwrap();
        both.ledger.finish(&step, Outcome::Unknown, Instant::now());
        let first = both.ledger.adopt().unwrap();
        both.ledger.not_adopted(first.clone(), Outcome::Unknown);
        let second = both.ledger.adopt().unwrap();
        assert_eq!(second.former, [step.consumer, first.consumer]);
        both.ledger.adopted(second, Some(0), both.list.clone(), Instant::now());
        assert_eq!(names(&both.take_all()), ["a"]);
    }

    #[test]
    fn who_leaves_gives_back_what_nobody_has_seen() {
        let mut both = Both::new();
        both.claim(&["a", "b"]);
        both.ledger.take();
        both.ledger.close();
        assert_eq!(both.ledger.leave(), Leave::NotYet);
        both.ledger.decide(0, Fate::Done);
        assert_eq!(both.ledger.leave(), Leave::AfterSettling);
        let step = both.ledger.settle_now().unwrap();
        let settlement = step.settlement.clone().unwrap();
        assert_eq!((settlement.trimmed, settlement.done), (2, 1));
        assert_eq!(settlement.fates, [(1, 1, Fate::Unseen)]);
        both.apply(&step, &[]);
        both.ledger.finish(&step, Outcome::Applied, Instant::now());
        assert_eq!((both.list.len(), both.ledger.leave()), (0, Leave::Now(step.consumer)));
    }
}
