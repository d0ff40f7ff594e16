//! The texts that are printed as they are.

pub const HELP: &str = include_str!("help.txt");
const LICENSE: &str = concat!(
    "podinit may be used under the Apache License, Version 2.0\n",
    "(https://www.apache.org/licenses/LICENSE-2.0), or under the following one,\n",
    "as you prefer.\n\n",
    include_str!("../../LICENSE-MIT"),
);

// By the names of these packaging/layout.ld keeps the texts out of what is mapped at every start.
/// What `--help` prints.
pub static HELP_TEXT: [u8; HELP.len()] = bytes(HELP);
/// What `--license` prints.
pub static LICENSE_TEXT: [u8; LICENSE.len()] = bytes(LICENSE);

/// The bytes of `text`, which are `N`.
const fn bytes<const N: usize>(text: &str) -> [u8; N] {
    *text.as_bytes().first_chunk().expect("as many bytes as the text has")
}
