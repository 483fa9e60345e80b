//! The errors of commands, each made by what causes it.

use std::collections::HashMap;
use std::thread;
use std::time::Duration;

use futures_util::FutureExt;
use redis_collections::testing::FaultProxy;
use redis_collections::{
    AsyncClient, CacheClient, CachePolicy, Client, Error, Json, LocalServer, NearCacheSettings,
    OnDisconnect, RedisDict, RedisHashDict, RedisList, Result, WorkQueue,
};
use support::LATE;
use support::servers::{free_port, query};
use support::waiting::within;

use super::{Messages, Outcome, told};

pub(super) fn messages() -> Outcome<Messages> {
    let server = LocalServer::start()?;
    let client = Client::open(server.url())?;
    let mut messages = of_connections(&server)?;
    messages.extend(of_values(&server, &client)?);
    messages.extend(of_conditions(&server, &client)?);
    messages.extend(of_other_servers()?);
    Ok(messages)
}

fn ages(client: &Client) -> RedisDict<String, u32> {
    RedisDict::new(client, "ages")
}

fn of_connections(server: &LocalServer) -> Outcome<Messages> {
    let port = free_port()?;
    let unreachable = Client::open(&format!("redis://127.0.0.1:{port}/")).unwrap_err();
    let mut messages = vec![("Error::Connect", told(unreachable, &[port]))];
    let unknown = Client::open("redis://no-such-host.invalid/").unwrap_err();
    messages.push(("Error::Connect", told(unknown, &[])));
    let outside = AsyncClient::open(server.url()).now_or_never().ok_or("a runtime")?;
    messages.push(("Error::Connect", told(outside.unwrap_err(), &[server.port()])));
    let proxy = FaultProxy::to(server.url())?;
    let port = proxy.url().trim_end_matches('/').rsplit(':').next().unwrap_or_default().parse()?;
    let hasty = Client::builder(proxy.url()).response_timeout(SOON).build()?;
    ages(&hasty).insert("ann", &36)?;
    proxy.swallow_replies();
    messages.push(("Error::Timeout", told(ages(&hasty).insert("ann", &37).unwrap_err(), &[])));
    proxy.forward();

    let single = Client::builder(proxy.url()).pooled(1).checkout_timeout(SOON).build()?;
    ages(&single).insert("ann", &36)?;
    proxy.swallow_replies();
    thread::scope(|scope| -> Outcome {
        let waiting = scope.spawn(|| ages(&single).insert("ann", &38).unwrap_err());
        let stored = || query::<String>(server.url(), "GET ages:ann").unwrap_or_default();
        assert!(within(LATE, || stored() == "38"));
        let exhausted = ages(&single).get("ann").unwrap_err();
        messages.push(("Error::PoolExhausted", told(exhausted, &[port])));
        proxy.cut();
        let lost = waiting.join().expect("the call");
        messages.push(("Error::ConnectionLost", told(lost, &[port])));
        Ok(())
    })?;
    Ok(messages)
}

/// A type without a form in JSON.
type Pairs = HashMap<(u8, u8), u8>;

fn of_values(server: &LocalServer, client: &Client) -> Outcome<Messages> {
    query::<()>(server.url(), "SET ages:bob old")?;
    let decode = ages(client).get("bob").unwrap_err();
    let pairs: RedisDict<String, Json<Pairs>> = RedisDict::new(client, "pairs");
    let encode = pairs.insert("a", &HashMap::from([((1, 2), 3)])).unwrap_err();
    let list: RedisList<String> = RedisList::new(client, "ages:bob");
    let wrong_type = list.push_back("x").unwrap_err();
    let reserved = ages(client).insert("ann~rc:x", &1).unwrap_err();
    let nameless = RedisDict::<String, u32>::new(client, "").len().unwrap_err();
    Ok(vec![
        ("Error::Decode", told(decode, &[])),
        ("Error::Encode", told(encode, &[])),
        ("Error::Server", told(wrong_type, &[])),
        ("Error::InvalidArgument", told(reserved, &[])),
        ("Error::InvalidArgument", told(nameless, &[])),
    ])
}

fn of_conditions(server: &LocalServer, client: &Client) -> Outcome<Messages> {
    let contended = ages(client).insert("ann", &0).and_then(|()| {
        ages(client).update("ann", |old| {
            let next = old.unwrap_or_default() + 1;
            ages(client).insert("ann", &next).expect("an insert of another");
            Some(next + 1)
        })
    });
    let mut messages = vec![("Error::Contended", told(contended.unwrap_err(), &[]))];

    let policy = || CachePolicy::time_to_live(LATE);
    let fails: CacheClient<String, String> =
        CacheClient::new(client, "users", policy(), |_: String, ()| {
            Err::<Option<String>, _>("no database")
        })?;
    messages.push(("Error::Load", told(fails.get("ann").unwrap_err(), &[])));
    let panics: CacheClient<String, String> =
        CacheClient::new(client, "users", policy(), |_: String, ()| -> Result<Option<String>> {
            std::panic::panic_any(())
        })?;
    messages.push(("Error::Load", told(panics.get("bob").unwrap_err(), &[])));

    let jobs: WorkQueue<String> = WorkQueue::new(client, "jobs");
    jobs.push("sweep")?;
    let mut consumer = jobs.consumer();
    let job = consumer.next(LATE)?.ok_or("a job")?;
    query::<()>(server.url(), "FLUSHALL")?;
    messages.push(("Error::LeaseLost", told(job.done_now().unwrap_err(), &[])));

    let proxy = FaultProxy::to(server.url())?;
    let shaky = Client::open(proxy.url())?;
    let settings = NearCacheSettings::tracking().on_disconnect(OnDisconnect::Fail);
    let cached = ages(&shaky).cached(settings)?;
    proxy.cut();
    let mut disconnected = None;
    let is_disconnected = || {
        disconnected = cached.get("ann").err();
        matches!(disconnected, Some(Error::Disconnected { .. }))
    };
    assert!(within(LATE, is_disconnected));
    messages.push(("Error::Disconnected", told(disconnected.ok_or("an error")?, &[])));
    Ok(messages)
}

/// Servers that lack a command or answer with another one.
fn of_other_servers() -> Outcome<Messages> {
    // Older servers do not know the command anyway, and refuse to rename it.
    let lacking = LocalServer::start_with(&["--rename-command", "HPTTL", ""]);
    let lacking = lacking.or_else(|_| LocalServer::start())?;
    let client = Client::open(lacking.url())?;
    let cart: RedisHashDict<String, u32> = RedisHashDict::new(&client, "cart");
    let unsupported = cart.ttl("pears").unwrap_err();
    let mixed_up = ["--rename-command", "GET", "OLD", "--rename-command", "STRLEN", "GET"];
    let mixed_up = LocalServer::start_with(&mixed_up)?;
    let unexpected = ages(&Client::open(mixed_up.url())?).get("ann").unwrap_err();
    Ok(vec![
        ("Error::Unsupported", told(unsupported, &[])),
        ("Error::UnexpectedReply", told(unexpected, &[])),
    ])
}

const SOON: Duration = Duration::from_millis(100);
