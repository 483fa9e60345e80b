use std::fmt;
use std::marker::PhantomData;

use super::dispatcher::Dispatcher;
use super::keyword_value::KeywordValue;
use crate::client::{Client, RoundTrips};
use crate::error::Result;

/// A keyword of a [`Dispatcher`], with the Rust type of its values. It keeps the dispatcher alive.
pub struct Handle<T, E: RoundTrips = Client> {
    dispatcher: Dispatcher<E>,
    name: String,
    value: PhantomData<fn(T) -> T>,
}

impl<E: RoundTrips> Dispatcher<E> {
    /// Returns a keyword with the Rust type of its values. A type that does not fit the keyword is
    /// an error.
    pub fn handle<T: KeywordValue>(&self, name: &str) -> Result<Handle<T, E>> {
        let (dispatcher, name) = (self.clone(), self.fitting(name, T::fits)?);
        Ok(Handle { dispatcher, name, value: PhantomData })
    }
}

impl<T: KeywordValue, E: RoundTrips> Handle<T, E> {
    /// Sets the keyword, as [`Dispatcher::set`].
    pub fn set(&self, value: T) -> E::Reply<()> {
        self.dispatcher.set(&self.name, value)
    }

    /// Returns the value, if there is one. Sends nothing.
    pub fn get(&self) -> Result<Option<T>> {
        Ok(self.dispatcher.get(&self.name)?.as_ref().and_then(T::of))
    }
}

/// Declares a struct with the keywords of a service, each with the Rust type of its values.
///
/// The struct has `keywords()`, for building a dispatcher, and `of(&dispatcher)`, which returns the
/// struct with a [`Handle`](crate::keyword::Handle) for each keyword. Both evaluate the
/// definitions.
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
            /// Returns the keywords, for building a dispatcher.
            pub fn keywords() -> ::std::vec::Vec<$crate::keyword::Keyword<E>> {
                ::std::vec![$($definition),+]
            }

            /// Returns the keywords of a dispatcher that serves them.
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

impl<T, E: RoundTrips> fmt::Debug for Handle<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Handle").field(&self.name).finish()
    }
}
