//! Short programs by task. Each is a file in `examples/` and runs as it stands.
//!
//! Longer programs are `examples/work_queue.rs`, a list that feeds worker processes;
//! `examples/many_dicts.rs`, ten thousand dictionaries in one hash; and `examples/shared_state.rs`,
//! a counter, a configuration and a set shared by processes.
//!
//! # Use a list as a work queue
//!
//! A plain list delivers each job at most once. To keep the job of a dead worker, move each job to
//! a list of its worker, and remove it there when it is done.
//!
//! ```
#![doc = include_str!("../examples/cookbook_queue.rs")]
//! ```
//!
//! # Deliver each job at least once
//!
//! ```
#![doc = include_str!("../examples/cookbook_work_queue.rs")]
//! ```
//!
//! # Change a value that other clients change
//!
//! ```
#![doc = include_str!("../examples/cookbook_update.rs")]
//! ```
//!
//! # Send many commands in one round trip
//!
//! ```
#![doc = include_str!("../examples/cookbook_pipeline.rs")]
//! ```
//!
//! # Write an async program
//!
//! ```
#![doc = include_str!("../examples/cookbook_async.rs")]
//! ```
//!
//! # Grow to a cluster
//!
//! ```
#![doc = include_str!("../examples/cookbook_cluster.rs")]
//! ```
//!
//! # Let entries expire
//!
//! ```
#![doc = include_str!("../examples/cookbook_expiry.rs")]
//! ```
//!
//! # Cache values in the program
//!
//! ```
#![doc = include_str!("../examples/cookbook_cache.rs")]
//! ```
//!
//! # Load missing values
//!
//! ```
#![doc = include_str!("../examples/cookbook_read_through.rs")]
//! ```
//!
//! # Serve the values of an instrument
//!
//! ```
#![doc = include_str!("../examples/cookbook_keywords.rs")]
//! ```
//!
//! # Receive change events
//!
//! ```
#![doc = include_str!("../examples/cookbook_events.rs")]
//! ```
//!
//! # Read values of Python programs
//!
//! ```
#![doc = include_str!("../examples/cookbook_python.rs")]
//! ```
//!
//! # Read values of bincode 1
//!
//! This program depends on `bincode`, version 2 with its feature `serde`, and on `serde`.
//!
//! ```
#![doc = include_str!("../examples/cookbook_bincode.rs")]
//! ```
//!
//! # Find out whether a failed write was applied
//!
//! ```
#![doc = include_str!("../examples/cookbook_errors.rs")]
//! ```
//!
//! # Bring your own pool
//!
//! ```
#![doc = include_str!("../examples/cookbook_pool.rs")]
//! ```
