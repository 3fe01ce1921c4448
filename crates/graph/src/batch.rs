//! `--inputs batch.jsonl`: one point a line, a JSON object of inputs.
//!
//! ```json
//! {"seed": 7, "prompt": "a fox", "size": "64x64"}
//! {"seed": "random", "coat": "photos/blue.png"}
//! ```
//!
//! A text is read as after `--set`, by the declared type of the input; numbers, lists and objects are what they are. Empty lines
//! are skipped. What a line leaves out is what the graph, or the command line, says anyway.

use std::sync::Arc;

use indexmap::IndexMap;
use rondel_value::{Type, Value, coerce};

use crate::diagnostic::Diagnostic;
use crate::diagnostics::bad_sweep;
use crate::graph::{Expr, Graph, Input};
use crate::inputs::{self, Refusal};
use crate::source::{Source, Span};
use crate::sweeps::MAX_POINTS;

/// More mistakes than anyone reads at once: a file that is wrong is often wrong in every line.
const MAX_MISTAKES: usize = 20;

/// One point.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// From one, as editors count.
    pub number: usize,
    pub values: IndexMap<String, Expr>,
    pub span: Span,
}

/// Reads the lines, each by the declared types of the graph's inputs. Paths come back as they were given.
pub fn read(graph: &Graph, batch: &Arc<Source>) -> Result<Vec<Line>, Vec<Diagnostic>> {
    let mut lines = Vec::new();
    let mut mistakes = Vec::new();
    let mut start = 0;
    for (index, text) in batch.text.split('\n').enumerate() {
        let span = start..start + text.trim_end_matches('\r').len();
        start += text.len() + 1;
        if text.trim().is_empty() {
            continue;
        }
        match line(graph, batch, &span) {
            Ok(values) => lines.push(Line { number: index + 1, values, span }),
            Err(found) => mistakes.extend(found),
        }
        if mistakes.len() >= MAX_MISTAKES {
            break;
        }
    }
    match (mistakes.is_empty(), lines.len()) {
        (false, _) => Err(mistakes),
        (true, 0) => Err(vec![bad_sweep::no_lines(&batch.path)]),
        (true, n) if n > MAX_POINTS => Err(vec![bad_sweep::too_many(n)]),
        (true, _) => Ok(lines),
    }
}

fn line(graph: &Graph, batch: &Arc<Source>, span: &Span) -> Result<IndexMap<String, Expr>, Vec<Diagnostic>> {
    let text = &batch.text[span.clone()];
    let json: serde_json::Value = serde_json::from_str(text).map_err(|error| {
        let at = crate::source::floor(text, error.column().saturating_sub(1));
        let length = text[at..].chars().next().map_or(0, char::len_utf8);
        let stop = span.start + at..span.start + at + length;
        let words = error.to_string();
        let words = words.split(" at line ").next().unwrap_or(&words);
        vec![bad_sweep::line(batch, &stop, format!("the line is no JSON: {words}"), "stopped here")]
    })?;
    let serde_json::Value::Object(object) = json else {
        return Err(vec![bad_sweep::line(batch, span, "the line is not an object of inputs".to_owned(), "this line")]);
    };
    let mut values = IndexMap::with_capacity(object.len());
    let mut mistakes = Vec::new();
    for (name, json) in &object {
        let unknown = |mistake| Diagnostic { message: format!("the graph has no input `{name}`"), ..mistake };
        let read = inputs::find(graph, "--inputs", name).map_err(unknown).and_then(|input| {
            value(input, &input.ty, json).map_err(|refusal| refusal.told(graph, input, &format!("{name}: {json}")))
        });
        match read {
            Ok(expr) => drop(values.insert(name.clone(), expr)),
            Err(mistake) => mistakes.push(in_line(batch, span, name, mistake)),
        }
    }
    if mistakes.is_empty() { Ok(values) } else { Err(mistakes) }
}

/// The mistake with its place in the batch file instead of the graph's.
fn in_line(batch: &Arc<Source>, line: &Span, name: &str, mistake: Diagnostic) -> Diagnostic {
    let label = mistake.labels.first().map(|label| label.text.clone()).unwrap_or("not an input".to_owned());
    let quoted = format!("\"{name}\"");
    let text = &batch.text[line.clone()];
    // The same text may be a value, too.
    let is_name = |(at, quoted): &(usize, &str)| text[at + quoted.len()..].trim_start().starts_with(':');
    let span = match text.match_indices(&quoted).find(is_name) {
        Some((at, _)) => line.start + at..line.start + at + quoted.len(),
        None => line.clone(),
    };
    Diagnostic { labels: Vec::new(), ..mistake }.at(batch, &span, label)
}

fn value(input: &Input, ty: &Type, json: &serde_json::Value) -> Result<Expr, Refusal> {
    use serde_json::Value as J;
    match (ty, json) {
        (Type::Optional(_), J::Null) => Ok(Expr::Value(Value::None)),
        (Type::Optional(inner), _) => value(input, inner, json),
        (Type::List(inner), J::Array(items)) => {
            items.iter().map(|item| value(input, inner, item)).collect::<Result<_, _>>().map(Expr::list)
        }
        (Type::List(inner), _) => value(input, inner, json).map(|item| Expr::list(vec![item])),
        (Type::Json, _) => Ok(Expr::Value(Value::Json(rondel_value::Json::new(json)))),
        (_, J::String(text)) => inputs::read(input, ty, text),
        (Type::Text | Type::Image | Type::Mask | Type::Duration, _) => Err(Refusal::Type),
        _ => {
            let read = coerce::from_json(json, ty).map_err(|error| Refusal::Reason(error.to_string()))?;
            inputs::admit(input, read)
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::testing::{graph, render};

    fn check(text: &str, expected: Expect) {
        let batch = Arc::new(Source::new("batch.jsonl", "batch.jsonl", text));
        let said = match read(&graph(), &batch) {
            Err(mistakes) => render(&mistakes),
            Ok(lines) => {
                let shown = |expr: &Expr| match expr {
                    Expr::Value(value) => value.display(40),
                    other => format!("{other:?}"),
                };
                let line = |line: &Line| {
                    let values = line.values.iter().map(|(name, expr)| format!("{name}={}", shown(expr)));
                    format!("{}: {}\n", line.number, values.collect::<Vec<_>>().join(" "))
                };
                lines.iter().map(line).collect()
            }
        };
        expected.assert_eq(&said);
    }

    #[test]
    fn a_line_is_a_point() {
        check(
            "{\"seed\": 7, \"prompt\": \"a fox\"}\n\n{\"size\": \"32x16\", \"style\": \"Hard\"}\r\n\
             {\"seed\": \"random\", \"size\": [64, 64]}\n{}",
            expect![[r#"
                1: seed=7 prompt="a fox"
                3: size=32x16 style="Hard"
                4: seed=RandomSeed size=64x64
                5: 
            "#]],
        );
    }

    #[test]
    fn a_mistake_is_shown_in_its_line() {
        check(
            "{\"seed\": 7}\n{\"seed\": -7, \"sed\": 1}\n{\"steps\": 99, \"size\": \"big\"}\n[1]\n{\"seed\": 1,}\n\
             {\"prompt\": 7}\n{\"prompt\": \"seed\", \"seed\" : -7}",
            expect![[r#"
                input::bad-value: `seed: -7`: a seed is not negative, -7 is
                 >batch.jsonl:2:2 `"seed"` declared as Seed
                  help: a seed is a number that is not negative, or `random`
                input::unknown: the graph has no input `sed`
                 >batch.jsonl:2:14 `"sed"` did you mean `seed`?
                  help: inputs: seed, size, steps, style, prompt
                input::out-of-range: `steps: 99` is out of range
                 >batch.jsonl:3:2 `"steps"` `steps` must be within this range
                  help: range: 1..=50
                input::bad-value: `size: "big"` is not Size
                 >batch.jsonl:3:15 `"size"` declared as Size
                  help: a size is written `1024x768`
                input::bad-line: the line is not an object of inputs
                 >batch.jsonl:4:1 `[1]` this line
                  help: a line is a JSON object of inputs: `{"seed": 7, "prompt": "a fox"}`
                input::bad-line: the line is no JSON: trailing comma
                 >batch.jsonl:5:12 `}` stopped here
                  help: a line is a JSON object of inputs: `{"seed": 7, "prompt": "a fox"}`
                input::bad-value: `prompt: 7` is not Text
                 >batch.jsonl:6:2 `"prompt"` declared as Text
                input::bad-value: `seed: -7`: a seed is not negative, -7 is
                 >batch.jsonl:7:20 `"seed"` declared as Seed
                  help: a seed is a number that is not negative, or `random`
            "#]],
        );
        check(
            "\n",
            expect![[r#"
            input::bad-line: the file of inputs has no lines: batch.jsonl
              help: a line is a JSON object of inputs: `{"seed": 7, "prompt": "a fox"}`
        "#]],
        );
    }
}
