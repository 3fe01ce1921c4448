//! `graph::holds-a-key`: what looks like a key of a service stands in a file that is shared.
//!
//! Nothing else is said of such a file, and what is shown of it has stars in place of the key: messages are shared, too.

use std::sync::Arc;

use crate::diagnostic::Diagnostic;
use crate::secrets;
use crate::source::Source;

pub(crate) fn holds_a_key(source: &Arc<Source>) -> Vec<Diagnostic> {
    let found = secrets::find(&source.text);
    let mut text = source.text.to_string();
    for (span, _) in &found {
        text.replace_range(span.clone(), &"*".repeat(span.len()));
    }
    let hidden = Arc::new(Source::new(source.name.clone(), source.path.clone(), text));
    let told = found.iter().map(|(span, service)| {
        Diagnostic::new("graph::holds-a-key", format!("this looks like a key of {service}, which no graph may hold"))
            .at(&hidden, span, "take it out")
            .help(
                "a graph goes along with every picture that it makes; keys are found in the environment or in files that \
                 `providers.ron` names. If the file was ever shared, replace the key at the service",
            )
    });
    told.collect()
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::testing::*;

    #[test]
    fn a_key_is_pointed_at_and_not_shown() {
        let key = "r8_0123456789abcdefghijklmnopqrstuvwxyzA";
        check_edit(
            &[("default: 4", &format!("default: 4, doc: \"{key}\"")), ("cond: text", "cond: txt")],
            expect![[r#"
            graph::holds-a-key: this looks like a key of Replicate, which no graph may hold
             >test.ron:6:38 `****************************************` take it out
              help: a graph goes along with every picture that it makes; keys are found in the environment or in files that `providers.ron` names. If the file was ever shared, replace the key at the service
        "#]],
        );
    }
}
