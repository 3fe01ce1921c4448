//! `rondel run --tui`: one run on a screen, which stays open when the run is over.
//!
//! The run goes on beside the screen. Whoever closes the screen has seen enough: what still runs is cancelled.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread;

use anyhow::{Result, bail};
use rondel_cache::Cache;
use rondel_engine::{Control, Plan};
use rondel_event::Report;
use rondel_tui::screen::Served;
use rondel_tui::{News, Request};

use crate::args::RunArgs;
use crate::commands::watch::detail;
use crate::screen::{self, Closed, Stage, Teller};
use crate::words;

/// Fails if there is no terminal for a screen, or something else was asked to go there.
pub fn check(args: &RunArgs) -> Result<()> {
    if !args.common.has_room_for_a_screen() {
        bail!("`--tui` shares the terminal with nothing: leave out `--quiet`, `--events jsonl` and `--message-format`");
    }
    if !words::is_interactive() {
        bail!("`--tui` needs a terminal for input and output; without it, `rondel run` prints lines");
    }
    Ok(())
}

/// Carries a run out beside the screen, and returns when both are over.
pub fn show(
    stage: Stage,
    plan: &Arc<Plan>,
    cache: &Arc<Cache>,
    control: &Control,
    carry_out: impl FnOnce() -> Report + Send,
) -> Result<(Report, Closed)> {
    let teller = stage.teller();
    thread::scope(|scope| {
        let driver = thread::Builder::new().name(screen::DRIVER.to_owned());
        let driver = driver.spawn_scoped(scope, || {
            let _end = EndsScreen(teller.clone());
            carry_out()
        })?;
        let ends = EndsRun(control.clone());
        let closed = stage.show(cache, &mut |request| serve(request, plan, cache, control, &teller));
        drop(ends);
        screen::say_that_it_ends(&driver);
        let report = driver.join().unwrap_or_else(|panic| resume_unwind(panic));
        closed.map(|closed| (report, closed))
    })
}

/// A run that panics takes the screen with it; one that ends does not.
struct EndsScreen(Teller);

impl Drop for EndsScreen {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.tell(News::Ended);
        }
    }
}

/// Whatever becomes of the screen, the run does not outlive it. One that is over is as it is.
struct EndsRun(Control);

impl Drop for EndsRun {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// Does what was asked at the screen, as far as one run can.
fn serve(request: Request, plan: &Arc<Plan>, cache: &Arc<Cache>, control: &Control, teller: &Teller) -> Served {
    let (plan, cache, teller) = (plan.clone(), cache.clone(), teller.clone());
    let request = match screen::serve(request, &cache, &teller) {
        Ok(served) => return served,
        Err(request) => request,
    };
    match request {
        Request::Cancel => control.cancel(),
        Request::Pause(is_paused) => control.pause(is_paused),
        Request::Previews(is_looking) => control.look_at_previews(is_looking),
        // Beside the screen: of much it takes a while.
        Request::Detail(step) => {
            thread::spawn(move || {
                let rows = detail(&plan, &step, &cache);
                teller.tell(News::Detail(step, rows));
            });
        }
        Request::Copy(_) | Request::Quit => {}
        // All others change what runs.
        _ => teller.tell(News::Refused("this is one run: `rondel watch` takes changes".to_owned())),
    }
    Served::GoOn
}
