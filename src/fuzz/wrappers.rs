//! The codecs around others.

use std::borrow::Cow;
use std::sync::Arc;

use super::codecs::{JSON, PROPORTIONAL, target};
use super::engine::Target;
use super::types::Chain;
use crate::Json;

pub(super) fn targets() -> Vec<Target> {
    vec![
        target::<Option<i64>>(&[None, Some(-7)], &[b"s3cr&t"], PROPORTIONAL),
        target::<Option<Json<Chain>>>(&[Some(Chain::example())], JSON, PROPORTIONAL),
        target::<Arc<Json<Chain>>>(&[Arc::new(Chain::example())], JSON, PROPORTIONAL),
        target::<Cow<'static, str>>(&["s3cr&t é".into()], &[b"s3cr&t\xff"], PROPORTIONAL),
    ]
}
