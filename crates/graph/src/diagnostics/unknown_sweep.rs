//! `input::unknown-sweep`: a sweep that the graph does not have.

use crate::diagnostic::Diagnostic;
use crate::graph::Graph;
use crate::suggest;
use crate::sweeps::is_number;

pub(crate) fn unknown_sweep(graph: &Graph, name: &str) -> Diagnostic {
    let names = || graph.sweeps.keys().map(String::as_str);
    let message = match suggest::closest(name, names()) {
        Some(meant) => format!("there is no sweep `{name}`, did you mean `{meant}`?"),
        None => format!("there is no sweep `{name}`"),
    };
    let mistake = Diagnostic::new("input::unknown-sweep", message);
    if let Some(input) = graph.inputs.get(name) {
        let example = if is_number(input) { "1..=8" } else { "[…, …]" };
        return mistake.help(format!("`{name}` is an input: `--sweep '{name}={example}'`"));
    }
    mistake.help(match suggest::list(name, names()) {
        Some(names) => format!("sweeps: {names}; or write one: `--sweep 'seed=1..=8'`"),
        None => "the graph has no sweeps; write one: `--sweep 'seed=1..=8'`".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::testing::*;

    #[test]
    fn sweeps_are_offered() {
        let graph = edited(&[("presets: (", "sweeps: (grid: (seed: 1..=4)), presets: (")]).unwrap();
        let errors = ["gird", "x", "seed", "prompt"].map(|name| crate::sweeps::sweep(&graph, name).unwrap_err());
        expect![[r#"
            input::unknown-sweep: there is no sweep `gird`, did you mean `grid`?
              help: sweeps: grid; or write one: `--sweep 'seed=1..=8'`
            input::unknown-sweep: there is no sweep `x`
              help: sweeps: grid; or write one: `--sweep 'seed=1..=8'`
            input::unknown-sweep: there is no sweep `seed`
              help: `seed` is an input: `--sweep 'seed=1..=8'`
            input::unknown-sweep: there is no sweep `prompt`
              help: `prompt` is an input: `--sweep 'prompt=[…, …]'`
        "#]]
        .assert_eq(&render(&errors));
    }
}
