//! A telescope whose parts are processes. A dome and a mount serve keywords. A client opens the
//! shutter, slews both and waits for their arrival. A watcher prints the changes.
//!
//! ```sh
//! cargo run --release --example telescope
//! ```
//!
//! The keywords live on the server of `REDIS_URL`, where `rckey watch telescope.dome` shows them
//! too; by default on a server that this program starts. At the end both must be at their targets.

use std::env;
use std::error::Error;
use std::io::{self, BufRead, BufReader, Read};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use redis_collections::keyword::{
    Client as Keywords, Dispatcher, KeywordError, Reading, Service, ServiceDefinition, Value,
};
use redis_collections::{self as collections, Client, LocalServer};

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let outcome = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["dome", url] => serve(url, dome()),
        ["mount", url] => serve(url, mount()),
        ["watcher", url] => watch(url),
        [] => observe(),
        _ => Err("usage: telescope".into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// A moving part of constant speed.
struct Axis {
    from: f64,
    target: f64,
    since: Option<Instant>,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Idle,
    Slewing,
    Tracking,
}

/// An axis with several keywords.
#[derive(Clone)]
struct Shared(Arc<Mutex<Axis>>);

impl Shared {
    fn at(position: f64) -> Self {
        Self(Arc::new(Mutex::new(Axis { from: position, target: position, since: None })))
    }

    fn axis(&self) -> MutexGuard<'_, Axis> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Axis {
    fn position(&self) -> f64 {
        let way = self.target - self.from;
        let gone = self.since.map_or(0.0, |since| since.elapsed().as_secs_f64() * SPEED);
        let position = self.from + way.signum() * gone.min(way.abs());
        (position * 100.0).round() / 100.0
    }

    fn state(&self) -> State {
        match self.since {
            None => State::Idle,
            Some(_) if self.position() == self.target => State::Tracking,
            Some(_) => State::Slewing,
        }
    }

    fn slew(&mut self, target: f64) {
        *self = Self { from: self.position(), target, since: Some(Instant::now()) };
    }
}

fn dome() -> Outcome<ServiceDefinition> {
    let mut dome = ServiceDefinition::from_toml(include_str!("telescope/dome.toml"))?;
    let (axis, is_open) = (Shared::at(0.0), Arc::new(Mutex::new(false)));
    let is_shutter_open = is_open.clone();
    dome.amend("SHUTTER", |shutter| {
        shutter.on_write(move |wanted| -> Result<(), String> {
            thread::sleep(Duration::from_millis(300));
            *is_open.lock().map_err(|_| "the shutter is stuck")? = wanted == Value::Integer(OPEN);
            Ok(())
        })
    })?;
    dome.amend("TARGET", |target| {
        let axis = axis.clone();
        target.on_write(move |wanted| -> Result<(), String> {
            match *is_shutter_open.lock().map_err(|_| "the shutter is stuck")? {
                true => slew(&axis, &wanted),
                false => Err("the shutter is closed".into()),
            }
        })
    })?;
    show(&mut dome, "AZ", &axis)?;
    Ok(dome)
}

fn mount() -> Outcome<ServiceDefinition> {
    let mut mount = ServiceDefinition::from_toml(include_str!("telescope/mount.toml"))?;
    let axis = Shared::at(5.0);
    let (of_target, of_limits) = (axis.clone(), axis.clone());
    mount.amend("TARGET", |target| target.on_write(move |wanted| slew(&of_target, &wanted)))?;
    mount.amend("LIMITS", |limits| {
        limits.on_read(move || -> Result<i64, String> {
            let altitude = of_limits.axis().position();
            Ok(i64::from(altitude < 15.0) + 2 * i64::from(altitude > 85.0))
        })
    })?;
    show(&mut mount, "ALT", &axis)?;
    Ok(mount)
}

fn slew(axis: &Shared, wanted: &Value) -> Result<(), String> {
    axis.axis().slew(wanted.as_f64().ok_or("not a number")?);
    Ok(())
}

/// Publishes the position and the state of an axis.
fn show(service: &mut ServiceDefinition, position: &str, axis: &Shared) -> Outcome<()> {
    let (of_position, of_state) = (axis.clone(), axis.clone());
    let position_now = move || Ok::<_, String>(of_position.axis().position());
    let state_now = move || Ok::<_, String>(of_state.axis().state() as i64);
    service.amend(position, |keyword| keyword.on_read(position_now))?;
    Ok(service.amend("STATE", |state| state.on_read(state_now))?)
}

/// A process that serves until its input ends.
fn serve(url: &str, definition: Outcome<ServiceDefinition>) -> Outcome<()> {
    let definition = definition?;
    let name = definition.service().to_owned();
    let dispatcher = Dispatcher::define(definition).serve(&Client::open(url)?)?;
    println!("{name} is served");
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(dispatcher.shutdown()?)
}

/// A process that prints changes until its input ends.
fn watch(url: &str) -> Outcome<()> {
    let keywords = Keywords::new(&Client::open(url)?);
    let mut watches = Vec::new();
    for name in SERVICES {
        let service = keywords.service(name);
        let descriptions = service.keywords()?;
        let names: Vec<_> = descriptions.iter().map(|known| known.name.clone()).collect();
        let print = move |reading: Reading| -> Result<(), String> {
            let known = descriptions.iter().find(|known| known.name == reading.keyword);
            let value = known.map_or(reading.text.clone(), |known| known.show(&reading.value));
            println!("  {name:15} {:7} {value}", reading.keyword);
            Ok(())
        };
        watches.push(service.watch(names, print)?);
    }
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

/// The client, which starts all other processes.
fn observe() -> Outcome<()> {
    let server = env::var("REDIS_URL").is_err().then(LocalServer::start).transpose()?;
    let url =
        server.as_ref().map_or_else(|| env::var("REDIS_URL"), |server| Ok(server.url().into()))?;
    let keywords = Keywords::new(&Client::open(&url)?);
    let [dome, mount] = SERVICES.map(|name| keywords.service(name));
    let mut parts = vec![Part::start("dome", &url)?, Part::start("mount", &url)?];
    parts.push(Part::start("watcher", &url)?);

    println!("slew the dome before its shutter is open");
    match dome.write("TARGET", AZIMUTH) {
        Err(collections::Error::Keyword {
            source: KeywordError::Refused { reason, .. }, ..
        }) => {
            println!("refused: {reason}")
        }
        Err(error) => return Err(error.into()),
        Ok(_) => return Err("a dome that is closed has moved".into()),
    }
    println!("open the shutter");
    dome.write("SHUTTER", "open")?;
    println!("slew to {AZIMUTH} and {ALTITUDE} degrees");
    dome.write("TARGET", AZIMUTH)?;
    mount.write("TARGET", ALTITUDE)?;
    wait_until_there(&dome, "AZ", AZIMUTH)?;
    wait_until_there(&mount, "ALT", ALTITUDE)?;
    println!("everything is there");

    let texts = [AZIMUTH, ALTITUDE].map(|number| Value::from(number).to_string());
    for (service, keyword, expected) in [
        (&dome, "SHUTTER", "1"),
        (&dome, "TARGET", &texts[0]),
        (&dome, "STATE", "2"),
        (&mount, "TARGET", &texts[1]),
        (&mount, "STATE", "2"),
        (&mount, "LIMITS", "0"),
    ] {
        let reading = service.read(keyword)?;
        if reading.text != expected || reading.error.is_some() {
            return Err(format!("it should be {expected}: {reading:?}").into());
        }
    }
    parts.into_iter().rev().try_for_each(Part::stop)?;
    match dome.is_served()? || mount.is_served()? {
        true => Err("a part that has ended is still served".into()),
        false => Ok(()),
    }
}

fn wait_until_there(service: &Service, keyword: &str, target: f64) -> Outcome<()> {
    let is_there = move |reading: &Reading| reading.value == Value::Number(target);
    service.wait_for(keyword, is_there, PATIENCE)?;
    service.wait_for("STATE", |state| state.value == Value::Integer(TRACKING), PATIENCE)?;
    Ok(())
}

/// A process that ends when its input does.
struct Part {
    process: Child,
    log: JoinHandle<()>,
}

impl Part {
    /// Starts the process, and waits for the first line of its output.
    fn start(role: &str, url: &str) -> Outcome<Self> {
        let mut command = Command::new(env::current_exe()?);
        let command = command.args([role, url]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn()?;
        let output = process.stdout.take().ok_or("no output")?;
        let mut lines = BufReader::new(output).lines();
        println!("{}", lines.next().ok_or_else(|| format!("the {role} has ended early"))??);
        let log = move || lines.map_while(Result::ok).for_each(|line| println!("{line}"));
        Ok(Self { process, log: thread::spawn(log) })
    }

    fn stop(mut self) -> Outcome<()> {
        // This ends its input.
        let status = self.process.wait()?;
        self.log.join().map_err(|_| "the log cannot be printed")?;
        match status.success() {
            true => Ok(()),
            false => Err(format!("a process ended with {status}").into()),
        }
    }
}

const SERVICES: [&str; 2] = ["telescope.dome", "telescope.mount"];
const OPEN: i64 = 1;
const TRACKING: i64 = 2;
const AZIMUTH: f64 = 120.0;
const ALTITUDE: f64 = 60.0;
/// In degrees a second.
const SPEED: f64 = 60.0;
const PATIENCE: Duration = Duration::from_secs(30);
