//! A plan of many points, in few lines: what is swept, and one line a node.

use indexmap::IndexMap;
use rondel_engine::{Forecast, Plan, StepNeed};
use serde_json::json;

use crate::words;

/// How many values of an axis, or steps of a node, are named.
const MAX_NAMED: usize = 4;

/// What is swept, one line an input.
pub fn axes(plan: &Plan) {
    words::data(format!("sweep of {}", words::count(plan.points.n_points(), "point")));
    let axes = || plan.points.factors.iter().flat_map(|factor| &factor.axes);
    let width = axes().map(|(name, _)| name.len()).max().unwrap_or(0);
    for (name, values) in axes() {
        let mut shown: Vec<String> = values.iter().take(MAX_NAMED).map(|value| value.json.to_string()).collect();
        if let (true, Some(last)) = (values.len() > MAX_NAMED, values.last()) {
            shown.truncate(MAX_NAMED - 1);
            shown.push(format!("… {}", last.json));
        }
        let from = values.first().map(|value| value.origin.words()).unwrap_or_default();
        words::data(format!(
            "  {name:width$}  {}  ({}, {from})",
            shown.join(", "),
            words::count(values.len(), "value")
        ));
    }
}

/// One line a node: how many steps it has, what becomes of them, and why the first ones run.
pub fn steps(plan: &Plan, forecasts: &[Forecast]) {
    let mut nodes: IndexMap<&str, Vec<usize>> = IndexMap::new();
    plan.ids().for_each(|id| nodes.entry(&*plan.step(id).node).or_default().push(id.index()));
    let width = nodes.keys().map(|name| name.chars().count()).max().unwrap_or(0);
    let ids: Vec<_> = plan.ids().collect();
    for (node, steps) in nodes {
        let count = |is_meant: fn(&Forecast) -> bool| steps.iter().filter(|i| is_meant(&forecasts[**i])).count();
        let parts = [
            (count(|forecast| matches!(forecast, Forecast::Runs(_))), "to run"),
            (count(|forecast| matches!(forecast, Forecast::Known(_))), "known"),
            (count(|forecast| matches!(forecast, Forecast::HandsOn(_))), "handed on"),
            (count(|forecast| matches!(forecast, Forecast::NotNeeded)), "not needed"),
            (count(|forecast| matches!(forecast, Forecast::OnlyIf(_))), "only if another fails or is not chosen"),
        ];
        let parts = parts.into_iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}"));
        let shared = match steps.len() {
            1 if plan.points.n_points() > 1 => ", shared by all points".to_owned(),
            n if n < plan.points.n_points() => ", shared by several points each".to_owned(),
            _ => String::new(),
        };
        words::data(format!("  {node:width$}  {}{shared}", parts.collect::<Vec<_>>().join(", ")));
        let running = steps.iter().filter_map(|i| match &forecasts[*i] {
            Forecast::Runs(why) => Some((*i, why)),
            _ => None,
        });
        // Of many that run, the first say why.
        for (i, why) in running.take(if steps.len() == 1 { 1 } else { 2 }) {
            words::data(format!("  {:width$}    {}: {why}", "", plan.step(ids[i]).name));
        }
    }
}

/// The largest of what each node's steps need, in the order of the plan.
pub fn largest<'n>(plan: &Plan, needs: &'n [StepNeed]) -> Vec<&'n StepNeed> {
    let mut largest: IndexMap<&str, &StepNeed> = IndexMap::new();
    for need in needs {
        let bytes = |need: &StepNeed| need.cost.as_ref().map_or(u64::MAX, |cost| cost.bytes());
        let there = largest.entry(&*plan.step(need.step).node).or_insert(need);
        if bytes(need) > bytes(there) {
            *there = need;
        }
    }
    largest.into_values().collect()
}

/// The points with their inputs, and the names of their outputs.
pub fn machine(plan: &Plan) -> serde_json::Value {
    let points = plan.points.outputs.iter().enumerate().map(|(point, outputs)| {
        let inputs: serde_json::Map<_, _> = plan
            .points
            .inputs(point)
            .map(|(name, input)| (name.clone(), json!({ "value": input.json, "from": input.origin.words() })))
            .collect();
        let outputs: Vec<&str> = outputs.iter().map(|index| plan.outputs[*index].name.as_str()).collect();
        json!({ "point": point + 1, "inputs": inputs, "outputs": outputs })
    });
    points.collect()
}
