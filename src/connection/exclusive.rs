//! A connection that is not shared: successive replies come from one process.

use std::any::Any;

/// The dedicated connection of one scan, if there is one.
#[derive(Default)]
pub(crate) struct ExclusiveConnection {
    connection: Option<Box<dyn Any + Send>>,
    address: String,
    number: u64,
}

impl ExclusiveConnection {
    /// Takes the connection to the server at `address`. It must be [kept](Self::keep) to be used
    /// again.
    pub(crate) fn take<T: 'static>(&mut self, address: &str) -> Option<T> {
        let connection = self.connection.take()?.downcast().ok()?;
        (self.address == address).then_some(*connection)
    }

    /// Keeps a connection to the server at `address` for the next page.
    pub(crate) fn keep<T: Send + 'static>(&mut self, connection: T, address: &str) {
        self.connection = Some(Box::new(connection));
        address.clone_into(&mut self.address);
    }

    /// Counts a new connection of the scan.
    pub(crate) fn count_new(&mut self) {
        self.number += 1;
    }

    /// The number of the current one among the scan's connections.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }
}
