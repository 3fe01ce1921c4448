//! Steps that a person wants to run even if they are known, until they did.

use rondel_event::{How, Report};

#[derive(Debug, Default)]
pub struct Reruns {
    /// For the next run.
    wanted: Vec<String>,
    /// Of the run that goes on.
    under_way: Vec<String>,
}

impl Reruns {
    pub fn want(&mut self, step: String) {
        self.wanted.push(step);
    }

    /// A run begins; returns what is to run in it. A step that it does not have is forgotten.
    pub fn begin(&mut self, has: impl Fn(&str) -> bool) -> Vec<String> {
        self.under_way = std::mem::take(&mut self.wanted).into_iter().filter(|step| has(step)).collect();
        self.under_way.clone()
    }

    /// The run is over. What gave way to the next run before it ran is for that one, unless a person cancelled it.
    pub fn ended(&mut self, report: &Report, was_cancelled: bool) {
        let under_way = std::mem::take(&mut self.under_way);
        if !was_cancelled {
            self.wanted.extend(under_way.into_iter().filter(|step| !has_run(report, step)));
        }
    }
}

/// Whether a step ran to its end, good or bad.
fn has_run(report: &Report, name: &str) -> bool {
    let step = report.steps.iter().find(|step| &*step.name == name);
    step.is_some_and(|step| match step.how {
        How::Ran => true,
        How::Failed => step.problem.as_ref().is_none_or(|problem| problem.kind != "cancelled"),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A run of `noise` and `latent`, as its report tells of it.
    fn report(noise: &str, latent: &str) -> Report {
        let step = |name: &str, how: &str| {
            let (how, problem) = match how {
                "stopped" => ("failed", serde_json::json!({"kind": "cancelled", "message": "stopped"})),
                how => (how, serde_json::Value::Null),
            };
            serde_json::json!({"name": name, "kind": "k", "how": how, "why": null, "ms": 0.0, "peak_bytes": 0, "problem": problem})
        };
        let mut report = serde_json::to_value(Report::of(&rondel_event::RunView::default())).unwrap();
        report["steps"] = serde_json::json!([step("noise", noise), step("latent", latent)]);
        serde_json::from_value(report).unwrap()
    }

    /// What the next run is to run again, after one with both that came out so.
    fn next(noise: &str, latent: &str, was_cancelled: bool) -> String {
        let mut reruns = Reruns::default();
        reruns.want("noise".to_owned());
        reruns.want("latent".to_owned());
        assert_eq!(reruns.begin(|_| true), ["noise", "latent"]);
        reruns.ended(&report(noise, latent), was_cancelled);
        reruns.begin(|_| true).join(", ")
    }

    #[test]
    fn a_save_before_they_ran_loses_none() {
        assert_eq!(next("ran", "blocked", false), "latent");
        assert_eq!(next("ran", "stopped", false), "latent");
        assert_eq!(next("ran", "failed", false), "");
        assert_eq!(next("known_by_recipe", "blocked", false), "noise, latent");
    }

    #[test]
    fn one_that_was_cancelled_or_is_gone_is_forgotten() {
        assert_eq!(next("ran", "blocked", true), "");
        let mut reruns = Reruns::default();
        reruns.want("noise".to_owned());
        assert!(reruns.begin(|step| step != "noise").is_empty());
        assert!(reruns.begin(|_| true).is_empty());
    }
}
