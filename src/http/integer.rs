//! Integers as JSON spells them: RFC 8259 has one kind of number, and clients in languages that have one kind, too, write 2 as
//! `2.0` or `2e0`.

/// The integer that a JSON number stands for, if it is one and within `u64` (or is a negative zero). It is exact, and however
/// large an exponent is, it costs no more than reading its digits.
pub(super) fn of_number(number: &str) -> Option<u64> {
    if number.bytes().all(|byte| byte.is_ascii_digit()) {
        // As nearly all are.
        return number.parse().ok();
    }
    let (is_negative, number) = match number.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, number),
    };
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let fraction = fraction.trim_end_matches('0');
    let digits = [whole, fraction].concat();
    let significant = digits.trim_start_matches('0');
    if significant.is_empty() {
        return Some(0);
    }
    if is_negative {
        return None;
    }
    // How many places the digits are to be moved to the left; there are far fewer digits in any body than an i32 can count.
    let exponent = exponent.strip_prefix('+').unwrap_or(exponent);
    let places = exponent.parse::<i32>().ok()?.checked_sub(i32::try_from(fraction.len()).ok()?)?;
    let trailing_zeros = significant.len() - significant.trim_end_matches('0').len();
    let kept = match usize::try_from(places.unsigned_abs()).ok()? {
        moved if places < 0 && moved > trailing_zeros => return None,
        moved if places < 0 => &significant[..significant.len() - moved],
        _ => significant,
    };
    let integer: u64 = kept.parse().ok()?;
    // 10^20 is beyond u64 already.
    10_u64.checked_pow(u32::try_from(places).unwrap_or(0).min(20)).and_then(|power| integer.checked_mul(power))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_integer_is_one_however_it_is_written() {
        for (number, wanted) in [
            ("2", 2),
            ("2.0", 2),
            ("2.000000000000000000000000000", 2),
            ("2e0", 2),
            ("2E+0", 2),
            ("2e-0", 2),
            ("20e-1", 2),
            ("0.2e1", 2),
            ("0.02E+2", 2),
            ("200.00e-2", 2),
            ("1e2", 100),
            ("1.5e1", 15),
            ("0", 0),
            ("-0", 0),
            ("-0.0e5", 0),
            ("0e99999999999999999999999", 0),
            ("0e-99999999999999999999999", 0),
            ("18446744073709551615", u64::MAX),
            ("1844674407370955161.5e1", u64::MAX),
            ("10000000000000000000", 10_000_000_000_000_000_000),
            ("1e19", 10_000_000_000_000_000_000),
        ] {
            assert_eq!(of_number(number), Some(wanted), "{number}");
        }
    }

    #[test]
    fn what_is_no_integer_or_too_large_is_none() {
        for number in [
            "1.5",
            "2.00000000000000000000000000000001",
            "15e-1",
            "1e-1",
            "1e-400",
            "-1",
            "-1.0",
            "18446744073709551616",
            "1e20",
            "1e400",
            "1e99999999999999999999999999999",
            "1e-99999999999999999999999999999",
            "99999999999999999999999999",
        ] {
            assert_eq!(of_number(number), None, "{number}");
        }
        // The longest that a body has room for.
        assert_eq!(of_number(&"9".repeat(256 * 1024)), None);
        assert_eq!(of_number(&format!("1{}e-{}", "0".repeat(100_000), 100_000)), Some(1));
    }

    proptest! {
        #[test]
        fn moving_the_point_and_the_exponent_alike_changes_nothing(
            integer in any::<u32>(), zeros in 0_usize..5, moved in 0_usize..15, upper in any::<bool>(),
        ) {
            let digits = format!("{integer:015}{}", "0".repeat(zeros));
            let (whole, fraction) = digits.split_at(15 - moved);
            let whole = match whole.trim_start_matches('0') {
                "" => "0",
                whole => whole,
            };
            let point = if fraction.is_empty() { "" } else { "." };
            let number = format!("{whole}{point}{fraction}{}{}", if upper { 'E' } else { 'e' }, moved);
            let parsed: f64 = number.parse().expect("a number");
            prop_assert!((parsed - f64::from(integer)).abs() < 0.5, "the test spells it wrong: {number}");
            prop_assert_eq!(of_number(&number), Some(u64::from(integer)), "{}", number);
        }
    }
}
