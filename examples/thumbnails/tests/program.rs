//! The program as it is deployed, each time on a server of its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use redis_collections::{Client, Json, LocalServer, RedisDict, RedisHashDict, WorkQueue};
use thumbnails::BoxError;
use thumbnails::store::Order;

type Outcome = Result<(), BoxError>;

/// The running program, which is killed when this is dropped.
struct Program {
    process: Child,
    address: String,
    log: BufReader<std::process::ChildStderr>,
}

impl Program {
    fn start(url: &str) -> Result<Self, BoxError> {
        let mut process = command(url).spawn()?;
        let mut log = BufReader::new(process.stderr.take().ok_or("no log")?);
        let mut line = String::new();
        log.read_line(&mut line)?;
        let address = line.trim().split_once("http://").ok_or(format!("no address: {line}"))?.1;
        Ok(Self { process, address: address.to_owned(), log })
    }

    fn get(&self, path: &str) -> Result<(u16, String), BoxError> {
        self.request("GET", path, "")
    }

    fn upload(&self, image: &str) -> Result<(u16, String), BoxError> {
        self.request("POST", "/users/ann/images", image)
    }

    /// Returns the status of the response and its body.
    fn request(&self, method: &str, path: &str, body: &str) -> Result<(u16, String), BoxError> {
        let mut connection = TcpStream::connect(&self.address)?;
        let length = body.len();
        let head = format!("{method} {path} HTTP/1.1\r\nHost: test\r\nContent-Length: {length}");
        write!(connection, "{head}\r\nConnection: close\r\n\r\n{body}")?;
        let mut response = String::new();
        connection.read_to_string(&mut response)?;
        let (head, body) = response.split_once("\r\n\r\n").ok_or("no body")?;
        Ok((head.split(' ').nth(1).ok_or("no status")?.parse()?, body.to_owned()))
    }

    fn terminate(&self) -> Outcome {
        let status = Command::new("kill").arg(self.process.id().to_string()).status()?;
        if status.success() { Ok(()) } else { Err("no signal was sent".into()) }
    }

    /// Waits for its end, and returns what it logged since its start.
    fn ended(mut self) -> Result<(ExitStatus, String), BoxError> {
        eventually(|| Ok(self.process.try_wait()?.is_some()))?;
        let mut log = String::new();
        self.log.read_to_string(&mut log)?;
        Ok((self.process.wait()?, log))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn command(url: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_thumbnails"));
    command.env("REDIS_URL", url).env("LISTEN", "127.0.0.1:0").env_remove("RUST_LOG");
    command.stderr(Stdio::piped());
    command
}

fn eventually(mut condition: impl FnMut() -> Result<bool, BoxError>) -> Outcome {
    let begun = Instant::now();
    while !condition()? {
        if begun.elapsed() > Duration::from_secs(30) {
            return Err("the condition did not come".into());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

#[test]
fn no_job_is_lost_when_the_program_is_terminated() -> Outcome {
    let server = LocalServer::start()?;
    let client = Client::open(server.url())?;
    let jobs: WorkQueue<Json<Order>> = WorkQueue::new(&client, "thumbnails:jobs");
    let originals: RedisDict<u64, Vec<u8>> = RedisDict::new(&client, "thumbnails:originals");
    let thumbnails: RedisDict<u64, Vec<u8>> = RedisDict::new(&client, "thumbnails:thumbnails");
    let mut uploaded = 0;
    let mut upload = || -> Outcome {
        let images = uploaded..uploaded + 100;
        originals.insert_many(images.clone().map(|image| (image, b"P5 1 1 255 a")))?;
        let order = |image| Order { image, user: "ann".to_owned() };
        jobs.push_many(&images.clone().map(order).collect::<Vec<_>>())?;
        uploaded = images.end;
        Ok(())
    };
    upload()?;

    let mut program = Program::start(server.url())?;
    eventually(|| Ok(jobs.stats()?.done > 0))?;
    program.terminate()?;
    eventually(|| {
        upload()?;
        Ok(program.process.try_wait()?.is_some())
    })?;
    let (status, log) = program.ended()?;
    assert!(status.success() && log.ends_with("stopped\n"), "{status}: {log}");
    upload()?;
    let stats = jobs.stats()?;
    assert_eq!((stats.in_flight, stats.delayed, stats.dead, stats.consumers), (0, 0, 0, 0));
    assert_eq!(stats.done + u64::try_from(stats.pending)?, uploaded);
    assert_eq!(u64::try_from(thumbnails.len()?)?, stats.done);
    assert_eq!(stats.returned, 0);

    let program = Program::start(server.url())?;
    assert!(jobs.drain(Duration::from_secs(60))?);
    assert_eq!(u64::try_from(thumbnails.len()?)?, uploaded);
    program.terminate()?;
    assert!(program.ended()?.0.success());
    Ok(())
}

#[test]
fn operators_see_the_health_and_the_metrics_of_the_program() -> Outcome {
    let mut server = LocalServer::start()?;
    let client = Client::open(server.url())?;
    let jobs: WorkQueue<Json<Order>> = WorkQueue::new(&client, "thumbnails:jobs");
    let program = Program::start(server.url())?;
    let order = Order { image: 7, user: "ann".to_owned() };
    jobs.push_in(&order, Duration::from_secs(3600))?;

    assert_eq!(program.get("/healthz")?, (200, "ok\n".to_owned()));
    assert_eq!(program.get("/images/7/thumbnail")?.0, 404);
    assert_eq!(program.get("/images/7/info")?.0, 404);
    let lines = [
        "http_requests_total{status=\"404\"} 2",
        "jobs{state=\"delayed\"} 1",
        "redis_collections_cache_is_certain{cache=\"thumbnails:flags\"} 1",
        "redis_collections_read_through_loads{cache=\"thumbnails:info\"} 1",
    ];
    eventually(|| {
        let (_, metrics) = program.get("/metrics")?;
        Ok(lines.iter().all(|line| metrics.lines().any(|found| found == *line)))
    })?;

    jobs.push(&order)?;
    eventually(|| Ok(jobs.stats()?.delayed == 2))?;
    server.stop()?;
    assert_eq!(program.get("/healthz")?, (503, "try again later\n".to_owned()));
    assert_eq!(program.get("/metrics")?.0, 503);
    server.restart()?;
    eventually(|| Ok(program.get("/healthz")?.0 == 200))?;
    program.terminate()?;
    let (status, log) = program.ended()?;
    assert!(
        status.success()
            && log.contains("a job failed and is retried")
            && log.contains("error=no such image"),
        "{status}: {log}"
    );
    Ok(())
}

#[test]
fn the_rights_that_the_tutorial_gives_are_enough() -> Outcome {
    let server = LocalServer::start()?;
    let tutorial = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/tutorial.md");
    let tutorial = std::fs::read_to_string(tutorial)?;
    let command = tutorial.lines().find_map(|line| line.strip_prefix("$ redis-cli acl "));
    let command = command.ok_or("no user in the tutorial")?.replace('\'', "\"");
    let mut connection = TcpStream::connect(("127.0.0.1", server.port()))?;
    write!(connection, "ACL {command}\r\n")?;
    let mut reply = [0; 5];
    connection.read_exact(&mut reply)?;
    assert_eq!(&reply, b"+OK\r\n");

    let url = server.url().replace("redis://", "redis://thumbnails:pass%20word@");
    let program = Program::start(&url)?;
    assert_eq!(program.upload("P5 1 1 255 a")?, (202, "/images/1/thumbnail\n".to_owned()));
    eventually(|| Ok(program.get("/images/1/thumbnail")?.0 == 200))?;
    for path in ["/images/1/info", "/users/ann/settings", "/metrics", "/healthz"] {
        assert_eq!(program.get(path)?.0, 200, "{path}");
    }
    let client = Client::open(server.url())?;
    let flags: RedisHashDict<String, bool> = RedisHashDict::new(&client, "thumbnails:flags");
    flags.insert("read-only", &true)?;
    eventually(|| Ok(program.upload("P5 1 1 255 a")?.0 == 503))?;
    program.terminate()?;
    let (status, log) = program.ended()?;
    assert!(status.success() && !log.contains("WARN"), "{status}: {log}");
    Ok(())
}

#[test]
fn a_server_that_cannot_be_used_is_an_error_without_the_password() -> Outcome {
    let server = LocalServer::start()?;
    let refused = server.url().replace("redis://", "redis://:s3cret@");
    for url in ["redis://:s3cret@127.0.0.1:1/", "redis//:s3cret@127.0.0.1/", &refused] {
        let output = command(url).output()?;
        let log = String::from_utf8(output.stderr)?;
        assert_eq!(output.status.code(), Some(1), "{log}");
        assert!(log.contains("ERROR") && !log.contains("s3cret"), "{log}");
    }
    Ok(())
}
