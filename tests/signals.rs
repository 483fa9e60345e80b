//! Signals cost nothing: neither an item nor the certainty about a write, whatever a program waits
//! for.
#![cfg(all(target_os = "linux", feature = "keyword"))]

use std::env;
use std::fs;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use redis_collections::keyword::{self, Dispatcher, Keyword};
use redis_collections::{
    ChangeFormat, Client, Event, LocalServer, RedisDict, RedisHashDict, RedisList, Result,
    WorkQueue,
};
use support::kinds::SERVER;
use support::program::build_library;
use support::servers::proxy::{Direction, Proxy};
use support::{eventually, send_signal};

/// How many things arrive by each way.
const ITEMS: u32 = 200;

const LONG: Duration = Duration::from_secs(60);

#[test]
fn a_program_with_a_timer_signal_loses_nothing() {
    let directory = env::temp_dir().join(format!("signals-{}", std::process::id()));
    if directory.exists() {
        // Of a process with the same id, which was killed.
        fs::remove_dir_all(&directory).unwrap();
    }
    fs::create_dir(&directory).unwrap();
    let library = build_library("signal_timer.c", &directory).expect("a C compiler");
    for over_tcp in [true, false] {
        let server = server();
        let socket = format!("unix://{}", server.unix_socket().display());
        let url = if over_tcp { server.url() } else { &socket };
        let mut program = program("in_a_program_everything_arrives", url);
        assert_succeeds(program.env("LD_PRELOAD", &library).spawn().unwrap());
    }
    fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn a_program_that_is_stopped_and_continued_loses_nothing() {
    let server = server();
    let mut program = program("in_a_program_everything_arrives", server.url()).spawn().unwrap();
    while program.try_wait().unwrap().is_none() {
        for signal in ["STOP", "CONT"] {
            // It may have ended meanwhile.
            let _ = send_signal(signal, program.id()).unwrap();
        }
        // So that the program gets on between two stops.
        thread::sleep(Duration::from_millis(5));
    }
    assert_succeeds(program);
}

#[test]
fn a_program_that_starts_others_loses_nothing() {
    let server = server();
    let mut program = program("in_a_program_everything_arrives", server.url());
    assert_succeeds(program.env(STARTS_OTHERS, "1").spawn().unwrap());
}

/// A server that notifies of everything: ways that each add their own kinds can overwrite each
/// other's setting, which is an event of its own.
fn server() -> LocalServer {
    LocalServer::start_with(&["--notify-keyspace-events", "KEAn"]).unwrap()
}

/// Replies that have arrived are read, though the program looked later than the limit of silence.
#[test]
fn a_program_suspended_past_its_limits_reads_the_replies_that_have_arrived() {
    let proxy = Proxy::to(SERVER.port()).unwrap();
    let program = program("in_a_program_every_call_is_answered", &proxy.url()).spawn().unwrap();
    let client = support::kinds::client();
    let (list, over) = (
        RedisList::<String>::new(&client, "calls"),
        RedisDict::<String, bool>::new(&client, "over"),
    );
    assert!(eventually(|| !list.is_empty().unwrap()));
    proxy.hold(Direction::Replies);
    assert!(eventually(|| proxy.has_held()), "a reply is waited for");
    send_signal("STOP", program.id()).unwrap();
    proxy.release();
    // The limit passes for a program that does nothing meanwhile.
    thread::sleep(STOPPED_LIMIT + STOPPED_LIMIT / 2);
    over.insert("calls", &true).unwrap();
    send_signal("CONT", program.id()).unwrap();
    assert_succeeds(program);
}

/// Runs in a process of its own.
#[test]
fn in_a_program_everything_arrives() {
    let Ok(url) = env::var(URL) else { return };
    let client = Client::open(&url).unwrap();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            let starts_others = || env::var(STARTS_OTHERS).is_ok() && !done.load(Ordering::Relaxed);
            scope.spawn(move || {
                while starts_others() {
                    assert!(Command::new("true").status().unwrap().success());
                }
            });
        }
        let ways: [fn(&Client); 5] = [pops, moves, jobs, events, keywords];
        let ways = ways.map(|way| {
            scope.spawn({
                let client = &client;
                move || way(client)
            })
        });
        let ends = ways.map(thread::ScopedJoinHandle::join);
        done.store(true, Ordering::Relaxed);
        ends.into_iter().for_each(|end| end.unwrap());
    });
    println!("everything has arrived");
}

/// Runs in a process of its own.
#[test]
fn in_a_program_every_call_is_answered() {
    let Ok(url) = env::var(URL) else { return };
    let client = Client::builder(&url).response_timeout(STOPPED_LIMIT).build().unwrap();
    let list: RedisList<String> = RedisList::new(&client, "calls");
    let over: RedisDict<String, bool> = RedisDict::new(&client, "over");
    while over.get("calls").unwrap().is_none() {
        list.push_back("x").unwrap();
    }
    println!("everything has arrived");
}

fn pops(client: &Client) {
    let list: RedisList<u32> = RedisList::new(client, "popped");
    beside(
        client,
        |client, item| list.on(client).push_back(&item),
        |item| {
            assert_eq!(list.wait_pop_front(LONG).unwrap(), Some(item));
        },
    );
}

fn moves(client: &Client) {
    let [from, to] = ["from", "to"].map(|name| RedisList::<u32>::new(client, name));
    beside(
        client,
        |client, item| from.on(client).push_back(&item),
        |item| {
            assert_eq!(from.wait_pop_front_to(&to, LONG).unwrap(), Some(item));
        },
    );
    assert_eq!(to.len().unwrap(), ITEMS as usize);
}

fn jobs(client: &Client) {
    let queue: WorkQueue<u32> = WorkQueue::new(client, "jobs");
    let (mut consumer, sender) = (queue.consumer(), queue.clone());
    beside(
        client,
        move |_, item| sender.push(&item),
        |item| {
            let job = consumer.next(LONG).unwrap().expect("a job");
            assert_eq!(*job, item);
            job.done();
        },
    );
    consumer.close().unwrap();
    assert_eq!(queue.stats().unwrap().done, u64::from(ITEMS));
}

fn events(client: &Client) {
    let hash: RedisHashDict<u32, u32> = RedisHashDict::new(client, "events");
    let hash = hash.publishing(ChangeFormat::Own);
    let mut events = hash.subscribe("*").unwrap();
    beside(
        client,
        |client, item| hash.on(client).insert(&item, &item),
        |item| {
            let event = events.next_within(LONG).expect("an event").unwrap();
            assert_eq!(event, Event::Inserted(item));
        },
    );
}

fn keywords(client: &Client) {
    let dispatcher = Dispatcher::builder("signals").keyword(Keyword::integer("N").initial(-1));
    let dispatcher = dispatcher.serve(client).unwrap();
    let service = keyword::Client::new(client).service("signals");
    let mut monitor = service.monitor(["N"]).unwrap();
    for item in 0..ITEMS {
        service.write("N", i64::from(item)).unwrap();
    }
    let last = (ITEMS - 1).to_string();
    while monitor.next_within(LONG).expect("a value").unwrap().text != last {}
    drop((monitor, dispatcher));
}

/// Receives each item with `receive`, which mostly waits, while another thread sends them.
fn beside<T>(
    client: &Client,
    send: impl Fn(&Client, u32) -> Result<T> + Send,
    mut receive: impl FnMut(u32),
) {
    thread::scope(|scope| {
        scope.spawn(move || {
            for item in 0..ITEMS {
                send(client, item).unwrap();
                // So that the receiver mostly waits.
                thread::sleep(Duration::from_millis(5));
            }
        });
        (0..ITEMS).for_each(&mut receive);
    });
}

fn program(test: &str, url: &str) -> Command {
    let mut program = Command::new(env::current_exe().unwrap());
    program.args(["--exact", test, "--nocapture"]).env(URL, url);
    program.stdout(Stdio::piped()).stderr(Stdio::piped());
    program
}

fn assert_succeeds(program: Child) {
    let output = program.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success() && said.contains("everything has arrived"), "{said}");
}

const URL: &str = "SIGNALS_URL";
const STARTS_OTHERS: &str = "SIGNALS_STARTS_OTHERS";

/// How long the server may be silent for a program that is stopped.
const STOPPED_LIMIT: Duration = Duration::from_secs(4);
