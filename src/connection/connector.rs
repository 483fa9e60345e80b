//! The parameters of connections to a server.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use redis::{ConnectionAddr, ConnectionInfo, ProtocolVersion, RedisConnectionInfo, RedisError};

use super::health::{ClientHealth, ServerHealth};
use super::stream::Limits;
use super::transport_error::{TransportError, TransportResult};
use crate::error::{Error, Result};
use crate::lock::Lock;
use crate::time::Deadline;
use crate::time::Wait;

/// How to connect to one server. Clones share its counters and its generation.
#[derive(Clone)]
pub(crate) struct Connector {
    pub(crate) client: redis::Client,
    pub(crate) address: String,
    pub(crate) connect_timeout: Duration,
    pub(crate) response_timeout: Duration,
    pub(crate) call_timeout: Duration,
    pub(crate) name: Option<String>,
    /// The configuration of a TLS handshake, if the address requires one.
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<Arc<rustls::ClientConfig>>,
    /// Whether the server can be reached.
    pub(crate) health: Arc<ServerHealth>,
    client_health: Arc<ClientHealth>,
    failures: Arc<AtomicUsize>,
    generation: Arc<AtomicUsize>,
    /// When a generation was last retired because it led to the wrong server.
    retired_at: Arc<Lock<Option<Instant>>>,
}

impl Connector {
    pub(crate) fn new(url: &str) -> Result<Self> {
        let information = super::url::connection_info(url)?;
        let settings = information.redis_settings().clone().set_skip_set_lib_name();
        let tcp = information.tcp_settings().clone().set_nodelay(true);
        let information = information.set_redis_settings(settings).set_tcp_settings(tcp);
        let (address, client_health) =
            (information.addr().to_string(), Arc::<ClientHealth>::default());
        Ok(Self {
            health: client_health.server(&address),
            client_health,
            address,
            client: client_of(information)?,
            connect_timeout: DEFAULT_TIMEOUT,
            response_timeout: DEFAULT_TIMEOUT,
            call_timeout: DEFAULT_CALL_TIMEOUT,
            name: None,
            #[cfg(feature = "tls")]
            tls: None,
            failures: Arc::default(),
            generation: Arc::default(),
            retired_at: Arc::default(),
        })
    }

    /// A connector with the same parameters to another server.
    pub(crate) fn toward(&self, address: &str) -> Result<Self> {
        let unusable = || Error::Configuration(format!("{address:?} is not a host and a port"));
        let (host, port) = address.rsplit_once(':').ok_or_else(unusable)?;
        let (host, port) = (host.to_owned(), port.parse().map_err(|_| unusable())?);
        let address = match self.information().addr() {
            ConnectionAddr::TcpTls { insecure, tls_params, .. } => ConnectionAddr::TcpTls {
                host,
                port,
                insecure: *insecure,
                tls_params: tls_params.clone(),
            },
            _ => ConnectionAddr::Tcp(host, port),
        };
        self.with(self.information().clone().set_addr(address))
    }

    pub(crate) fn information(&self) -> &ConnectionInfo {
        self.client.get_connection_info()
    }

    /// The same limits, with everything else from `information`.
    pub(crate) fn with(&self, information: ConnectionInfo) -> Result<Self> {
        let address = information.addr().to_string();
        let client = client_of(information)?;
        let (failures, generation, retired_at) = Default::default();
        let health = self.client_health.server(&address);
        Ok(Self { client, address, health, failures, generation, retired_at, ..self.clone() })
    }

    /// The same connector, without a user.
    pub(crate) fn anonymous(&self) -> Result<Self> {
        let settings = RedisConnectionInfo::default().set_skip_set_lib_name();
        let protocol = self.information().redis_settings().protocol();
        let settings = settings.set_protocol(protocol);
        self.with(self.information().clone().set_redis_settings(settings))
    }

    /// The same connector, with the protocol that has push messages.
    pub(crate) fn with_resp3(&self) -> TransportResult<Self> {
        let settings = self.information().redis_settings().clone();
        let settings = settings.set_protocol(ProtocolVersion::RESP3);
        let connector = self.with(self.information().clone().set_redis_settings(settings));
        connector.map_err(|error| TransportError::connect(&self.address, error))
    }

    /// Makes it one of the client of `other`.
    pub(crate) fn join(&mut self, other: &Self) {
        self.client_health = other.client_health.clone();
        self.health = self.client_health.server(&self.address);
    }

    /// Records that the client is open, so that what happens to its connections is logged.
    pub(crate) fn open(&self) {
        self.client_health.open();
    }

    /// Limits all timeouts to `time`.
    pub(crate) fn cap_timeouts(&mut self, time: Duration) {
        self.connect_timeout = self.connect_timeout.min(time);
        self.response_timeout = self.response_timeout.min(time);
        self.call_timeout = self.call_timeout.min(time);
    }

    /// Returns whether the server is reached through a socket of this machine.
    pub(crate) fn is_local(&self) -> bool {
        matches!(self.information().addr(), ConnectionAddr::Unix(_))
    }

    /// Returns whether TLS is used: then only a reply shows that both sides accept each other's
    /// certificates.
    pub(crate) fn is_tls(&self) -> bool {
        matches!(self.information().addr(), ConnectionAddr::TcpTls { .. })
    }

    /// The deadline of a call that begins now.
    pub(crate) fn deadline(&self) -> Deadline {
        Deadline::after(Wait::For(self.call_timeout))
    }

    /// The limits of a call with this `deadline`.
    pub(crate) fn limits(&self, deadline: Deadline) -> Limits {
        Limits { silence: self.response_timeout, deadline }
    }

    /// How long the server may be silent. The limit of a whole call may be the shorter one.
    pub(crate) fn longest_silence(&self) -> Duration {
        self.response_timeout.min(self.call_timeout)
    }

    /// The deadline of a connection attempt that begins now.
    pub(crate) fn connect_deadline(&self) -> Deadline {
        Deadline::after(Wait::For(self.connect_timeout))
    }

    /// How many connections have failed. After a failure the others may be dead too.
    pub(crate) fn failures(&self) -> usize {
        self.failures.load(Ordering::Relaxed)
    }

    /// Counts a connection that failed, so that idle ones are probed.
    pub(crate) fn count_failure(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    /// The generation of new connections. Those of older generations are not used again.
    pub(crate) fn generation(&self) -> usize {
        self.generation.load(Ordering::Acquire)
    }

    /// Retires a generation, because the address may now lead to another server. Returns whether
    /// the next call uses another connection. If the last generation was retired less than 250 ms
    /// ago, this one stays: while the address leads to the same server, not every call reconnects.
    pub(crate) fn retire_demoted(&self, generation: usize) -> bool {
        let mut retired_at = self.retired_at.lock();
        if generation == self.generation() {
            if retired_at.is_some_and(|time| time.elapsed() < RETIRE_INTERVAL) {
                return false;
            }
            *retired_at = Some(Instant::now());
            self.retire_connections(generation);
        }
        true
    }

    /// Retires a generation, unless it is retired: replies may not belong to their requests.
    pub(crate) fn retire_connections(&self, generation: usize) {
        let next = generation.wrapping_add(1);
        // A failed exchange means that another thread has retired the same generation.
        let _ =
            self.generation.compare_exchange(generation, next, Ordering::AcqRel, Ordering::Relaxed);
    }
}

/// The driver's client. A user without a password gets an empty one: the driver would otherwise
/// leave the user out, and the server would take its default user.
fn client_of(information: ConnectionInfo) -> Result<redis::Client> {
    let settings = information.redis_settings();
    let lacks_password = settings.username().is_some() && settings.password().is_none();
    let completed = lacks_password.then(|| settings.clone().set_password(""));
    let information = match completed {
        Some(settings) => information.set_redis_settings(settings),
        None => information,
    };
    redis::Client::open(information).map_err(|error| Error::Configuration(error.to_string()))
}

/// The error of an operation that took too long.
pub(crate) fn timed_out() -> RedisError {
    std::io::Error::new(std::io::ErrorKind::TimedOut, LATE).into()
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connector({})", self.address)
    }
}

pub(crate) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);
pub(crate) const DEFAULT_CALL_TIMEOUT: Duration = Duration::from_secs(60);

const LATE: &str = "timed out without an answer";

/// The shortest time between two retirements while an address leads to a demoted master.
const RETIRE_INTERVAL: Duration = Duration::from_millis(250);
