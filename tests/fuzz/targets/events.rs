//! Any bytes as the events of a run, one a line: what is read survives its JSON form, and no order of events is too odd.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rondel_event::{Event, Report, RunView};

fuzz_target!(|bytes: &[u8]| {
    let mut view = RunView::default();
    for line in bytes.split(|byte| *byte == b'\n') {
        let Ok(event) = serde_json::from_slice::<Event>(line) else { continue };
        let text = serde_json::to_vec(&event).expect("an event is text and numbers");
        assert_eq!(serde_json::from_slice::<Event>(&text).expect("its own form"), event);
        view.apply(&event);
    }
    let report = Report::of(&view);
    let text = serde_json::to_vec(&report).expect("a report is text and numbers");
    serde_json::from_slice::<Report>(&text).expect("its own form");
});
