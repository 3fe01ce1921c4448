//! Panics while the screen is open, which has the terminal that they would be told on.
//!
//! One on a lane is a step that failed, and a line of the log. One on a thread that the program needs ends the screen; what it said is
//! printed when the terminal is as it was, whoever panicked.

use std::panic::{self, PanicHookInfo};
use std::sync::{Arc, Mutex};

use rondel_tui::News;

use super::{DRIVER, Teller};
use crate::words;

/// Takes panics in as long as it is there, and then says those that end the program.
pub struct Fatal(Arc<Mutex<Vec<String>>>);

impl Fatal {
    pub fn watch(teller: Teller) -> Fatal {
        // A lock of a moment, in a thread that does nothing else any more.
        let said = Arc::new(Mutex::new(Vec::new()));
        let fatal = Fatal(said.clone());
        panic::set_hook(Box::new(move |panic: &PanicHookInfo<'_>| match std::thread::current().name() {
            Some("main" | DRIVER) => {
                said.lock()
                    .expect("no panic while it is held")
                    .push(format!("error: a bug of the program ended it: {panic}"));
                teller.tell(News::Ended);
            }
            // The step says what became of it.
            _ => words::say(format!("error: {panic}")),
        }));
        fatal
    }
}

impl Drop for Fatal {
    fn drop(&mut self) {
        // A hook cannot be changed in a panic, but then this is the last that happens.
        if !std::thread::panicking() {
            drop(panic::take_hook());
        }
        words::hand_to(None);
        self.0.lock().expect("no panic while it is held").drain(..).for_each(words::say);
    }
}

#[cfg(test)]
mod tests {
    use rondel_tui::{Incoming, inbox};

    use super::*;

    #[test]
    fn a_panic_while_planning_ends_the_screen_and_is_said() {
        let (sender, inbox) = inbox();
        let fatal = Fatal::watch(Teller(sender));
        let driver = std::thread::Builder::new().name(DRIVER.to_owned());
        driver.spawn(|| panic!("no way to plan this")).unwrap().join().unwrap_err();
        assert!(matches!(inbox.next(None), Some(Incoming::News(News::Ended))));
        let said = std::mem::take(&mut *fatal.0.lock().unwrap()).join("\n");
        assert!(said.starts_with("error: a bug of the program ended it: "), "{said}");
        assert!(said.contains("fatal.rs") && said.contains("no way to plan this"), "{said}");
    }
}
