use std::fmt;

use crate::client::{Client, Executor};
use crate::error::Result;
use crate::keys::escape;
use crate::limits::ENTRIES_PER_COMMAND;
use crate::random::unique_id;
use crate::reply;
use crate::request::Request;

/// Names that no other test uses, on a server that several share.
///
/// When it is dropped, all keys whose names begin with its prefix are removed, and no others. The
/// keys that this crate keeps beside collections are among them. Create it before the collections
/// of a test, so that it is dropped after their consumers and caches. The keys of a test program
/// that is killed stay; they begin with `test-`.
pub struct Namespace {
    client: Client,
    prefix: String,
}

impl Namespace {
    pub(super) fn new(client: &Client) -> Self {
        Self { client: client.clone(), prefix: format!("test-{}:", unique_id()) }
    }

    /// Returns `name` within the namespace, the same each time.
    pub fn name(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// The beginning of all its names.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Removes all keys of the namespace, a page at a time. `SCAN` and `UNLINK`.
    fn clear(&self) -> Result<()> {
        let mut pattern = escape(self.prefix.as_bytes());
        pattern.push(b'*');
        let mut cursor = 0;
        loop {
            let page = Request::read("SCAN").number(cursor).arg("MATCH").arg(&pattern);
            let page = page.arg("COUNT").number(ENTRIES_PER_COMMAND).returns(reply::scanned);
            let (next, keys) = self.client.run(page)?;
            if !keys.is_empty() {
                let unlink = Request::write("UNLINK");
                let unlink = keys.iter().fold(unlink, |request, key| request.key(key));
                self.client.run(unlink.returns(reply::count))?;
            }
            if next == 0 {
                return Ok(());
            }
            cursor = next;
        }
    }
}

impl Drop for Namespace {
    /// The server may have gone first.
    fn drop(&mut self) {
        let _ = self.clear();
    }
}

impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Namespace").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}
