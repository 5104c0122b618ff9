//! How the server's program is linked: what it needs at its start lies together, and one library fewer is loaded.
//!
//! Nothing depends on it. Where a linker or a library is not what this expects, the program is linked as usual; it takes more
//! memory at rest then, since the kernel maps a program's pages in groups around those that are touched.

use std::env;
use std::path::Path;
use std::process::Command;

/// Linkers that know no linker scripts, or none that add to the usual one.
const WITHOUT_SCRIPTS: [&str; 3] = ["mold", "wild", "gold"];

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=linker/startup.ld");
    let flags = variable("CARGO_ENCODED_RUSTFLAGS");
    if variable("CARGO_CFG_TARGET_OS") != "linux"
        || variable("PROFILE") != "release"
        || flags.contains("sanitizer")
    {
        return;
    }
    let mut words = flags.split(|character: char| !character.is_alphanumeric());
    if !words.any(|word| WITHOUT_SCRIPTS.contains(&word)) {
        let folder = variable("CARGO_MANIFEST_DIR");
        println!("cargo:rustc-link-arg-bin=ruddle=-Wl,-T,{folder}/linker/startup.ld");
    }
    if has_static_unwinder() {
        // The archive comes before the shared libgcc_s, which then has nothing to give and is left out.
        println!("cargo:rustc-link-lib=static:-bundle=gcc_eh");
    }
}

/// Whether the C compiler that links has the unwinder as an archive too. A static program has no shared one to do without.
fn has_static_unwinder() -> bool {
    if variable("CARGO_CFG_TARGET_ENV") != "gnu"
        || variable("HOST") != variable("TARGET")
        || variable("CARGO_CFG_TARGET_FEATURE").contains("crt-static")
    {
        return false;
    }
    let answer = Command::new("cc")
        .arg("-print-file-name=libgcc_eh.a")
        .output();
    // A file that is not there is answered by its name alone.
    answer.is_ok_and(|output| {
        let path = String::from_utf8_lossy(&output.stdout);
        Path::new(path.trim()).is_absolute()
    })
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_default()
}
