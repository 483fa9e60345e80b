//! A dispatcher and its clients when another server takes over.

use std::time::Instant;

use redis_collections::keyword::Keyword;

use crate::{dome, serve};
use support::contract::{ok, on_both_kinds, settle};
use support::eventually;
use support::kinds::Kind;
use support::servers::PATIENCE;
use support::servers::sentinel::Sentinels;
use support::wire::Wire;

on_both_kinds! { a_service_moves_to_the_new_master }

async fn a_service_moves_to_the_new_master<C: Kind>() {
    let mut sentinels = Sentinels::start().unwrap();
    let builder = || C::sentinel_builder(&sentinels.urls(), sentinels.name());
    let (client, other) = (C::build(builder()).await.unwrap(), C::build(builder()).await.unwrap());
    let dispatcher = serve(&client, [Keyword::integer("N").initial(1)]).await.unwrap();
    let mut last = 1;
    for is_planned in [true, false] {
        assert_eq!(ok!(dome(&other).write("N", last + 1)).value, (last + 1).into());
        let new = match is_planned {
            true => sentinels.failover().unwrap(),
            false => {
                let old = sentinels.kill_master().unwrap();
                sentinels.wait_for_new_master(old).unwrap()
            }
        };
        last += 2;
        // Until both have found the new master.
        let deadline = Instant::now() + PATIENCE;
        while let Err(error) = settle!(dome(&other).write("N", last)) {
            assert!(Instant::now() < deadline, "{error}");
        }
        let mut wire = Wire::to(&sentinels.server_url(new), "dome");
        assert_eq!(wire.value("N"), Some(last.to_string()));
        assert!(eventually(|| wire.lease().is_some() && wire.is_registered()));
        assert_eq!(wire.status("N").as_deref(), Some("ready"));
        assert!(eventually(|| dispatcher.get("N").unwrap() == Some(last.into())));
        assert!(dispatcher.is_serving());
    }
}
