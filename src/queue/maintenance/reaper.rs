//! The search for lost consumers, and for jobs that servers gave to retired ids.

use std::sync::Arc;

use crate::client::{Client, Executor};
use crate::error::Result;
use crate::limits::ENTRIES_PER_COMMAND;
use crate::logs;
use crate::queue::keys::{ConsumerId, Keys};
use crate::queue::scripts::{EXPIRED, REAP, RETIRED};
use crate::queue::settings::QueueSettings;
use crate::queue::shared_settings::{SharedSettings, StoredSettings, report};
use crate::reply;
use crate::reply::Reply;
use crate::request::Request;

/// Reaps lost consumers and retired ids, a part at a time. Owned by the maintenance thread.
pub(crate) struct Reaper {
    keys: Arc<Keys>,
    settings: QueueSettings,
    /// The settings stored beside the queue, once known.
    stored: Option<StoredSettings>,
    /// The scan cursor among the retired ids.
    cursor: u64,
}

impl Reaper {
    pub(crate) fn new(keys: Arc<Keys>, settings: QueueSettings) -> Self {
        Self { keys, settings, stored: None, cursor: 0 }
    }

    /// Takes back the jobs of lost consumers, and those given to retired ids: to `retired`, and to
    /// the next thousand of all. Returns whether there is more to examine.
    pub(crate) fn reap(&mut self, client: &Client, retired: &[ConsumerId]) -> Result<bool> {
        let keys = self.keys.clone();
        let own = self.settings.stored();
        let request = Request::script(&EXPIRED, 2).key(&keys.consumers).key(&keys.settings);
        let request = request.number(u8::from(self.stored.is_none()));
        let request = request.number(self.settings.shared().lease.as_millis());
        let request = own.iter().fold(request, |request, setting| match setting {
            Some(number) => request.number(*number),
            None => request.arg(""),
        });
        let (before, now, lost) = client.run(request.returns(expired))?;
        if self.stored != Some(now) {
            report(&keys, own, Some(before).filter(|_| self.stored.is_none()), now);
            self.stored = Some(now);
        }
        self.take_back(client, &lost)?;
        self.examine(client, retired)?;
        let page = Request::read("ZSCAN").key(&keys.gone).number(self.cursor);
        let page = page.arg("COUNT").number(ENTRIES_PER_COMMAND);
        let (cursor, found) = client.run(page.returns(reply::scanned_entries))?;
        // Members and scores alternate.
        let retired: Vec<_> = found.iter().step_by(2).map(|id| ConsumerId::parse(id)).collect();
        self.examine(client, &retired)?;
        self.cursor = cursor;
        Ok(cursor != 0 || lost.len() >= ENTRIES_PER_COMMAND)
    }

    /// The settings in force for the queue.
    pub(crate) fn shared_settings(&self) -> SharedSettings {
        self.settings.effective(self.stored.unwrap_or_default())
    }

    /// Takes back jobs that were given to retired ids.
    fn examine(&self, client: &Client, retired: &[ConsumerId]) -> Result<()> {
        for retired in retired.chunks(ENTRIES_PER_COMMAND) {
            let request = Request::script(&RETIRED, 1 + retired.len()).key(&self.keys.gone);
            let request = self.each(request, retired);
            let given = client.run(request.returns(ids))?;
            self.take_back(client, &given)?;
        }
        Ok(())
    }

    /// Takes back the jobs of all of some lost consumers.
    fn take_back(&self, client: &Client, mut lost: &[ConsumerId]) -> Result<()> {
        let mut all = Reaped::default();
        let mut taken = Ok(());
        while !lost.is_empty() && taken.is_ok() {
            taken = self.take_some_back(client, lost).map(|reaped| {
                lost = &lost[reaped.finished.min(lost.len())..];
                all.consumers += reaped.consumers;
                all.jobs += reaped.jobs;
                all.buried += reaped.buried;
            });
        }
        if all.jobs > 0 {
            logs::jobs_taken_over(self.keys.queue(), all.consumers, all.jobs, all.buried);
        }
        taken
    }

    /// Takes back the jobs of the first of some consumers.
    fn take_some_back(&self, client: &Client, lost: &[ConsumerId]) -> Result<Reaped> {
        let (keys, lost) = (&self.keys, &lost[..lost.len().min(MAX_REAPED)]);
        let SharedSettings { lease, max_deliveries, dead_capacity } = self.shared_settings();
        let request = Request::script(&REAP, 7 + lost.len()).key(keys.queue());
        let request = request.key(&keys.consumers).key(&keys.dead).key(&keys.gone);
        let request = request.key(&keys.held).key(&keys.counts).key(&keys.settings);
        let lists = lost.iter().map(|id| keys.claimed(id));
        let request = lists.fold(request, |request, list| request.key(&list));
        let request = request.number(lease.as_millis());
        let request = request.number(max_deliveries).number(dead_capacity);
        let request = lost.iter().fold(request, |request, id| request.arg(id.as_bytes()));
        client.run(request.returns(reaped))
    }

    /// Appends the lists of some ids, and the ids.
    fn each(&self, request: Request, ids: &[ConsumerId]) -> Request {
        let lists = ids.iter().map(|id| self.keys.claimed(id));
        let request = lists.fold(request, |request, list| request.key(&list));
        ids.iter().fold(request, |request, id| request.arg(id.as_bytes()))
    }
}

/// The work of `reap.lua`.
#[derive(Default)]
struct Reaped {
    /// How many of the consumers are finished, counted from the first.
    finished: usize,
    /// How many had jobs that were taken back.
    consumers: usize,
    /// How many jobs were taken back, and how many of these went to the dead-letter queue.
    jobs: usize,
    buried: usize,
}

fn reaped(reply: Reply<'_>) -> Result<Reaped> {
    let request = reply.request;
    let numbers = reply::sequence(reply)?.map(|value| reply::count(Reply { value, request }));
    match numbers.collect::<Result<Vec<_>>>()?[..] {
        [finished, consumers, jobs, buried] => Ok(Reaped { finished, consumers, jobs, buried }),
        _ => Err(reply::unexpected_count(request)),
    }
}

/// Reads the previous and the current settings, and the lost consumers.
fn expired(reply: Reply<'_>) -> Result<(StoredSettings, StoredSettings, Vec<ConsumerId>)> {
    let request = reply.request;
    let parts = reply::raw_many(reply)?;
    let split = parts.split_at_checked(6);
    let (settings, lost) = split.ok_or_else(|| reply::unexpected_count(request))?;
    let setting = |place: usize| {
        let text = settings.get(place).and_then(|bytes| std::str::from_utf8(bytes).ok());
        text.and_then(|text| text.parse().ok())
    };
    let stored = |first: usize| [setting(first), setting(first + 1), setting(first + 2)];
    Ok((stored(0), stored(3), lost.iter().map(|id| ConsumerId::parse(id)).collect()))
}

fn ids(reply: Reply<'_>) -> Result<Vec<ConsumerId>> {
    Ok(reply::raw_many(reply)?.iter().map(|id| ConsumerId::parse(id)).collect())
}

/// The maximum number of consumers that one script reaps, so that it ends soon.
const MAX_REAPED: usize = 100;

#[cfg(all(test, feature = "local-server"))]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::command::Command;
    use crate::error::Error;
    use crate::local_server::LocalServer;
    use crate::queue::work_queue::WorkQueue;

    #[test]
    fn a_partly_reaped_consumer_does_not_continue_with_the_rest() {
        const JOBS: u32 = 1500;
        let server = LocalServer::start().unwrap();
        let client = Client::open(server.url()).unwrap();
        let queue: WorkQueue<u32> = WorkQueue::new(&client, "many");
        queue.push_many(&(0..JOBS).collect::<Vec<_>>()).unwrap();
        let mut frozen = queue.consumer().batch(1000);
        let mut held = frozen.next_batch(Duration::ZERO).unwrap();
        held.extend(frozen.next_batch(Duration::ZERO).unwrap());
        assert_eq!(held.len(), JOBS as usize);

        let reaper = Reaper::new(queue.keys().clone(), QueueSettings::new());
        let consumers = &reaper.keys.consumers;
        let known = Request::read("ZRANGE").key(consumers).number(0).number(-1);
        let known = client.run(known.returns(reply::raw_many)).unwrap().swap_remove(0);
        let lost = Request::write("ZADD").key(consumers).number(1).arg(&known);
        client.run(lost.returns(reply::count)).unwrap();
        let id = [ConsumerId::parse(&known)];
        let reaped = reaper.take_some_back(&client, &id).unwrap();
        assert_eq!((reaped.finished, reaped.jobs), (0, 1000), "a script takes no more");

        let error = held.pop().unwrap().done_now().unwrap_err();
        assert!(matches!(error, Error::LeaseLost { .. }), "{error:?}");
        reaper.take_back(&client, &id).unwrap();
        let waiting = queue.peek(2000).unwrap().into_iter().map(|job| job.value.unwrap());
        assert!(waiting.eq(0..JOBS), "all are back, in their order");
    }

    #[test]
    fn a_retired_id_is_forgotten_unless_its_list_has_a_job() {
        let server = LocalServer::start().unwrap();
        let client = Client::open(server.url()).unwrap();
        let queue: WorkQueue<u32> = WorkQueue::new(&client, "gone");
        let mut reaper = Reaper::new(queue.keys().clone(), QueueSettings::new());
        let gone = &queue.keys().gone;
        let went = Request::write("ZADD").key(gone);
        let went = (0..2500).fold(went, |went, number| went.number(1).arg(number.to_string()));
        let went = ["late", "young"].iter().fold(went, |went, id| went.arg("+inf").arg(*id));
        client.run(went.returns(reply::count)).unwrap();
        for (id, job) in [("1300", "13"), ("late", "14")] {
            let list = queue.keys().claimed(&ConsumerId::parse(id.as_bytes()));
            client.run(Request::write("RPUSH").key(&list).arg(job).returns(reply::count)).unwrap();
        }
        while reaper.reap(&client, &[]).unwrap() {}
        let mut back: Vec<_> =
            queue.peek(9).unwrap().into_iter().map(|job| job.value.unwrap()).collect();
        back.sort_unstable();
        assert_eq!(back, [13, 14]);
        let known = Request::read("ZRANGE").key(gone).number(0).number(-1);
        let mut known = client.run(known.returns(reply::raw_many)).unwrap();
        known.sort_unstable();
        assert_eq!(known, [&b"1300"[..], b"late", b"young"], "it may receive another one");
    }

    /// The jobs of so many consumers, each of which holds one and sent its last heartbeat long
    /// ago.
    fn of_the_dead(number: u32, of: impl Fn(&ConsumerId) -> Request) -> Vec<Command<usize>> {
        let ids = (0..number).map(|id| ConsumerId::parse(format!("{id:06}").as_bytes()));
        ids.map(|id| of(&id).returns(reply::count)).collect()
    }

    #[test]
    fn every_retired_id_is_examined_in_one_round_whatever_is_reaped_later() {
        let server = LocalServer::start().unwrap();
        let client = Client::open(server.url()).unwrap();
        let queue: WorkQueue<String> = WorkQueue::new(&client, "hidden");
        let keys = queue.keys();
        let retired = |id: &ConsumerId, until: &str| {
            Request::write("ZADD").key(&keys.gone).arg(until).arg(id.as_bytes())
        };
        client.pipeline(of_the_dead(5000, |id| retired(id, "99999999999999"))).unwrap();
        for (id, until) in [("recovered", "99999999999990"), ("reaped", "99999999999999")] {
            let id = ConsumerId::parse(id.as_bytes());
            client.run(retired(&id, until).returns(reply::count)).unwrap();
            let given = Request::write("RPUSH").key(&keys.claimed(&id)).arg("job");
            client.run(given.returns(reply::count)).unwrap();
        }
        let stats = queue.stats().unwrap();
        assert_eq!((stats.pending, stats.in_flight), (0, 2), "they are counted meanwhile");
        let mut reaper = Reaper::new(keys.clone(), QueueSettings::new());
        let mut parts = 1;
        while reaper.reap(&client, &[]).unwrap() {
            parts += 1;
        }
        assert_eq!(queue.len().unwrap(), 2);
        assert!((4..=12).contains(&parts), "{parts} parts of about a thousand");
        assert_eq!(queue.stats().unwrap().in_flight, 0);
    }

    #[test]
    fn thousands_that_die_at_once_are_taken_back_without_a_pause() {
        let server = LocalServer::start().unwrap();
        let client = Client::open(server.url()).unwrap();
        let queue: WorkQueue<String> = WorkQueue::new(&client, "died");
        let keys = queue.keys();
        let registered = |id: &ConsumerId| {
            Request::write("ZADD").key(&keys.consumers).number(1).arg(id.as_bytes())
        };
        let holds = |id: &ConsumerId| Request::write("RPUSH").key(&keys.claimed(id)).arg("job");
        client.pipeline(of_the_dead(2500, registered)).unwrap();
        client.pipeline(of_the_dead(2500, holds)).unwrap();
        let mut reaper = Reaper::new(keys.clone(), QueueSettings::new());
        for expected in [true, true, false] {
            assert_eq!(reaper.reap(&client, &[]).unwrap() && queue.len().unwrap() < 2500, expected);
        }
        assert_eq!((queue.len().unwrap(), queue.stats().unwrap().consumers), (2500, 0));
    }
}
