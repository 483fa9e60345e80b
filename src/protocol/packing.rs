//! Requests in Redis' protocol.

use super::line::{Form, Line, decimal};
use super::publishing;
use crate::request::Source;

/// Encodes all commands in one buffer.
pub(crate) fn pack(lines: &[Line<'_>]) -> Vec<u8> {
    let mut packed = Vec::new();
    lines.iter().for_each(|line| line.pack(&mut packed));
    packed
}

impl Line<'_> {
    /// Appends this command in Redis' protocol.
    pub(crate) fn pack(&self, packed: &mut Vec<u8>) {
        let arguments = self.len();
        packed.reserve(self.size() + arguments * ROOM_FOR_A_HEADER);
        header(packed, b'*', arguments);
        self.each_argument(|argument| {
            header(packed, b'$', argument.len());
            packed.extend_from_slice(argument);
            packed.extend_from_slice(b"\r\n");
        });
    }

    /// The number of arguments.
    pub(crate) fn len(&self) -> usize {
        let plain = match (self.part, self.form) {
            (Some(items), _) => self.request.head().len() + items.len() * self.request.stride(),
            (None, Form::Waiting(_)) => self.request.arguments().len() + 1,
            (None, _) => self.request.arguments().len(),
        };
        match self.request.publishing() {
            [] => plain,
            publishing => plain + publishing::more_arguments(self, publishing),
        }
    }

    /// The approximate number of bytes in the arguments.
    pub(crate) fn size(&self) -> usize {
        let plain = match self.part {
            Some(items) => items.len() * (self.request.size() / self.request.item_count().max(1)),
            None => self.request.size() + ROOM_FOR_MORE,
        };
        plain + self.request.publishing().len() * ROOM_FOR_PUBLISHING
    }

    /// Returns whether the reply may be large, which delays what comes behind it on a connection.
    pub(crate) fn has_large_reply(&self) -> bool {
        let request = self.request;
        let are_many = |values: usize| values > FEW_VALUES;
        match request.name() {
            "LRANGE" => request.limit().is_none_or(are_many),
            "LPOP" | "RPOP" | "SPOP" | "SRANDMEMBER" => request.limit().is_some_and(are_many),
            name if LARGE_REPLIES.contains(&name) => true,
            _ => are_many(request.key_count().max(request.field_count())),
        }
    }

    /// The script that is sent, if it is one.
    pub(crate) fn script(&self) -> Option<&'static Source> {
        self.request.source()
    }

    /// Visits the arguments in order.
    pub(crate) fn each_argument(&self, mut visit: impl FnMut(&[u8])) {
        if let (Some(script), [_, ..]) = (self.script(), self.request.publishing()) {
            return publishing::each_argument(self, script, &mut visit);
        }
        if let Some(items) = self.part {
            self.request.head().for_each(&mut visit);
            items.iter().for_each(|&item| self.request.item(item).for_each(&mut visit));
            return;
        }
        let script = match self.form {
            Form::WithSource => self.script(),
            _ => None,
        };
        for (index, argument) in self.request.arguments().enumerate() {
            visit(match (script, index) {
                (Some(_), 0) => b"EVAL",
                (Some(script), 1) => script.text.as_bytes(),
                _ => argument,
            });
        }
        if let Form::Waiting(time) = self.form {
            visit(format!("{:.3}", time.as_secs_f64()).as_bytes());
        }
    }
}

/// Appends the length of an array or a string.
fn header(packed: &mut Vec<u8>, kind: u8, length: usize) {
    packed.push(kind);
    packed.extend_from_slice(decimal(length, &mut [0; 20]));
    packed.extend_from_slice(b"\r\n");
}

/// Commands that return whole collections, or pages of them.
const LARGE_REPLIES: [&str; 11] = [
    "HGETALL", "HKEYS", "HSCAN", "HVALS", "SCAN", "SDIFF", "SINTER", "SMEMBERS", "SSCAN", "SUNION",
    "ZRANGE",
];

/// Replies to commands with more keys or fields may be large.
const FEW_VALUES: usize = 256;

const ROOM_FOR_A_HEADER: usize = 12;
const ROOM_FOR_MORE: usize = 64;
const ROOM_FOR_PUBLISHING: usize = 192;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use redis::Value;

    use super::*;
    use crate::request::{Request, Script};

    fn packed(request: Request, form: Form) -> String {
        let mut packed = Vec::new();
        Line::new(&request, form).pack(&mut packed);
        String::from_utf8(packed).unwrap().replace("\r\n", " ")
    }

    static SCRIPT: Script = Script::new("a script", "return 1");

    #[test]
    fn requests_are_packed_in_the_protocol_of_redis() {
        let get = || Request::read("GET").key(b"k");
        let wait = || Request::write("BLPOP").key(b"k");
        let eval = || Request::script(&SCRIPT, 1).key(b"k");
        let time = Form::Waiting(Duration::from_millis(1500));
        let hash = SCRIPT.hash();
        for (request, form, expected) in [
            (get(), Form::AsIs, "*2 $3 GET $1 k "),
            (get().arg(""), Form::AsIs, "*3 $3 GET $1 k $0  "),
            (get().arg("0123456789"), Form::AsIs, "*3 $3 GET $1 k $10 0123456789 "),
            (wait(), time, "*3 $5 BLPOP $1 k $5 1.500 "),
            (eval(), Form::WithSource, "*4 $4 EVAL $8 return 1 $1 1 $1 k "),
            (eval(), Form::AsIs, &format!("*4 $7 EVALSHA $40 {hash} $1 1 $1 k ")),
        ] {
            assert_eq!(packed(request, form), expected);
        }
    }

    #[test]
    fn a_reply_may_be_large_unless_the_arguments_bound_it() {
        let list = |name| Request::read(name).key(b"l");
        let keys = |count| {
            let request = Request::read("MGET");
            (0..count).fold(request, |request, key: usize| request.key(key.to_string().as_bytes()))
        };
        for (request, expected) in [
            (Request::read("GET").key(b"k"), false),
            (Request::write("SET").key(b"k").arg("1000"), false),
            (keys(FEW_VALUES), false),
            (keys(FEW_VALUES + 1), true),
            (Request::read("HGETALL").key(b"h"), true),
            (list("LRANGE").arg("0").arg("9"), false),
            (list("LRANGE").arg("0").arg("999"), true),
            (list("LRANGE").arg("0").arg("-1"), true),
            (list("LPOP"), false),
            (list("LPOP").arg("9"), false),
            (list("LPOP").arg("1000"), true),
        ] {
            let line = Line::new(&request, Form::AsIs);
            assert_eq!(line.has_large_reply(), expected, "{:?}", packed(request, Form::AsIs));
        }
    }

    #[test]
    fn a_part_of_a_request_has_only_its_items() {
        let set = Request::write("MSET").key(b"a").arg("1").key(b"b").arg("2").key(b"c").arg("3");
        let mut packed = Vec::new();
        let line = Line { part: Some(&[0, 2]), ..Line::new(&set, Form::AsIs) };
        line.pack(&mut packed);
        assert_eq!(packed, b"*5\r\n$4\r\nMSET\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nc\r\n$1\r\n3\r\n");
        let push = |request: &mut Request, number: u8| {
            request.push([b'a' + number]);
            request.push([b'0' + number]);
        };
        let set = Request::write("HSET").key(b"h").each(0..3, push, Value::Int(0));
        let mut packed = Vec::new();
        let line = Line { part: Some(&[1]), ..Line::new(&set, Form::AsIs) };
        line.pack(&mut packed);
        assert_eq!(packed, b"*4\r\n$4\r\nHSET\r\n$1\r\nh\r\n$1\r\nb\r\n$1\r\n1\r\n");
    }
}
