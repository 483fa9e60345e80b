//! The program `rcq`, as it is run.

mod administration;
mod pushing;
mod servers;
mod statistics;
mod tls;
mod usage;

use std::process::Command;
use std::time::Duration;

use redis_collections::WorkQueue;
use serde_json::Value;
use support::kinds::client;
use support::program::{Case, Program};

const PROGRAM: Program = Program { name: "rcq", path: env!("CARGO_BIN_EXE_rcq") };

/// The program with arguments that have no spaces in them.
fn rcq(arguments: &str) -> Command {
    PROGRAM.command(arguments)
}

fn check(cases: &[Case]) {
    PROGRAM.check(cases);
}

fn objects(arguments: &str) -> Vec<Value> {
    PROGRAM.objects(arguments)
}

fn queue(name: &str) -> WorkQueue<Vec<u8>> {
    WorkQueue::new(&client(), name)
}

/// Claims the next jobs and buries them.
fn bury(name: &str, jobs: usize, reason: &str) {
    let mut consumer = queue(name).consumer();
    for _ in 0..jobs {
        consumer.next(Duration::ZERO).expect("a server").expect("a job").bury(reason);
    }
    consumer.close().expect("a server");
}

const NOTHING: &[u8] = b"";
