//! `rondel plan`: says what a run would do, and why, without doing anything.

use anyhow::Result;
use petgraph::dot::Dot;
use rondel_engine::last::Last;
use rondel_engine::plan::Edge;
use rondel_engine::{Forecast, Plan, forecast};
use serde_json::json;

use super::{Exit, Opened, open};
use crate::args::{Places, PlanArgs, PlanFormat};
use crate::words;

pub fn run(places: &Places, args: PlanArgs) -> Result<Exit> {
    let Opened { cache, plan } = match open(places, &args.graph)? {
        Ok(opened) => opened,
        Err(exit) => return Ok(exit),
    };
    let mut last = Last::open(cache.v1(), &plan.graph.path);
    let forecasts: Vec<Forecast> =
        forecast(&plan, &cache, &mut last).into_iter().map(|(_, forecast)| forecast).collect();
    match args.format {
        PlanFormat::Human => human(&plan, &forecasts),
        PlanFormat::Json => words::data(serde_json::to_string_pretty(&machine(&plan, &forecasts))?),
        PlanFormat::Dot => {
            let names = plan.steps.map(
                |_, step| step.name.to_string(),
                |_, edge| match edge {
                    Edge::Takes => "",
                    Edge::Repeats => "repeats",
                },
            );
            words::data(Dot::new(&names));
        }
    }
    Ok(Exit::Done)
}

fn human(plan: &Plan, forecasts: &[Forecast]) {
    let width = plan.inputs.keys().map(String::len).max().unwrap_or(0);
    if !plan.inputs.is_empty() {
        words::data("inputs");
    }
    for (name, input) in &plan.inputs {
        words::data(format!("  {name:width$}  {}  ({})", input.json, input.origin.words()));
    }
    words::data("steps");
    let width = plan.steps.node_weights().map(|step| step.name.len()).max().unwrap_or(0);
    for (id, forecast) in plan.ids().zip(forecasts) {
        let text = match forecast {
            Forecast::Known(_) => "known".to_owned(),
            Forecast::Runs(why) => format!("runs: {why}"),
            Forecast::NotNeeded => "not needed".to_owned(),
        };
        words::data(format!("  {:width$}  {text}", plan.step(id).name));
    }
    let n_runs = forecasts.iter().filter(|forecast| matches!(forecast, Forecast::Runs(_))).count();
    let n_known = forecasts.iter().filter(|forecast| matches!(forecast, Forecast::Known(_))).count();
    words::say(format!("{} to run, {n_known} known", words::count(n_runs, "step")));
}

fn machine(plan: &Plan, forecasts: &[Forecast]) -> serde_json::Value {
    let inputs: serde_json::Map<_, _> = plan
        .inputs
        .iter()
        .map(|(name, input)| (name.clone(), json!({ "value": input.json, "from": input.origin.words() })))
        .collect();
    let steps: Vec<_> = plan
        .ids()
        .zip(forecasts)
        .map(|(id, forecast)| {
            let step = plan.step(id);
            let (will, why) = match forecast {
                Forecast::Known(how) => (how.word(), None),
                Forecast::Runs(why) => ("run", Some(why)),
                Forecast::NotNeeded => ("not_needed", None),
            };
            let after: Vec<&str> = plan.before(id).map(|before| &*plan.step(before).name).collect();
            json!({
                "name": step.name, "kind": step.spec.kind, "lane": step.spec.lane.name(), "after": after,
                "will": will, "why": why, "why_text": why.map(|why| why.to_string()), "recipe": step.recipe,
            })
        })
        .collect();
    json!({ "graph": plan.graph.name, "inputs": inputs, "steps": steps })
}
