//! A queue that the program has opened.

use std::io::{self, Write};

use redis_collections::WorkQueue;
use serde_json::Value;

use crate::arguments::{Arguments, Queue};
use crate::base64;
use crate::connect;
use redis_collections_cli::failure::Failure;
use redis_collections_cli::program::print_object;
use redis_collections_cli::shown;

/// A queue whose jobs are arbitrary bytes.
pub(crate) type Bytes = WorkQueue<Vec<u8>>;

/// A queue, with its name and the format of the output.
pub(crate) struct Opened {
    pub(crate) queue: Bytes,
    pub(crate) name: Vec<u8>,
    pub(crate) json: bool,
}

impl Opened {
    pub(crate) fn new(arguments: &Arguments, queue: &Queue) -> Result<Self, Failure> {
        // The bytes of an argument are unchanged on Unix.
        let name = queue.name.as_encoded_bytes().to_vec();
        if name.is_empty() {
            return Err(Failure::usage("the name of a queue is empty".into()));
        }
        let queue = WorkQueue::new(&connect::client(arguments)?, name.clone());
        Ok(Self { queue, name, json: arguments.options.json })
    }

    /// Like [`new`](Self::new), but fails if no key of the queue exists.
    pub(crate) fn existing(arguments: &Arguments, queue: &Queue) -> Result<Self, Failure> {
        let opened = Self::new(arguments, queue)?;
        if opened.queue.exists()? {
            return Ok(opened);
        }
        let name = opened.shown_name();
        let problem = format!("there is no queue {name}; `rcq list` lists those of the database");
        Err(Failure::new(Failure::FAILED, problem))
    }

    /// Prints the outcome, as an object with `fields` or as a text.
    pub(crate) fn say(&self, mut fields: Value, text: &str) -> Result<(), Failure> {
        fields["queue"] = base64::json(&self.name);
        if self.json { print_object(&fields) } else { Ok(writeln!(io::stdout(), "{text}")?) }
    }

    pub(crate) fn shown_name(&self) -> String {
        shown::text(&self.name)
    }
}
