//! `graph::unknown-name`: a lowercase word that no input, model or node has as its name.

use std::sync::Arc;

use rondel_value::Type;

use crate::check::scope::Scope;
use crate::diagnostic::Diagnostic;
use crate::literal::Port;
use crate::source::Source;
use crate::suggest;
use crate::syntax::Word;

pub(crate) fn unknown_name(
    source: &Arc<Source>,
    word: &Word<'_>,
    scope: &Scope<'_>,
    port: &Port<'_>,
    wanted: Option<&Type>,
    node: Option<&str>,
) -> Diagnostic {
    let fitting = wanted.map(|wanted| scope.fitting(wanted, node)).unwrap_or_default();
    let declared = scope.declared.keys().map(String::as_str).filter(|name| Some(*name) != node);
    // What fits the port is the better guess; a name of another type still explains the slip.
    let mut others: Vec<&str> = declared.collect();
    others.sort_unstable();
    let meant =
        suggest::closest(word.text, fitting.iter().map(String::as_str)).or_else(|| suggest::closest(word.text, others));
    let help = wanted.and_then(|wanted| {
        let names = suggest::list(word.text, fitting.iter().map(String::as_str))?;
        Some(format!("`{port}` takes {}; here that is: {names}", wanted.plain()))
    });
    let mut diagnostic = Diagnostic::new("graph::unknown-name", format!("nothing is called `{}`", word.text)).at(
        source,
        &word.span(),
        "not an input, model or node of this graph",
    );
    if let Some(span) = meant.and_then(|name| scope.declared.get(name)) {
        diagnostic = diagnostic.also(span, "did you mean this?");
    }
    diagnostic.help_if(help)
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::testing::*;

    #[test]
    fn what_was_meant_is_shown_and_what_fits_is_listed() {
        check_edit(
            &[("cond: text", "cond: txt")],
            expect![[r#"
            graph::unknown-name: nothing is called `txt`
             >test.ron:14:59 `txt` not an input, model or node of this graph
              test.ron:12:9 `text` did you mean this?
              help: `sample.cond` takes Conditioning; here that is: text
        "#]],
        );
    }

    #[test]
    fn outputs_are_checked_too() {
        check_edit(
            &[("file: saved", "file: svaed")],
            expect![[r#"
            graph::unknown-name: nothing is called `svaed`
             >test.ron:18:35 `svaed` not an input, model or node of this graph
              test.ron:16:9 `saved` did you mean this?
        "#]],
        );
    }
}
