// A thermostat as a service. Other programs, including Python programs, read its temperature, set
// its target and wait for the target to be reached.
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use redis_collections::keyword::{self, Dispatcher, Keyword, KeywordError};
use redis_collections::{Client, Error, LocalServer};

redis_collections::keywords! {
    /// The keywords that the program sets itself.
    struct Thermostat {
        mode: i64 = Keyword::enumerated("MODE", ["off", "heating"]).initial("off").read_only(),
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = LocalServer::start()?;
    let client = Client::open(server.url())?;

    let target = Arc::new(AtomicI64::new(15));
    let aim = target.clone();
    let dispatcher = Dispatcher::builder("thermostat")
        .keywords(Thermostat::keywords())
        .keyword(
            Keyword::integer("TARGET")
                .units("C")
                .range(5.0..=30.0)
                .initial(15)
                // Runs before the writer has its answer. An error is returned to the writer.
                .on_write(move |value| {
                    aim.store(value.as_i64().ok_or("no number")?, Ordering::Relaxed);
                    Ok::<_, &str>(())
                }),
        )
        .keyword(
            Keyword::integer("TEMPERATURE")
                .units("C")
                .read_only()
                // A stand-in for a sensor.
                .on_read(move || Ok::<_, std::io::Error>(target.load(Ordering::Relaxed)))
                .every(Duration::from_millis(50)),
        )
        .serve(&client)?;
    let thermostat = Thermostat::of(&dispatcher)?;
    thermostat.mode.set(1)?;

    // In another program.
    let service = keyword::Client::new(&client).service("thermostat");
    assert_eq!(service.write("TARGET", 21)?.value.as_i64(), Some(21));
    match service.write("TARGET", 50) {
        Err(Error::Keyword { source: KeywordError::Refused { reason, .. }, .. }) => {
            println!("it says: {reason}");
        }
        other => return Err(format!("50 degrees: {other:?}").into()),
    }
    let is_warm = |now: &keyword::Reading| now.value.as_i64() >= Some(21);
    let warm = service.wait_for("TEMPERATURE", is_warm, Duration::from_secs(5))?;
    println!("{} after {:?}", warm.text, warm.age());

    // The present values, then each new value.
    let mut values = service.monitor(["MODE", "TARGET"])?;
    for _ in 0..2 {
        if let Some(reading) = values.next().transpose()? {
            println!("{} is {}", reading.keyword, reading.text);
        }
    }
    dispatcher.shutdown()?;
    assert!(!service.is_served()?);
    Ok(())
}
