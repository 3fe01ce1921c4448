//! What a run needs in memory, in words.

use std::collections::BTreeSet;

use rondel_engine::{StepNeed, Weighed};
use rondel_value::cost::{bytes_text, round_bytes_text};

/// How a run fits into its budget, as one sentence.
pub fn summary(weighed: &Weighed, budget_bytes: Option<u64>) -> String {
    let peak = format!("peak {}", bytes_text(weighed.peak_bytes));
    let Some(budget) = budget_bytes else { return format!("{peak}, no budget") };
    let Weighed { let_go, streamed, too_large, .. } = weighed;
    let how = match () {
        () if !too_large.is_empty() => "cannot run".to_owned(),
        () if !streamed.is_empty() => {
            format!("fits if {} reads its weights while it uses them, which takes longer", streamed.join(", "))
        }
        () if !let_go.is_empty() => format!("fits, and {} goes when room is needed", let_go.join(", ")),
        () => "fits".to_owned(),
    };
    format!("{peak}, budget {}: {how}", bytes_text(budget))
}

/// Why a run cannot come to its end within its budget: one sentence for each step that has no room.
pub fn refusals(needs: &[StepNeed], weighed: &Weighed, budget_bytes: Option<u64>) -> Vec<String> {
    let budget = bytes_text(budget_bytes.unwrap_or(u64::MAX));
    let refusal = |(name, cost): &(_, rondel_value::Cost)| {
        let least = match cost.streamed_bytes {
            Some(least) => format!(", and {} at the least", bytes_text(least)),
            None => String::new(),
        };
        let enough = round_bytes_text(cost.least_bytes());
        format!(
            "`{name}` needs {cost}{least}; the budget is {budget}: `--memory {enough}`, or a smaller model or picture"
        )
    };
    // Some can tell that there is too little without being able to say how much would be enough.
    let without_a_sum = needs.iter().filter(|need| need.refusal().is_none() && need.unanswered().is_none());
    let without_a_sum = without_a_sum.filter_map(|need| Some((&need.name, need.cost.as_ref().err()?)));
    let without_a_sum = without_a_sum.map(|(name, failure)| format!("`{name}` cannot run: {failure}"));
    weighed.too_large.iter().map(refusal).chain(without_a_sum).collect()
}

/// Steps of which nobody knows what they need: one sentence for all that have the same reason.
pub fn unanswered(needs: &[StepNeed]) -> Vec<String> {
    let mut reasons = BTreeSet::new();
    let unanswered = needs.iter().filter_map(|need| Some((&need.name, need.unanswered()?.to_string())));
    let first = unanswered.filter(|(_, reason)| reasons.insert(reason.clone()));
    first.map(|(name, reason)| format!("what `{name}` needs is not known: {reason}")).collect()
}

#[cfg(test)]
mod tests {
    use rondel_engine::StepId;
    use rondel_plugin::{FailureKind, NodeFailure};

    use super::*;

    #[test]
    fn steps_that_share_a_silence_are_told_once() {
        let need = |name: &str, kind, message: &str| {
            let cost = Err(NodeFailure { kind, input: None, message: message.to_owned() });
            StepNeed { step: StepId::new(0), name: name.into(), cost }
        };
        let needs = [
            need("a", FailureKind::Cancelled, "no answer"),
            need("b", FailureKind::Cancelled, "no answer"),
            need("c", FailureKind::Failed, "no luck"),
        ];
        assert_eq!(unanswered(&needs), ["what `a` needs is not known: no answer"]);
        assert!(refusals(&needs[..2], &Weighed::default(), None).is_empty());
    }
}
