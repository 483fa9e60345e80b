//! Tests of programs that use this crate: a server that all tests share, names that keep them
//! apart, and faults on the way to the server.
//!
//! ```
//! use redis_collections::testing::FaultProxy;
//! use redis_collections::{Client, LocalServer, RedisList};
//!
//! let server = LocalServer::shared()?;
//! let names = server.namespace();
//! let proxy = FaultProxy::to(server.url())?;
//! let client = Client::open(proxy.url())?;
//! let orders: RedisList<String> = RedisList::new(&client, names.name("orders"));
//!
//! proxy.cut();
//! assert!(orders.push_back("3 pears").is_err());
//! proxy.forward();
//! orders.push_back("3 pears")?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod fault_proxy;
mod namespace;
mod shared_server;

pub use self::fault_proxy::FaultProxy;
pub use self::namespace::Namespace;
pub use self::shared_server::SharedServer;
