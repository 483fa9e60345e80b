//! Many dictionaries in one hash, with typed values and partial reads.
//!
//! The settings of ten thousand users live in one Redis hash. Each field is a user, each value a
//! small dictionary. The program reads the few values it needs, changes one without overwriting
//! concurrent changes, and iterates over all of them in constant memory.
//!
//! ```sh
//! cargo run --example many_dicts
//! ```

use std::collections::BTreeMap;
use std::env;
use std::error::Error;

use redis_collections::{Client, Json, LocalServer, RedisHashDict};
use serde::{Deserialize, Serialize};

const USERS: u32 = 10_000;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Settings {
    language: String,
    notifications: bool,
    #[serde(default)]
    shortcuts: BTreeMap<String, String>,
}

fn settings(user: u32) -> Settings {
    let language = ["de", "en", "fr"][user as usize % 3].to_owned();
    let shortcuts = (0..user % 4).map(|key| (format!("ctrl-{key}"), format!("action {key}")));
    Settings { language, notifications: user.is_multiple_of(2), shortcuts: shortcuts.collect() }
}

fn main() -> Result<(), Box<dyn Error>> {
    let server = env::var("REDIS_URL").is_err().then(LocalServer::start).transpose()?;
    let url =
        server.as_ref().map_or_else(|| env::var("REDIS_URL"), |server| Ok(server.url().into()))?;
    let client = Client::open(&url)?;
    let name = format!("many_dicts:{}", std::process::id());
    let users: RedisHashDict<String, Json<Settings>> = RedisHashDict::new(&client, &name);

    let all: BTreeMap<String, Settings> =
        (0..USERS).map(|user| (format!("user {user}"), settings(user))).collect();
    users.extend(&all)?;
    println!("{} dictionaries in the hash {name}", users.len()?);

    let some = users.get_many(["user 7", "user 8", "no such user"])?;
    println!("user 7 speaks {}, user 8 speaks {}", language(&some[0]), language(&some[1]));
    assert_eq!(some, [Some(settings(7)), Some(settings(8)), None]);

    let changed = users.update("user 7", |old| {
        let mut settings = old?;
        settings.shortcuts.insert("ctrl-q".into(), "quit".into());
        Some(settings)
    })?;
    println!("user 7 now has {} shortcuts", changed.map_or(0, |settings| settings.shortcuts.len()));

    let (exists, user, count) = client.pipeline((
        users.deferred().contains_key("user 1"),
        users.deferred().get("user 1"),
        users.deferred().len(),
    ))?;
    assert_eq!((exists?, user?, count?), (true, Some(settings(1)), USERS as usize));

    let hundred =
        users.iter_matching("user 99??").collect::<redis_collections::Result<Vec<_>>>()?;
    println!("{} users match `user 99??`", hundred.len());
    assert_eq!(hundred.len(), 100);

    let mut languages: BTreeMap<String, u32> = BTreeMap::new();
    for entry in users.iter() {
        let (_, settings) = entry?;
        *languages.entry(settings.language).or_default() += 1;
    }
    println!("languages: {languages:?}");
    assert_eq!(languages.values().sum::<u32>(), USERS);

    let few: BTreeMap<String, Settings> = all.into_iter().take(3).collect();
    users.replace_all(&few)?;
    assert_eq!(users.to_map()?.into_iter().collect::<BTreeMap<_, _>>(), few);
    println!("{} dictionaries after replacing all at once", users.len()?);
    users.clear()?;
    Ok(())
}

fn language(settings: &Option<Settings>) -> &str {
    settings.as_ref().map_or("nothing", |settings| &settings.language)
}
