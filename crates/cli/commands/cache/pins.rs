//! `rondel cache pin` and `unpin`: what `gc` is to leave alone.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Result;
use rondel_cache::upkeep;
use rondel_value::Digest;

use crate::commands::Exit;
use crate::commands::named::{Named, named};
use crate::words;

/// Pins what is named, or nothing if one of the words names nothing.
pub fn pin(cache: &Path, names: &[String]) -> Result<Exit> {
    let mut all = Vec::new();
    for word in names {
        match named(cache, word)? {
            Ok(found) => all.push((word, found)),
            Err(reason) => return Ok(nothing(&reason)),
        }
    }
    for (word, found) in all {
        let (what, n_kept) = match found {
            Named::Run { id, report } => {
                let actions: Vec<Digest> = report.steps.iter().filter_map(|step| step.action).collect();
                (format!("run {id} of {}", report.graph.path), upkeep::pin(cache, &id, &actions)?)
            }
            Named::Results(actions) => {
                let mut n_kept = 0;
                for action in BTreeSet::from_iter(actions) {
                    n_kept += upkeep::pin(cache, &action.to_string(), &[action])?;
                }
                (format!("`{word}`"), n_kept)
            }
        };
        words::say(format!("pinned: {what}, {}", words::count(n_kept, "result")));
    }
    Ok(Exit::Done)
}

/// Takes pins away; what is named need not be there any more.
pub fn unpin(cache: &Path, names: &[String]) -> Result<Exit> {
    for word in names {
        let pins = upkeep::pins(cache)?;
        let own: Vec<String> = match named(cache, word)? {
            Ok(Named::Run { id, .. }) => vec![id],
            Ok(Named::Results(actions)) => actions.iter().map(Digest::to_string).collect(),
            Err(_) => vec![word.clone()],
        };
        let mut n_gone = 0;
        for name in BTreeSet::from_iter(&own) {
            n_gone += usize::from(upkeep::unpin(cache, name)?);
        }
        if n_gone == 0 {
            let has_it = |pin: &&upkeep::Pin| pin.actions.iter().any(|action| own.contains(&action.to_string()));
            return Ok(nothing(&match pins.iter().find(has_it) {
                Some(pin) => {
                    format!("`{word}` is kept by the pin of run {0}; write `rondel cache unpin {0}`", pin.name)
                }
                None => format!("`{word}` is not pinned; `rondel cache stats` says what is"),
            }));
        }
        words::say(format!("no longer pinned: `{word}`"));
    }
    Ok(Exit::Done)
}

fn nothing(reason: &str) -> Exit {
    words::say(format!("error: {reason}"));
    Exit::NothingMatched
}
