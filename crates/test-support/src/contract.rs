//! Macros that run scenarios on all four kinds of client (blocking or async, on a server or a
//! cluster), and that call the operations of the client of a scenario.

/// Runs each scenario, an `async fn(client, name)`, on all four kinds of client, with a name that
/// no other scenario has.
#[macro_export]
macro_rules! contract {
    ($($scenario:ident),+ $(,)?) => {
        $crate::contract_on_servers!($($scenario),+);
        $crate::contract_on_clusters!($($scenario),+);
    };
    (@$kind:ident $client:ty; $($scenario:ident),+) => {
        mod $kind {
            $(
                #[test]
                fn $scenario() {
                    let name = concat!(module_path!(), "-", stringify!($scenario));
                    let scenario = |client: $client| super::$scenario(client, name);
                    $crate::kinds::$kind(name, scenario);
                }
            )+
        }
    };
}

/// Like [`contract!`], on the clients of one server only.
#[macro_export]
macro_rules! contract_on_servers {
    ($($scenario:ident),+ $(,)?) => {
        $crate::contract!(@on_client redis_collections::Client; $($scenario),+);
        $crate::contract!(
            @on_async_client redis_collections::AsyncClient; $($scenario),+
        );
    };
}

/// Like [`contract!`], on the clients of a cluster only.
#[macro_export]
macro_rules! contract_on_clusters {
    ($($scenario:ident),+ $(,)?) => {
        $crate::contract!(@on_cluster redis_collections::Client; $($scenario),+);
        $crate::contract!(
            @on_async_cluster redis_collections::AsyncClient; $($scenario),+
        );
    };
}

/// Runs each scenario, an `async fn<C: Kind>()` that makes its own clients, with `Client` and with
/// `AsyncClient`.
#[macro_export]
macro_rules! on_both_kinds {
    ($($scenario:ident),+ $(,)?) => {
        $crate::on_both_kinds!(@client redis_collections::Client; $($scenario),+);
        $crate::on_both_kinds!(
            @async_client redis_collections::AsyncClient; $($scenario),+
        );
    };
    (@$kind:ident $client:ty; $($scenario:ident),+) => {
        mod $kind {
            $(
                #[test]
                fn $scenario() {
                    use $crate::kinds::Kind;
                    <$client>::finish(super::$scenario::<$client>());
                }
            )+
        }
    };
}

/// The result of a call on a client of kind `C`.
#[macro_export]
macro_rules! settle {
    ($call:expr) => {
        C::settle($call).await
    };
}

/// The value of a successful call on a client of kind `C`.
#[macro_export]
macro_rules! ok {
    ($call:expr) => {
        C::settle($call).await.expect(stringify!($call))
    };
}

/// The value of a successful call with a function of the test's own.
#[macro_export]
macro_rules! ok_within {
    ($call:expr) => {
        C::settle_within($call).await.expect(stringify!($call))
    };
}

/// The elements of a successful iteration on a client of kind `C`, in order.
#[macro_export]
macro_rules! sorted {
    ($scan:expr) => {{
        let found: redis_collections::Result<Vec<_>> =
            C::collect($scan).await.into_iter().collect();
        let mut found = found.expect(stringify!($scan));
        found.sort();
        found
    }};
}

pub use crate::{
    contract, contract_on_clusters, contract_on_servers, ok, ok_within, on_both_kinds, settle,
    sorted,
};
