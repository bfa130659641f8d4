#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mcpctl_fuzz::stream(data));
