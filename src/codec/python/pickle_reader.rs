//! A machine for the opcodes of pickle's protocols 0 to 5, as far as they produce data.
//!
//! It never calls anything: a global outside a fixed list is rejected by its name. It does not
//! recurse, and its output is bounded by its input: every opcode makes at most one node, and all
//! copies, made by a call or because a part is shared, take from one room.
//!
//! The opcodes are described in CPython's `Lib/pickletools.py`.

use std::str;

use super::pickle_copies::unshared;
use super::pickle_machine::{Global, Id, Machine, Node, broken};
use super::pickle_numbers::int_from_bytes;
use super::pickle_room::Room;
use super::pickle_text::{quoted_bytes, raw_unicode};
use super::{Value, int_from_digits};
use crate::codec::CodecError;

/// Reads the value of the pickle `bytes`.
pub(crate) fn read(bytes: &[u8]) -> Result<Value, CodecError> {
    let mut machine = Machine::new(bytes);
    let result = loop {
        let opcode = machine.take(1)?[0];
        if opcode == b'.' {
            break machine.pop()?;
        }
        machine.run(opcode)?;
    };
    if !machine.rest.is_empty() {
        return Err(CodecError::new("more bytes after the pickle"));
    }
    unshared(&machine.nodes, result, &mut machine.room)
}

impl Global {
    fn named(module: &str, name: &str) -> Option<Self> {
        Some(match (module, name) {
            ("builtins" | "__builtin__", "set" | "frozenset") => Global::Set,
            ("builtins" | "__builtin__", "bytes" | "bytearray") => Global::Bytes,
            ("_codecs", "encode") => Global::Encode,
            ("collections", "OrderedDict") => Global::OrderedDict,
            _ => return None,
        })
    }
}

impl<'a> Machine<'a> {
    fn run(&mut self, opcode: u8) -> Result<(), CodecError> {
        match opcode {
            0x80 => drop(self.take(1)?),
            0x95 => drop(self.take(8)?),
            b'(' => self.marks.push(self.stack.len()),
            b'0' => drop(self.pop_or_mark()?),
            b'1' => drop(self.pop_to_mark()?),
            b'2' => {
                let top = self.pop()?;
                self.stack.extend([top, top]);
            }
            b'p' => self.memoize_at_line()?,
            b'q' => self.memoize(1)?,
            b'r' => self.memoize(4)?,
            0x94 => drop(self.memo.insert(self.memo.len() as u64, self.top()?)),
            b'g' => {
                let index = self.line_number()?;
                self.recall(index)?;
            }
            b'h' => {
                let index = self.unsigned(1)?;
                self.recall(index)?;
            }
            b'j' => {
                let index = self.unsigned(4)?;
                self.recall(index)?;
            }
            b'N' => self.scalar(Value::None),
            0x88 => self.scalar(Value::Bool(true)),
            0x89 => self.scalar(Value::Bool(false)),
            b'I' | b'L' | b'F' => self.number_line(opcode)?,
            b'G' => {
                let float = f64::from_be_bytes(self.array()?);
                self.scalar(Value::Float(float));
            }
            b'J' => {
                let int = i32::from_le_bytes(self.array()?);
                self.scalar(Value::Int(int.into()));
            }
            b'K' => self.short_int(1)?,
            b'M' => self.short_int(2)?,
            0x8a => self.long_int(1)?,
            0x8b => self.long_int(4)?,
            b'S' => {
                let line = self.line()?;
                self.old_text(quoted_bytes(line).ok_or_else(|| broken("text"))?);
            }
            b'T' => self.sized(4).map(|bytes| self.old_text(bytes.to_vec()))?,
            b'U' => self.sized(1).map(|bytes| self.old_text(bytes.to_vec()))?,
            b'V' => {
                let text = raw_unicode(self.line()?).ok_or_else(|| broken("text"))?;
                self.scalar(Value::Str(text));
            }
            b'X' => self.text(4)?,
            0x8c => self.text(1)?,
            0x8d => self.text(8)?,
            b'B' => self.sized(4).map(|bytes| self.scalar(Value::Bytes(bytes.to_vec())))?,
            b'C' => self.sized(1).map(|bytes| self.scalar(Value::Bytes(bytes.to_vec())))?,
            0x8e | 0x96 => self.sized(8).map(|bytes| self.scalar(Value::Bytes(bytes.to_vec())))?,
            b']' => self.push(Node::List(Vec::new())),
            b'}' => self.push(Node::Dict(Vec::new())),
            b')' => self.push(Node::Tuple(Vec::new())),
            0x8f => self.push(Node::Set(Vec::new())),
            b'l' => self.pop_to_mark().map(|items| self.push(Node::List(items)))?,
            b't' => self.pop_to_mark().map(|items| self.push(Node::Tuple(items)))?,
            0x91 => self.pop_to_mark().map(|items| self.push(Node::Set(items)))?,
            b'd' => {
                let items = self.pop_to_mark()?;
                self.push(Node::Dict(pairs(&items)?));
            }
            0x85 => self.short_tuple(1)?,
            0x86 => self.short_tuple(2)?,
            0x87 => self.short_tuple(3)?,
            b'a' => {
                let item = self.pop()?;
                self.extend(vec![item])?;
            }
            b'e' | 0x90 | b'u' => {
                let items = self.pop_to_mark()?;
                self.extend(items)?;
            }
            b's' => {
                let value = self.pop()?;
                let key = self.pop()?;
                self.extend(vec![key, value])?;
            }
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.push(Node::Global(global(module, name)?));
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let (module, name) = (&self.nodes[module], &self.nodes[name]);
                self.push(Node::Global(global(bytes_of(module)?, bytes_of(name)?)?));
            }
            b'R' => self.reduce()?,
            b'i' => {
                let (module, name) = (self.line()?, self.line()?);
                return Err(refused(module, name));
            }
            _ => return Err(CodecError::new(format!("opcode {opcode:#04x} makes no data"))),
        }
        Ok(())
    }

    /// Carries out a call: some protocols write sets, bytes and ordered dicts as calls.
    fn reduce(&mut self) -> Result<(), CodecError> {
        let (arguments, function) = (self.pop()?, self.pop()?);
        let Machine { nodes, room, .. } = self;
        let (&Node::Global(global), Node::Tuple(arguments)) = (&nodes[function], &nodes[arguments])
        else {
            return Err(broken("a call"));
        };
        let result = match (global, arguments.as_slice()) {
            (Global::Set, []) => Node::Set(Vec::new()),
            (Global::Set, &[items]) => match &nodes[items] {
                Node::List(items) | Node::Tuple(items) | Node::Set(items) => {
                    Node::Set(room.copy(items)?)
                }
                _ => return Err(broken("a set")),
            },
            (Global::Bytes, []) => Node::Scalar(Value::Bytes(Vec::new())),
            (Global::Bytes, &[bytes]) => {
                Node::Scalar(Value::Bytes(room.copy(bytes_of(&nodes[bytes])?)?))
            }
            (Global::Bytes | Global::Encode, &[text, encoding]) => {
                if !matches!(bytes_of(&nodes[encoding])?, b"latin1" | b"latin-1") {
                    return Err(broken("bytes"));
                }
                let text = bytes_of(&nodes[text])?;
                room.take(text.len())?;
                Node::Scalar(Value::Bytes(latin1(text).ok_or_else(|| broken("bytes"))?))
            }
            (Global::OrderedDict, []) => Node::Dict(Vec::new()),
            (Global::OrderedDict, &[entries]) => Node::Dict(entries_of(nodes, entries, room)?),
            _ => return Err(broken("a call")),
        };
        self.push(result);
        Ok(())
    }

    /// Adds `items` to the list, set or dict below them.
    fn extend(&mut self, items: Vec<Id>) -> Result<(), CodecError> {
        let target = self.top()?;
        match &mut self.nodes[target] {
            Node::List(list) | Node::Set(list) => list.extend(items),
            Node::Dict(dict) => dict.extend(pairs(&items)?),
            _ => return Err(broken("a collection")),
        }
        Ok(())
    }

    /// Pushes Python 2 text, which Python 3 reads as ASCII.
    fn old_text(&mut self, bytes: Vec<u8>) {
        self.scalar(match String::from_utf8(bytes) {
            Ok(text) if text.is_ascii() => Value::Str(text),
            Ok(text) => Value::Bytes(text.into_bytes()),
            Err(error) => Value::Bytes(error.into_bytes()),
        });
    }

    fn text(&mut self, size: usize) -> Result<(), CodecError> {
        let text = str::from_utf8(self.sized(size)?).map_err(|_| broken("text"))?.to_owned();
        self.scalar(Value::Str(text));
        Ok(())
    }

    fn short_int(&mut self, size: usize) -> Result<(), CodecError> {
        let int = self.unsigned(size)?;
        self.scalar(Value::Int(int.into()));
        Ok(())
    }

    fn long_int(&mut self, size: usize) -> Result<(), CodecError> {
        let int = int_from_bytes(self.sized(size)?).ok_or_else(|| broken("an int"))?;
        self.scalar(int);
        Ok(())
    }

    fn number_line(&mut self, opcode: u8) -> Result<(), CodecError> {
        let line = str::from_utf8(self.line()?).map_err(|_| broken("a number"))?;
        let number = match (opcode, line) {
            (b'I', "00") => Some(Value::Bool(false)),
            (b'I', "01") => Some(Value::Bool(true)),
            (b'F', _) => line.parse().ok().map(Value::Float),
            _ => int_from_digits(line.strip_suffix('L').unwrap_or(line)),
        };
        self.scalar(number.ok_or_else(|| broken("a number"))?);
        Ok(())
    }

    fn short_tuple(&mut self, length: usize) -> Result<(), CodecError> {
        let start = self.stack.len().checked_sub(length).filter(|start| *start >= self.floor());
        let items = self.stack.drain(start.ok_or_else(|| broken("a tuple"))?..).collect();
        self.push(Node::Tuple(items));
        Ok(())
    }
}

fn global(module: &[u8], name: &[u8]) -> Result<Global, CodecError> {
    let known = match (str::from_utf8(module), str::from_utf8(name)) {
        (Ok(module), Ok(name)) => Global::named(module, name),
        _ => None,
    };
    known.ok_or_else(|| refused(module, name))
}

fn bytes_of(node: &Node) -> Result<&[u8], CodecError> {
    match node {
        Node::Scalar(Value::Str(text)) => Ok(text.as_bytes()),
        Node::Scalar(Value::Bytes(bytes)) => Ok(bytes),
        _ => Err(broken("text")),
    }
}

/// Converts `text`, which is UTF-8, to Latin-1.
fn latin1(text: &[u8]) -> Option<Vec<u8>> {
    let text = str::from_utf8(text).ok()?;
    text.chars().map(|character| u8::try_from(character).ok()).collect()
}

/// Returns the entries of a list of lists or tuples of two.
fn entries_of(nodes: &[Node], list: Id, room: &mut Room) -> Result<Vec<(Id, Id)>, CodecError> {
    let Node::List(entries) = &nodes[list] else { return Err(broken("a dict")) };
    room.take(entries.len().saturating_mul(size_of::<(Id, Id)>()))?;
    let entry = |entry: &Id| match &nodes[*entry] {
        Node::List(pair) | Node::Tuple(pair) if pair.len() == 2 => Ok((pair[0], pair[1])),
        _ => Err(broken("a dict")),
    };
    entries.iter().map(entry).collect()
}

fn pairs(items: &[Id]) -> Result<Vec<(Id, Id)>, CodecError> {
    let (pairs, rest) = items.as_chunks::<2>();
    match rest {
        [] => Ok(pairs.iter().map(|&[key, value]| (key, value)).collect()),
        _ => Err(broken("a dict")),
    }
}

/// Returns the error for a global. Text that begins with a `c` may be mistaken for one, so only a
/// possible name is shown.
fn refused(module: &[u8], name: &[u8]) -> CodecError {
    CodecError::new(match (dotted_name(module), dotted_name(name)) {
        (Some(module), Some(name)) => format!("`{module}.{name}` is not data and is never called"),
        _ => "a global is not data and is never called".to_owned(),
    })
}

/// Returns `name` if it consists of identifiers with dots between them.
fn dotted_name(name: &[u8]) -> Option<&str> {
    let is_identifier = |part: &str| {
        let is_digit = |byte: &u8| byte.is_ascii_digit();
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        !part.as_bytes().first().is_none_or(is_digit) && part.bytes().all(is_letter)
    };
    let name = str::from_utf8(name).ok().filter(|name| name.len() <= LONGEST_SHOWN)?;
    name.split('.').all(is_identifier).then_some(name)
}

const LONGEST_SHOWN: usize = 60;
