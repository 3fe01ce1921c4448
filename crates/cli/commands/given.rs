//! Values for the inputs of a graph, from the command line.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};
use rondel_engine::plan::inputs::{AxisText, Sweeping};
use rondel_engine::{Given, Site};
use rondel_graph::Source;

use super::pair;
use crate::args::GraphArgs;

/// What the options say, files read, which are noted. Standard input is read once, and then kept in `stdin`.
pub fn given(args: &GraphArgs, site: &Site, stdin: &mut Option<String>) -> Result<Given> {
    let set = args.set.iter().map(|text| set(text, site, stdin)).collect::<Result<_>>()?;
    let mut sweeps = args.sweep.iter().map(|text| sweep(text, site)).collect::<Result<Vec<_>>>()?;
    if !args.zip.is_empty() {
        let axes = args.zip.iter().map(|text| axis(text, "--zip", site)).collect::<Result<_>>()?;
        sweeps.push(Sweeping::Zip(axes));
    }
    let batch = match &args.inputs {
        None => None,
        Some(path) => {
            let text =
                read(path, site).with_context(|| format!("the file of inputs cannot be read: {}", path.display()))?;
            let full = std::path::absolute(path).unwrap_or_else(|_| path.clone());
            Some(Arc::new(Source::new(path.display().to_string(), full, text)))
        }
    };
    Ok(Given { preset: args.preset.clone(), set, sweeps, batch, ..Given::default() })
}

/// The value of `--set`: as it is, the text of a file after `@`, or standard input for `-`.
fn set(text: &str, site: &Site, stdin: &mut Option<String>) -> Result<(String, String)> {
    let (name, value) = pair(text, "--set", "seed=7")?;
    let value = if value == "-" {
        match stdin {
            Some(text) => text.clone(),
            None => {
                let text = std::io::read_to_string(std::io::stdin()).context("standard input cannot be read")?;
                stdin.insert(text).clone()
            }
        }
    } else if let Some(path) = value.strip_prefix('@') {
        read(path.as_ref(), site).with_context(|| format!("`--set {name}=@…`: the file cannot be read: {path}"))?
    } else {
        return Ok((name, value));
    };
    // The line end at the end of a file is the editor's, not the writer's.
    Ok((
        name,
        value.strip_suffix('\n').map(|text| text.strip_suffix('\r').unwrap_or(text)).unwrap_or(&value).to_owned(),
    ))
}

/// The value of `--sweep`: the name of one of the graph's sweeps, or an axis.
fn sweep(text: &str, site: &Site) -> Result<Sweeping> {
    Ok(match text.contains('=') {
        true => Sweeping::Axis(axis(text, "--sweep", site)?),
        false => Sweeping::Named(text.trim().to_owned()),
    })
}

/// `seed=1..=8`, or each line of a file after `@`.
fn axis(text: &str, option: &str, site: &Site) -> Result<(String, AxisText)> {
    let (name, values) = pair(text, option, "seed=1..=8")?;
    let Some(path) = values.strip_prefix('@') else { return Ok((name, AxisText::Values(values))) };
    let text =
        read(path.as_ref(), site).with_context(|| format!("`{option} {name}=@…`: the file cannot be read: {path}"))?;
    let lines: Vec<String> = text.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect();
    if lines.is_empty() {
        bail!("`{option} {name}=@…`: the file has no lines: {path}");
    }
    Ok((name, AxisText::Lines(lines)))
}

/// The text of a file that the graph now depends on, without the mark that some editors put before all text.
fn read(path: &Path, site: &Site) -> Result<String> {
    site.note_file(&std::path::absolute(path)?);
    let text = String::from_utf8(std::fs::read(path)?)
        .map_err(|error| anyhow!("byte {} of it is not text in UTF-8", error.utf8_error().valid_up_to()))?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}
