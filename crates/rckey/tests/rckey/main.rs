//! The program `rckey`, as it is run.

mod listing;
mod output;
mod reading;
mod usage;
mod watching;
mod writing;

use std::process::Command;

use redis_collections::keyword::{Dispatcher, Keyword};
use serde_json::Value;
use support::kinds::client;
use support::program::{Case, Program, Said};

const PROGRAM: Program = Program { name: "rckey", path: env!("CARGO_BIN_EXE_rckey") };

/// The program with arguments that have no spaces in them.
fn rckey(arguments: &str) -> Command {
    PROGRAM.command(arguments)
}

fn objects(arguments: &str) -> Vec<Value> {
    PROGRAM.objects(arguments)
}

fn check<const N: usize>(cases: [(&str, Said); N]) {
    PROGRAM.check(&cases.map(|(arguments, said)| Case(arguments, b"", said)));
}

/// A service with a keyword of each kind that matters.
fn dome(service: &str) -> Dispatcher {
    let azimuth = Keyword::double("AZ").units("deg").range(0.0..=360.0).initial(12.5);
    let shutter = Keyword::enumerated("SHUTTER", ["closed", "open"]).initial(0);
    Dispatcher::builder(service)
        .keyword(azimuth.help("where the opening points"))
        .keyword(shutter)
        .keyword(Keyword::mask("LIMITS", ["low", "high", "wind"]).read_only().initial(5))
        .keyword(Keyword::boolean("LAMP").initial(true))
        .keyword(Keyword::string("NOTE").initial("a\tb\nc"))
        .keyword(Keyword::string("SECRET").write_only().on_write(|_| Ok::<_, String>(())))
        .keyword(Keyword::integer("COUNT"))
        .serve(&client())
        .expect("a name that is free")
}
