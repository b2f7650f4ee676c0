#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| source_stock_ticker_api::fuzzing::state(data));
