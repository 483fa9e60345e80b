//! Formats floats like Python's `repr`.

/// Appends the result of Python's `repr(value)`: `1.0`, `1e+16`, `1e-05`, `nan`, `-inf`.
pub(crate) fn write_float(value: f64, bytes: &mut Vec<u8>) {
    if value.is_nan() {
        bytes.extend_from_slice(b"nan");
        return;
    }
    if value.is_sign_negative() {
        bytes.push(b'-');
    }
    match value.abs() {
        f64::INFINITY => bytes.extend_from_slice(b"inf"),
        finite => bytes.extend_from_slice(positive(finite).as_bytes()),
    }
}

fn positive(value: f64) -> String {
    let scientific = shortest(value);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let digits = mantissa.replace('.', "");
    match exponent {
        0..16 => {
            let point = exponent.unsigned_abs() as usize + 1;
            let whole = digits.get(..point).unwrap_or(&digits);
            let fraction = digits.get(point..).filter(|rest| !rest.is_empty()).unwrap_or("0");
            format!("{whole:0<point$}.{fraction}")
        }
        -4..0 => format!("0.{}{digits}", "0".repeat(exponent.unsigned_abs() as usize - 1)),
        16.. => format!("{mantissa}e+{exponent:02}"),
        ..-4 => format!("{mantissa}e-{:02}", exponent.unsigned_abs()),
    }
}

/// Returns the fewest digits that read back as `value`, in scientific notation, and of those the
/// nearest.
///
/// If two are equally near, Rust's shortest form may be either, and Python's ends in an even digit.
/// The same is true of Rust's form with a fixed number of digits, but next to a power of two that
/// may represent another number.
fn shortest(value: f64) -> String {
    let shortest = format!("{value:e}");
    let digits = shortest.bytes().take_while(|byte| *byte != b'e').filter(u8::is_ascii_digit);
    let nearest = format!("{value:.*e}", digits.count().saturating_sub(1));
    if nearest != shortest && nearest.parse() == Ok(value) { nearest } else { shortest }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(value: f64) -> String {
        let mut bytes = Vec::new();
        write_float(value, &mut bytes);
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn floats_are_written_as_python_writes_them() {
        for (value, text) in [
            (1.0, "1.0"),
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (0.1, "0.1"),
            (-120.0, "-120.0"),
            (123.456, "123.456"),
            (1e15, "1000000000000000.0"),
            (9999999999999998.0, "9999999999999998.0"),
            (1e16, "1e+16"),
            (-1.5e300, "-1.5e+300"),
            (0.0001, "0.0001"),
            (-0.00012, "-0.00012"),
            (0.00001, "1e-05"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
            (f64::NAN, "nan"),
        ] {
            assert_eq!(written(value), text);
            assert_eq!(text.parse::<f64>().unwrap().to_bits(), value.to_bits());
        }
    }

    /// As CPython 3.11 writes them.
    #[allow(clippy::excessive_precision, reason = "the exact values, between two short forms")]
    #[test]
    fn of_two_forms_that_are_equally_near_the_even_one_is_written() {
        for (exact, text) in [
            ("10685779551.9609375", "10685779551.960938"),
            ("130367832184.421875", "130367832184.42188"),
            ("193379526207.671875", "193379526207.67188"),
            ("1008204546008.40625", "1008204546008.4062"),
            ("1142102432627.34375", "1142102432627.3438"),
            ("-3520058006911.09375", "-3520058006911.0938"),
            ("17080485076448.0625", "17080485076448.062"),
            ("25780331572228.1875", "25780331572228.188"),
            ("107991536392418.125", "107991536392418.12"),
            ("242190085696181.125", "242190085696181.12"),
            ("1076510870986334.75", "1076510870986334.8"),
            ("1285233531169330.75", "1285233531169330.8"),
            ("1700000000000000.25", "1700000000000000.2"),
            ("1700000000000000.75", "1700000000000000.8"),
            ("-1700000000000000.25", "-1700000000000000.2"),
            ("2027008150823630.25", "2027008150823630.2"),
        ] {
            assert_eq!(written(exact.parse().unwrap()), text, "{exact}");
        }
    }

    #[test]
    fn next_to_a_power_of_two_the_nearest_form_may_be_another_number() {
        for (exponent, text) in [
            (-1017, "7.120236347223045e-307"),
            (-383, "5.075883674631299e-116"),
            (-44, "5.684341886080802e-14"),
            (-24, "5.960464477539063e-08"),
            (89, "6.189700196426902e+26"),
            (976, "6.386688990511104e+293"),
        ] {
            assert_eq!(written(2f64.powi(exponent)), text);
        }
    }
}
