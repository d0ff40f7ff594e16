//! Texts as bytes, since what podinit reads need not be UTF-8: the name of a process may end within a character.

/// The lines of a text. (`str::lines` takes away a carriage return too, which may be part of a name.)
pub fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|&byte| byte == b'\n')
}

/// What is before the first `separator`, and what is behind it.
pub fn split_once(text: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|&byte| byte == separator)?;
    Some((&text[..at], &text[at + 1..]))
}

/// The number that `digits` are in `base`, which is 16 at the most. `None` if there are none, if a character is not a digit
/// (a sign, a space), or if the number is too large.
///
/// One function for all types and bases: each of the standard library's is 250 to 370 bytes of code, and takes a sign.
pub fn number<T: TryFrom<u64>>(digits: &[u8], base: u8) -> Option<T> {
    value(digits, base)?.try_into().ok()
}

#[inline(never)]
fn value(digits: &[u8], base: u8) -> Option<u64> {
    let mut value = if digits.is_empty() { None } else { Some(0_u64) };
    for digit in digits {
        let digit = char::from(*digit).to_digit(base.into())?;
        value = value?.checked_mul(base.into())?.checked_add(digit.into());
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_alone() {
        assert_eq!(number(b"0", 10), Some(0_u8));
        assert_eq!(number(b"007", 10), Some(7_u8));
        assert_eq!(number(b"255", 10), Some(255_u8));
        assert_eq!(number::<u8>(b"256", 10), None);
        assert_eq!(number(b"18446744073709551615", 10), Some(u64::MAX));
        assert_eq!(number::<u64>(b"18446744073709551616", 10), None);
        assert_eq!(number::<u64>(b"99999999999999999999", 10), None);
        assert_eq!(number(b"8000000000004000", 16), Some(0x8000_0000_0000_4000_u64));
        assert_eq!(number(b"777", 8), Some(0o777_u32));
        for text in ["", "+1", "-1", " 1", "1 ", "1a", "0x1", "\u{661}"] {
            assert_eq!(number::<u64>(text.as_bytes(), 10), None, "{text:?}");
        }
        assert_eq!(number::<u32>(b"8", 8), None);
    }
}
