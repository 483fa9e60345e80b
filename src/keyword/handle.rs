use std::fmt;
use std::marker::PhantomData;

use super::dispatcher::Dispatcher;
use super::kind::Kind;
use super::value::Value;
use crate::error::Result;
use crate::executor::{Client, RoundTrips};

/// One keyword of a [`Dispatcher`], with the Rust type of its values. It keeps the dispatcher alive.
pub struct Handle<T, E: RoundTrips = Client> {
    dispatcher: Dispatcher<E>,
    name: String,
    value: PhantomData<fn(T) -> T>,
}

/// A Rust type of the values of keywords: `f64`, `i64` (also for what is enumerated and for masks), `bool`
/// and `String`.
#[diagnostic::on_unimplemented(
    message = "keywords have no values of the type `{Self}`",
    note = "there are `f64`, `i64`, `bool` and `String`"
)]
pub trait KeywordValue: Into<Value> + sealed::Sealed {
    #[doc(hidden)]
    fn of(value: &Value) -> Option<Self>;
    #[doc(hidden)]
    fn fits(kind: Kind) -> bool;
}

impl<T: KeywordValue, E: RoundTrips> Handle<T, E> {
    pub(super) fn new(dispatcher: &Dispatcher<E>, name: &str) -> Self {
        Self { dispatcher: dispatcher.clone(), name: name.to_owned(), value: PhantomData }
    }

    /// Gives it a value, as [`Dispatcher::set`].
    pub fn set(&self, value: T) -> E::Reply<()> {
        self.dispatcher.set(&self.name, value)
    }

    /// Its value, if it has one. Asks nobody.
    pub fn get(&self) -> Result<Option<T>> {
        Ok(self.dispatcher.get(&self.name)?.as_ref().and_then(T::of))
    }
}

/// Declares a struct of the keywords of a service, each with the Rust type of its values.
///
/// The struct has `keywords()`, for the making of a dispatcher, and `of(&dispatcher)`, which gives the
/// struct with a [`Handle`](crate::keyword::Handle) for each of them. Both evaluate the definitions.
///
/// ```
/// # let server = redis_collections::LocalServer::start()?;
/// # let client = redis_collections::Client::open(server.url())?;
/// use redis_collections::keyword::{Dispatcher, Keyword};
///
/// redis_collections::keywords! {
///     /// A dome.
///     pub struct Dome {
///         /// Where the opening points.
///         azimuth: f64 = Keyword::double("AZ").units("deg").initial(0.0),
///         shutter: i64 = Keyword::enumerated("SHUTTER", ["closed", "open"]).read_only(),
///     }
/// }
///
/// let dispatcher = Dispatcher::builder("dome").keywords(Dome::keywords()).serve(&client)?;
/// let dome = Dome::of(&dispatcher)?;
/// dome.shutter.set(1)?;
/// assert_eq!((dome.azimuth.get()?, dome.shutter.get()?), (Some(0.0), Some(1)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[macro_export]
macro_rules! keywords {
    ($(#[$about:meta])* $visible:vis struct $service:ident {
        $($(#[$keyword_about:meta])* $keyword:ident: $value:ty = $definition:expr),+ $(,)?
    }) => {
        $(#[$about])*
        #[derive(Debug)]
        $visible struct $service<E: $crate::RoundTrips = $crate::Client> {
            $($(#[$keyword_about])* pub $keyword: $crate::keyword::Handle<$value, E>,)+
        }

        impl<E: $crate::RoundTrips> $service<E> {
            /// The keywords, for the making of a dispatcher.
            pub fn keywords() -> ::std::vec::Vec<$crate::keyword::Keyword<E>> {
                ::std::vec![$($definition),+]
            }

            /// The keywords of a dispatcher that has them.
            pub fn of(
                dispatcher: &$crate::keyword::Dispatcher<E>,
            ) -> $crate::Result<Self> {
                ::std::result::Result::Ok(Self {
                    $($keyword: {
                        let definition: $crate::keyword::Keyword<E> = $definition;
                        dispatcher.handle(definition.name())?
                    },)+
                })
            }
        }
    };
}

macro_rules! values {
    ($($type:ty: $kinds:pat, $value:pat => $read:expr;)+) => {$(
        impl sealed::Sealed for $type {}

        impl KeywordValue for $type {
            fn of(value: &Value) -> Option<Self> {
                match value {
                    $value => $read,
                    _ => None,
                }
            }

            fn fits(kind: Kind) -> bool {
                matches!(kind, $kinds)
            }
        }
    )+};
}

values! {
    f64: Kind::Double | Kind::Float, Value::Number(number) => Some(*number);
    i64: Kind::Integer | Kind::Enumerated | Kind::Mask, Value::Integer(integer) => Some(*integer);
    bool: Kind::Boolean, Value::Boolean(boolean) => Some(*boolean);
    String: Kind::String | Kind::Basic, Value::Text(text) => Some(text.clone());
}

mod sealed {
    pub trait Sealed {}
}

impl<T, E: RoundTrips> fmt::Debug for Handle<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Handle").field(&self.name).finish()
    }
}
