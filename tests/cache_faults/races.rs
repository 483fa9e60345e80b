//! Writers against loads: a value older than the source is never kept, nor returned to a later
//! caller.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use redis_collections::{CachePolicy, HashCacheClient, Loaded, LocalServer};

use super::source::{Cache, Loads, Source, call, get, peek, start};
use super::{keys, minute};
use support::concurrent::on_threads_and_tasks;
use support::eventually;
use support::servers::{Outcome, PATIENCE, query};

on_threads_and_tasks![
    no_stale_value_is_kept_after_a_delete,
    no_stale_value_is_kept_after_a_set,
    no_stale_field_is_kept_after_a_delete_of_its_hash,
    no_stale_value_is_kept_after_a_clear,
    no_stale_field_is_kept_after_a_clear,
    writes_of_other_programs_are_noticed_where_there_is_a_value,
];

fn no_stale_value_is_kept_after_a_delete<C: Loads>() -> Outcome {
    race::<C>(Way::Delete, 2000)
}

fn no_stale_value_is_kept_after_a_set<C: Loads>() -> Outcome {
    race::<C>(Way::Set, 1500)
}

fn no_stale_field_is_kept_after_a_delete_of_its_hash<C: Loads>() -> Outcome {
    race::<C>(Way::DeleteHash, 1000)
}

fn no_stale_value_is_kept_after_a_clear<C: Loads>() -> Outcome {
    race::<C>(Way::Clear, 250)
}

fn no_stale_field_is_kept_after_a_clear<C: Loads>() -> Outcome {
    race::<C>(Way::ClearHashes, 250)
}

/// By plain commands, while the value is loaded, refreshed or loaded anew.
fn writes_of_other_programs_are_noticed_where_there_is_a_value<C: Loads>() -> Outcome {
    for (load, command, kept) in [
        (Load::Get, "SET c~rc:cache:1 9", Some(9)),
        (Load::Refresh, "SET c~rc:cache:1 9", Some(9)),
        (Load::SetFirst, "SET c~rc:cache:1 9", Some(9)),
        (Load::SetAnew, "SET c~rc:cache:1 9", Some(9)),
        (Load::Refresh, "DEL c~rc:cache:1", None),
        (Load::SetAnew, "DEL c~rc:cache:1", None),
        // Nothing was there to delete, and nothing says that it was tried.
        (Load::Get, "DEL c~rc:cache:1", Some(7)),
        // Nor do these bytes differ from those that were there.
        (Load::Refresh, "SET c~rc:cache:1 1", Some(7)),
    ] {
        let (server, source) = (LocalServer::start()?, Source::shut(7));
        let cache = source.cache(&C::connect(C::builder(server.url())), minute());
        if matches!(load, Load::Refresh | Load::SetAnew) {
            call!(cache.set_value(&1, &1))?;
        }
        let setter = cache.clone();
        let loading =
            match load {
                Load::Get => Some(start(&cache, 1)),
                Load::Refresh => {
                    call!(cache.refresh(&1))?;
                    None
                }
                Load::SetFirst | Load::SetAnew => Some(C::start(async move {
                    Ok(C::settle(setter.set(&1)).await?.as_deref().copied())
                })),
            };
        source.awaits_loads(1);
        query::<()>(server.url(), command)?;
        source.open();
        if let Some(loading) = loading {
            loading()?;
        }
        let is_over = || keys(&server, "*").is_ok_and(|keys| keys.len() <= kept.iter().count());
        assert!(eventually(is_over), "{command}: {:?}", keys(&server, "*"));
        assert_eq!(peek(&cache, 1)?, kept, "{command} during {load:?}");
        if kept.is_some() {
            assert_eq!(get(&cache, 1)?, kept, "{command} during {load:?}");
        }
    }
    Ok(())
}

#[derive(Debug, Clone, Copy)]
enum Load {
    Get,
    Refresh,
    SetFirst,
    SetAnew,
}

/// How a writer says that a value is old.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    Delete,
    Set,
    DeleteHash,
    Clear,
    ClearHashes,
}

const IDS: u64 = 8;
const READERS: usize = 3;

/// The values, and how new they must be for callers from now on.
struct Board {
    values: [AtomicU64; IDS as usize],
    newest: [AtomicU64; IDS as usize],
    begun: SyncSender<u64>,
    stale: AtomicU64,
    is_over: AtomicBool,
}

fn race<C: Loads>(way: Way, rounds: u64) -> Outcome {
    let server = LocalServer::start()?;
    let (begun, loads) = sync_channel(IDS as usize);
    let board = Arc::new(Board {
        values: Default::default(),
        newest: Default::default(),
        begun,
        stale: 0.into(),
        is_over: false.into(),
    });
    // Two programs: that of the writer reads too.
    let programs =
        [(); 2].map(|()| Program::<C>::of(&C::connect(C::builder(server.url())), &board));
    let readers: Vec<_> = programs
        .iter()
        .flat_map(|program| (0..READERS).map(|_| C::start(program.clone().read(way))))
        .collect();
    C::finish(programs[0].clone().write(way, rounds, loads));
    board.is_over.store(true, Ordering::SeqCst);
    readers.into_iter().for_each(|reader| reader());
    assert_eq!(board.stale.load(Ordering::SeqCst), 0, "stale values were given");
    for id in 0..IDS {
        let kept = C::finish(programs[1].peek(way, id));
        let value = board.values[id as usize].load(Ordering::SeqCst);
        assert!(kept.is_none_or(|kept| kept == value), "{kept:?} is kept, it is {value}");
    }
    let refused: u64 = programs.iter().map(|program| program.outdated()).sum();
    assert!(refused > 0, "no load was overtaken");
    println!("{way:?}, {}: {rounds} rounds, {refused} stores refused", C::NAME);
    Ok(())
}

struct Program<C: Loads> {
    board: Arc<Board>,
    strings: Cache<C>,
    fields: HashCacheClient<u64, u64, u64, C>,
}

impl<C: Loads> Program<C> {
    fn of(client: &C, board: &Arc<Board>) -> Self {
        let policy = CachePolicy::without_expiry();
        let (string, field) = (board.clone(), board.clone());
        let string = move |id, ()| C::work(string.clone().load(id));
        let field = move |_: u64, id, ()| C::work(field.clone().load(id));
        Self {
            board: board.clone(),
            strings: Cache::new(client, "strings", policy.clone(), string).expect("a cache"),
            fields: HashCacheClient::new(client, "fields", policy, field).expect("a cache"),
        }
    }

    /// Asks until it is over.
    async fn read(self, way: Way) {
        for id in (0..IDS).cycle() {
            if self.board.is_over.load(Ordering::SeqCst) {
                break;
            }
            let newest = self.board.newest[id as usize].load(Ordering::SeqCst);
            let found = match way.hash_of(id) {
                None => C::settle(self.strings.get(&id)).await,
                Some(hash) => C::settle(self.fields.get(&hash, &id)).await,
            };
            if found.expect("an answer").is_none_or(|value| *value < newest) {
                self.board.stale.fetch_add(1, Ordering::SeqCst);
            }
        }
    }

    /// Changes values while they are loaded.
    async fn write(self, way: Way, rounds: u64, loads: Receiver<u64>) {
        let mut before = 0;
        for _ in 0..rounds {
            let mut id = loads.recv_timeout(PATIENCE).expect("a load");
            while let Ok(newer) = loads.try_recv() {
                id = newer;
            }
            let value = self.board.values[id as usize].fetch_add(1, Ordering::SeqCst) + 1;
            match (way, way.hash_of(id).unwrap_or_default()) {
                (Way::Delete, _) => C::settle(self.strings.delete(&id)).await.map(drop),
                (Way::Set, _) => C::settle(self.strings.set_value(&id, &value)).await,
                (Way::DeleteHash, hash) => {
                    C::settle(self.fields.delete_hash(&hash)).await.map(drop)
                }
                (Way::Clear, _) => C::settle(self.strings.clear()).await.map(drop),
                (Way::ClearHashes, _) => C::settle(self.fields.clear()).await.map(drop),
            }
            .expect("an answer");
            self.board.newest[id as usize].store(value, Ordering::SeqCst);
            if way == Way::Set {
                // So that there is something to load.
                C::settle(self.strings.delete(&before)).await.expect("an answer");
                before = id;
            }
        }
    }

    async fn peek(&self, way: Way, id: u64) -> Option<u64> {
        let found = match way.hash_of(id) {
            None => C::settle(self.strings.peek(&id)).await,
            Some(hash) => C::settle(self.fields.peek(&hash, &id)).await,
        };
        found.expect("an answer").as_deref().copied()
    }

    fn outdated(&self) -> u64 {
        self.strings.stats().outdated + self.fields.stats().outdated
    }
}

impl<C: Loads> Clone for Program<C> {
    fn clone(&self) -> Self {
        let (strings, fields) = (self.strings.clone(), self.fields.clone());
        Self { board: self.board.clone(), strings, fields }
    }
}

impl Board {
    async fn load(self: Arc<Self>, id: u64) -> Result<Loaded<u64>, support::kinds::SourceDown> {
        let value = self.values[id as usize].load(Ordering::SeqCst);
        // The writer has enough to do if this is full.
        let _ = self.begun.try_send(id);
        Ok(Loaded::new(value))
    }
}

impl Way {
    fn hash_of(self, id: u64) -> Option<u64> {
        matches!(self, Way::DeleteHash | Way::ClearHashes).then_some(id / 4)
    }
}
