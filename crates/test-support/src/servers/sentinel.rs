//! Real sentinels that watch over a master and its replica on 127.0.0.1.

use super::logs::{end_of, field, log_of};
use super::{Outcome, free_port, query, url, wait_for};
use crate::{eventually, send_signal};
use redis::{FromRedisValue, RedisResult};
use redis_collections::LocalServer;
use std::{
    collections::HashMap,
    fs::{self, File},
    io,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
};

const NAME: &str = "mymaster";
const SENTINELS: usize = 3;
const QUORUM: usize = 2;

/// Ends the sentinel when the pipe it reads ends, as it does with its owner, however that ends.
const GUARDED_SENTINEL: &str = r#"
    program=${REDIS_SERVER:-$(command -v valkey-server || command -v redis-server)}
    "$program" "$1" --sentinel &
    read -r _
    kill -s KILL $!
    wait
"#;

/// The periods of sentinels that are a second or longer by default, in milliseconds.
///
/// During a failover they query the servers once a second nevertheless. They trust an answer for
/// five times PING-PERIOD, and undo a promotion that was not announced to them for four times
/// PUBLISH-PERIOD, so both must be longer than that second. One that was held up for two seconds,
/// by a busy machine or a slow disk, does nothing for TILT-PERIOD.
const PERIODS: &str =
    "INFO-PERIOD 500 PING-PERIOD 300 ASK-PERIOD 100 PUBLISH-PERIOD 500 TILT-PERIOD 2000";

/// Three sentinels, a master and one replica; the first server begins as the master.
///
/// The tests of a program take turns with theirs: with too little of the processor, sentinels take
/// servers for dead that are not.
pub struct Sentinels {
    // Dropped in this order: the sentinels do not see the servers end.
    sentinels: Vec<Sentinel>,
    servers: [LocalServer; 2],
    password: Option<String>,
    takeovers: Mutex<Vec<Takeover>>,
    _turn: MutexGuard<'static, ()>,
}

/// The progress of replication when a master began to be replaced. Writes that it acknowledged
/// beyond the offset at which the other server is promoted are lost, whatever a client does.
#[derive(Debug)]
#[expect(dead_code, reason = "its fields are printed")]
struct Takeover {
    cause: &'static str,
    old: usize,
    /// The master's offset in the stream of writes, a moment before.
    offset: String,
    /// Whether the replica was connected, its offset and how many seconds ago it last answered the
    /// master.
    replica: String,
}

impl Sentinels {
    pub fn start() -> Outcome<Self> {
        Self::start_as(None, &[])
    }

    /// The servers have further settings.
    pub fn start_with(settings: &[&str]) -> Outcome<Self> {
        Self::start_as(None, settings)
    }

    /// The servers demand the password, the sentinels do not.
    pub fn start_with_password(password: &str) -> Outcome<Self> {
        Self::start_as(Some(password), &[])
    }

    fn start_as(password: Option<&str>, settings: &[&str]) -> Outcome<Self> {
        static TURN: Mutex<()> = Mutex::new(());
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        // Promotions are in the log.
        let mut arguments = vec!["--repl-diskless-sync-delay", "0", "--loglevel", "notice"];
        arguments.extend(settings);
        if let Some(password) = password {
            arguments.extend(["--requirepass", password, "--masterauth", password]);
        }
        let master = LocalServer::start_with(&arguments)?;
        let port = master.port().to_string();
        arguments.extend(["--replicaof", "127.0.0.1", &port]);
        let servers = [master, LocalServer::start_with(&arguments)?];
        let password = password.map(str::to_owned);
        let takeovers = Mutex::default();
        let mut this = Self { sentinels: Vec::new(), servers, password, takeovers, _turn: turn };
        // Sentinels that find the replica at once need not look for it.
        wait_for("the replica", || this.is_in_sync(0))?;
        for number in 0..SENTINELS {
            let path = this.servers[0].unix_socket().with_file_name(format!("sentinel-{number}"));
            let settings = this.settings();
            // Another program may have taken its port.
            let sentinel = Sentinel::start(&path, &settings);
            this.sentinels.push(sentinel.or_else(|_| Sentinel::start(&path, &settings))?);
        }
        this.wait_until_healthy()?;
        Ok(this)
    }

    fn settings(&self) -> String {
        let port = self.servers[0].port();
        let mut lines = vec![
            format!("monitor {NAME} 127.0.0.1 {port} {QUORUM}"),
            format!("down-after-milliseconds {NAME} 1000"),
            format!("failover-timeout {NAME} 2000"),
            format!("parallel-syncs {NAME} 1"),
        ];
        lines.extend(self.password.iter().map(|password| format!("auth-pass {NAME} {password}")));
        lines.iter().map(|line| format!("sentinel {line}\n")).collect()
    }

    /// The name by which the sentinels know the master.
    pub fn name(&self) -> &'static str {
        NAME
    }

    pub fn urls(&self) -> Vec<String> {
        self.sentinels.iter().map(Sentinel::url).collect()
    }

    /// The master and the replica, in the order in which they were started.
    pub fn servers(&self) -> &[LocalServer] {
        &self.servers
    }

    /// The address of a server, with the password if there is one.
    pub fn server_url(&self, index: usize) -> String {
        url(self.servers[index].port(), self.password.as_deref())
    }

    /// The server that a sentinel names as the master.
    pub fn master(&self) -> Outcome<usize> {
        let sentinel = self.running().next().ok_or("no sentinel runs")?;
        self.master_according_to(sentinel)
    }

    /// Ends the master as a crash would.
    pub fn kill_master(&mut self) -> Outcome<usize> {
        let master = self.master()?;
        self.record("killed", master)?;
        self.servers[master].stop()?;
        Ok(master)
    }

    /// Lets the master hang until the other server is the master, and then go on as one that knows
    /// nothing of it.
    pub fn freeze_master(&self) -> Outcome<usize> {
        let master = self.master()?;
        self.record("frozen", master)?;
        send_signal("STOP", self.servers[master].process_id())?;
        let replaced = self.wait_for_new_master(master);
        send_signal("CONT", self.servers[master].process_id())?;
        replaced.map(|_| master)
    }

    /// Waits until the sentinels that run name another master and it takes writes.
    pub fn wait_for_new_master(&self, old: usize) -> Outcome<usize> {
        wait_for("another master", || {
            let masters = self.running().map(|sentinel| self.master_according_to(sentinel));
            let masters = masters.collect::<Outcome<Vec<_>>>()?;
            let agreed = masters.iter().all(|&master| master != old);
            Ok(agreed && self.replication_of(1 - old)?.contains("role:master"))
        })?;
        self.master()
    }

    /// Lets the sentinels exchange the master and the replica.
    pub fn failover(&self) -> Outcome<usize> {
        let old = self.master()?;
        self.begin_failover()?;
        let new = self.wait_for_new_master(old)?;
        self.wait_until_healthy()?;
        Ok(new)
    }

    /// Leaves the old master its role for 20 s after a planned failover instead of two.
    pub fn be_slow_to_demote(&self) -> Outcome {
        let slowly = "SENTINEL DEBUG PUBLISH-PERIOD 5000";
        Ok(self.running().try_for_each(|sentinel| query(&sentinel.url(), slowly))?)
    }

    /// As [`failover`](Self::failover), but waits for nothing.
    pub fn begin_failover(&self) -> Outcome {
        self.record("asked to give way", self.master()?)?;
        let sentinel = self.running().next().ok_or("no sentinel runs")?;
        Ok(sentinel.ask("FAILOVER")?)
    }

    /// Each takeover so far: how far the master was before it, and at which offset the other server
    /// was promoted.
    pub fn takeovers(&self) -> String {
        let takeovers = self.takeovers.lock().unwrap_or_else(PoisonError::into_inner);
        let mut shown: Vec<_> = takeovers.iter().map(|takeover| format!("{takeover:?}")).collect();
        for (index, server) in self.servers.iter().enumerate() {
            let info = self.replication_of(index).unwrap_or_default();
            let [role, offset, promoted] =
                ["role", "master_repl_offset", "second_repl_offset"].map(|name| field(&info, name));
            let port = server.port();
            shown.push(format!(
                "server {index}, port {port}: {role} at {offset}, promoted at {promoted}"
            ));
        }
        shown.join("\n")
    }

    fn record(&self, cause: &'static str, old: usize) -> Outcome {
        let info = self.replication_of(old)?;
        let [offset, replica] =
            ["master_repl_offset", "slave0"].map(|name| field(&info, name).to_owned());
        let takeover = Takeover { cause, old, offset, replica };
        self.takeovers.lock().unwrap_or_else(PoisonError::into_inner).push(takeover);
        Ok(())
    }

    /// Starts a server again and waits until it is the replica of the other one, or its master.
    pub fn restart(&mut self, index: usize) -> Outcome {
        self.servers[index].restart()?;
        self.wait_until_healthy()
    }

    /// Ends a sentinel; its address stays in [`urls`](Self::urls).
    pub fn kill_sentinel(&mut self, index: usize) -> io::Result<()> {
        self.sentinels[index].end()
    }

    /// Waits until the sentinels that run see each other, the master, its replica, and no trouble.
    fn wait_until_healthy(&self) -> Outcome {
        wait_for("healthy sentinels", || {
            let master = self.master()?;
            let running = self.running().count();
            for sentinel in self.running() {
                let state: HashMap<String, String> = sentinel.ask("MASTER")?;
                let replicas: Vec<HashMap<String, String>> = sentinel.ask("REPLICAS")?;
                let others: Vec<HashMap<String, String>> = sentinel.ask("SENTINELS")?;
                let healthy = self.master_according_to(sentinel)? == master
                    && is_fine(&state)
                    && replicas.len() == 1
                    && is_fine(&replicas[0])
                    && replicas[0]["master-link-status"] == "ok"
                    && others.iter().filter(|other| is_fine(other)).count() == running - 1;
                if !healthy {
                    return Ok(false);
                }
            }
            self.is_in_sync(master)
        })
    }

    fn is_in_sync(&self, master: usize) -> Outcome<bool> {
        Ok(self.replication_of(master)?.contains("state=online"))
    }

    fn replication_of(&self, index: usize) -> Outcome<String> {
        Ok(query(&self.server_url(index), "INFO replication")?)
    }

    fn master_according_to(&self, sentinel: &Sentinel) -> Outcome<usize> {
        let (_, port): (String, u16) = sentinel.ask("GET-MASTER-ADDR-BY-NAME")?;
        let index = self.servers.iter().position(|server| server.port() == port);
        index.ok_or_else(|| format!("a strange master at port {port}").into())
    }

    fn running(&self) -> impl Iterator<Item = &Sentinel> {
        self.sentinels.iter().filter(|sentinel| sentinel.runs())
    }
}

fn is_fine(instance: &HashMap<String, String>) -> bool {
    let troubles = ["s_down", "o_down", "disconnected", "failover_in_progress"];
    instance["flags"].split(',').all(|flag| !troubles.contains(&flag))
}

/// Prints the logs of the servers and sentinels if the test panics.
impl Drop for Sentinels {
    fn drop(&mut self) {
        if !thread::panicking() {
            return;
        }
        eprintln!("{}", self.takeovers());
        for server in &self.servers {
            eprintln!("the server at port {}:\n{}", server.port(), log_of(server));
        }
        for sentinel in &self.sentinels {
            let log = fs::read_to_string(&sentinel.log).unwrap_or_default();
            eprintln!("the sentinel at port {}:\n{}", sentinel.port, end_of(&log));
        }
    }
}

struct Sentinel {
    port: u16,
    log: PathBuf,
    guard: Child,
}

impl Sentinel {
    /// `path` is that of the settings, which the sentinel itself rewrites, in a private directory.
    fn start(path: &Path, settings: &str) -> Outcome<Self> {
        let port = free_port()?;
        fs::write(path, format!("port {port}\nbind 127.0.0.1\n{settings}"))?;
        let log = path.with_extension("log");
        let mut guard = Command::new("sh");
        guard.args(["-c", GUARDED_SENTINEL, "sh"]).arg(path).process_group(0);
        guard.stdin(Stdio::piped()).stdout(File::create(&log)?).stderr(Stdio::null());
        let sentinel = Self { port, log: log.clone(), guard: guard.spawn()? };
        let hurry = format!("SENTINEL DEBUG {PERIODS}");
        if eventually(|| query::<()>(&sentinel.url(), &hurry).is_ok()) {
            return Ok(sentinel);
        }
        Err(format!("no sentinel: {}", fs::read_to_string(log)?).into())
    }

    fn url(&self) -> String {
        url(self.port, None)
    }

    /// The reply to a command about the master.
    fn ask<T: FromRedisValue>(&self, command: &str) -> RedisResult<T> {
        query(&self.url(), &format!("SENTINEL {command} {NAME}"))
    }

    fn runs(&self) -> bool {
        self.guard.stdin.is_some()
    }

    fn end(&mut self) -> io::Result<()> {
        drop(self.guard.stdin.take());
        self.guard.wait().map(drop)
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        let _ = self.end();
    }
}
