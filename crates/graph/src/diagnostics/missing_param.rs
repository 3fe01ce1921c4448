//! `graph::missing-param`: a parameter without a default is not given.

use std::sync::Arc;

use rondel_value::Type;

use crate::check::scope::Scope;
use crate::diagnostic::Diagnostic;
use crate::source::Source;
use crate::suggest;
use crate::syntax::Word;

pub(crate) fn missing_param(
    source: &Arc<Source>,
    kind: &Word<'_>,
    missing: &[(&str, &Type)],
    scope: &Scope<'_>,
    node: &str,
) -> Diagnostic {
    let names: Vec<String> = missing.iter().map(|(name, _)| format!("`{}.{name}`", kind.text)).collect();
    let is = if names.len() == 1 { "is" } else { "are" };
    let offers: Vec<String> = missing
        .iter()
        .map(|(name, ty)| {
            let fitting = scope.fitting(ty, Some(node));
            match suggest::list(name, fitting.iter().map(String::as_str)) {
                Some(names) => format!("`{name}` takes {}; here that is: {names}", ty.plain()),
                None => format!("`{name}` takes {}", ty.plain()),
            }
        })
        .collect();
    let given: Vec<String> = missing.iter().map(|(name, _)| format!("`{name}: …`")).collect();
    Diagnostic::new("graph::missing-param", format!("{} {is} missing", names.join(" and ")))
        .at(source, &kind.span(), format!("needs {}", given.join(" and ")))
        .help(offers.join("\n"))
}

/// A parameter of a kind that takes alternatives.
pub(crate) fn alternatives(source: &Arc<Source>, kind: &Word<'_>, name: &str) -> Diagnostic {
    let example = match name {
        "of" => "`of: [hosted, local]` lists what to try, the best first",
        "on" => "`on: style` is the value that chooses: an input or the result of a node",
        _ => "`from: {\"soft\": a, \"hard\": b}` says which branch is for which value",
    };
    Diagnostic::new("graph::missing-param", format!("`{}.{name}` is missing", kind.text))
        .at(source, &kind.span(), format!("needs `{name}: …`"))
        .help(example)
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::testing::*;

    #[test]
    fn what_would_fit_is_offered() {
        check_edit(
            &[("latent: noise, cond: text, ", "")],
            expect![[r#"
            graph::missing-param: `sample.latent` and `sample.cond` are missing
             >test.ron:14:17 `sample` needs `latent: …` and `cond: …`
              help: `latent` takes Latent; here that is: noise
              help: `cond` takes Conditioning; here that is: text
        "#]],
        );
    }
}
