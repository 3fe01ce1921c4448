//! What a run made, for its report: the graph's outputs, and the files of effects that are none of them.

use std::collections::HashSet;
use std::path::Path;

use rondel_cache::{Record, StoredValue};
use rondel_event::{OutputInfo, PointInfo};
use rondel_value::coerce;

use crate::plan::{Plan, Slot, StepId};

/// Describes the outputs of a run; `record` gives what is known of a step that is done.
pub fn outputs<'a>(plan: &Plan, record: impl Fn(StepId) -> Option<&'a Record>) -> Vec<OutputInfo> {
    let mut infos = Vec::new();
    let mut named = HashSet::new();
    for output in &plan.outputs {
        output.slot.for_each_step(&mut |id| {
            named.insert(id);
        });
        describe(plan, &record, &output.name, &output.slot, &mut infos);
    }
    // Whoever runs a graph wants to find every file that it wrote.
    for id in plan.wanted.iter().filter(|id| plan.step(**id).spec.effect && !named.contains(id)) {
        describe(plan, &record, &plan.step(*id).name, &Slot::Step { step: *id, port: 0 }, &mut infos);
    }
    infos
}

/// The points of a sweep, with the names that outputs of the run have.
pub fn points(plan: &Plan) -> Vec<PointInfo> {
    let point = |(point, outputs): (usize, &Vec<usize>)| {
        let name = |index: &usize| {
            let made_as = &plan.outputs[*index].name;
            let name = made_as.split('[').next().unwrap_or(made_as);
            (name.to_owned(), made_as.clone())
        };
        let inputs = plan.points.inputs(point).map(|(name, input)| (name.clone(), input.json.clone()));
        PointInfo { inputs: inputs.collect(), outputs: outputs.iter().map(name).collect() }
    };
    plan.points.outputs.iter().enumerate().map(point).collect()
}

fn describe<'a>(
    plan: &Plan,
    record: &impl Fn(StepId) -> Option<&'a Record>,
    name: &str,
    slot: &Slot,
    infos: &mut Vec<OutputInfo>,
) {
    let mut info = OutputInfo { name: name.to_owned(), from: None, path: None, digest: None, value: None };
    match slot {
        Slot::Value(value) => {
            info.digest = Some(value.digest());
            info.value = Some(coerce::to_json(value));
        }
        Slot::Model(model) => info.value = Some(model.name.clone().into()),
        Slot::File { path, digest } => {
            info.path = Some(path.display().to_string());
            info.digest = Some(*digest);
        }
        Slot::Step { step, port } => {
            let made_by = plan.step(*step);
            info.from = Some(format!("{}.{}", made_by.name, made_by.spec.outputs[*port].name));
            if let Some(record) = record(*step) {
                let stored = &record.outputs[*port];
                info.digest = Some(stored.digest);
                info.value = inline_json(&stored.value);
                let saved = info.value.as_ref().filter(|_| made_by.spec.effect);
                if let Some(path) =
                    saved.and_then(|saved| saved["path"].as_str()).filter(|path| Path::new(path).is_absolute())
                {
                    info.path = Some(path.to_owned());
                    // Of a written file the digest is that of its bytes, which anyone can check.
                    let digest = saved.and_then(|saved| saved["digest"].as_str()?.parse().ok());
                    info.digest = digest.or(info.digest);
                }
            }
        }
        Slot::List(items) => {
            let items = items.iter().enumerate();
            return items.for_each(|(i, item)| describe(plan, record, &format!("{name}.{i}"), item, infos));
        }
    }
    infos.push(info);
}

/// The JSON form of a small stored value; none for what lies in a blob.
fn inline_json(value: &StoredValue) -> Option<serde_json::Value> {
    value.inline().map(|value| coerce::to_json(&value))
}
