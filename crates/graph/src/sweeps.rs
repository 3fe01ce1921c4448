//! Sweeps: many values for inputs, from a graph's `sweeps` or from a command line.
//!
//! An *axis* is an input with the values that it goes through. What may stand for them:
//!
//! | in a graph | on the command line | values |
//! | --- | --- | --- |
//! | `seed: 1..=8` | `seed=1..=8` | whole numbers, both ends among them |
//! | `guidance: Range(from: 1.0, to: 3.0, by: 0.5)` | `guidance=1..=3 by 0.5` | numbers with a step |
//! | `steps: [4, 8..=12, 20]` | `steps=[4, 8..=12, 20]` | what is listed; a list may hold ranges |
//! | | `prompt=a fox` | one value |

use std::iter;

use crate::diagnostic::Diagnostic;
use crate::diagnostics::{bad_sweep, unknown_sweep};
use crate::graph::{Expr, Graph, Input, Sweep};
use crate::inputs::{self, Refusal};
use rondel_value::Type;

/// The most points that a sweep may have: each is planned before anything runs.
pub const MAX_POINTS: usize = 100_000;

/// A sweep of more points than can be planned.
pub fn too_many_points(n: usize) -> Diagnostic {
    bad_sweep::too_many(n)
}

/// One of the graph's sweeps.
pub fn sweep<'g>(graph: &'g Graph, name: &str) -> Result<&'g Sweep, Diagnostic> {
    graph.sweeps.get(name).ok_or_else(|| unknown_sweep::unknown_sweep(graph, name))
}

/// Reads the values of an axis as they are written after `option name=`, each by the declared type of the input.
///
/// A list for a text or a picture may have its items in quotes. Paths come back as they were given.
pub fn axis(graph: &Graph, option: &str, name: &str, text: &str) -> Result<Vec<Expr>, Diagnostic> {
    let input = inputs::find(graph, option, name)?;
    let told = |said: &str, refusal: Refusal| refusal.told(graph, input, &format!("{option} {name}={said}"));
    let trimmed = text.trim();
    let brackets = trimmed.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let items = match brackets {
        Some(inside) => inputs::split(inside).into_iter().map(str::trim).collect(),
        // One text is taken as it is, blanks and all.
        None => vec![text],
    };
    if brackets.is_none() && trimmed.starts_with('[') && !matches!(input.ty.required(), Type::Text) {
        return Err(bad_sweep::on_command_line(option, name, "the list has no end", "[4, 8]"));
    }
    if items.is_empty() {
        return Err(bad_sweep::on_command_line(option, name, "no values are given", "[4, 8]"));
    }
    let bracketed = |mistake: Diagnostic| match brackets.is_none() && inputs::split(trimmed).len() > 1 {
        true => mistake.help(format!("several values stand in brackets: `[{trimmed}]`")),
        false => mistake,
    };
    let mut values = Vec::new();
    for item in items {
        if is_number(input) && item.contains("..") {
            let refused = |error| bracketed(bad_sweep::range(graph, input, option, item, &error));
            let range = Range::read(item).map_err(refused)?;
            values.extend(range.exprs(input).map_err(|(said, refusal)| told(&said, refusal))?);
            continue;
        }
        let expr = match (input.ty.required(), brackets) {
            (Type::Text | Type::Image | Type::Mask, Some(_)) => inputs::read(input, &input.ty, &inputs::unquoted(item)),
            _ => inputs::read(input, &input.ty, item),
        };
        values.push(expr.map_err(|refusal| bracketed(told(item, refusal)))?);
    }
    match values.len() <= MAX_POINTS {
        true => Ok(values),
        false => Err(bad_sweep::too_many(values.len())),
    }
}

/// Reads an axis of which each value is given by itself.
pub fn axis_of_lines(graph: &Graph, option: &str, name: &str, lines: &[String]) -> Result<Vec<Expr>, Diagnostic> {
    let input = inputs::find(graph, option, name)?;
    if lines.is_empty() {
        return Err(bad_sweep::on_command_line(option, name, "the file has no lines", "@prompts.txt"));
    }
    let read = |line: &String| {
        let expr = inputs::read(input, &input.ty, line);
        expr.map_err(|refusal| refusal.told(graph, input, &format!("{option} {name}={line}")))
    };
    lines.iter().map(read).collect()
}

/// Whether the input is a number, which goes through ranges.
pub(crate) fn is_number(input: &Input) -> bool {
    matches!(input.ty.required(), Type::Int | Type::Float | Type::Seed)
}

/// Why a text is no range of values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RangeError {
    #[error("a range has two ends, `1..=8`, and may have a step, `1..=3 by 0.5`")]
    Form,
    #[error("a step is more than nothing")]
    Step,
    #[error("nothing lies between {from} and {to}; the smaller end stands first")]
    Empty { from: String, to: String },
    #[error("{n} values are too many, at most {MAX_POINTS} can be gone through")]
    TooMany { n: u128 },
}

/// Numbers at one distance, exact: in tenths, hundredths or whatever is written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Range {
    from: i128,
    step: i128,
    n: usize,
    n_decimals: usize,
}

impl Range {
    /// Reads `1..=8` or `1..=3 by 0.5`.
    pub(crate) fn read(text: &str) -> Result<Range, RangeError> {
        let (ends, by) = match text.split_once(" by ") {
            Some((ends, by)) => (ends, by),
            None => (text, "1"),
        };
        let (from, to) = ends.split_once("..=").ok_or(RangeError::Form)?;
        Range::of(from, to, by)
    }

    pub(crate) fn of(from: &str, to: &str, by: &str) -> Result<Range, RangeError> {
        let ends = [from, to, by].map(Decimal::read);
        let [Some(first), Some(last), Some(step)] = ends else { return Err(RangeError::Form) };
        let n_decimals = first.n_decimals.max(last.n_decimals).max(step.n_decimals);
        let scaled = |decimal: Decimal| decimal.scaled(n_decimals).ok_or(RangeError::Form);
        let (first, last, step) = (scaled(first)?, scaled(last)?, scaled(step)?);
        if step <= 0 {
            return Err(RangeError::Step);
        }
        if first > last {
            return Err(RangeError::Empty { from: from.trim().to_owned(), to: to.trim().to_owned() });
        }
        // The distance of two signed numbers may be more than a signed one holds.
        let n = (last.abs_diff(first) / step.unsigned_abs()).saturating_add(1);
        match usize::try_from(n) {
            Ok(n) if n <= MAX_POINTS => Ok(Range { from: first, step, n, n_decimals }),
            _ => Err(RangeError::TooMany { n }),
        }
    }

    /// The values, each read as if it were written by itself; what is refused comes back with it.
    pub(crate) fn exprs(&self, input: &Input) -> Result<Vec<Expr>, (String, Refusal)> {
        // One after the other, because none is larger than the last, as `i * step` alone might be.
        let numbers = iter::successors(Some(self.from), |number| number.checked_add(self.step)).take(self.n);
        let texts = numbers.map(|number| written(number, self.n_decimals));
        texts.map(|text| inputs::read(input, &input.ty, &text).map_err(|refusal| (text, refusal))).collect()
    }
}

/// A number as it is written: all of its digits, and how many stand after the point.
#[derive(Clone, Copy)]
struct Decimal {
    digits: i128,
    n_decimals: usize,
}

impl Decimal {
    fn read(text: &str) -> Option<Decimal> {
        let text = text.trim().replace('_', "");
        let (whole, decimals) = text.split_once('.').unwrap_or((&text, ""));
        let is_number = !whole.trim_start_matches(['+', '-']).is_empty() || !decimals.is_empty();
        let are_digits = decimals.chars().all(|c| c.is_ascii_digit());
        // More digits than any number here has would not fit the sum.
        if !is_number || !are_digits || text.len() > 30 {
            return None;
        }
        let digits = format!("{whole}{decimals}").parse().ok()?;
        Some(Decimal { digits, n_decimals: decimals.len() })
    }

    /// The number in units of so many decimals.
    fn scaled(self, n_decimals: usize) -> Option<i128> {
        let more = u32::try_from(n_decimals - self.n_decimals).ok()?;
        self.digits.checked_mul(10i128.checked_pow(more)?)
    }
}

fn written(number: i128, n_decimals: usize) -> String {
    if n_decimals == 0 {
        return number.to_string();
    }
    let sign = if number < 0 { "-" } else { "" };
    let digits = format!("{:0>width$}", number.unsigned_abs(), width = n_decimals + 1);
    let (whole, decimals) = digits.split_at(digits.len() - n_decimals);
    // A whole number is written as one, for those who take whole numbers only.
    match decimals.trim_end_matches('0') {
        "" => format!("{sign}{whole}"),
        decimals => format!("{sign}{whole}.{decimals}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::graph_with_inputs;

    fn values(declaration: &str, text: &str) -> String {
        let graph = graph_with_inputs(&format!("x: {declaration}"));
        match axis(&graph, "--sweep", "x", text) {
            Ok(exprs) => {
                let shown = exprs.iter().map(|expr| match expr {
                    Expr::Value(value) => value.display(80),
                    other => format!("{other:?}"),
                });
                shown.collect::<Vec<_>>().join(" ")
            }
            Err(error) => format!("{}: {}", error.code, error.message),
        }
    }

    #[test]
    fn an_axis_is_a_range_a_list_or_one_value() {
        assert_eq!(values("Int()", "1..=4"), "1 2 3 4");
        assert_eq!(values("Seed()", "[7, 1..=3, random]"), "7 1 2 3 RandomSeed");
        assert_eq!(values("Int()", "5"), "5");
        assert_eq!(values("Text()", "a fox, b"), r#""a fox, b""#);
        assert_eq!(values("Text()", r#"[a fox, "b, c"]"#), r#""a fox" "b, c""#);
        assert_eq!(values("Text()", "1..=4"), r#""1..=4""#);
        assert_eq!(values("Size()", "[64x64, (32, 16)]"), "64x64 32x16");
        assert_eq!(values("Choice(of: [Soft, Hard])", "[Soft, Hard]"), r#""Soft" "Hard""#);
        assert_eq!(values("List(of: Int)", "[[1, 2], [3]]"), "[1, 2] [3]");
    }

    #[test]
    fn steps_are_exact() {
        assert_eq!(values("Float()", "0..=1 by 0.1"), "0.0 0.1 0.2 0.3 0.4 0.5 0.6 0.7 0.8 0.9 1.0");
        assert_eq!(values("Float()", "-0.5..=0.5 by 0.25"), "-0.5 -0.25 0.0 0.25 0.5");
        assert_eq!(values("Int()", "4..=21 by 8"), "4 12 20");
        assert_eq!(values("Float()", "1.5..=3"), "1.5 2.5");
    }

    #[test]
    fn several_values_without_brackets_are_told_so() {
        let graph = graph_with_inputs("x: Seed(), p: Text()");
        for (text, help) in [("1,2,3", "[1,2,3]"), ("1..=3, 7", "[1..=3, 7]")] {
            let help = format!("several values stand in brackets: `{help}`");
            assert_eq!(axis(&graph, "--sweep", "x", text).unwrap_err().help.unwrap(), help);
        }
        assert_eq!(axis(&graph, "--sweep", "p", "1,2,3").unwrap().len(), 1);
    }

    #[test]
    fn what_is_no_axis_is_refused() {
        assert_eq!(values("Int()", "8..=1"), {
            "input::bad-sweep: `--sweep x=8..=1`: nothing lies between 8 and 1; the smaller end stands first"
        });
        assert_eq!(values("Int()", "1..4"), {
            "input::bad-sweep: `--sweep x=1..4`: a range has two ends, `1..=8`, and may have a step, `1..=3 by 0.5`"
        });
        assert_eq!(
            values("Int()", "1..=4 by 0"),
            "input::bad-sweep: `--sweep x=1..=4 by 0`: a step is more than nothing"
        );
        assert_eq!(values("Int()", "1..=9000000000"), {
            "input::bad-sweep: `--sweep x=1..=9000000000`: 9000000000 values are too many, at most 100000 can be \
             gone through"
        });
        let wide = "-99999999999999999999999999999..=160000000000000000000000000000 by";
        assert_eq!(values("Float()", &format!("{wide} 0.000000001")), {
            "input::bad-sweep: `--sweep x=-99999999999999999999999999999..=160000000000000000000000000000 by \
             0.000000001`: 259999999999999999999999999999000000001 values are too many, at most 100000 can be gone through"
        });
        assert_eq!(values("Int()", "[]"), "input::bad-sweep: `--sweep x=…`: no values are given");
        assert_eq!(values("Int()", "[1, two]"), "input::bad-value: `--sweep x=two` is not Int");
        assert_eq!(values("Int(range: 1..=3)", "1..=8"), "input::out-of-range: `--sweep x=4` is out of range");
        assert_eq!(values("Int()", "1..=2 by 0.5"), "input::bad-value: `--sweep x=1.5` is not Int");
    }
}
