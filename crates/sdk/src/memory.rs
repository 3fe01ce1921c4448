//! Memory that is asked for before it is taken, and the refusal that spells out the sum.
//!
//! [`Warm::get_sized`](crate::Warm::get_sized) asks for weights, [`Cx::reserve_scratch`] for memory to work in. The host makes
//! room by letting go what is idle; if that cannot be enough, the node fails with what it needs in all, instead of being
//! killed half way. Ask for scratch first: the weights are then not loaded in vain.

use std::sync::Arc;

use rondel_value::cost::{bytes_text, round_bytes_text};
use rondel_value::{Cost, CostPart};

use crate::cx::Cx;
use crate::error::{NodeError, NodeResult};
use crate::host::{Reservation, Ticket};

/// How much memory there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryNow {
    /// For everything together; none without a limit.
    pub budget_bytes: Option<u64>,
    /// The most that could be had now, if everything idle went; none without a limit.
    pub obtainable_bytes: Option<u64>,
}

impl MemoryNow {
    /// Whether so much could be had.
    pub fn has_room_for(&self, bytes: u64) -> bool {
        self.obtainable_bytes.is_none_or(|obtainable| bytes <= obtainable)
    }
}

/// Memory to work in, counted until it is dropped.
#[must_use = "the memory is free again once this is dropped"]
pub struct Scratch {
    ticket: Option<Ticket>,
    /// Tells the context of the call whether this is still here.
    _alive: Arc<()>,
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            ticket.free();
        }
    }
}

/// Something that a call has asked for.
pub(crate) struct Held {
    pub name: String,
    pub bytes: u64,
    /// Where it lies: what is asked for twice is held once.
    pub address: usize,
    /// Whether the call still has it.
    pub is_in_use: Box<dyn Fn() -> bool>,
}

impl Cx<'_> {
    /// Counts memory to work in, `name` for people, until the result is dropped; what is idle goes to make room.
    ///
    /// Fails with the sum of all that the call uses by now if there cannot be room. Without a host that counts, everything
    /// fits.
    pub fn reserve_scratch(&self, bytes: u64, name: &str) -> NodeResult<Scratch> {
        let ticket = match self.reserve(bytes, name, None) {
            Reservation::Counted(ticket) => Some(ticket),
            Reservation::Uncounted => None,
            Reservation::Refused => return Err(self.refusal(name, bytes)),
        };
        let alive = Arc::new(());
        let (weak, address) = (Arc::downgrade(&alive), Arc::as_ptr(&alive).addr());
        self.hold(Held { name: name.to_owned(), bytes, address, is_in_use: Box::new(move || weak.strong_count() > 0) });
        Ok(Scratch { ticket, _alive: alive })
    }

    /// Says why memory was refused: what the call needs in all, and what would help.
    pub fn refusal(&self, name: &str, bytes: u64) -> NodeError {
        let mut parts: Vec<CostPart> =
            self.in_use().into_iter().map(|(name, bytes)| CostPart { name, bytes, kept: None }).collect();
        parts.push(CostPart { name: name.to_owned(), bytes, kept: None });
        let cost = Cost { parts, ..Cost::default() };
        let MemoryNow { budget_bytes, obtainable_bytes } = self.memory();
        let budget = budget_bytes.unwrap_or(u64::MAX);
        let message = match cost.bytes() > budget {
            true => {
                let enough = round_bytes_text(cost.bytes());
                format!("needs {cost}, the budget is {}: `--memory {enough}`", bytes_text(budget))
            }
            false => {
                let rest = bytes_text(obtainable_bytes.unwrap_or(budget));
                format!(
                    "needs {cost}; the budget is {}, and others use so much of it that {rest} are left",
                    bytes_text(budget)
                )
            }
        };
        NodeError::failed(message).out_of_memory()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Warm;

    #[test]
    fn a_refusal_spells_out_the_sum_of_what_the_call_still_uses() {
        static WEIGHTS: Warm<u8> = Warm::new("weights");
        let cx = Cx::for_test().with_memory(6_000_000_000);
        drop(cx.reserve_scratch(5_000_000_000, "preparations").unwrap());
        let _scratch = cx.reserve_scratch(1_500_000_000, "activations").unwrap();
        let error = WEIGHTS.get_sized(&cx, "a", 7_800_000_000, || Ok(1)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "needs 9.3 GB (activations 1.5 GB + weights 7.8 GB), the budget is 6.0 GB: `--memory 10GB`"
        );
        assert_eq!(error.status(), rondel_abi::status::OUT_OF_MEMORY);
        assert_eq!(*WEIGHTS.get_sized(&cx, "a", 4_500_000_000, || Ok(2)).unwrap(), 2);
    }
}
