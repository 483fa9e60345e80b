//! How many keys client-side caches leave stale: `race [KEYS]`.

use std::env;

use redis_collections_peers::{Cached, DriverCache, DriverPlain, Path, READERS, Race, Result};

#[tokio::main]
async fn main() -> Result<()> {
    let keys = env::args().nth(1).map_or(Ok(KEYS), |keys| keys.parse())?;
    println!("subject          | path | readers |   keys |  stale | reads from the cache");
    show::<DriverPlain>(keys).await?;
    show::<DriverCache>(keys).await
}

async fn show<C: Cached>(keys: usize) -> Result<()> {
    for path in Path::ALL {
        for readers in READERS {
            let outcome = Race { path, readers, keys }.run::<C>().await?;
            let cached = 100.0 * (1.0 - outcome.asked as f64 / outcome.reads as f64);
            print!("{:16} | {path:4} | {readers:7} | {keys:6} | {:6}", C::NAME, outcome.stale);
            println!(" | {cached:18.1} %");
        }
    }
    Ok(())
}

const KEYS: usize = 20_000;
