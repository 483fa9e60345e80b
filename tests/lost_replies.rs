//! Calls whose replies are lost: how often they are sent, and where items are afterwards.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use redis_collections::{Error, RedisDict, RedisList};
use support::contract::{ok, on_both_kinds, settle};
use support::kinds::{Kind, SERVER, client};
use support::servers::PATIENCE;
use support::servers::proxy::{Direction, Proxy};

on_both_kinds! {
    a_read_is_sent_twice_at_most,
    a_read_is_repeated_until_the_failover_timeout_with_sentinels,
    an_item_is_popped_once_or_its_loss_is_an_error,
    an_item_is_waited_for_and_popped_once_though_replies_are_lost,
    an_item_that_moves_is_in_one_list_though_replies_are_lost,
}

const BRIEF: Duration = Duration::from_millis(200);
const ITEMS: u64 = 60;

/// A server, its own Sentinel too, that ends the connections on which the first `closed` values are
/// read, and finds nothing later. Returns the number of reads as well.
fn closes_on_get(closed: usize) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let reads = Arc::new(AtomicUsize::new(0));
    let counted = reads.clone();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(std::result::Result::ok) {
            let counted = counted.clone();
            thread::spawn(move || answer(&stream, port, (&counted, closed)));
        }
    });
    (port, reads)
}

fn answer(stream: &TcpStream, port: u16, (reads, closed): (&AtomicUsize, usize)) -> Option<()> {
    let mut requests = BufReader::new(stream);
    loop {
        let reply = match &command(&mut requests)?[0][..] {
            b"GET" if reads.fetch_add(1, Ordering::SeqCst) < closed => return None,
            b"GET" => "$-1\r\n".to_owned(),
            b"PING" => "+PONG\r\n".to_owned(),
            b"SENTINEL" => {
                let port = port.to_string();
                format!("*2\r\n$9\r\n127.0.0.1\r\n${}\r\n{port}\r\n", port.len())
            }
            b"ROLE" => "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n".to_owned(),
            _ => "+OK\r\n".to_owned(),
        };
        let mut replies = stream;
        replies.write_all(reply.as_bytes()).ok()?;
    }
}

/// The words of the next command.
fn command(requests: &mut impl BufRead) -> Option<Vec<Vec<u8>>> {
    let count = number(requests)?;
    let word = |_| {
        let length = number(requests)?;
        let mut word = vec![0; length + 2];
        requests.read_exact(&mut word).ok()?;
        word.truncate(length);
        Some(word.to_ascii_uppercase())
    };
    (0..count).map(word).collect()
}

/// What comes after the first byte of a line.
fn number(requests: &mut impl BufRead) -> Option<usize> {
    let mut line = String::new();
    requests.read_line(&mut line).ok()?;
    line.get(1..)?.trim().parse().ok()
}

async fn a_read_is_sent_twice_at_most<C: Kind>() {
    let (port, reads) = closes_on_get(usize::MAX);
    let client = C::build(C::builder(&format!("redis://127.0.0.1:{port}/"))).await.unwrap();
    let dict: RedisDict<String, u64, C> = RedisDict::new(&client, "d");
    for _ in 0..3 {
        let before = reads.load(Ordering::SeqCst);
        let error = settle!(dict.get("a")).unwrap_err();
        assert!(error.is_connection_lost(), "{error}");
        let sent = reads.load(Ordering::SeqCst) - before;
        assert!((1..=2).contains(&sent), "{sent} times");
    }
}

async fn a_read_is_repeated_until_the_failover_timeout_with_sentinels<C: Kind>() {
    for (closed, timeout) in [(5, PATIENCE), (usize::MAX, BRIEF)] {
        let (port, reads) = closes_on_get(closed);
        let sentinels = [format!("redis://127.0.0.1:{port}/")];
        let builder = C::sentinel_builder(&sentinels, "mymaster").failover_timeout(timeout);
        let client = C::build(builder).await.unwrap();
        let dict: RedisDict<String, u64, C> = RedisDict::new(&client, "d");
        let began = Instant::now();
        match settle!(dict.get("a")) {
            Ok(found) => assert_eq!((found, reads.load(Ordering::SeqCst)), (None, closed + 1)),
            Err(error) => {
                assert!(error.is_connection_lost() && closed == usize::MAX, "{error}");
                assert!(began.elapsed() >= BRIEF, "{error}");
            }
        }
    }
}

/// A list, reached through a proxy that ends connections after ever other bytes of replies.
struct Cut<C> {
    proxy: Proxy,
    client: C,
    name: String,
    calls: usize,
}

impl<C: Kind> Cut<C> {
    async fn start(name: &str) -> Self {
        let proxy = Proxy::to(SERVER.port()).unwrap();
        let client = C::build(C::builder(&proxy.url())).await.unwrap();
        let name = format!("{}-{name}", std::any::type_name::<C>());
        RedisList::<u64>::new(&self::client(), &*name).push_many(&items()).unwrap();
        Self { proxy, client, name, calls: 0 }
    }

    fn list(&self) -> RedisList<u64, C> {
        RedisList::new(&self.client, &*self.name)
    }

    /// Cuts every other call.
    async fn prepare(&mut self) {
        self.calls += 1;
        if self.calls.is_multiple_of(2) {
            self.client.check().await.unwrap();
            self.proxy.cut_after(self.calls % 12 / 2, Direction::Replies);
        }
    }
}

fn items() -> Vec<u64> {
    (0..ITEMS).collect()
}

async fn an_item_is_popped_once_or_its_loss_is_an_error<C: Kind>() {
    let mut cut = Cut::<C>::start("popped").await;
    let (list, mut taken, mut lost) = (cut.list(), Vec::new(), 0);
    loop {
        cut.prepare().await;
        let popped = match cut.calls % 6 {
            0 | 1 => settle!(list.pop_front()).map(Vec::from_iter),
            2 | 3 => settle!(list.pop_back()).map(Vec::from_iter),
            _ => settle!(list.pop_many(1)).and_then(|items| items.into_iter().collect()),
        };
        match popped {
            Ok(items) if items.is_empty() => break,
            Ok(items) => taken.extend(items),
            Err(error) => lost += note_loss(&error),
        }
    }
    let once: BTreeSet<_> = taken.iter().collect();
    assert_eq!(once.len(), taken.len(), "{taken:?}");
    assert_eq!(taken.len() + lost, items().len(), "{lost} lost");
    assert!(lost > 0, "no reply was lost");
}

async fn an_item_is_waited_for_and_popped_once_though_replies_are_lost<C: Kind>() {
    let mut cut = Cut::<C>::start("waited").await;
    let (list, mut taken, mut lost, mut unseen) = (cut.list(), Vec::new(), 0, 0);
    loop {
        cut.prepare().await;
        // Before any byte of the reply it is as if the server had gone.
        unseen += usize::from(cut.calls.is_multiple_of(12));
        match settle!(list.wait_pop_front(BRIEF)) {
            Ok(None) => break,
            Ok(item) => taken.extend(item),
            Err(error) => lost += note_loss(&error),
        }
    }
    assert!(taken.is_sorted_by(|one, other| one < other), "{taken:?}");
    assert!(lost > 0, "no reply was lost");
    let known = taken.len() + lost + unseen;
    assert!(known >= items().len(), "{} taken, {lost} lost, {unseen} unseen", taken.len());
}

async fn an_item_that_moves_is_in_one_list_though_replies_are_lost<C: Kind>() {
    let mut cut = Cut::<C>::start("moved").await;
    let list = cut.list();
    let other: RedisList<u64, C> = RedisList::new(&cut.client, format!("{}-other", cut.name));
    let mut lost = 0;
    loop {
        cut.prepare().await;
        let moved = match cut.calls % 4 {
            0 | 1 => settle!(list.pop_front_to(&other)),
            _ => settle!(list.wait_pop_front_to(&other, BRIEF)),
        };
        match moved {
            Ok(None) => break,
            Ok(Some(_)) => {}
            Err(error) => lost += note_loss(&error),
        }
        let both = [list.on(&client()), other.on(&client())].map(|list| list.range(..).unwrap());
        let mut both = both.concat();
        both.sort_unstable();
        assert_eq!(both, items());
    }
    assert_eq!(ok!(other.range(..)), items(), "in their order");
    assert!(lost > 0, "no reply was lost");
}

/// How many items a call says may have been taken.
fn note_loss(error: &Error) -> usize {
    assert!(error.is_connection_lost(), "{error}");
    usize::from(error.may_have_been_applied())
}
