//! `with: (…)`: what the engine does with a node, and not what the node computes.

use std::sync::Arc;
use std::time::Duration;

use crate::diagnostic::Diagnostic;
use crate::diagnostics::*;
use crate::document;
use crate::graph::{NodeKind, Retry, TimeLimit, With};
use crate::literal::duration;
use crate::source::Source;
use crate::syntax::{Field, Form, Raw};

/// What `with: (…)` may hold in some version of this program, and what this one does with it.
const KEYS: [&str; 5] = ["salt", "label", "cache", "timeout", "retry"];
const KEYS_TO_COME: [&str; 1] = ["lane"];

/// How long the first wait is where `retry` does not say.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// Reads the settings of a node of this kind.
pub(super) fn read(
    source: &Arc<Source>,
    field: &Field<'_>,
    kind: &NodeKind,
    diagnostics: &mut Vec<Diagnostic>,
) -> With {
    let mut with = With::default();
    if !matches!(kind, NodeKind::Plugin(_)) {
        // Nothing of it would reach the nodes inside, which may be many; and alternatives have nothing of their own to run.
        diagnostics.push(malformed::with_at_a_graph(source, &field.name));
        return with;
    }
    let Some(entries) = document::entries(&field.value) else {
        diagnostics.push(malformed::malformed(source, &field.value.span(), "`with`", "(salt: 2)"));
        return with;
    };
    for entry in document::distinct(source, &entries, "setting", diagnostics) {
        let span = entry.value.span();
        match (entry.name.text, entry.value.form()) {
            ("salt", Form::Number(text)) if ::ron::from_str::<u64>(text).is_ok() => {
                with.salt = ::ron::from_str(text).unwrap_or_default();
            }
            ("salt", _) => diagnostics.push(malformed::malformed(source, &span, "`salt`", "2")),
            ("label", Form::Text(label)) => with.label = Some(label),
            ("label", _) => diagnostics.push(malformed::malformed(source, &span, "`label`", "\"first try\"")),
            ("cache", Form::Name(word)) if word.text == "Never" => with.never_cache = true,
            ("cache", Form::Name(word) | Form::Call(word, _)) if matches!(word.text, "Memory" | "For") => {
                diagnostics.push(unsupported::key(source, &word, "Never"));
            }
            ("cache", _) => diagnostics.push(malformed::malformed(source, &span, "`cache`", "Never")),
            ("timeout", _) => match time(&entry.value) {
                Some(duration) => with.timeout = Some(TimeLimit { duration, span }),
                None => diagnostics.push(malformed::malformed(source, &span, "`timeout`", "\"90s\"")),
            },
            ("retry", _) => {
                with.retry = retry(source, &entry.value, diagnostics);
            }
            (key, _) if KEYS_TO_COME.contains(&key) => {
                diagnostics.push(unsupported::key(source, &entry.name, &KEYS.join(", ")));
            }
            _ => diagnostics.push(unknown_param::of_a_declaration(source, &entry.name, "with", &KEYS)),
        }
    }
    with
}

/// `3` or `(times: 3, wait: "1s")`
fn retry(source: &Arc<Source>, value: &Raw<'_>, diagnostics: &mut Vec<Diagnostic>) -> Option<Retry> {
    if let Some(times) = whole(value) {
        return Some(Retry { times, first_wait: FIRST_WAIT });
    }
    let Some(entries) = document::entries(value) else {
        let example = "(times: 3, wait: \"1s\")";
        diagnostics.push(malformed::malformed(source, &value.span(), "`retry`", example));
        return None;
    };
    let (mut times, mut first_wait) = (None, FIRST_WAIT);
    let n_before = diagnostics.len();
    for entry in document::distinct(source, &entries, "setting", diagnostics) {
        let span = entry.value.span();
        match (entry.name.text, whole(&entry.value), time(&entry.value)) {
            ("times", Some(number), _) => times = Some(number),
            ("times", None, _) => diagnostics.push(malformed::malformed(source, &span, "`times`", "3")),
            ("wait", _, Some(wait)) => first_wait = wait,
            ("wait", _, None) => diagnostics.push(malformed::malformed(source, &span, "`wait`", "\"1s\"")),
            _ => {
                diagnostics.push(unknown_param::of_a_declaration(source, &entry.name, "retry", &["times", "wait"]));
            }
        }
    }
    // A slip of the pen is not a missing number as well.
    if times.is_none() && diagnostics.len() == n_before {
        let example = "(times: 3, wait: \"1s\")";
        diagnostics.push(malformed::malformed(source, &value.span(), "`retry` without `times`", example));
    }
    times.map(|times| Retry { times, first_wait })
}

fn whole(value: &Raw<'_>) -> Option<u32> {
    match value.form() {
        Form::Number(text) => ::ron::from_str(text).ok(),
        _ => None,
    }
}

/// A span of time that is not nothing.
fn time(value: &Raw<'_>) -> Option<Duration> {
    let Form::Text(text) = value.form() else { return None };
    let nanoseconds = u64::try_from(duration(&text)?).ok().filter(|nanoseconds| *nanoseconds > 0)?;
    Some(Duration::from_nanos(nanoseconds))
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::testing::*;

    fn with(settings: &str) -> crate::graph::With {
        let edit = format!("latent: latent, with: ({settings}))");
        edited(&[("latent: latent)", &edit)]).unwrap().nodes["image"].with.clone()
    }

    #[test]
    fn a_time_limit_is_a_span_of_time() {
        let limit = with("timeout: \"1m30s\"").timeout.unwrap();
        assert_eq!(limit.duration.as_secs(), 90);
    }

    #[test]
    fn a_number_of_retries_stands_for_itself_or_with_its_first_wait() {
        let retry = |settings: &str| with(settings).retry.map(|retry| (retry.times, retry.first_wait.as_millis()));
        assert_eq!(retry("salt: 1"), None);
        assert_eq!(retry("retry: 3"), Some((3, 1000)));
        assert_eq!(retry("retry: (times: 2)"), Some((2, 1000)));
        assert_eq!(retry("retry: (times: 2, wait: \"250ms\")"), Some((2, 250)));
    }

    #[test]
    fn what_is_no_time_and_no_number_is_told_with_an_example() {
        check_edit(
            &[("latent: latent)", r#"latent: latent, with: (timeout: 90, retry: (time: 3, wait: "0s")))"#)],
            expect![[r#"
                graph::malformed: `timeout` is not written like this
                 >test.ron:15:69 `90` not understood
                  help: write it like this: `"90s"`
                graph::unknown-param: `retry` has no field `time`
                 >test.ron:15:81 `time` did you mean `times`?
                  help: fields: times, wait
                graph::malformed: `wait` is not written like this
                 >test.ron:15:96 `"0s"` not understood
                  help: write it like this: `"1s"`
            "#]],
        );
    }

    #[test]
    fn a_graph_that_is_used_as_a_node_takes_no_settings() {
        check_text(
            "Graph(format: 1, imports: (paint: Graph(\"lib/good.ron\")), nodes: (a: paint(with: (salt: 2))))",
            expect![[r#"
                graph::malformed: `with` cannot stand at a graph that is used as a node, or at alternatives
                 >test.ron:1:76 `with` speaks of one node that runs
                  help: write it at the nodes inside of that graph, or at the alternatives
            "#]],
        );
    }
}
