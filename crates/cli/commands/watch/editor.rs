//! The user's editor, at a line.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::screen::guest;

/// Opens `VISUAL` or `EDITOR` at a line, and waits for it.
pub fn edit(path: &Path, line: usize) -> Result<()> {
    let chosen =
        ["VISUAL", "EDITOR"].iter().find_map(|name| std::env::var(name).ok().filter(|it| !it.trim().is_empty()));
    let chosen = chosen.unwrap_or_else(|| "vi".to_owned());
    let mut words = shlex::split(&chosen).with_context(|| format!("EDITOR is no command: {chosen}"))?.into_iter();
    let program = words.next().with_context(|| format!("EDITOR is no command: {chosen}"))?;
    let mut command = Command::new(&program);
    command.args(words);
    let name = Path::new(&program).file_stem().unwrap_or_default().to_string_lossy().into_owned();
    match &*name {
        "code" | "codium" | "cursor" => command.arg("--goto").arg(format!("{}:{line}", path.display())),
        "hx" | "helix" | "subl" | "zed" => command.arg(format!("{}:{line}", path.display())),
        // vi, vim, nano, emacs, kakoune, micro and most that live in a terminal.
        _ => command.arg(format!("+{line}")).arg(path),
    };
    let status =
        guest::wait_for(&mut command).with_context(|| format!("the editor does not start; set EDITOR: {program}"))?;
    match status.success() {
        true => Ok(()),
        false => bail!("the editor ended with {status}"),
    }
}
