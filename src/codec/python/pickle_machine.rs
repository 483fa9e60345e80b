//! The stack, the memo and the input of the machine that reads pickles.

use std::collections::HashMap;
use std::str;

use super::Value;
use super::pickle_room::Room;
use crate::codec::CodecError;

/// The state of the machine. Nodes refer to each other by their places, and are never removed.
pub(super) struct Machine<'a> {
    pub(super) rest: &'a [u8],
    pub(super) nodes: Vec<Node>,
    pub(super) stack: Vec<Id>,
    pub(super) marks: Vec<usize>,
    pub(super) memo: HashMap<u64, Id>,
    pub(super) room: Room,
}

/// The place of a node among the nodes.
pub(super) type Id = usize;

/// A value that the machine has made.
pub(super) enum Node {
    Scalar(Value),
    List(Vec<Id>),
    Tuple(Vec<Id>),
    Set(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    Global(Global),
}

/// The globals that a pickle may call. No call runs any code.
#[derive(Clone, Copy)]
pub(super) enum Global {
    Set,
    Bytes,
    Encode,
    OrderedDict,
}

impl<'a> Machine<'a> {
    pub(super) fn new(pickle: &'a [u8]) -> Self {
        Machine {
            rest: pickle,
            nodes: Vec::new(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
            room: Room::for_pickle(pickle),
        }
    }

    pub(super) fn push(&mut self, node: Node) {
        self.stack.push(self.nodes.len());
        self.nodes.push(node);
    }

    pub(super) fn scalar(&mut self, value: Value) {
        self.push(Node::Scalar(value));
    }

    /// Stores the top of the stack in the memo, under the index on the next line.
    pub(super) fn memoize_at_line(&mut self) -> Result<(), CodecError> {
        let index = self.line_number()?;
        self.memo.insert(index, self.top()?);
        Ok(())
    }

    /// Stores the top of the stack in the memo, under an index of `size` bytes.
    pub(super) fn memoize(&mut self, size: usize) -> Result<(), CodecError> {
        let index = self.unsigned(size)?;
        self.memo.insert(index, self.top()?);
        Ok(())
    }

    /// Pushes the node that the memo has at `index`.
    pub(super) fn recall(&mut self, index: u64) -> Result<(), CodecError> {
        let id = *self.memo.get(&index).ok_or_else(|| broken("a reference"))?;
        self.stack.push(id);
        Ok(())
    }

    /// Returns where the stack begins above the last mark.
    pub(super) fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    pub(super) fn top(&self) -> Result<Id, CodecError> {
        self.stack[self.floor()..].last().copied().ok_or_else(|| broken("a value"))
    }

    pub(super) fn pop(&mut self) -> Result<Id, CodecError> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    pub(super) fn pop_or_mark(&mut self) -> Result<(), CodecError> {
        match self.top() {
            Ok(_) => self.pop().map(drop),
            Err(_) => self.pop_to_mark().map(drop),
        }
    }

    /// Pops the last mark and all that is above it.
    pub(super) fn pop_to_mark(&mut self) -> Result<Vec<Id>, CodecError> {
        let mark = self.marks.pop().ok_or_else(|| broken("a mark"))?;
        Ok(self.stack.drain(mark..).collect())
    }

    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], CodecError> {
        let (taken, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or_else(|| CodecError::new("the pickle ends early"))?;
        self.rest = rest;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], CodecError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    pub(super) fn unsigned(&mut self, size: usize) -> Result<u64, CodecError> {
        let mut wide = [0; 8];
        wide[..size].copy_from_slice(self.take(size)?);
        Ok(u64::from_le_bytes(wide))
    }

    /// Takes bytes after their length, which takes `size` bytes.
    pub(super) fn sized(&mut self, size: usize) -> Result<&'a [u8], CodecError> {
        let length = self.unsigned(size)?;
        self.take(usize::try_from(length).unwrap_or(usize::MAX))
    }

    pub(super) fn line(&mut self) -> Result<&'a [u8], CodecError> {
        let end = self.rest.iter().position(|byte| *byte == b'\n');
        let line = self.take(end.unwrap_or(usize::MAX))?;
        self.take(1)?;
        Ok(line)
    }

    pub(super) fn line_number(&mut self) -> Result<u64, CodecError> {
        let line = str::from_utf8(self.line()?).ok();
        line.and_then(|line| line.parse().ok()).ok_or_else(|| broken("a reference"))
    }
}

pub(super) fn broken(what: &str) -> CodecError {
    CodecError::new(format!("a broken pickle: {what} cannot be made"))
}
