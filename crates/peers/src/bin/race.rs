//! How many keys client-side caches leave stale: `race [KEYS [SUBJECT]]`.

use std::env;
use std::time::Instant;

use redis_collections::{AsyncClient, Client};
use redis_collections_peers::{
    Cached, DriverCache, DriverPlain, Keyspace, Near, Path, READERS, Race, Result, Tracking,
    WriterMessages,
};

#[tokio::main]
async fn main() -> Result<()> {
    let keys = env::args().nth(1).map_or(Ok(KEYS), |keys| keys.parse())?;
    print!("subject                  | path  | readers |   keys |  stale | reads from the cache");
    println!(" | values refused | seconds");
    show::<DriverPlain>(keys).await?;
    show::<DriverCache>(keys).await?;
    show::<Near<AsyncClient, Tracking>>(keys).await?;
    show::<Near<AsyncClient, WriterMessages>>(keys).await?;
    show::<Near<AsyncClient, Keyspace>>(keys).await?;
    show::<Near<Client, Tracking>>(keys).await?;
    show::<Near<Client, WriterMessages>>(keys).await?;
    show::<Near<Client, Keyspace>>(keys).await
}

async fn show<C: Cached>(keys: usize) -> Result<()> {
    let wanted = env::args().nth(2).unwrap_or_default();
    for path in Path::ALL.into_iter().filter(|_| C::name().contains(&wanted)) {
        for readers in READERS {
            let began = Instant::now();
            let outcome = Race { path, readers, keys }.run::<C>().await?;
            let cached = 100.0 * (1.0 - outcome.asked as f64 / outcome.reads as f64);
            let refused = outcome.refused.map_or("-".into(), |refused| refused.to_string());
            print!("{:24} | {path:5} | {readers:7} | {keys:6} | {:6}", C::name(), outcome.stale);
            print!(" | {cached:18.1} % | {refused:>14}");
            println!(" | {:7.1}", began.elapsed().as_secs_f64());
        }
    }
    Ok(())
}

const KEYS: usize = 20_000;
