//! A plugin in C under the address sanitizer, with a host in C: run, cancelled half way, refused, and every byte accounted for.
//!
//! The sanitizer has to be the whole program's, so the host is `tests/plugin_c/host.c`. That it sees something is seen by
//! planting it.

use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

/// Builds host and plugin, after `edit` had a look at the plugin, and runs them.
fn run(edit: impl FnOnce(&str) -> String) -> Output {
    let folder = TempDir::new().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let (plugin, program) = (folder.path().join("glow.c"), folder.path().join("host"));
    let source = std::fs::read_to_string(root.join("tests/plugin_c/glow.c")).unwrap();
    std::fs::write(&plugin, edit(&source)).unwrap();
    let compiler = Command::new("cc")
        .args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-g", "-fsanitize=address,undefined", "-I"])
        .arg(root.join("crates/abi/include"))
        .arg(root.join("tests/plugin_c/host.c"))
        .arg(&plugin)
        .arg("-o")
        .arg(&program)
        .output()
        .unwrap();
    assert!(compiler.status.success(), "{}", String::from_utf8_lossy(&compiler.stderr));
    Command::new(program).env("ASAN_OPTIONS", "detect_leaks=1").output().unwrap()
}

/// The plugin must fail with these words once `from` is `to`.
fn fails(from: &str, to: &str, expected: &str) {
    let output = run(|source| {
        assert!(source.contains(from), "{from}");
        source.replace(from, to)
    });
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains(expected), "{said}");
}

#[test]
fn a_plugin_in_c_is_run_cancelled_and_released_with_nothing_leaked() {
    let output = run(str::to_owned);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.stdout, b"all tests passed\n");
}

#[test]
fn a_bundle_that_is_never_let_go_is_seen() {
    fails("    lifted->release(lifted); /* ours, whatever happened */\n", "", "every picture is let go");
}

#[test]
fn a_bundle_that_is_let_go_twice_is_seen() {
    fails(
        "    return status;\n}\n\nstatic const rondel_node nodes",
        "    lifted->release(lifted);\n    return status;\n}\n\nstatic const rondel_node nodes",
        "heap-use-after-free",
    );
}

#[test]
fn memory_of_the_plugins_own_that_is_never_freed_is_seen() {
    let own = "#include <stdlib.h>\n#include <string.h>";
    let output = run(|source| {
        source
            .replace("#include <string.h>", own)
            .replace("    return status;\n", "    return malloc(77) ? status : RONDEL_FAILED;\n")
    });
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("LeakSanitizer") && said.contains("77 byte(s)"), "{said}");
}

#[test]
fn pixels_beyond_the_last_are_seen() {
    fails("y < height", "y <= height", "heap-buffer-overflow");
}
