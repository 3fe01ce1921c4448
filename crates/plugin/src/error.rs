//! What may be wrong with a plugin. Every message says what to do, and ends with where the plugin comes from.

use std::io;
use std::path::PathBuf;

use rondel_abi::Status;

use crate::registry::Origin;

/// Why a plugin was not loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("the plugin folder cannot be read ({source}); check its permissions: {}", folder.display())]
    Folder { folder: PathBuf, source: io::Error },

    #[error("the plugin cannot be read ({source}); check the path and its permissions: {}", path.display())]
    Read { path: PathBuf, source: io::Error },

    #[error("no copy of the plugin can be made ({source}); check that this file can be written: {}", copy.display())]
    Copy { copy: PathBuf, source: io::Error },

    #[error("the plugin's file was replaced since the run began; run again: {}", path.display())]
    Changed { path: PathBuf },

    #[error(
        "plugin `{plugin}` offers other kinds than when it was seen before, with the same file; what it offers must not \
         depend on anything else: {origin}"
    )]
    OtherKinds { plugin: String, origin: Origin },

    #[error(
        "not a shared object for this machine ({reason}); build it as a `cdylib`, or with `cc -shared`, for \
         {arch}-{os}: {}",
        path.display(), arch = std::env::consts::ARCH, os = std::env::consts::OS
    )]
    NotASharedObject { path: PathBuf, reason: String },

    #[error(
        "not a plugin: there is no symbol `{symbol}`; the symbol is named after the file, so export it under this name \
         or rename the file: {}",
        path.display()
    )]
    NoEntry { path: PathBuf, symbol: String },

    #[error(
        "built for version {found} of the boundary, this program has version {expected}; rebuild the plugin with the \
         `rondel.h` or SDK of this program: {origin}"
    )]
    AbiMajor { origin: Origin, found: u16, expected: u16 },

    #[error(
        "the entry is {found} bytes long and at least {expected} are needed; set `struct_size` to \
         `sizeof(rondel_entry)`: {origin}"
    )]
    EntryTooSmall { origin: Origin, found: usize, expected: usize },

    #[error("the entry has no name and version in UTF-8; set `name` and `version`: {origin}")]
    NoName { origin: Origin },

    #[error("the entry has control characters in `name` or `version`; write both in letters: {origin}")]
    ControlInName { origin: Origin },

    #[error("`init` of plugin `{plugin}` failed with status {status}; ask its maker what it needs: {origin}")]
    Init { plugin: String, origin: Origin, status: Status },

    #[error("plugin `{plugin}` offers no kinds; `get_factory` must know `rondel.nodes/1`: {origin}")]
    NoKinds { plugin: String, origin: Origin },

    #[error(
        "kind number {index} of plugin `{plugin}` is null, too small or without `run`; set all fields of `rondel_node` \
         and `struct_size` to its size: {origin}"
    )]
    NotANode { plugin: String, origin: Origin, index: u32 },

    #[error(
        "the specification of kind number {index} of plugin `{plugin}` cannot be read ({reason}); correct its JSON: \
         {origin}"
    )]
    Spec { plugin: String, origin: Origin, index: u32, reason: String },

    #[error("the specification of `{kind}` in plugin `{plugin}` is to be corrected: {}: {origin}", mistakes.join("; "))]
    SpecMistakes { plugin: String, origin: Origin, kind: String, mistakes: Vec<String> },

    #[error(
        "kind `{kind}` of plugin `{plugin}` is offered by plugin `{by}` ({by_origin}) already; remove one of the two, or \
         rename the kind: {origin}"
    )]
    KindTaken { kind: String, plugin: String, origin: Origin, by: String, by_origin: Origin },
}
