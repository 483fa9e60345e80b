//! Short programs by task. Each is a file of `examples/`, and runs as it stands here.
//!
//! Longer ones are `examples/work_queue.rs`, a list that feeds worker processes;
//! `examples/many_dicts.rs`, ten thousand dictionaries in one hash; and `examples/shared_state.rs`,
//! a counter, a configuration and a set shared by processes.
//!
//! # Use a list as a work queue
//!
//! The plain queue delivers at most once. To keep a job whose worker dies, move each job to a list
//! of its worker, and remove it from there when it is done.
//!
//! ```
#![doc = include_str!("../examples/cookbook_queue.rs")]
//! ```
//!
//! # Use a queue that loses no job
//!
//! ```
#![doc = include_str!("../examples/cookbook_work_queue.rs")]
//! ```
//!
//! # Update a value that other programs update too
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
//! # Use it in an async program
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
//! # Load values that Redis does not have
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
//! # Subscribe to changes
//!
//! ```
#![doc = include_str!("../examples/cookbook_events.rs")]
//! ```
//!
//! # Read values that a Python program wrote
//!
//! ```
#![doc = include_str!("../examples/cookbook_python.rs")]
//! ```
//!
//! # Read values that bincode 1 wrote
//!
//! This needs `bincode`, version 2 with its feature `serde`, and `serde` among the dependencies.
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
