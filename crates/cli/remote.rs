//! The remote tier, by the command line's and the environment's word.
//!
//! | | |
//! | --- | --- |
//! | `--remote-url`, `RONDEL_REMOTE` | where it is; without one there is none |
//! | `--remote` | what is done with it; `read` if nothing is said |
//! | `AWS_…`, `GOOGLE_…`, `AZURE_…` | who asks, as the tools of those stores have it |

use std::env;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use rondel_cache::Cache;
use rondel_remote::{Address, Limits, Mode, ObjectTier};

use crate::args::{Places, RemoteMode};

/// The prefixes of variables that stores are told of.
const OF_STORES: [&str; 3] = ["AWS_", "GOOGLE_", "AZURE_"];

/// The chosen tier and its address; none if none is chosen. Nothing is asked of it yet.
///
/// A command that makes no results gives `only_reads`.
pub fn open(places: &Places, only_reads: bool) -> Result<Option<(ObjectTier, String)>> {
    let mode = match places.remote {
        Some(RemoteMode::Off) => return Ok(None),
        Some(RemoteMode::Readwrite) if !only_reads => Mode::ReadWrite,
        _ => Mode::Read,
    };
    let of_environment = || env::var("RONDEL_REMOTE").ok().filter(|url| !url.is_empty());
    let Some(url) = places.remote_url.clone().or_else(of_environment) else {
        if let Some(mode) = places.remote {
            let mode = mode.word();
            bail!("`--remote {mode}` needs an address: add `--remote-url s3://bucket/prefix`, or set RONDEL_REMOTE");
        }
        return Ok(None);
    };
    let is_of_store = |name: &str| OF_STORES.iter().any(|prefix| name.starts_with(prefix));
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    let variables: Vec<_> = env::vars_os().filter_map(text).filter(|(name, _)| is_of_store(name)).collect();
    let address = Address::open(&url, &variables)?;
    let shown = address.to_string();
    let tier = ObjectTier::new(address, mode, Limits::default()).context("no threads for the remote tier")?;
    Ok(Some((tier, shown)))
}

/// Puts the chosen tier, if there is one, behind a cache.
pub fn behind(places: &Places, only_reads: bool, cache: Cache) -> Result<Cache> {
    Ok(match open(places, only_reads)? {
        Some((tier, _)) => cache.with_remote(Arc::new(tier)),
        None => cache,
    })
}
