//! A step of a program's clock means nothing to its work queues and keywords: all time is the
//! server's.
#![cfg(target_os = "linux")]
#![allow(clippy::disallowed_methods, reason = "it is seen that the clock is stepped")]

use std::env;
use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use redis_collections::keyword::{self, Dispatcher, Keyword};
use redis_collections::{AsyncClient, Client, QueueSettings, WorkQueue};
use support::contract::ok;
use support::kinds::{Kind, SERVER};
use support::program::build_library;

/// Runs the test below in processes of their own, each with a clock that can be stepped.
#[test]
fn a_step_of_the_clock_changes_nothing() {
    let directory = env::temp_dir().join(format!("work-queue-clock-{}", std::process::id()));
    if directory.exists() {
        // Of a process with the same id, which was killed.
        fs::remove_dir_all(&directory).unwrap();
    }
    fs::create_dir(&directory).unwrap();
    let library = build_library("clock.c", &directory).expect("a C compiler");
    let start = |(kind, step): (&str, i64)| {
        let mut program = Command::new(env::current_exe().unwrap());
        program.args(["--exact", "in_a_process_whose_clock_is_stepped", "--nocapture"]);
        program.env("LD_PRELOAD", &library).env(FILE, directory.join(format!("{kind}{step}")));
        program.env(URL, SERVER.url()).env(KIND, kind).env(STEP, step.to_string());
        program.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let ways = [("blocking", DAY), ("blocking", -DAY), ("async", DAY), ("async", -DAY)];
    for (way, process) in ways.map(|way| (way, start(way))) {
        let output = process.wait_with_output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        let is_checked = said.matches("nothing has changed").count() == 2;
        assert!(output.status.success() && is_checked, "{way:?}: {said}");
    }
    fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn in_a_process_whose_clock_is_stepped() {
    let Ok(url) = env::var(URL) else { return };
    let step = env::var(STEP).unwrap().parse().unwrap();
    match env::var(KIND).unwrap().as_str() {
        "async" => AsyncClient::finish(checks::<AsyncClient>(&url, step)),
        _ => Client::finish(checks::<Client>(&url, step)),
    }
}

async fn checks<C: Kind>(url: &str, step: i64) {
    stepped::<C>(url, step).await;
    keyword_read_as_the_clock_is_stepped::<C>(url, step).await;
}

async fn stepped<C: Kind>(url: &str, step: i64) {
    let client = C::build(C::builder(url)).await.unwrap();
    let settings = QueueSettings::new().lease(LEASE);
    let name = format!("{}{step}", std::any::type_name::<C>());
    let queue = WorkQueue::<u32, C>::new(&client, name).with(settings);
    let (mut consumer, mut other) = (queue.consumer(), queue.consumer());
    ok!(queue.push_unique("once", &1, HOUR));
    let held = C::settle_within(consumer.next(HOUR)).await.unwrap().expect("the job");
    ok!(queue.push_in(&2, HOUR));
    let before = ok!(queue.stats());

    step_the_clock(step);

    assert_eq!(ok!(queue.push_unique("once", &1, HOUR)), None, "its time is not over");
    let waited = C::settle_within(other.next(LEASE * 3 / 2)).await;
    assert!(waited.unwrap().is_none(), "it is held");
    assert!(!held.lost_lease());
    let after = ok!(queue.stats());
    assert!(after.at > before.at && after.at < before.at + HOUR);
    assert_eq!((after.delayed, after.returned), (1, 0), "what is delayed is not due");
    assert!(after.longest_running < Some(HOUR));
    held.retry(Duration::from_millis(1));
    let again = C::settle_within(other.next(HOUR)).await.unwrap().expect("it is due");
    again.bury("enough");
    ok!(other.close());
    let dead = ok!(queue.dead().list(1));
    assert!(dead[0].since > after.at && dead[0].since < after.at + HOUR);
    ok!(consumer.close());
    step_back();
}

async fn keyword_read_as_the_clock_is_stepped<C: Kind>(url: &str, step: i64) {
    let client = C::build(C::builder(url)).await.unwrap();
    let name = format!("{}{step}", std::any::type_name::<C>()).replace(':', "-");
    let builder = Dispatcher::builder(&name).keyword(Keyword::integer("N").initial(1));
    let dispatcher = ok!(builder.serve(&client));
    let service = keyword::Client::new(&client).service(&name);
    let before = ok!(service.read("N"));
    step_the_clock(step);
    let read = ok!(service.read("N"));
    assert_eq!(read.set_at, before.set_at);
    assert!(before.age() < Some(HOUR) && read.age() < Some(HOUR), "{:?}", read.age());
    ok!(dispatcher.set("N", 2));
    let after = ok!(service.read("N"));
    let times = [before, after.clone()].map(|reading| reading.set_at.expect("a time"));
    assert!(times[0] < times[1] && times[1] < times[0] + HOUR, "{times:?}");
    assert!(after.age() < Some(HOUR), "{:?}", after.age());
    ok!(dispatcher.shutdown());
    step_back();
}

fn step_the_clock(step: i64) {
    let (wall, moment) = (SystemTime::now(), std::time::Instant::now());
    fs::write(env::var(FILE).unwrap(), step.to_string()).unwrap();
    let is_stepped = match step > 0 {
        true => wall + HOUR < SystemTime::now(),
        false => SystemTime::now() + HOUR < wall,
    };
    assert!(is_stepped && moment.elapsed() < HOUR);
}

fn step_back() {
    fs::write(env::var(FILE).unwrap(), "0").unwrap();
    println!("nothing has changed");
}

/// Longer than a busy machine keeps a thread waiting.
const LEASE: Duration = Duration::from_secs(10);
const HOUR: Duration = Duration::from_secs(3600);
/// In seconds.
const DAY: i64 = 24 * 3600;
/// The file that the clock reads its step from.
const FILE: &str = "WALL_CLOCK_STEP";
const URL: &str = "WALL_CLOCK_SERVER";
const KIND: &str = "WALL_CLOCK_CLIENT";
const STEP: &str = "WALL_CLOCK_STEP_TO_TEST";
