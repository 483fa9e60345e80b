use super::kind::Kind;
use super::value::Value;

/// A Rust type of keyword values: `f64`, `i64` (including enumerated keywords and masks), `bool`
/// and `String`.
#[diagnostic::on_unimplemented(
    message = "keywords have no values of the type `{Self}`",
    note = "there are `f64`, `i64`, `bool` and `String`"
)]
pub trait KeywordValue: Into<Value> + sealed::Sealed {
    #[doc(hidden)]
    fn of(value: &Value) -> Option<Self>;
    #[doc(hidden)]
    fn fits(kind: Kind) -> bool;
}

macro_rules! values {
    ($($type:ty: $kinds:pat, $value:pat => $read:expr;)+) => {$(
        impl sealed::Sealed for $type {}

        impl KeywordValue for $type {
            fn of(value: &Value) -> Option<Self> {
                match value {
                    $value => $read,
                    _ => None,
                }
            }

            fn fits(kind: Kind) -> bool {
                matches!(kind, $kinds)
            }
        }
    )+};
}

values! {
    f64: Kind::Double | Kind::Float, Value::Number(number) => Some(*number);
    i64: Kind::Integer | Kind::Enumerated | Kind::Mask, Value::Integer(integer) => Some(*integer);
    bool: Kind::Boolean, Value::Boolean(boolean) => Some(*boolean);
    String: Kind::String | Kind::Basic, Value::Text(text) => Some(text.clone());
}

mod sealed {
    pub trait Sealed {}
}
