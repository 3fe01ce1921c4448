//! Whether one more call keeps every limit. Asked under the lock of the ledger, so that no two calls pass one together.

use crate::ledger::{Entry, LedgerError, Reservation};
use crate::money::Micros;
use crate::providers::{Spend, UnknownPrices};
use crate::wire::day_of;

/// What a call has to keep.
#[derive(Clone, Copy, Debug)]
pub struct Limits<'a> {
    pub spend: &'a Spend,
    /// The file that sets them, for messages.
    pub file: &'a str,
    /// For all that one step of a run asks for.
    pub step: Option<Micros>,
}

/// Why a call was not reserved.
#[derive(Debug, thiserror::Error)]
pub enum ReserveError {
    #[error("this call may cost {price}, {spent} of the limit of {limit} {of} is taken: raise it in {file}")]
    OverLimit { price: Micros, spent: Micros, limit: Micros, of: String, file: String },
    #[error("this call may cost {price}, the limit {of} is {limit}: raise it in {file}")]
    OverLimitAlone { price: Micros, limit: Micros, of: String, file: String },
    #[error("this call may cost {price}, {spent} of this step's limit of {limit} is taken: raise its `spend`")]
    OverStep { price: Micros, spent: Micros, limit: Micros },
    #[error("{n} calls were made today, the most that {file} allows")]
    TooManyCalls { n: u64, file: String },
    #[error(
        "nobody knows what this call costs: in {file}, give a price, or say what to count, `spend: (unknown_prices: \
         Assume(0.10))`, or allow so many calls, `spend: (unknown_prices: Allow, calls_a_day: 20)`"
    )]
    UnknownPrice { file: String },
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// Whether one more call keeps every limit.
pub(crate) fn allowed(entries: &[Entry], at: u64, next: &Reservation, limits: &Limits<'_>) -> Result<(), ReserveError> {
    let Limits { spend, file, step } = *limits;
    let file = file.to_owned();
    let today = day_of(at);
    let of_today = || entries.iter().filter(|entry| day_of(entry.at) == today);
    if let Some(most) = spend.calls_a_day {
        let n = of_today().count() as u64;
        if n >= most {
            return Err(ReserveError::TooManyCalls { n, file });
        }
    }
    let Some(price) = next.micros.or(next.assumed) else {
        // It is counted by the call or not made: unknown is not nothing.
        return match (spend.unknown_prices, spend.calls_a_day) {
            (Some(UnknownPrices::Allow), Some(_)) => Ok(()),
            _ => Err(ReserveError::UnknownPrice { file }),
        };
    };
    let sum = |entries: &mut dyn Iterator<Item = &Entry>| -> Micros { entries.filter_map(Entry::counted).sum() };
    let limits = [
        (spend.call, "a call".to_owned(), Micros(0)),
        (spend.run, "a run".to_owned(), sum(&mut entries.iter().filter(|entry| entry.reserved.run == next.run))),
        (spend.day, "a day".to_owned(), sum(&mut of_today())),
        (
            spend.providers.get(&next.provider).copied(),
            format!("a day at {}", next.provider),
            sum(&mut of_today().filter(|entry| entry.reserved.provider == next.provider)),
        ),
    ];
    if let Some(limit) = step {
        let is_of_step = |entry: &&Entry| entry.reserved.run == next.run && entry.reserved.step == next.step;
        let spent = sum(&mut entries.iter().filter(is_of_step));
        if spent + price > limit {
            return Err(ReserveError::OverStep { price, spent, limit });
        }
    }
    for (limit, of, spent) in limits {
        let Some(limit) = Spend::micros(limit) else { continue };
        if spent + price > limit {
            return Err(match spent {
                Micros(0) => ReserveError::OverLimitAlone { price, limit, of, file },
                spent => ReserveError::OverLimit { price, spent, limit, of, file },
            });
        }
    }
    Ok(())
}
