//! The scripts of dispatchers, put together from their fragments.

use crate::request::Script;

macro_rules! script {
    ($about:literal: $($file:literal),+) => {
        Script::new($about, concat!($(include_str!(concat!("lua/", $file))),+))
    };
}

pub(super) static CLAIM: Script = script!("the start of a dispatcher": "claim.lua");
pub(super) static PAGE: Script = script!(
    "a page of keywords":
    "holder.lua", "lease.lua", "status.lua", "put.lua", "overwritten.lua", "page.lua"
);
pub(super) static ELSEWHERE: Script = script!("the databases of a service": "elsewhere.lua");
pub(super) static BEGIN: Script = script!(
    "the begin of a write": "holder.lua", "lease.lua", "status.lua", "answer.lua", "over.lua",
    "begin.lua"
);
pub(super) static UPDATE: Script = script!(
    "a new value":
    "holder.lua", "lease.lua", "status.lua", "put.lua", "overwritten.lua", "answer.lua", "over.lua",
    "update.lua"
);
/// Permitted even after the dispatcher has released its lease, as long as no other one holds it.
pub(super) static REFUSE: Script =
    script!("the refusal of a value": "status.lua", "answer.lua", "refuse.lua");
pub(super) static REFUSE_WITHOUT_STATUS: Script =
    script!("the refusal of a value": "answer.lua", "decline.lua");
pub(super) static RENEW: Script =
    script!("the lease of a dispatcher": "holder.lua", "lease.lua", "renew.lua");
pub(super) static CLOSE: Script = script!("the last requests to a dispatcher": "close.lua");
pub(super) static ABANDON: Script =
    script!("the end of a write": "status.lua", "answer.lua", "abandon.lua");
pub(super) static RELEASE: Script = script!("the end of a dispatcher": "leave.lua");
