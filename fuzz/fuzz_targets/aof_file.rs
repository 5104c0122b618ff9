//! Any bytes taken for a file of commands, and for a manifest.
//!
//! Reading must come to an end, at a cost that the input pays for, and say a place within the input. A manifest that is read
//! must be printed and read again as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ruddle::persist::aof::manifest::Manifest;
use ruddle::persist::aof::reader::{ReadError, Reader};

fuzz_target!(|data: &[u8]| {
    let mut reader = Reader::new(data, 0);
    let mut commands = 0;
    let end = loop {
        match reader.read_command() {
            Ok(true) => commands += 1,
            Ok(false) => break None,
            Err(error) => break Some(error),
        }
        let words: usize = reader.words().iter().map(<[u8]>::len).sum();
        assert!(words <= data.len());
    };
    assert!(commands <= data.len() && reader.offset() <= data.len() as u64);
    if let Some(ReadError::Format(offset)) = end {
        assert!(offset <= data.len() as u64);
    }
    if let Ok(manifest) = Manifest::parse(data)
        && !manifest.print().is_empty()
        // Longer ones are those of no files, and may not fit into a line when they are quoted.
        && manifest.read_order().chain(&manifest.history).all(|part| part.name.len() <= 255)
    {
        assert_eq!(Manifest::parse(&manifest.print()).as_ref(), Ok(&manifest));
    }
});
