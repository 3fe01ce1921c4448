//! `rondel from`: the graph that a picture carries.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use anyhow::{Context, Result, bail};
use rondel_engine::run::provenance::Made;

use super::Exit;
use crate::args::FromArgs;
use crate::output::files;
use crate::words;

/// The keyword of the PNG text chunk; `save` writes it.
const KEYWORD: &str = "rondel";

pub fn run(args: FromArgs) -> Result<Exit> {
    let Some(text) = provenance(&args.picture)? else {
        words::say(format!(
            "error: the picture carries no graph; `save` writes one into PNG files: {}",
            args.picture.display()
        ));
        return Ok(Exit::NothingMatched);
    };
    if args.json {
        let value: serde_json::Value = serde_json::from_str(&text).context("what the picture carries is damaged")?;
        words::data(serde_json::to_string_pretty(&value)?);
        return Ok(Exit::Done);
    }
    let made: Made =
        serde_json::from_str(&text).context("what the picture carries is damaged, or from a newer version")?;
    let name = match &args.to {
        Some(path) => {
            write_all(path, &made)?;
            path.display().to_string()
        }
        None => {
            // Exactly the text of the file, without another line end.
            use std::io::Write;
            let text = words::for_stdout(&made.graph.text);
            std::io::stdout().write_all(text.as_bytes()).context("standard output is closed")?;
            format!("{}.ron", made.graph.name)
        }
    };
    words::say(format!("the same picture again: {}", command(&name, &made)));
    Ok(Exit::Done)
}

fn provenance(picture: &Path) -> Result<Option<String>> {
    let file = File::open(picture).with_context(|| format!("the picture cannot be opened: {}", picture.display()))?;
    let mut decoder = png::Decoder::new(BufReader::new(file));
    decoder.set_ignore_text_chunk(false);
    let info = match decoder.read_info() {
        Ok(reader) => reader.info().clone(),
        Err(png::DecodingError::Format(_)) => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("the picture cannot be read: {}", picture.display())),
    };
    let long = info.utf8_text.iter().find(|chunk| chunk.keyword == KEYWORD);
    long.map(|chunk| chunk.get_text().context("what the picture carries is damaged")).transpose()
}

fn write_all(path: &Path, made: &Made) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut texts = vec![(path.to_owned(), made.graph.text.as_bytes())];
    for (import, text) in &made.graph.imports {
        if Path::new(import).components().any(|part| !matches!(part, std::path::Component::Normal(_))) {
            bail!("the graph imports `{import}`, which is not below its own folder; take it from `--json`");
        }
        texts.push((folder.join(import), text.as_bytes()));
    }
    for (path, text) in &texts {
        match std::fs::read(path) {
            Ok(there) if there != *text => bail!("another file is there already: {}", path.display()),
            _ => {}
        }
    }
    for (path, text) in &texts {
        files::write(path, text).with_context(|| format!("not written: {}", path.display()))?;
    }
    Ok(())
}

/// The command line that repeats the run.
fn command(graph: &str, made: &Made) -> String {
    let mut command = format!("rondel run {}", quoted(graph));
    for (model, weights) in &made.swaps {
        command.push_str(&format!(" --model {}", quoted(&format!("{model}={weights}"))));
    }
    for (input, text) in &made.set {
        command.push_str(&format!(" --set {}", quoted(&format!("{input}={text}"))));
    }
    if !made.by_hand.is_empty() {
        command.push_str(&format!("   (and, by hand: {})", made.by_hand.join(", ")));
    }
    command
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_=./:,@%+".contains(c);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_with_blanks_are_quoted_for_a_shell() {
        assert_eq!(quoted("seed=7"), "seed=7");
        assert_eq!(quoted("prompt=it's red"), r"'prompt=it'\''s red'");
    }
}
