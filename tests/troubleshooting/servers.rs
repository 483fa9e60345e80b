//! The errors of servers for tests. They depend on the environment, so each is made in a program
//! of its own.

use std::env;
use std::process::Command;

use redis_collections::LocalServer;
use redis_collections::testing::FaultProxy;

use super::{Messages, Outcome, told};

/// Set in the programs that this one starts.
const PART: &str = "TROUBLESHOOTING_PART";

pub(super) fn messages() -> Outcome<Messages> {
    let proxy = FaultProxy::to("unix:///path").unwrap_err();
    Ok(vec![
        ("No server program", child("start", "REDIS_SERVER", "no-such-program")?),
        ("No server program", child("share", "REDIS_SERVER", "no-such-program")?),
        (
            "A server that does not start",
            child("start with nonsense", PART, "start with nonsense")?,
        ),
        ("REDIS_URL cannot be used", child("share", "REDIS_URL", "host:6379")?),
        ("FaultProxy and its URL", told(proxy, &[])),
    ])
}

/// The message of a part in a program with another environment.
fn child(part: &str, variable: &str, value: &str) -> Outcome<String> {
    let mut command = Command::new(env::current_exe()?);
    command.args(["--exact", "servers::a_part_of_another_test", "--nocapture"]);
    command.env_remove("REDIS_URL").env(variable, value).env(PART, part);
    let printed = String::from_utf8(command.output()?.stdout)?;
    let message = printed.lines().find_map(|line| line.split_once(MARK));
    Ok(message.ok_or(printed.clone())?.1.to_owned())
}

/// Makes an error if another test has asked for it.
#[test]
fn a_part_of_another_test() {
    let error = match env::var(PART).as_deref() {
        Ok("start") => LocalServer::start().err(),
        Ok("start with nonsense") => LocalServer::start_with(&["--no-such-setting", "1"]).err(),
        Ok("share") => LocalServer::shared().err(),
        _ => return,
    };
    let message = error.expect("an error").to_string();
    println!("{MARK}{}", message.lines().next().unwrap_or_default());
}

const MARK: &str = "message: ";
