//! A tier that is slow, fails or is gone costs a little time and nothing else.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use object_store::memory::InMemory;
use object_store::throttle::{ThrottleConfig, ThrottledStore};
use rondel_cache::Tier;
use rondel_remote::{Limits, Mode};
use rondel_value::Digest;

use crate::faulty::{Fault, Faulty};
use crate::machine::{IMPATIENT, Machine, Made, tier};

#[test]
fn a_store_that_is_gone_is_asked_a_few_times_and_told_of_once() {
    let store = Arc::new(Faulty::new(Vec::new(), Fault::Refused));
    let machine = Machine::new(store.clone(), Mode::ReadWrite);
    for i in 0..20 {
        assert!(!machine.takes(i));
        machine.make(i);
        assert!(Made::new(i).is_in(&machine.cache), "what is made here is here");
    }
    // A few, and those that were under way.
    assert!(store.n_requests.load(Ordering::Relaxed) <= 10);
    let troubles = machine.cache.take_remote_troubles();
    assert!(troubles.len() == 1 && troubles[0].starts_with("is gone without: "), "{troubles:?}");
    assert!(troubles[0].contains("the cable is out"), "{troubles:?}");
    assert!(machine.cache.take_remote_troubles().is_empty());
    assert_eq!(machine.cache.remote_counts().unwrap().n_lost, 20);
}

#[test]
fn a_store_that_does_not_answer_counts_as_gone() {
    let store = Arc::new(Faulty::new(Vec::new(), Fault::Silent));
    let machine = Machine::with(store, Mode::ReadWrite, IMPATIENT);
    let recipes: Vec<Digest> = (0..200).map(|i| Made::new(i).recipe).collect();
    machine.cache.ask(&recipes).unwrap();
    machine.make(1);
    let troubles = machine.cache.take_remote_troubles();
    assert!(troubles[0].contains("no answer within 0.02 s"), "{troubles:?}");
}

#[test]
fn one_answer_in_between_and_it_goes_on() {
    let faults = [[Fault::Refused; 4].as_slice(), &[Fault::None]].concat().repeat(20);
    let store = Arc::new(Faulty::new(faults, Fault::None));
    let tier = tier(store.clone(), Mode::Read, Limits::default());
    let n_failed = (0..100u8).filter(|i| tier.action(&Digest::of(&[*i])).is_err()).count();
    assert_eq!((n_failed, store.n_requests.load(Ordering::Relaxed)), (80, 100));
}

#[test]
fn a_key_that_may_read_and_not_write_still_reads() {
    let store = Arc::new(Faulty::new(Vec::new(), Fault::Refused));
    let tier = tier(store, Mode::ReadWrite, Limits::default());
    let key = Digest::of(b"key");
    for _ in 0..6 {
        assert!(tier.put_alias(&key, &key).is_err());
    }
    // It is asked still: were reading off, this were no error.
    assert!(tier.action(&key).is_err());
}

#[test]
fn a_queue_that_is_full_takes_no_more_and_a_run_that_stops_does_not_wait() {
    let store = Arc::new(Faulty::new(Vec::new(), Fault::Silent));
    // So patient that nothing is given up while the test lasts.
    let limits = Limits { answer: Duration::from_secs(600), n_queued: 3, ..IMPATIENT };
    let machine = Machine::with(store, Mode::ReadWrite, limits);
    for i in 0..50 {
        let made = Made::new(i);
        machine.cache.store(&made.recipe, &made.action, &made.record, &made.values).unwrap();
        machine.cache.offer(&made.recipe, &made.action, &made.record);
    }
    machine.cache.drain(Duration::from_secs(600), &|| false);
    assert_eq!(machine.cache.remote_counts().unwrap().n_left(), 50);
    assert!(machine.cache.take_remote_troubles()[0].contains("because the run was stopped"));
}

#[test]
fn all_steps_of_a_plan_are_asked_for_at_once() {
    // One by one, these would take 100 seconds.
    let wait = Duration::from_millis(500);
    let config = ThrottleConfig { wait_get_per_call: wait, ..ThrottleConfig::default() };
    let store = Arc::new(ThrottledStore::new(InMemory::new(), config));
    let limits = Limits { n_reads: 200, find: Duration::from_secs(20), ..Limits::default() };
    let writer = Machine::with(store.clone(), Mode::ReadWrite, limits);
    writer.make(7);
    let reader = Machine::with(store, Mode::Read, limits);
    let recipes: Vec<Digest> = (0..200).map(|i| Made::new(i).recipe).collect();
    reader.cache.ask(&recipes).unwrap();
    assert_eq!(reader.cache.action(&Made::new(7).recipe).unwrap(), Some(Made::new(7).action));
    assert_eq!(reader.cache.take_remote_troubles(), Vec::<String>::new());
}

#[test]
fn a_store_that_is_too_slow_for_a_plan_is_asked_for_no_other_steps_until_a_run_begins_after_a_rest() {
    for (rest, takes) in [(Duration::ZERO, true), (Duration::from_secs(600), false)] {
        let store = Arc::new(Faulty::new(vec![Fault::Silent; 1000], Fault::None));
        // Whoever asks once more waits for ten minutes.
        let limits = Limits { answer: Duration::from_secs(600), find: Duration::from_millis(100), rest, ..IMPATIENT };
        let machine = Machine::with(store.clone(), Mode::Read, limits);
        let recipes: Vec<Digest> = (0..200).map(|i| Made::new(i).recipe).collect();
        machine.cache.ask(&recipes).unwrap();
        let troubles = machine.cache.take_remote_troubles();
        assert!(troubles.len() == 1 && troubles[0].starts_with("is slow: of 200 of 200 steps"), "{troubles:?}");
        assert_eq!(machine.cache.ask_by_content(&Made::new(1).recipe, &Made::new(1).action), None);
        store.mend();
        Machine::new(store, Mode::ReadWrite).make(1);
        assert!(!machine.takes(1));
        machine.cache.begin_run();
        assert_eq!(machine.takes(1), takes);
    }
}

#[test]
fn a_store_that_failed_is_tried_anew_by_a_run_that_begins_after_a_rest() {
    for (rest, takes) in [(Duration::ZERO, true), (Duration::from_secs(600), false)] {
        let store = Arc::new(Faulty::new(vec![Fault::Refused; 1000], Fault::None));
        let machine = Machine::with(store.clone(), Mode::ReadWrite, Limits { rest, ..Limits::default() });
        (0..20).for_each(|i| assert!(!machine.takes(i)));
        store.mend();
        Machine::new(store, Mode::ReadWrite).make(1);
        assert!(!machine.takes(1), "it is not tried before a run begins");
        machine.cache.begin_run();
        assert_eq!(machine.takes(1), takes);
        machine.make(2);
        assert_eq!(machine.cache.remote_counts().unwrap().n_put == 1, takes);
    }
}
