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
