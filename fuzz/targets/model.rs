//! libFuzzer's entry to the target of this name.
#![no_main]

// Making keys takes longer than an input may.
libfuzzer_sys::fuzz_target!(init: drop(mediveil_fuzz::model_seeds()), |data: &[u8]| mediveil_fuzz::model(data));
