//! What a hit of a near cache costs beside the bare cache it is made of, the driver's and the
//! server, and what near caches and messages cost those who write.

mod contestant;
mod reads;
mod writes;

use redis_collections::LocalServer;
use redis_collections_benches::{Axes, Cell, Plot, Samples, Section, Series, Table, in_turns};
use tokio::runtime::Runtime;

use contestant::Contestant;

fn main() {
    let server = LocalServer::start().unwrap();
    let runtime = Runtime::new().unwrap();
    hits(&reads::contestants(server.url(), &runtime));

    let servers: Vec<_> = (0..writes::SERVERS).map(|_| LocalServer::start().unwrap()).collect();
    let urls: Vec<_> = servers.iter().map(LocalServer::url).collect();
    let of_many = writes::of_many(urls[..writes::SERVERS_OF_MANY].try_into().unwrap());
    writes(&writes::contestants(urls[..].try_into().unwrap()), &of_many);
}

fn hits(contestants: &[Contestant]) {
    let mut section = Section::new("near-cache-hits", "Near caches: hits", HITS);
    let mut table = Table::new("Nanoseconds for a value, on each of so many threads", ["", "1"]);
    table.heads.push("of quick_cache".to_owned());
    table.heads.extend(THREADS[1..].iter().map(usize::to_string));
    let columns = THREADS.map(|threads| times(contestants, threads));
    let alone = &columns[0];
    let bare = |name: &str| {
        let bare = if name.ends_with("by a number") { reads::BARE_OF_NUMBERS } else { reads::BARE };
        contestants.iter().position(|contestant| contestant.name == bare).unwrap()
    };
    let mut series = Vec::new();
    for (index, Contestant { name, .. }) in contestants.iter().enumerate() {
        let bare = bare(name);
        let mut row = vec![(*name).into(), Cell::measured(&alone[index], 1)];
        row.push(Cell::measured(&alone[index].over(&alone[bare]), 2));
        row.extend(columns[1..].iter().map(|column| Cell::measured(&column[index], 1)));
        table.rows.push(row);
        let is_ours = name.starts_with("CachedDict");
        if is_ours {
            let ratio = alone[bare].over(&alone[index]);
            section.compare("hit, 1 thread", name, contestants[bare].name, &ratio);
        }
        let points = THREADS.iter().zip(&columns);
        let points = points.map(|(&threads, column)| (threads as f64, column[index].median()));
        series.push(Series { name: (*name).to_owned(), is_ours, points: points.collect() });
    }
    section.tables.push(table);
    let axes = Axes { x: "threads".to_owned(), y: "nanoseconds".to_owned() };
    let (name, title) = (section.name.clone(), "Time of a hit".to_owned());
    section.plots.push(Plot { name, title, axes, series });
    section.finish();
}

fn writes(contestants: &[Contestant], of_many: &[Contestant]) {
    let mut section = Section::new("near-cache-writes", "Near caches: writes", WRITES);
    let mut table = Table::new("Microseconds for a write", ["", "time", "of a plain insert"]);
    let times = times(contestants, 1);
    for (Contestant { name, .. }, time) in contestants.iter().zip(&times) {
        let microseconds = Cell::measured(&time.per(1000.0), 1);
        table.rows.push(vec![
            (*name).into(),
            microseconds,
            Cell::measured(&time.over(&times[0]), 2),
        ]);
        if writes::HEARD_BY_NONE.contains(name) {
            let by_hand = times.last().unwrap();
            section.compare("write and publish", name, writes::BY_HAND, &by_hand.over(time));
        }
    }
    section.tables.push(table);
    let heads = ["", "nanoseconds", "of a plain insert_many"];
    let mut table = Table::new("Writes of a thousand entries, for each entry", heads);
    let times = self::times(of_many, 1);
    for (Contestant { name, .. }, time) in of_many.iter().zip(&times) {
        let ratio = Cell::measured(&time.over(&times[0]), 2);
        table.rows.push(vec![(*name).into(), Cell::measured(time, 1), ratio]);
    }
    section.tables.push(table);
    section.finish();
}

/// The nanoseconds of each contestant.
fn times(contestants: &[Contestant], threads: usize) -> Vec<Samples> {
    let measure = |contestant: &mut &Contestant| contestant.time(threads);
    in_turns(contestants, ROUNDS, measure).into_iter().map(|[times]| times).collect()
}

const HITS: &str = "Threads read values that are in the cache, from one thread on, beside \
    `quick_cache`, of which the near caches are made, the cache of the `redis` crate, and \
    collections without a cache. The column of ratios is for one thread; numbers as keys are \
    compared with numbers as keys.";
const WRITES: &str = "One thread writes, with the server and the subscribers on the same \
    processors, each kind of write on a server of its own. On other machines a writer would wait \
    for less of what the server and the subscribers do.";
const THREADS: [usize; 3] = [1, 2, 4];
const ROUNDS: usize = 31;
