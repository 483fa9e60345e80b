//! Counts the threads and tasks that a client leaves behind.

use std::fs;

use super::kinds::RUNTIME;

/// The threads of the crate that work, serve or listen.
pub fn threads() -> usize {
    let tasks = fs::read_dir("/proc/self/task").expect("a list of threads").flatten();
    let names = tasks.filter_map(|task| fs::read_to_string(task.path().join("comm")).ok());
    names.filter(|name| ["redis-worker", "redis-listener"].contains(&name.trim())).count()
}

pub fn tasks() -> usize {
    RUNTIME.metrics().num_alive_tasks()
}
