//! Words from outside, for a log line.

use std::fmt::{self, Write};

/// A word in quotes, with everything escaped that would not be seen, or would begin a line of its own.
pub struct Quoted<'a>(pub &'a [u8]);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for chunk in self.0.utf8_chunks() {
            for character in chunk.valid().chars() {
                match character {
                    '"' | '\\' | '\0'..' ' | '\x7f'..='\u{9f}' => {
                        write!(f, "{}", character.escape_default())?
                    }
                    _ => f.write_char(character)?,
                }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        f.write_char('"')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_not_be_seen_is_escaped() {
        for (word, seen) in [
            (&b""[..], r#""""#),
            (b"sh -c", r#""sh -c""#),
            ("zürich".as_bytes(), r#""zürich""#),
            (b"a\nb\x1b[m\"\\", r#""a\nb\u{1b}[m\"\\""#),
            (b"z\xfcrich", r#""z\xfcrich""#),
        ] {
            assert_eq!(Quoted(word).to_string(), seen);
        }
    }
}
