//! Embeds what was built or fetched before: the kernel program and the browser's client.
//!
//! Both are optional: a build without them works, and says at run time what is missing.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// File below `embedded`, where `cargo xtask` puts it, and the `cfg` that says that it is there.
const EMBEDDED: [(&str, &str); 2] =
    [("sticky-ebpf.o", "embedded_ebpf"), ("socket.io.min.js", "embedded_client")];

fn main() -> io::Result<()> {
    let manifest = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    let source = manifest.join("embedded");
    println!("cargo::rerun-if-changed=build.rs");
    for (file, cfg) in EMBEDDED {
        println!("cargo::rustc-check-cfg=cfg({cfg})");
        if embed(&source, &out, file)? {
            println!("cargo::rustc-cfg={cfg}");
        }
    }
    Ok(())
}

fn embed(source: &Path, out: &Path, file: &str) -> io::Result<bool> {
    let path = source.join(file);
    let content = if path.is_file() { fs::read(&path)? } else { Vec::new() };
    fs::write(out.join(file), &content)?;
    // A missing file must not be watched itself: cargo takes that for a change, at every call.
    // The directory's time tells when the file comes.
    let watched = if path.is_file() { path } else { source.to_path_buf() };
    println!("cargo::rerun-if-changed={}", watched.display());
    Ok(!content.is_empty())
}
