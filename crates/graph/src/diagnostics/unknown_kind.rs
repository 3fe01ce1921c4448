//! `graph::unknown-kind`: no plugin and no import offers this kind of node.

use std::sync::Arc;

use crate::diagnostic::Diagnostic;
use crate::source::Source;
use crate::source::Span;
use crate::suggest;
use crate::world::MissingKind;

pub(crate) fn unknown_kind(
    source: &Arc<Source>,
    span: &Span,
    kind: &str,
    known: Vec<String>,
    is_import: bool,
    missing: MissingKind,
) -> Diagnostic {
    let names = || known.iter().map(String::as_str);
    let last = |name: &str| name.rsplit('.').next() == Some(kind);
    let dotted = names().find(|name| name.contains('.') && last(name));
    if let (None, Some(offered_by)) = (dotted.filter(|_| !is_import), missing.offered_by) {
        return Diagnostic::new("graph::unknown-kind", format!("no plugin that can be used offers the kind `{kind}`"))
            .at(source, span, "needed here")
            .help(offered_by);
    }
    let (label, help) = match (dotted.filter(|_| !is_import), suggest::closest(kind, names())) {
        (Some(dotted), _) => {
            let import = format!("import it: `imports: ({kind}: Node(\"{dotted}\"))`");
            (format!("known as `{dotted}`"), Some(import))
        }
        (None, Some(meant)) => (format!("did you mean `{meant}`?"), None),
        (None, None) => {
            let list = suggest::list(kind, names()).map(|names| format!("kinds: {names}"));
            let words: Vec<String> = list.into_iter().chain(missing.looked_in).collect();
            ("not a kind of node".to_owned(), (!words.is_empty()).then(|| words.join("\n")))
        }
    };
    Diagnostic::new("graph::unknown-kind", format!("there is no kind of node called `{kind}`"))
        .at(source, span, label)
        .help_if(help)
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::testing::*;

    #[test]
    fn a_slip_is_recognised_and_nothing_that_hangs_on_it_is_reported() {
        check_edit(
            &[("noise: noise(", "noise: nois(")],
            expect![[r#"
            graph::unknown-kind: there is no kind of node called `nois`
             >test.ron:13:16 `nois` did you mean `noise`?
        "#]],
        );
    }

    #[test]
    fn a_kind_with_a_maker_is_imported() {
        check_edit(
            &[("noise: noise(", "noise: glow(")],
            expect![[r#"
            graph::unknown-kind: there is no kind of node called `glow`
             >test.ron:13:16 `glow` known as `acme.glow`
              help: import it: `imports: (glow: Node("acme.glow"))`
        "#]],
        );
    }

    #[test]
    fn another_word_lists_what_there_is() {
        check_edit(
            &[("noise: noise(", "noise: photograph(")],
            expect![[r#"
                graph::unknown-kind: there is no kind of node called `photograph`
                 >test.ron:13:16 `photograph` not a kind of node
                  help: kinds: prompt, choose, compare, each, encode, noise, decode, solid, invert, save, acme.glow, sample, …
                  help: plugins were looked for in: /p (1 plugin)
            "#]],
        );
    }

    #[test]
    fn a_plugin_that_cannot_be_used_is_named() {
        check_edit(
            &[("    nodes: (", "    imports: (bloom: Node(\"acme.bloom\")),\n    nodes: (")],
            expect![[r#"
            graph::unknown-kind: no plugin that can be used offers the kind `acme.bloom`
             >test.ron:11:27 `"acme.bloom"` needed here
              help: the plugin `acme-bloom` offers it and is left out: /p
        "#]],
        );
    }
}
