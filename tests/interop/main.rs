//! Data and events shared with the Python libraries themselves, in both directions; `make interop`
//! installs them and runs this.

mod cache;
mod cache_client;
mod cache_names;
mod cache_races;
mod cauldron;
mod events;
mod floats;
mod near;
mod peer;
mod pubsub_dict;
mod pydict;
mod values;
