//! Errors that do not pass by themselves are not hidden.

use redis::cmd;
use redis_collections::{LocalServer, Result};

use super::minute;
use super::source::{Cache, Loads, Source, call, get};
use support::concurrent::on_threads_and_tasks;
use support::servers::{Outcome, query, run};

on_threads_and_tasks![a_value_of_another_type_is_an_error, a_missing_right_is_an_error,];

fn a_value_of_another_type_is_an_error<C: Loads>() -> Outcome {
    let (server, source) = (LocalServer::start()?, Source::of(7));
    let cache = source.cache(&C::connect(C::builder(server.url())), minute());
    query::<()>(server.url(), "LPUSH c~rc:cache:1 x")?;
    refused_as(&cache, &["WRONGTYPE"]);
    assert_eq!((source.loads(), cache.stats().without_redis), (0, 0));
    assert!(call!(cache.delete(&1))?);
    assert_eq!(get(&cache, 1)?, Some(7));
    Ok(())
}

fn a_missing_right_is_an_error<C: Loads>() -> Outcome {
    for rights in
        ["~* +@all -@scripting", "~* +@all -hset", "~c~rc:cache:? +@all", "~* +@all -get -mget"]
    {
        let (server, source) = (LocalServer::start()?, Source::of(7));
        let mut user = cmd("ACL");
        user.arg("SETUSER").arg("ann").arg("reset").arg("on").arg(">pw");
        let () = run(server.url(), user.arg(rights.split(' ').collect::<Vec<_>>()))?;
        let client = C::connect(C::builder(server.url()).user("ann").password("pw"));
        let cache = source.cache(&client, minute());
        // Some servers answer `ERR` to a command that a script may not use.
        refused_as(&cache, &["NOPERM", "ERR"]);
        assert_eq!((source.loads(), cache.stats().without_redis), (0, 0), "{rights}");
    }
    Ok(())
}

fn refused_as<C: Loads>(cache: &Cache<C>, codes: &[&str]) {
    let results: [Result<()>; 3] = [
        get(cache, 1).map(drop),
        call!(cache.get_many(&[1, 1])).map(drop),
        call!(cache.set(&1)).map(drop),
    ];
    for result in results {
        let error = result.expect_err("a value");
        assert!(error.code().is_some_and(|code| codes.contains(&code)), "{error}");
    }
}
