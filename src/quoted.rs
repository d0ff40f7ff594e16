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
                    '"' | '\\' | '\0'..' ' | '\x7f'..='\u{9f}' | '\u{ad}' => {
                        write!(f, "{}", character.escape_default())?;
                    }
                    // Of no width, the end of a line or paragraph, or turning the direction of writing.
                    '\u{61c}'
                    | '\u{200b}'..='\u{200f}'
                    | '\u{2028}'..='\u{202e}'
                    | '\u{2060}'..='\u{206f}'
                    | '\u{feff}' => {
                        write!(f, "{}", character.escape_unicode())?;
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
            ("a\u{202e}b\u{feff}\u{61c}".as_bytes(), r#""a\u{202e}b\u{feff}\u{61c}""#),
            (b"z\xfcrich", r#""z\xfcrich""#),
        ] {
            assert_eq!(Quoted(word).to_string(), seen);
        }
    }
}
