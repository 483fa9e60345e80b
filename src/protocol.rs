//! Requests in Redis' protocol.

use std::time::Duration;

use crate::request::Request;

/// In which form a request goes out.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Form {
    AsIs,
    /// A script with its source, for a server that does not have it yet.
    WithSource,
    /// A waiting command with the time to wait as its last argument.
    Waiting(Duration),
}

impl Request {
    /// Appends this command in Redis' protocol.
    pub(crate) fn pack(&self, form: Form, packed: &mut Vec<u8>) {
        let extra = match form {
            Form::Waiting(time) => Some(format!("{:.3}", time.as_secs_f64())),
            _ => None,
        };
        let arguments = self.arguments();
        packed.reserve(self.size() + arguments.len() * ROOM_FOR_A_HEADER + ROOM_FOR_MORE);
        header(packed, b'*', arguments.len() + usize::from(extra.is_some()));
        for (index, argument) in arguments.enumerate() {
            let argument = match (form, self.is_script(), index) {
                (Form::WithSource, Some(_), 0) => b"EVAL",
                (Form::WithSource, Some(script), 1) => script.source.as_bytes(),
                _ => argument,
            };
            bulk(packed, argument);
        }
        if let Some(extra) = extra {
            bulk(packed, extra.as_bytes());
        }
    }
}

/// Appends a command of constant words, such as `MULTI`.
pub(crate) fn pack_words(words: &[&str], packed: &mut Vec<u8>) {
    header(packed, b'*', words.len());
    words.iter().for_each(|word| bulk(packed, word.as_bytes()));
}

fn bulk(packed: &mut Vec<u8>, argument: &[u8]) {
    header(packed, b'$', argument.len());
    packed.extend_from_slice(argument);
    packed.extend_from_slice(b"\r\n");
}

fn header(packed: &mut Vec<u8>, kind: u8, mut length: usize) {
    let mut digits = [0; 20];
    let mut first = digits.len();
    loop {
        first -= 1;
        digits[first] = b'0' + (length % 10) as u8;
        length /= 10;
        if length == 0 {
            break;
        }
    }
    packed.push(kind);
    packed.extend_from_slice(&digits[first..]);
    packed.extend_from_slice(b"\r\n");
}

const ROOM_FOR_A_HEADER: usize = 12;
const ROOM_FOR_MORE: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::Script;

    fn packed(request: Request, form: Form) -> String {
        let mut packed = Vec::new();
        request.pack(form, &mut packed);
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
}
