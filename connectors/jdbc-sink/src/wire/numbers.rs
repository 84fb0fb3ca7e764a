//! Decimals.

use tidegate_api::Decimal;

use crate::text::too_many_places;

/// Digits behind the point, `NUMERIC_MAX_DISPLAY_SCALE` and a half more.
const MAX_SCALE: usize = 16_383;
/// Groups of four digits, before and behind the point together.
const MAX_GROUPS: usize = 32_767;

/// Whether `numeric` has room for a decimal. What has not would be cut, or be a power of ten without an end.
///
/// # Errors
/// What is too long.
pub(super) fn check(decimal: &Decimal) -> Result<(), String> {
    let scale = decimal.scale();
    let behind = usize::try_from(scale).unwrap_or(0);
    let zeros = usize::try_from(scale.min(0).unsigned_abs()).unwrap_or(usize::MAX);
    if behind > MAX_SCALE || zeros > MAX_GROUPS * 4 {
        return Err(too_many_places(decimal));
    }
    let before = (decimal.most_digits() + zeros).saturating_sub(behind);
    if before.div_ceil(4) + behind.div_ceil(4) > MAX_GROUPS {
        return Err(too_many_places(decimal));
    }
    Ok(())
}

/// Source: `numeric_recv`: count of digits, weight of the first, sign, scale; digits are of base 10000. Equal numbers have
/// equal bytes but for the scale.
pub(super) fn numeric(decimal: &Decimal, out: &mut Vec<u8>) {
    let scale = u32::try_from(decimal.scale()).unwrap_or(0);
    let padding = (4 - scale % 4) % 4;
    let groups_behind = i16::try_from(scale.div_ceil(4)).unwrap_or(i16::MAX);
    let mut digits = Vec::with_capacity(12);
    match decimal.unscaled_i64() {
        Some(small) if decimal.scale() >= 0 => {
            let mut rest = u128::from(small.unsigned_abs()) * 10u128.pow(padding);
            while rest > 0 {
                digits.push(u16::try_from(rest % 10_000).unwrap_or(0));
                rest /= 10_000;
            }
        }
        _ => {
            let up = padding + decimal.scale().min(0).unsigned_abs();
            let number = decimal.unscaled() * num_bigint::BigInt::from(10).pow(up);
            let mut rest = number.magnitude().to_radix_le(100).into_iter();
            while let Some(low) = rest.next() {
                digits.push(u16::from(low) + 100 * u16::from(rest.next().unwrap_or(0)));
            }
        }
    }
    while digits.last() == Some(&0) {
        digits.pop();
    }
    let count = i16::try_from(digits.len()).unwrap_or(i16::MAX);
    let weight = if count == 0 {
        0
    } else {
        count - 1 - groups_behind
    };
    let zeros = digits.iter().take_while(|digit| **digit == 0).count();
    let digits = &digits[zeros..];
    let count = i16::try_from(digits.len()).unwrap_or(i16::MAX);
    let negative = decimal.is_negative();
    out.extend_from_slice(&count.to_be_bytes());
    out.extend_from_slice(&weight.to_be_bytes());
    out.extend_from_slice(&(if negative { 0x4000u16 } else { 0 }).to_be_bytes());
    out.extend_from_slice(&u16::try_from(scale).unwrap_or(0x3fff).to_be_bytes());
    for digit in digits.iter().rev() {
        out.extend_from_slice(&digit.to_be_bytes());
    }
}

pub(super) fn numeric_text(bytes: &[u8]) -> Option<String> {
    let mut words = bytes
        .chunks_exact(2)
        .map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
    let (count, weight) = (words.next()?, words.next()?.cast_signed());
    let (sign, scale) = (words.next()?, words.next()?);
    let unscaled = words
        .take(count.into())
        .fold(num_bigint::BigInt::ZERO, |sum, digit| sum * 10_000 + digit);
    let unscaled = if sign == 0x4000 { -unscaled } else { unscaled };
    let groups_behind = i32::from(count) - 1 - i32::from(weight);
    let exact = Decimal::from_big(unscaled, groups_behind * 4);
    Some(exact.rescaled_half_up(scale.into())?.to_plain_string())
}
