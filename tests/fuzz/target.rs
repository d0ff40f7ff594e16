//! A fuzz target: it checks the property that has its name.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| podinit::properties::check(env!("CARGO_BIN_NAME"), input));
