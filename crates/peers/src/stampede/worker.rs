//! One of the processes: in Rust here, in Python in worker.py.

use std::time::Duration;
use std::{io, process, thread};

use redis::{Client, RedisResult, cmd};

use super::signals::{ANSWERS, GO, HALF_WAY, HANGS, LOAD, LOADS, READY, VALUE};
use crate::Result;

/// A cache that loads missing values.
pub(super) trait ReadThrough: Sized + Send + Sync {
    fn connect(url: &str, loader: Loader) -> Result<Self>;

    fn get(&self, id: u64) -> Result<Option<String>>;
}

/// The slow source.
#[derive(Clone, Debug)]
pub(super) struct Loader {
    client: Client,
    hangs: bool,
}

impl Loader {
    pub(super) fn load(&self) -> io::Result<String> {
        self.try_load().map_err(io::Error::other)
    }

    fn try_load(&self) -> RedisResult<String> {
        let mut connection = self.client.get_connection()?;
        let number: u64 = cmd("INCR").arg(LOADS).query(&mut connection)?;
        thread::sleep(LOAD / 2);
        if self.hangs && number == 1 {
            cmd("RPUSH").arg(HALF_WAY).arg(process::id()).exec(&mut connection)?;
            thread::sleep(Duration::MAX);
        }
        thread::sleep(LOAD / 2);
        Ok(VALUE.into())
    }
}

/// Has all threads ask the same cache at the same moment.
pub(super) fn work<C: ReadThrough>(mut orders: impl Iterator<Item = String>) -> Result<()> {
    let url = orders.next().ok_or("no address")?;
    let threads = orders.next().ok_or("no number of threads")?.parse()?;
    let client = Client::open(url.as_str())?;
    let hangs = orders.next().as_deref() == Some(HANGS);
    let cache = C::connect(&url, Loader { client: client.clone(), hangs })?;
    thread::scope(|scope| {
        let ask = || ask(&client, &cache);
        let asking: Vec<_> = (0..threads).map(|_| scope.spawn(ask)).collect();
        asking
            .into_iter()
            .try_for_each(|thread| thread.join().unwrap_or_else(|_| Err("a panic".into())))
    })
}

fn ask<C: ReadThrough>(client: &Client, cache: &C) -> Result<()> {
    let mut connection = client.get_connection()?;
    cmd("RPUSH").arg(READY).arg(process::id()).exec(&mut connection)?;
    cmd("BLPOP").arg(GO).arg(0).exec(&mut connection)?;
    let answer = match cache.get(ID) {
        Ok(Some(value)) => value,
        Ok(None) => "nothing".into(),
        Err(error) => format!("error: {error}"),
    };
    let answer = format!("{} {answer}", process::id());
    Ok(cmd("RPUSH").arg(ANSWERS).arg(answer).exec(&mut connection)?)
}

const ID: u64 = 1;
