//! Machines that share a bucket which fails at random never find what is not so: at worst they do not know.

use std::sync::Arc;

use proptest::prelude::*;
use rondel_remote::{Limits, Mode};

use crate::faulty::{Fault, Faulty};
use crate::machine::{IMPATIENT, Machine, Made};

#[derive(Clone, Copy, Debug)]
enum Act {
    Make(u8),
    Take(u8),
    /// Another machine, with an empty disk.
    Other,
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        6 => Just(Fault::None),
        2 => Just(Fault::Refused),
        2 => Just(Fault::DoneAndDenied),
        2 => Just(Fault::Lost),
        2 => Just(Fault::Cut),
        1 => Just(Fault::Silent),
    ]
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![3 => (0..3u8).prop_map(Act::Make), 3 => (0..3u8).prop_map(Act::Take), 2 => Just(Act::Other)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_bucket_that_fails_at_random_costs_results_and_never_changes_them(
        acts in prop::collection::vec(act(), 1..20),
        faults in prop::collection::vec(fault(), 0..100),
        n_failures in prop_oneof![Just(2), Just(u32::MAX)],
    ) {
        let store = Arc::new(Faulty::new(faults, Fault::None));
        let limits = Limits { n_failures, ..IMPATIENT };
        let other = |limits| Machine::with(store.clone(), Mode::ReadWrite, limits);
        let mut machine = other(limits);
        for act in acts {
            match act {
                Act::Make(i) => {
                    machine.make(i);
                    prop_assert!(Made::new(i).is_in(&machine.cache));
                }
                // Panics if it takes what is not so.
                Act::Take(i) => drop(machine.takes(i)),
                Act::Other => machine = other(limits),
            }
        }
        if n_failures == u32::MAX {
            // Once nothing fails any more, what one makes the other takes, whatever stands there from before.
            store.mend();
            for i in 0..3 {
                let maker = other(Limits::default());
                let _ = maker.takes(i);
                maker.make(i);
                prop_assert!(other(Limits::default()).takes(i));
            }
        }
    }
}
