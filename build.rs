//! How the server's program is linked: what it executes at its start lies together (`linker/startup.ld`).
//!
//! Nothing depends on it. Where a linker is not what this expects, the program is linked as usual; it takes more memory at
//! rest then, since the kernel maps a program's pages in groups around those that are touched.

use std::env;

/// Linkers that know no linker scripts, or none that add to the usual one.
const WITHOUT_SCRIPTS: [&str; 3] = ["mold", "wild", "gold"];

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=linker/startup.ld");
    let flags = variable("CARGO_ENCODED_RUSTFLAGS");
    let mut words = flags.split(|character: char| !character.is_alphanumeric());
    let is_known = variable("CARGO_CFG_TARGET_OS") == "linux" && variable("PROFILE") == "release";
    if is_known && !words.any(|word| WITHOUT_SCRIPTS.contains(&word)) {
        let folder = variable("CARGO_MANIFEST_DIR");
        println!("cargo:rustc-link-arg-bin=ruddle=-Wl,-T,{folder}/linker/startup.ld");
    }
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_default()
}
