//! The codecs around others.

use std::borrow::Cow;
use std::sync::Arc;

use super::codecs::{JSON, PROPORTIONAL, target};
use super::engine::Target;
use super::types::Chain;
use crate::codec::{Codec, CodecError};
use crate::{Json, Upgrade, Versioned};

pub(super) fn targets() -> Vec<Target> {
    vec![
        target::<Option<i64>>(&[None, Some(-7)], &[b"s3cr&t"], PROPORTIONAL),
        target::<Option<Json<Chain>>>(&[Some(Chain::example())], JSON, PROPORTIONAL),
        target::<Arc<Json<Chain>>>(&[Arc::new(Chain::example())], JSON, PROPORTIONAL),
        target::<Cow<'static, str>>(&["s3cr&t é".into()], &[b"s3cr&t\xff"], PROPORTIONAL),
        target::<Versioned<Chain>>(&[Chain::example()], VERSIONED, PROPORTIONAL),
    ]
}

/// Every older version is JSON too.
impl Upgrade for Chain {
    type Format = Json<Chain>;
    const VERSION: u32 = 12;

    fn upgrade(version: u32, bytes: &[u8]) -> Result<Chain, CodecError> {
        match version {
            0..12 => Json::<Chain>::decode(bytes),
            _ => Err(CodecError::new("never asked for")),
        }
    }
}

const VERSIONED: &[&[u8]] = &[
    br#"12:"End""#,
    br#"1:{"Newtype": {"Newtype": "End"}}"#,
    br#"{"Newtype": "End"}"#,
    b"13:s3cr&t",
    b"4294967296:s3cr&t",
    b"s3cr&t",
];
