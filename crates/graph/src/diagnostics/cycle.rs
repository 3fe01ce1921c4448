//! `graph::cycle`: a node that needs its own result.

use std::sync::Arc;

use crate::check::scope::Scope;
use crate::diagnostic::Diagnostic;
use crate::literal::Reference;
use crate::source::Source;
use crate::suggest;

/// `edges` are the nodes of the cycle in the order of the flow, each with its reference to the one before; the first is
/// the edge to cut.
pub(crate) fn cycle(source: &Arc<Source>, scope: &Scope<'_>, edges: &[(&str, &Reference)]) -> Diagnostic {
    const SHOWN: usize = 8;
    let Some(((first, cut), others)) = edges.split_first() else {
        return Diagnostic::new("graph::cycle", "nodes of the graph need each other");
    };
    let mut path: Vec<&str> = edges.iter().map(|(name, _)| *name).collect();
    if path.len() > SHOWN {
        let last = path[path.len() - 1];
        path.truncate(SHOWN - 2);
        path.extend(["…", last]);
    }
    path.push(first);
    let mut diagnostic =
        Diagnostic::new("graph::cycle", format!("`{first}` needs itself")).at(source, &cut.span, path.join(" → "));
    for (name, reference) in others.iter().take(SHOWN) {
        diagnostic = diagnostic.also(&reference.span, format!("`{name}` needs this"));
    }
    let mut fitting = scope.fitting(&cut.wanted, Some(first));
    fitting.retain(|name| !edges.iter().any(|(member, _)| name == member));
    diagnostic.help(match suggest::list("", fitting.iter().map(String::as_str)) {
        Some(names) => format!("a graph has no loops; start from: {names}"),
        None => "a graph has no loops; one of these has to start from something else".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::testing::*;

    #[test]
    fn a_node_does_not_need_itself() {
        check_edit(
            &[("latent: noise", "latent: latent")],
            expect![[r#"
            graph::cycle: `latent` needs itself
             >test.ron:14:46 `latent` latent → latent
              help: a graph has no loops; start from: noise
        "#]],
        );
    }

    #[test]
    fn a_cycle_is_shown_as_a_path() {
        check_edit(
            &[(
                "image: decode(model: klein, latent: latent)",
                "image: invert(image: c),\n        b: invert(image: image),\n        c: resize(image: b)",
            )],
            expect![[r#"
                graph::cycle: `image` needs itself
                 >test.ron:15:30 `c` image → b → c → image
                  test.ron:16:26 `image` `b` needs this
                  test.ron:17:26 `b` `c` needs this
                  help: a graph has no loops; one of these has to start from something else
            "#]],
        );
    }
}
