//! Requests in the form in which they are sent.

use std::time::Duration;

use crate::request::Request;

/// The form in which a request is sent.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Form {
    AsIs,
    /// A script with its source, for a server that does not have it yet.
    WithSource,
    /// A blocking command with the time to wait as its last argument.
    Waiting(Duration),
}

/// One request, or a part of it, as it is sent.
#[derive(Clone, Copy)]
pub(crate) struct Line<'a> {
    pub(crate) request: &'a Request,
    pub(crate) form: Form,
    /// The indices of the items to send, if not all.
    pub(crate) part: Option<&'a [usize]>,
    pub(crate) in_cluster: bool,
}

impl<'a> Line<'a> {
    pub(crate) fn new(request: &'a Request, form: Form) -> Self {
        Self { request, form, part: None, in_cluster: false }
    }

    /// The number of items that are sent.
    pub(super) fn item_count(&self) -> usize {
        self.part.map_or(self.request.item_count(), <[usize]>::len)
    }

    /// The first argument of each item that is sent: a key, a field or a member.
    pub(super) fn items(&self) -> impl Iterator<Item = &'a [u8]> {
        let (request, part) = (self.request, self.part);
        let index = move |place| part.map_or(place, |part| part[place]);
        (0..self.item_count()).filter_map(move |place| request.item(index(place)).next())
    }
}

/// Formats `number` in decimal digits, as lengths in the protocol.
pub(super) fn decimal(mut number: usize, digits: &mut [u8; 20]) -> &[u8] {
    let mut first = digits.len();
    loop {
        first -= 1;
        digits[first] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return &digits[first..];
        }
    }
}
