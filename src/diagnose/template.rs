//! Texts that are made of a template and values.

/// How long a line is, where it can be.
const WIDTH: usize = 80;

/// What a line begins with that continues one.
const INDENT: &str = "\n    ";

/// A text as it grows, for people or as JSON.
pub struct Text {
    pub text: String,
    pub is_json: bool,
    /// Whether a long line is continued in a next one.
    pub wraps: bool,
}

/// The digits of a number.
#[inline(never)]
pub fn digits(number: u32) -> &'static str {
    number.to_string().leak()
}

/// The item of this number in a list whose items have `~` between them: less bytes than a table of texts.
#[inline(never)]
pub fn item(list: &'static str, index: usize) -> &'static str {
    list.split('~').nth(index).unwrap_or_default()
}

/// `template` with these values: `%A` is the first one, `%B` the second one.
pub fn filled(template: &'static str, values: &[&str]) -> &'static str {
    let mut text = Text { text: String::new(), is_json: false, wraps: false };
    text.add(template, values);
    text.text.leak()
}

impl Text {
    /// Adds a template with these values. In it, `^` and a character mean blanks up to the column whose number that is,
    /// counted from `'0'`.
    #[inline(never)]
    pub fn add(&mut self, template: &'static str, values: &[&str]) {
        let mut bytes = template.bytes();
        while let Some(byte) = bytes.next() {
            let mut argument = |from| usize::from(bytes.next().unwrap_or(from) - from);
            match byte {
                b'%' => values[argument(b'A')].chars().for_each(|character| {
                    // Names are escaped already.
                    if self.is_json && matches!(character, '"' | '\\') {
                        self.push('\\');
                    }
                    self.push(character);
                }),
                b'^' => {
                    let stop = argument(b'0');
                    self.push(' ');
                    while self.column() < stop {
                        self.push(' ');
                    }
                }
                _ => self.push(byte.into()),
            }
        }
    }

    #[inline(never)]
    fn push(&mut self, character: char) {
        self.text.push(character);
        if self.wraps
            && self.column() > WIDTH
            && let Some(blank) = self.text.bytes().rposition(|byte| byte == b' ')
            && self.text.len() - blank < WIDTH - INDENT.len()
        {
            let word = self.text.split_off(blank);
            self.text.push_str(INDENT);
            self.text.push_str(&word[1..]);
        }
    }

    /// How long the last line is so far.
    fn column(&self) -> usize {
        self.text.chars().rev().take_while(|character| *character != '\n').count()
    }
}
