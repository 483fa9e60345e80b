//! A process that pushes jobs, and writes down which of them the server has confirmed.

use std::thread;
use std::time::Duration;

use redis_collections::{AsyncClient, Client, RedisList};

use super::process::stop_with_input;
use super::random::Random;
use super::records::{Event, Record};
use super::terms::{ITEMS, LARGEST_PUSH, Mode, Work, client, queue};
use support::kinds::Kind;
use support::servers::Outcome;

pub(crate) fn produce(number: &str, seed: &str, mode: &str, url: &str, record: &str) -> Outcome {
    let number: u64 = number.parse()?;
    let producer = Producer {
        number,
        pushed: 0,
        random: Random::new(seed.parse::<u64>()? ^ ((number + 1) << 32)),
        mode: Mode::parse(mode),
        record: Record::open(record)?,
    };
    match number % 2 {
        0 => Client::finish(producer.push::<Client>(url)),
        _ => AsyncClient::finish(producer.push::<AsyncClient>(url)),
    }
}

struct Producer {
    number: u64,
    pushed: u64,
    random: Random,
    mode: Mode,
    record: Record,
}

impl Producer {
    async fn push<C: Kind>(mut self, url: &str) -> Outcome {
        let client = client::<C>(url).await?;
        let (queue, items) = (queue(&client), RedisList::<String, C>::new(&client, ITEMS));
        let stop = stop_with_input();
        while !stop.is_stopped() {
            let way = self.random.within(0..if self.mode == Mode::Plain { 8 } else { 16 });
            let number = if way == 0 { self.random.within(1..LARGEST_PUSH as u64) } else { 1 };
            let jobs: Vec<_> = match way {
                12.. => vec![self.numbered(Work::Item)],
                _ => (0..number).map(|_| self.job()).collect(),
            };
            self.record.note(Event::Sent, &jobs);
            let (job, time) = (&jobs[0], self.random.milliseconds(1..800));
            let waiting = match way {
                0 => C::settle(queue.push_many(&jobs)).await.map(Some),
                8 | 9 => C::settle(queue.push_in(job, time)).await.map(|()| Some(0)),
                10 => C::settle(queue.push_unique(job, job, time)).await,
                11 => C::settle(queue.try_push(job, MANY)).await,
                12.. => C::settle(items.push_back(job)).await.map(Some),
                _ => C::settle(queue.push(job)).await.map(Some),
            };
            match waiting {
                Ok(Some(waiting)) => {
                    self.record.note(Event::Confirmed, &jobs);
                    if waiting > MANY {
                        // A slower pace is enough: nothing depends on how many jobs wait.
                        thread::sleep(Duration::from_millis(100));
                    }
                }
                Ok(None) => {}
                // It may come or not. Once more it would be another job. Nothing shows when the
                // server answers again.
                Err(_) => thread::sleep(Duration::from_millis(20)),
            }
            // The seed sets the pace: now and then for so long that workers have nothing to do.
            let pause = if self.random.within(0..40) == 0 { 300..1500 } else { 0..15 };
            thread::sleep(self.random.milliseconds(pause));
        }
        Ok(())
    }

    fn job(&mut self) -> String {
        let work = match self.random.within(0..200) {
            0..6 => Work::Slow,
            6 if self.mode == Mode::Leases => Work::Poison,
            7..20 if self.mode == Mode::Leases => Work::FailsFirst,
            _ => Work::Quick,
        };
        self.numbered(work)
    }

    fn numbered(&mut self, work: Work) -> String {
        self.pushed += 1;
        format!("{} {}-{}", work.name(), self.number, self.pushed)
    }
}

/// More jobs need not wait.
const MANY: usize = 500;
