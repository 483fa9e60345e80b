//! What a hit of a near cache costs beside the bare cache it is made of, the driver's and the
//! server, and what near caches and messages cost those who write.
//!
//! All are measured in turns, so that whatever else the machine does meets all alike, and tables
//! show the medians.

mod contestant;
mod reads;
mod writes;

use redis_collections::LocalServer;
use tokio::runtime::Runtime;

use contestant::{Contestant, medians};

fn main() {
    let server = LocalServer::start().unwrap();
    let runtime = Runtime::new().unwrap();
    let reads = reads::contestants(server.url(), &runtime);
    println!("Nanoseconds for a value on each of so many threads, and how often the first line");
    compare(&reads, &[1, 2, 4]);
    drop(reads);

    let servers: Vec<_> = (0..writes::SERVERS).map(|_| LocalServer::start().unwrap()).collect();
    let urls: Vec<_> = servers.iter().map(LocalServer::url).collect();
    let writes = writes::contestants(&urls.try_into().unwrap());
    println!("Nanoseconds for a write, and how often the first line");
    compare(&writes, &[1]);
}

fn compare(contestants: &[Contestant], threads: &[usize]) {
    print!("{:44}", "threads");
    threads.iter().for_each(|threads| print!(" | {threads:>10} {:>7}", ""));
    println!();
    let columns: Vec<_> = threads.iter().map(|&threads| medians(contestants, threads)).collect();
    for (line, contestant) in contestants.iter().enumerate() {
        print!("{:44}", contestant.name);
        for column in &columns {
            print!(" | {:>10.1} {:>7.2}", column[line], column[line] / column[0]);
        }
        println!();
    }
    println!();
}
