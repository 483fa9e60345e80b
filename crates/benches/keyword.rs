//! The keyword service: a service of 10,000 keywords, acknowledged writes, a thousand watchers, and
//! how much one dispatcher publishes. Linux only, for the peak memory of this process.

use std::pin::Pin;
use std::thread;
use std::time::{Duration, Instant};

use redis_collections::keyword::{self, Dispatcher, Keyword, Service};
use redis_collections::{AsyncClient, Client, LocalServer, Result};
use redis_collections_benches::{Cell, Section, Table};
use tokio::runtime::Runtime;

fn main() -> Result<()> {
    let runtime = Runtime::new().unwrap();
    let mut section = Section::new("keywords", "Keywords", METHOD);
    let mut table = |title: &str, heads: [&str; 3], rows| {
        section.tables.push(Table { rows, ..Table::new(title, heads) });
    };
    let title = format!("A service of {KEYWORDS} keywords");
    table(&title, ["", "ms", "KiB more at the peak"], many_keywords()?);
    let mut rows = Vec::new();
    for has_hook in [false, true] {
        rows.push(blocking_writes(has_hook)?);
        rows.push(runtime.block_on(async_writes(has_hook))?);
    }
    table("Acknowledged writes, in ms", ["", "median", "99 %"], rows);
    let rows = vec![runtime.block_on(many_watchers())?];
    let title = "From before a value is set until all watchers have received it, in ms";
    table(title, ["", "median", "longest"], rows);
    let rows = vec![blocking_messages()?, runtime.block_on(async_messages())?];
    table("New values a second", ["", "set", "received"], rows);
    section.finish();
    Ok(())
}

fn many_keywords() -> Result<Rows> {
    let server = server();
    let client = Client::open(server.url())?;
    let mut rows = Rows::new();
    let dispatcher = step(&mut rows, "start", || {
        let keywords = (0..KEYWORDS)
            .map(|number| Keyword::integer(&format!("K{number}")).units("m").initial(number));
        Dispatcher::builder("dome").keywords(keywords).serve(&client)
    })?;
    let dome = keyword::Client::new(&client).service("dome");
    let listed = step(&mut rows, "keywords()", || dome.keywords())?;
    assert_eq!(listed.len() as i64, KEYWORDS);
    drop(listed);
    let mut monitor = step(&mut rows, "monitor_all(), until all have received", || {
        let mut monitor = dome.monitor_all()?;
        for _ in 0..KEYWORDS {
            monitor.next().expect("a value")?;
        }
        Ok(monitor)
    })?;
    step(&mut rows, "each set once, until all have received", || {
        for number in 0..KEYWORDS {
            dispatcher.set(&format!("K{number}"), number + 1)?;
        }
        for _ in 0..KEYWORDS {
            monitor.next().expect("a value")?;
        }
        Ok(())
    })?;
    dispatcher.shutdown()?;
    Ok(rows)
}

fn step<T>(rows: &mut Rows, name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let (before, begun) = (peak_kib(), Instant::now());
    let result = work()?;
    let (time, more) = (begun.elapsed(), peak_kib() - before);
    rows.push(vec![name.into(), milliseconds(time), Cell::figure(more as f64, 0)]);
    Ok(result)
}

fn blocking_writes(has_hook: bool) -> Result<Vec<Cell>> {
    let server = server();
    let client = Client::open(server.url())?;
    let keyword = match has_hook {
        true => Keyword::integer("N").on_write(|_| Ok::<_, String>(())),
        false => Keyword::integer("N"),
    };
    let _dispatcher = Dispatcher::builder("dome").keyword(keyword).serve(&client)?;
    let dome = keyword::Client::new(&client).service("dome");
    let times = (0..WRITES as i64).map(|number| {
        let begun = Instant::now();
        dome.write("N", number).map(|_| begun.elapsed())
    });
    Ok(row(&named("`Client`", has_hook), times.collect::<Result<_>>()?, 0.99))
}

async fn async_writes(has_hook: bool) -> Result<Vec<Cell>> {
    let server = server();
    let client = AsyncClient::open(server.url()).await?;
    let keyword = match has_hook {
        true => Keyword::integer("N").on_write(async |_| Ok::<_, String>(())),
        false => Keyword::integer("N"),
    };
    let _dispatcher = Dispatcher::builder("dome").keyword(keyword).serve(&client).await?;
    let dome = keyword::Client::new(&client).service("dome");
    let mut times = Vec::new();
    for number in 0..WRITES as i64 {
        let begun = Instant::now();
        dome.write("N", number).await?;
        times.push(begun.elapsed());
    }
    Ok(row(&named("`AsyncClient`", has_hook), times, 0.99))
}

fn named(client: &str, has_hook: bool) -> String {
    format!("{client}, {} a write hook", if has_hook { "with" } else { "without" })
}

/// From before the value is set until the last of the watchers has it.
async fn many_watchers() -> Result<Vec<Cell>> {
    let server = server();
    let client = AsyncClient::open(server.url()).await?;
    let keyword = Keyword::integer("N").initial(-1);
    let dispatcher = Dispatcher::builder("dome").keyword(keyword).serve(&client).await?;
    let dome = keyword::Client::new(&client).service("dome");
    let (received, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    for _ in 0..WATCHERS {
        tokio::spawn(watch(dome.clone(), received.clone()));
    }
    let mut all = async |value: i64| {
        for _ in 0..WATCHERS {
            assert_eq!(receiver.recv().await, Some(value));
        }
    };
    all(-1).await;
    let mut times = Vec::new();
    for round in 0..ROUNDS as i64 {
        let begun = Instant::now();
        dispatcher.set("N", round).await?;
        all(round).await;
        times.push(begun.elapsed());
    }
    Ok(row(&format!("{WATCHERS} watchers, each with a connection"), times, 1.0))
}

async fn watch(dome: Service<AsyncClient>, received: tokio::sync::mpsc::UnboundedSender<i64>) {
    let mut monitor = dome.monitor(["N"]).await.expect("a monitor");
    while let Ok(reading) = monitor.next().await {
        let Ok(()) = received.send(reading.value.as_i64().expect("an integer")) else { return };
    }
}

fn blocking_messages() -> Result<Vec<Cell>> {
    let server = server();
    let client = Client::open(server.url())?;
    let keyword = Keyword::integer("N").initial(-1);
    let dispatcher = Dispatcher::builder("dome").keyword(keyword).serve(&client)?;
    let mut monitor = keyword::Client::new(&client).service("dome").monitor(["N"])?;
    let begun = Instant::now();
    let receiver = thread::spawn(move || {
        let mut received = 0;
        while let Some(Ok(reading)) = monitor.next() {
            received += 1;
            if reading.value == (MESSAGES - 1).into() {
                break;
            }
        }
        received
    });
    (0..MESSAGES).try_for_each(|number| dispatcher.set("N", number))?;
    let set = begun.elapsed();
    let received = receiver.join().expect("a count");
    Ok(rates("`Client`, one thread", set, (begun.elapsed(), received)))
}

/// Each task has a keyword of its own.
async fn async_messages() -> Result<Vec<Cell>> {
    let server = server();
    let client = AsyncClient::open(server.url()).await?;
    let keywords = (0..TASKS).map(|task| Keyword::integer(&format!("N{task}")).initial(-1));
    let dispatcher = Dispatcher::builder("dome").keywords(keywords).serve(&client).await?;
    let mut monitor = keyword::Client::new(&client).service("dome").monitor_all().await?;
    let each = MESSAGES / TASKS;
    let begun = Instant::now();
    let receiver = tokio::spawn(async move {
        let (mut received, mut ended) = (0, 0);
        while ended < TASKS {
            let reading = monitor.next().await?;
            received += 1;
            ended += i64::from(reading.value == (each - 1).into());
        }
        Ok::<_, redis_collections::Error>(received)
    });
    type Task = Pin<Box<dyn Future<Output = Result<()>> + Send>>;
    let tasks = (0..TASKS).map(|task| -> Task {
        let dispatcher = dispatcher.clone();
        Box::pin(async move {
            for number in 0..each {
                dispatcher.set(&format!("N{task}"), number).await?;
            }
            Ok(())
        })
    });
    let tasks: Vec<_> = tasks.map(tokio::spawn).collect();
    for task in tasks {
        task.await.expect("no panic")?;
    }
    let set = begun.elapsed();
    let received = receiver.await.expect("no panic")?;
    Ok(rates(&format!("`AsyncClient`, {TASKS} tasks"), set, (begun.elapsed(), received)))
}

fn rates(name: &str, set: Duration, (until_received, received): (Duration, i64)) -> Vec<Cell> {
    let rate = |count: i64, time: Duration| Cell::figure(count as f64 / time.as_secs_f64(), 0);
    vec![name.into(), rate(MESSAGES, set), rate(received, until_received)]
}

fn row(name: &str, mut times: Vec<Duration>, share: f64) -> Vec<Cell> {
    times.sort_unstable();
    let last = times.len() - 1;
    let at = |share: f64| milliseconds(times[(last as f64 * share) as usize]);
    vec![name.into(), at(0.5), at(share)]
}

fn milliseconds(time: Duration) -> Cell {
    Cell::figure(time.as_secs_f64() * 1000.0, 2)
}

fn server() -> LocalServer {
    LocalServer::start().expect("a server")
}

fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("a status");
    let line = status.lines().find(|line| line.starts_with("VmHWM")).expect("a peak");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a number")
}

type Rows = Vec<Vec<Cell>>;

const METHOD: &str = "A service starts, is listed, is watched and changes once; clients write and \
    wait for the acknowledgement, with and without a function that is called for a write; a \
    thousand watchers receive each value; and one dispatcher sets values as fast as it can. A \
    watcher may receive the last of several new values only. Medians are those of single calls.";
const KEYWORDS: i64 = 10_000;
const WATCHERS: usize = 1000;
const WRITES: usize = 5000;
const ROUNDS: usize = 20;
const MESSAGES: i64 = 50_000;
const TASKS: i64 = 64;
