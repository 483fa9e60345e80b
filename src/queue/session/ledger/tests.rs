use super::*;

/// A consumer with a list on a server that always knows it.
struct LedgerAndList {
    ledger: Ledger,
    list: Vec<Vec<u8>>,
    sequence: u16,
}

impl LedgerAndList {
    fn new() -> Self {
        Self {
            ledger: Ledger::new(ConsumerIds::new(), Instant::now()),
            list: Vec::new(),
            sequence: 0,
        }
    }

    /// Does the work of `poll.lua`.
    fn apply(&mut self, poll: &LedgerRequest, items: &[&str]) -> Vec<Vec<u8>> {
        let items: Vec<_> = items.iter().map(|item| item.as_bytes().to_vec()).collect();
        self.sequence = poll.sequence;
        if let Some(settlement) = &poll.settlement {
            for (index, ..) in settlement.fates.iter().filter(|(.., fate)| *fate != Fate::Running) {
                self.list[*index] = tombstone(&poll.consumer);
            }
        }
        self.list.extend(items.clone());
        let trimmed = poll.settlement.as_ref().map_or(0, |settlement| settlement.trimmed);
        self.list.drain(..trimmed);
        self.list.retain(|item| *item != tombstone(&poll.consumer));
        items
    }

    fn claim(&mut self, items: &[&str]) {
        let poll = self.ledger.claim().unwrap();
        let items = self.apply(&poll, items);
        assert!(self.ledger.finish(&poll, RequestOutcome::Applied, Instant::now()));
        self.ledger.jobs.append(items, Instant::now());
    }

    fn recover(&mut self) {
        let recovery = self.ledger.recover().unwrap();
        for item in &mut self.list {
            if item.starts_with(b"\x1eq1;-") {
                *item = tombstone(&recovery.consumer);
            }
        }
        self.ledger.recovered(recovery, Some(self.sequence), self.list.clone(), Instant::now());
    }

    fn take_all(&mut self) -> Vec<(u64, String)> {
        let take = || self.ledger.take(true, Instant::now());
        let text = |(number, item)| (number, String::from_utf8(item).unwrap());
        std::iter::from_fn(take).map(text).collect()
    }

    fn numbers(&self) -> (usize, usize) {
        (self.ledger.jobs.len(), self.list.len())
    }
}

fn names(jobs: &[(u64, String)]) -> Vec<&str> {
    jobs.iter().map(|(_, name)| name.as_str()).collect()
}

#[test]
fn done_jobs_are_trimmed_by_the_next_claim() {
    let mut both = LedgerAndList::new();
    both.claim(&["a", "b", "c"]);
    let jobs = both.take_all();
    assert_eq!(names(&jobs), ["a", "b", "c"]);
    assert!(
        both.ledger.jobs.decide(0, Fate::Done, Instant::now())
            && both.ledger.jobs.decide(2, Fate::Done, Instant::now())
    );
    assert!(!both.ledger.jobs.decide(0, Fate::GivenBack, Instant::now()), "it is done");
    both.claim(&["d"]);
    assert_eq!(both.list, [b"b", b"d"], "settled before it or after it");
    assert!(
        both.ledger.jobs.contains(1)
            && !both.ledger.jobs.contains(0)
            && !both.ledger.jobs.contains(2)
    );
    both.ledger.jobs.decide(1, Fate::Done, Instant::now());
    both.claim(&[]);
    assert_eq!(both.list, [b"d"]);
}

#[test]
fn a_poll_of_unknown_outcome_is_resolved_by_a_recovery() {
    for applied in [false, true] {
        let mut both = LedgerAndList::new();
        both.claim(&["same", "same"]);
        both.take_all();
        both.ledger.jobs.decide(0, Fate::Done, Instant::now());
        both.ledger.jobs.decide(1, Fate::Done, Instant::now());
        let poll = both.ledger.claim().unwrap();
        if applied {
            both.apply(&poll, &["same"]);
        }
        both.ledger.finish(&poll, RequestOutcome::Unknown, Instant::now());
        assert_eq!(both.ledger.claim().unwrap_err(), RequestBlocked::Doubt);
        both.recover();
        assert_eq!(both.take_all().len(), usize::from(applied), "{applied}");
        assert_eq!(both.numbers().0, both.numbers().1);
        both.claim(&["e"]);
        assert_eq!(names(&both.take_all()), ["e"]);
    }
}

#[test]
fn a_settlement_and_a_wait_may_both_be_in_doubt() {
    for (settled, given) in [(false, false), (false, true), (true, false), (true, true)] {
        let mut both = LedgerAndList::new();
        both.claim(&["a", "b", "c"]);
        both.take_all();
        both.ledger.jobs.decide(0, Fate::Done, Instant::now());
        both.ledger.jobs.decide(2, Fate::GivenBack, Instant::now());
        let settling = both.ledger.settle_now().unwrap();
        assert_eq!(both.ledger.claim().unwrap_err(), RequestBlocked::Busy);
        let wait = both.ledger.wait().unwrap();
        if given {
            both.list.push(b"d".to_vec());
        }
        if settled {
            both.apply(&settling, &[]);
        }
        both.ledger.finish(&wait, RequestOutcome::Unknown, Instant::now());
        assert_eq!(both.ledger.recover().unwrap_err(), RequestBlocked::Busy);
        both.ledger.finish(&settling, RequestOutcome::Unknown, Instant::now());
        both.recover();
        assert_eq!(both.take_all().len(), usize::from(given));
        assert!(both.ledger.jobs.contains(1));
        assert_eq!(both.ledger.jobs.contains(2), !settled);
        both.ledger.jobs.decide(1, Fate::Done, Instant::now());
        both.claim(&[]);
        let left = if given { vec![b"d".to_vec()] } else { Vec::new() };
        assert_eq!(both.list, left);
    }
}

#[test]
fn a_poll_settles_a_thousand_jobs_one_by_one() {
    for fate in [Fate::GivenBack, Fate::Done] {
        let mut both = LedgerAndList::new();
        both.claim(&["x"; 2500]);
        let jobs = both.take_all();
        jobs.iter().for_each(|(number, _)| {
            assert!(both.ledger.jobs.decide(*number, fate.clone(), Instant::now()))
        });
        for left in if fate == Fate::Done { [0, 0, 0] } else { [1500, 500, 0] } {
            both.claim(&[]);
            assert_eq!(both.numbers(), (left, left));
        }
    }
}

#[test]
fn a_lost_consumer_holds_nothing_and_has_a_new_id() {
    let mut both = LedgerAndList::new();
    both.claim(&["a", "b"]);
    both.ledger.take(true, Instant::now());
    let poll = both.ledger.claim().unwrap();
    both.ledger.lost(&poll.consumer);
    assert!(!both.ledger.finish(&poll, RequestOutcome::Applied, Instant::now()));
    assert!(!both.ledger.jobs.contains(0) && both.ledger.take(true, Instant::now()).is_none());
    let poll = both.ledger.claim().unwrap();
    assert_eq!(poll.last_sequence, None);
}

#[test]
fn a_recovery_of_unknown_outcome_is_repeated_from_both_ids() {
    let mut both = LedgerAndList::new();
    both.claim(&["a"]);
    let poll = both.ledger.claim().unwrap();
    both.ledger.finish(&poll, RequestOutcome::Unknown, Instant::now());
    let first = both.ledger.recover().unwrap();
    both.ledger.not_recovered(first.clone(), RequestOutcome::Unknown);
    let second = both.ledger.recover().unwrap();
    assert_eq!(second.former, [poll.consumer, first.consumer]);
    both.ledger.recovered(second, Some(both.sequence), both.list.clone(), Instant::now());
    assert_eq!(names(&both.take_all()), ["a"]);
}

#[test]
fn jobs_left_on_a_rolled_back_server_return_to_the_queue() {
    for (sequence, items, goes_back) in [
        (2, vec!["a", "b"], false),
        (2, vec!["a", "b", "c"], false),
        (2, vec!["a"], true),
        (1, vec!["a"], true),
        (1, vec!["z", "a", "b"], true),
    ] {
        let mut both = LedgerAndList::new();
        both.claim(&["a"]);
        both.claim(&["b"]);
        both.take_all();
        let poll = both.ledger.claim().unwrap();
        assert_eq!((poll.last_sequence, poll.held, poll.sequence), (Some(2), 2, 3));
        both.ledger.finish(&poll, RequestOutcome::Unknown, Instant::now());
        both.list = items.iter().map(|item| item.as_bytes().to_vec()).collect();
        both.sequence = sequence;
        both.recover();
        let is_lost = both.ledger.jobs.was_forgotten(0) && both.ledger.jobs.was_forgotten(1);
        assert_eq!(is_lost, goes_back, "{sequence} {items:?}");
        let poll = both.ledger.claim().unwrap();
        let back = poll.settlement.map_or(0, |it| it.fates.len());
        assert_eq!(back, if goes_back { items.len() } else { 0 }, "{sequence} {items:?}");
    }
}

#[test]
fn a_diverged_ledger_trusts_no_list_that_looks_right() {
    let mut both = LedgerAndList::new();
    both.claim(&["a"]);
    both.take_all();
    let poll = both.ledger.claim().unwrap();
    both.ledger.finish(&poll, RequestOutcome::NotSent, Instant::now());
    both.ledger.diverged(&poll.consumer);
    assert_eq!(both.ledger.claim().unwrap_err(), RequestBlocked::Doubt);
    both.recover();
    assert!(
        both.ledger.jobs.was_forgotten(0) && both.ledger.jobs.settlement(Record::Begun).is_some()
    );
}

#[test]
fn a_closed_consumer_releases_jobs_not_handed_out() {
    let mut both = LedgerAndList::new();
    both.claim(&["a", "b"]);
    both.ledger.take(true, Instant::now());
    both.ledger.close(Instant::now());
    assert_eq!(both.ledger.leave(), Leave::NotYet);
    both.ledger.jobs.decide(0, Fate::Done, Instant::now());
    assert_eq!(both.ledger.leave(), Leave::AfterSettling);
    let poll = both.ledger.settle_now().unwrap();
    let settlement = poll.settlement.clone().unwrap();
    assert_eq!((settlement.trimmed, settlement.done), (2, 1));
    assert_eq!(settlement.fates, [(1, 1, Fate::Released)]);
    both.apply(&poll, &[]);
    both.ledger.finish(&poll, RequestOutcome::Applied, Instant::now());
    assert_eq!((both.list.len(), both.ledger.leave()), (0, Leave::Now(poll.consumer)));
}

#[test]
fn a_consumer_in_doubt_is_not_lost_by_a_late_heartbeat() {
    for known in [true, false] {
        let mut both = LedgerAndList::new();
        both.claim(&["a"]);
        both.take_all();
        let poll = both.ledger.claim().unwrap();
        both.ledger.finish(&poll, RequestOutcome::Unknown, Instant::now());
        both.ledger.lost(&poll.consumer);
        assert!(both.ledger.jobs.contains(0), "its recovery may be on its way");
        let recovery = both.ledger.recover().unwrap();
        let (sequence, items) =
            if known { (Some(both.sequence), both.list.clone()) } else { (None, Vec::new()) };
        both.ledger.recovered(recovery, sequence, items, Instant::now());
        assert_eq!(
            (both.ledger.jobs.contains(0), both.ledger.jobs.was_forgotten(0)),
            (known, !known)
        );
    }
}

#[test]
fn sequence_numbers_wrap_around_without_zero() {
    let mut both = LedgerAndList::new();
    for _ in 0..=MAX_SEQUENCE {
        both.claim(&["a"]);
        let (number, _) = both.take_all()[0];
        both.ledger.jobs.decide(number, Fate::Done, Instant::now());
        both.claim(&[]);
        assert!((1..=MAX_SEQUENCE).contains(&both.sequence));
    }
}
