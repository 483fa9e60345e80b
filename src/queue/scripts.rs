//! The server-side scripts of a queue. Every script names its keys, takes the server's time, works
//! on a thousand items at most, and reads and pushes before it trims.
//!
//! Those that workers need begin with a write that takes no memory, since a server that is out of
//! memory refuses only the first write of a script. So a full server can be drained, on servers of
//! every age: a `#!lua flags=allow-oom` would be a syntax error before Redis 7.

use crate::request::Script;

macro_rules! scripts {
    ($made:ident; $($script:ident = $name:literal: $($source:expr),+;)+) => {$(
        pub(super) static $script: Script = Script::$made($name, concat!($($source),+));
    )+};
}

macro_rules! lua {
    ($file:literal) => {
        include_str!(concat!("lua/", $file, ".lua"))
    };
}

scripts! {
    new;
    POLL = "a poll of a consumer":
        "local function settle(clock, now) ", lua!("envelope"), lua!("settle"), "end ",
        lua!("entered"), lua!("poll");
    RECOVER = "the recovery of a consumer": lua!("recover");
    LEAVE = "the unregistration of a consumer": lua!("leave");
    RENEW_LEASES = "a lease renewal of consumers": lua!("renew_leases");
    EXPIRED = "a search for lost consumers": lua!("expired");
    RETIRED = "a check of retired ids": lua!("retired");
    COUNT = "a count of claimed jobs": lua!("count");
    REAP = "the return of lost jobs": lua!("envelope"), lua!("reap");
    PUSH_UNIQUE = "push_unique": lua!("push_unique");
    REQUEUE = "requeue": lua!("envelope"), lua!("requeue");
    CONSUMERS = "a list of consumers": lua!("consumers");
    STATS = "stats": lua!("envelope"), lua!("entered"), lua!("stats");
}

scripts! {
    of_one_write;
    PUSH_LATER = "push_in": lua!("envelope"), lua!("push_later");
    PUSH_BOUNDED = "try_push": lua!("push_bounded");
    PURGE = "purge": lua!("purge");
}
