// A dictionary publishes its changes, and a program receives change events. An event is only a hint
// to read its entry again. After a `Gap`, read everything again.
use std::error::Error;

use redis_collections::{ChangeFormat, Client, Event, LocalServer, RedisDict};

fn main() -> Result<(), Box<dyn Error>> {
    let server = LocalServer::start()?;
    let client = Client::open(server.url())?;
    let ages: RedisDict<String, u32> =
        RedisDict::new(&client, "ages").publishing(ChangeFormat::Own);
    let mut events = ages.subscribe("*")?;

    ages.insert("ann", &36)?;
    ages.insert("ann", &37)?;
    ages.remove("ann")?;
    for _ in 0..3 {
        match events.next().ok_or("a subscription has no end")?? {
            Event::Inserted(name) | Event::Updated(name) => {
                println!("{name}: {:?}", ages.get(&name)?)
            }
            // Corresponds to `key, id, value` of redis-pydict's `subscribe_to_key_events`.
            Event::Notified { key, id } => println!("{key} by {id}: {:?}", ages.get(&key)?),
            Event::Removed(name) | Event::Expired(name) => println!("{name} is gone"),
            Event::Cleared => println!("all are gone"),
            Event::Gap => println!("read again: {:?}", ages.to_map()?),
            _ => {}
        }
    }
    Ok(())
}
