//! Decimals as Java's `BigDecimal` has them: an unscaled integer and a scale.

use std::fmt;
use std::str::FromStr;

use num_bigint::BigInt;

/// `unscaled * 10^-scale`. Two decimals are equal if both parts are, as in Java's `BigDecimal.equals`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Decimal {
    unscaled: Unscaled,
    scale: i32,
}

/// Integers of up to 18 digits, by far the most of them, need no allocation.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Unscaled {
    Small(i64),
    /// Only values that do not fit [`Unscaled::Small`].
    Big(Box<BigInt>),
}

/// Digits that a number may have, and zeros that it may need. PostgreSQL's `numeric` has fewer. A scale costs a few bytes to
/// write and its power of ten as many digits to compute: without a bound one record would occupy a worker for ever.
pub const MAX_DIGITS: usize = 150_000;
/// Bytes of an unscaled integer of so many digits.
const MAX_BYTES: usize = 62_500;

/// A text that is no decimal number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseDecimalError {
    #[error("'{0}' is not a decimal number")]
    Syntax(String),
    #[error("a decimal number of {0} digits has more than {MAX_DIGITS}")]
    TooLong(usize),
}

impl Decimal {
    pub fn new(unscaled: i64, scale: i32) -> Self {
        Self {
            unscaled: Unscaled::Small(unscaled),
            scale,
        }
    }

    pub fn from_big(unscaled: BigInt, scale: i32) -> Self {
        let unscaled = match i64::try_from(&unscaled) {
            Ok(small) => Unscaled::Small(small),
            Err(_) => Unscaled::Big(Box::new(unscaled)),
        };
        Self { unscaled, scale }
    }

    /// From big-endian two's-complement bytes, the form of Connect's Decimal. No bytes are zero.
    ///
    /// # Errors
    /// `TooLong` if it has more than [`MAX_DIGITS`] digits.
    pub fn from_unscaled_bytes(bytes: &[u8], scale: i32) -> Result<Self, ParseDecimalError> {
        if bytes.len() <= 8 {
            let fill = if bytes.first().is_some_and(|byte| byte & 0x80 != 0) {
                0xff
            } else {
                0
            };
            let mut buffer = [fill; 8];
            buffer[8 - bytes.len()..].copy_from_slice(bytes);
            return Ok(Self::new(i64::from_be_bytes(buffer), scale));
        }
        if bytes.len() > MAX_BYTES {
            // A byte is 2.4 digits.
            return Err(ParseDecimalError::TooLong(bytes.len() / 5 * 12));
        }
        Ok(Self::from_big(BigInt::from_signed_bytes_be(bytes), scale))
    }

    pub fn scale(&self) -> i32 {
        self.scale
    }

    /// The unscaled integer, if it fits 64 bits.
    pub fn unscaled_i64(&self) -> Option<i64> {
        match self.unscaled {
            Unscaled::Small(small) => Some(small),
            Unscaled::Big(_) => None,
        }
    }

    pub fn unscaled(&self) -> BigInt {
        match &self.unscaled {
            Unscaled::Small(small) => BigInt::from(*small),
            Unscaled::Big(big) => (**big).clone(),
        }
    }

    /// Calls `write` with the minimal big-endian two's-complement bytes of the unscaled integer (zero is one byte `00`).
    pub fn with_unscaled_bytes<R>(&self, write: impl FnOnce(&[u8]) -> R) -> R {
        match &self.unscaled {
            Unscaled::Small(small) => {
                let bytes = small.to_be_bytes();
                let mut start = 0;
                while start < 7 {
                    let (head, next) = (bytes[start], bytes[start + 1]);
                    let redundant =
                        (head == 0 && next & 0x80 == 0) || (head == 0xff && next & 0x80 != 0);
                    if !redundant {
                        break;
                    }
                    start += 1;
                }
                write(&bytes[start..])
            }
            Unscaled::Big(big) => write(&big.to_signed_bytes_be()),
        }
    }

    pub fn is_negative(&self) -> bool {
        match &self.unscaled {
            Unscaled::Small(small) => *small < 0,
            Unscaled::Big(big) => big.sign() == num_bigint::Sign::Minus,
        }
    }

    /// The number, if it is whole and fits 64 bits.
    pub fn whole_i64(&self) -> Option<i64> {
        // That many zeros behind a digit do not fit, and are not worth computing.
        if self.scale < -18 && !self.is_zero() {
            return None;
        }
        self.with_scale(0)?.unscaled_i64()
    }

    /// The low 64 bits of the number without its fraction (`BigDecimal.longValue`).
    pub fn low_i64(&self) -> i64 {
        if self.scale <= 0 {
            let places = self.scale.unsigned_abs();
            // Powers of ten from the 64th on have no low bits.
            let factor = if places < 64 {
                10_i64.wrapping_pow(places)
            } else {
                0
            };
            return low_bits(&self.unscaled).wrapping_mul(factor);
        }
        low_bits(&self.before_point())
    }

    /// The number without its fraction, if it fits 64 bits.
    pub fn truncated_i64(&self) -> Option<i64> {
        if self.scale <= 0 {
            return self.whole_i64();
        }
        match self.before_point() {
            Unscaled::Small(small) => Some(small),
            Unscaled::Big(_) => None,
        }
    }

    /// The number without its fraction, if the scale is positive.
    fn before_point(&self) -> Unscaled {
        if self.loses_all_digits(0) {
            return Unscaled::Small(0);
        }
        let places = self.scale.unsigned_abs();
        match &self.unscaled {
            Unscaled::Small(small) => {
                let factor = 10_i64.checked_pow(places);
                Unscaled::Small(factor.map_or(0, |factor| small / factor))
            }
            Unscaled::Big(big) => Self::from_big(&**big / BigInt::from(10).pow(places), 0).unscaled,
        }
    }

    /// The same number with another scale; `None` if digits would be lost, or more than [`MAX_DIGITS`] added.
    pub fn with_scale(&self, scale: i32) -> Option<Self> {
        if scale == self.scale {
            return Some(self.clone());
        }
        if self.is_zero() {
            return Some(Self::new(0, scale));
        }
        let ten = BigInt::from(10);
        if scale > self.scale {
            let places = scale.abs_diff(self.scale);
            let factor = (places as usize <= MAX_DIGITS).then(|| ten.pow(places))?;
            return Some(Self::from_big(self.unscaled() * factor, scale));
        }
        if self.loses_all_digits(scale) {
            return None;
        }
        let factor = ten.pow(u32::try_from(self.scale.checked_sub(scale)?).ok()?);
        let unscaled = self.unscaled();
        let quotient = &unscaled / &factor;
        (&quotient * &factor == unscaled).then(|| Self::from_big(quotient, scale))
    }

    /// The number with another scale, rounded to the nearest, halves away from zero (`RoundingMode.HALF_UP`). `None` if more
    /// than [`MAX_DIGITS`] zeros would be added.
    pub fn rescaled_half_up(&self, scale: i32) -> Option<Self> {
        if let Some(exact) = self.with_scale(scale) {
            return Some(exact);
        }
        if scale > self.scale {
            return None;
        }
        if self.loses_all_digits(scale) {
            return Some(Self::new(0, scale));
        }
        let factor = BigInt::from(10).pow(self.scale.abs_diff(scale));
        let half = &factor / 2;
        let unscaled = self.unscaled();
        let shifted = if self.is_negative() {
            unscaled - half
        } else {
            unscaled + half
        };
        Some(Self::from_big(shifted / factor, scale))
    }

    /// Digits of the unscaled integer, or one more.
    pub fn most_digits(&self) -> usize {
        match &self.unscaled {
            Unscaled::Small(small) => {
                small.unsigned_abs().checked_ilog10().unwrap_or(0) as usize + 1
            }
            Unscaled::Big(big) => {
                usize::try_from(big.bits() * 30_103 / 100_000 + 1).unwrap_or(usize::MAX)
            }
        }
    }

    /// Java's `BigDecimal.toPlainString`: without an exponent, unless more than [`MAX_DIGITS`] zeros would stand for it.
    pub fn to_plain_string(&self) -> String {
        if self.scale.unsigned_abs() as usize > MAX_DIGITS {
            return self.to_string();
        }
        self.written_out()
    }

    /// Without an exponent. The caller knows that few zeros stand for it.
    fn written_out(&self) -> String {
        let digits = self.magnitude_digits();
        let sign = if self.is_negative() { "-" } else { "" };
        let scale = self.scale;
        if scale <= 0 {
            if digits == "0" {
                return "0".to_owned();
            }
            let zeros = "0".repeat(scale.unsigned_abs() as usize);
            return format!("{sign}{digits}{zeros}");
        }
        let scale = scale.unsigned_abs() as usize;
        if digits.len() > scale {
            let (whole, fraction) = digits.split_at(digits.len() - scale);
            return format!("{sign}{whole}.{fraction}");
        }
        format!("{sign}0.{}{digits}", "0".repeat(scale - digits.len()))
    }

    /// The nearest double, as `BigDecimal.doubleValue`.
    pub fn to_f64(&self) -> f64 {
        self.parser_text().parse().unwrap_or(f64::NAN)
    }

    /// The nearest float, as `BigDecimal.floatValue`.
    pub fn to_f32(&self) -> f32 {
        self.parser_text().parse().unwrap_or(f32::NAN)
    }

    /// Rust's parsers of floats round correctly and accept an exponent.
    fn parser_text(&self) -> String {
        let sign = if self.is_negative() { "-" } else { "" };
        format!(
            "{sign}{}e{}",
            self.magnitude_digits(),
            -i64::from(self.scale)
        )
    }

    fn is_zero(&self) -> bool {
        self.unscaled == Unscaled::Small(0)
    }

    /// Whether nothing but a fraction below a tenth is left with a smaller scale. Told from the numbers' sizes, because a
    /// scale costs a few bytes to write and its power of ten as many digits to compute.
    fn loses_all_digits(&self, scale: i32) -> bool {
        let most_digits = match &self.unscaled {
            Unscaled::Small(_) => 19,
            // Three bits are less than a digit.
            Unscaled::Big(big) => big.bits() / 3 + 1,
        };
        u64::try_from(i64::from(self.scale) - i64::from(scale)).is_ok_and(|lost| lost > most_digits)
    }

    fn magnitude_digits(&self) -> String {
        match &self.unscaled {
            Unscaled::Small(small) => small.unsigned_abs().to_string(),
            Unscaled::Big(big) => big.magnitude().to_string(),
        }
    }
}

fn low_bits(unscaled: &Unscaled) -> i64 {
    match unscaled {
        Unscaled::Small(small) => *small,
        Unscaled::Big(big) => {
            let low = big.iter_u64_digits().next().unwrap_or(0).cast_signed();
            if big.sign() == num_bigint::Sign::Minus {
                low.wrapping_neg()
            } else {
                low
            }
        }
    }
}

/// Java's `BigDecimal.toString`: scientific notation where the scale is negative or the number very small.
impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.magnitude_digits();
        let adjusted = i64::try_from(digits.len()).unwrap_or(i64::MAX) - 1 - i64::from(self.scale);
        if self.scale >= 0 && adjusted >= -6 {
            return f.write_str(&self.written_out());
        }
        if self.is_negative() {
            f.write_str("-")?;
        }
        let (first, rest) = digits.split_at(1);
        f.write_str(first)?;
        if !rest.is_empty() {
            write!(f, ".{rest}")?;
        }
        if adjusted != 0 {
            write!(f, "E{adjusted:+}")?;
        }
        Ok(())
    }
}

/// Java's `new BigDecimal(String)`: sign, digits with a point, exponent.
impl FromStr for Decimal {
    type Err = ParseDecimalError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || ParseDecimalError::Syntax(text.to_owned());
        if text.len() > MAX_DIGITS {
            return Err(ParseDecimalError::TooLong(text.len()));
        }
        let (mantissa, exponent) = match text.find(['e', 'E']) {
            Some(at) => {
                let (mantissa, exponent) = text.split_at(at);
                (
                    mantissa,
                    exponent
                        .get(1..)
                        .unwrap_or_default()
                        .parse::<i32>()
                        .map_err(|_| error())?,
                )
            }
            None => (text, 0),
        };
        let (negative, unsigned) = match mantissa.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, mantissa.strip_prefix('+').unwrap_or(mantissa)),
        };
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        if whole.len() + fraction.len() == 0
            || !whole
                .bytes()
                .chain(fraction.bytes())
                .all(|b| b.is_ascii_digit())
        {
            return Err(error());
        }
        let scale = i32::try_from(fraction.len())
            .ok()
            .and_then(|s| s.checked_sub(exponent))
            .ok_or_else(error)?;
        if whole.len() + fraction.len() <= 18 {
            let magnitude = whole
                .bytes()
                .chain(fraction.bytes())
                .fold(0_i64, |sum, digit| sum * 10 + i64::from(digit - b'0'));
            return Ok(Self::new(
                if negative { -magnitude } else { magnitude },
                scale,
            ));
        }
        let magnitude = BigInt::from_str(&format!("{whole}{fraction}")).map_err(|_| error())?;
        Ok(Self::from_big(
            if negative { -magnitude } else { magnitude },
            scale,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str, plain: &str) {
        let decimal: Decimal = text.parse().unwrap();
        assert_eq!(
            (
                decimal.to_string().as_str(),
                decimal.to_plain_string().as_str()
            ),
            (expected, plain)
        );
        let copy = decimal
            .with_unscaled_bytes(|bytes| Decimal::from_unscaled_bytes(bytes, decimal.scale()));
        assert_eq!(copy, Ok(decimal));
    }

    #[test]
    fn text_is_javas() {
        check("0", "0", "0");
        check("123.4500", "123.4500", "123.4500");
        check("-0.05", "-0.05", "-0.05");
        check("1E+3", "1E+3", "1000");
        check("12E3", "1.2E+4", "12000");
        check("0.0000001", "1E-7", "0.0000001");
        check("0.000001", "0.000001", "0.000001");
        check("-128", "-128", "-128");
        check(
            "99999999999999999999999999.99",
            "99999999999999999999999999.99",
            "99999999999999999999999999.99",
        );
        check(
            "-9223372036854775809",
            "-9223372036854775809",
            "-9223372036854775809",
        );
    }

    #[test]
    fn unscaled_bytes_are_minimal() {
        let bytes = |text: &str| {
            text.parse::<Decimal>()
                .unwrap()
                .with_unscaled_bytes(<[u8]>::to_vec)
        };
        assert_eq!(bytes("0"), [0]);
        assert_eq!(bytes("1.27"), [0x7f]);
        assert_eq!(bytes("1.28"), [0, 0x80]);
        assert_eq!(bytes("-128"), [0x80]);
        assert_eq!(bytes("-129"), [0xff, 0x7f]);
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in ["", "-", ".", "1.2.3", "abc", "1e", "1e9999999999"] {
            assert!(text.parse::<Decimal>().is_err(), "{text}");
        }
    }

    #[test]
    fn rescaling_never_loses_digits() {
        let decimal: Decimal = "12.50".parse().unwrap();
        assert_eq!(decimal.with_scale(1).unwrap().to_string(), "12.5");
        assert_eq!(decimal.with_scale(4).unwrap().to_string(), "12.5000");
        assert!(decimal.with_scale(0).is_none());
    }

    #[test]
    fn integers_have_the_low_bits_of_what_is_before_the_point() {
        fn check(text: &str, low: i64, whole: Option<i64>) {
            let decimal: Decimal = text.parse().unwrap();
            assert_eq!(
                (decimal.low_i64(), decimal.whole_i64()),
                (low, whole),
                "{text}"
            );
        }
        check("12345678901234567.89", 12_345_678_901_234_567, None);
        check("-300.99", -300, None);
        check("-0.0000001", 0, None);
        check("300.00", 300, Some(300));
        check(
            "1E+18",
            1_000_000_000_000_000_000,
            Some(1_000_000_000_000_000_000),
        );
        check("1E+20", 7_766_279_631_452_241_920, None);
        check("5E+70", 0, None);
        check("-99999999999999999999.5", -7_766_279_631_452_241_919, None);
        check("99999999999999999999.5", 7_766_279_631_452_241_919, None);
        check(
            "340282350000000000000000000000000000001",
            -483_344_729_602_260_991,
            None,
        );
        check("9223372036854775807.0", i64::MAX, Some(i64::MAX));
        check("-9223372036854775808", i64::MIN, Some(i64::MIN));
        check("9223372036854775808", i64::MIN, None);
        check("0E+2147483647", 0, Some(0));
    }

    #[test]
    fn exponents_cost_no_more_than_their_text() {
        for text in ["5e99999999", "5e2147483647"] {
            let decimal: Decimal = text.parse().unwrap();
            assert_eq!(
                (decimal.low_i64(), decimal.whole_i64()),
                (0, None),
                "{text}"
            );
            assert_eq!(
                (decimal.to_f32(), decimal.to_f64()),
                (f32::INFINITY, f64::INFINITY)
            );
        }
        for text in [
            "5e-99999999",
            "5e-2147483647",
            "1234567890123456789012e-99999999",
        ] {
            let decimal: Decimal = text.parse().unwrap();
            assert_eq!(
                (decimal.low_i64(), decimal.with_scale(0)),
                (0, None),
                "{text}"
            );
            assert_eq!(decimal.rescaled_half_up(2), Some(Decimal::new(0, 2)));
            assert_eq!((decimal.to_f32(), decimal.to_f64()), (0.0, 0.0));
        }
        let nearly: Decimal = "0.4999999999999999999999".parse().unwrap();
        assert_eq!(nearly.rescaled_half_up(0), Some(Decimal::new(0, 0)));
        assert_eq!(
            "99.5".parse::<Decimal>().unwrap().rescaled_half_up(0),
            Some(Decimal::new(100, 0))
        );
        assert_eq!(
            "0E+99999999".parse::<Decimal>().unwrap().with_scale(2),
            Some(Decimal::new(0, 2))
        );
    }

    #[test]
    fn numbers_at_the_limit_of_digits_are_written() {
        // As many digits as fit, and as large a scale: no text of it has an exponent, however many zeros one may have.
        let bytes = vec![0x7f; 62_500];
        for scale in [150_001, 150_514] {
            let number = Decimal::from_unscaled_bytes(&bytes, scale).expect("it is not too long");
            let text = number.to_string();
            assert!(text.starts_with(|first: char| first.is_ascii_digit()));
            assert_eq!(number.to_plain_string(), text);
        }
    }

    #[test]
    fn scales_that_no_one_can_write_out_cost_nothing() {
        for scale in [i32::MIN, -2_000_000_000, 2_000_000_000, i32::MAX] {
            for unscaled in [BigInt::from(-1), BigInt::from(7).pow(100)] {
                let decimal = Decimal::from_big(unscaled, scale);
                assert!(decimal.to_plain_string().len() < 120, "{decimal}");
                assert!(decimal.to_string().contains('E'));
                assert_eq!(decimal.with_scale(0), None);
                let rounded = decimal.rescaled_half_up(2);
                assert_eq!(rounded, (scale > 0).then(|| Decimal::new(0, 2)));
                assert_eq!((decimal.low_i64(), decimal.whole_i64()), (0, None));
            }
            assert_eq!(
                Decimal::new(0, scale).with_scale(2),
                Some(Decimal::new(0, 2))
            );
        }
    }

    #[test]
    fn numbers_that_are_too_long_are_refused() {
        let error = Decimal::from_unscaled_bytes(&vec![0x7f; 16 << 20], 2).unwrap_err();
        assert!(
            error.to_string().ends_with("has more than 150000"),
            "{error}"
        );
        let error = "9".repeat(16 << 20).parse::<Decimal>().unwrap_err();
        assert!(
            error.to_string().ends_with("has more than 150000"),
            "{error}"
        );
        let most = Decimal::from_unscaled_bytes(&vec![0x7f; MAX_BYTES], -2).unwrap();
        assert!(most.to_plain_string().len() > 150_000);
        assert_eq!(
            most.most_digits()
                .abs_diff(most.to_plain_string().len() - 2),
            0
        );
    }
}
