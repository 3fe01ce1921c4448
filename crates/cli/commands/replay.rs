//! `rondel replay`: shows a run again, at its own pace or faster.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use rondel_cache::{Cache, CacheOptions};
use rondel_event::{Event, RunView};
use rondel_tui::News;
use rondel_tui::screen::Served;

use super::Exit;
use super::runs::{nothing, recorded};
use crate::args::{Places, ReplayArgs};
use crate::output::lines::{self, Lines};
use crate::screen::{self, Closed, Stage};
use crate::{folders, words};

/// Ends like the run did.
pub fn run(places: &Places, args: &ReplayArgs) -> Result<Exit> {
    let (report, events) = match recorded(&folders::cache(places)?, &args.run)? {
        Ok(found) => found,
        Err(reason) => return Ok(nothing(&reason)),
    };
    if !args.headless && words::is_interactive() {
        let closed = on_screen(places, args, events)?;
        return Ok(Exit::Run(closed.exit_code().unwrap_or(report.exit_code)));
    }
    let mut lines = Lines::new(lines::name_width(report.steps.iter().map(|step| &step.name)), false);
    let (began, mut view) = (Instant::now(), RunView::default());
    for event in &events {
        wait_for(event, began, args.speed);
        view.apply(event);
        lines.event(event, &view);
    }
    words::say(lines::summary(&report));
    Ok(Exit::Run(report.exit_code))
}

/// Waits until an event is due.
fn wait_for(event: &Event, began: Instant, speed: f64) {
    // What is due after the end of time is due never.
    let due = Duration::try_from_secs_f64(event.at_ms.max(0.0) / 1000.0 / speed).unwrap_or(Duration::MAX);
    thread::sleep(due.saturating_sub(began.elapsed()));
}

/// Plays the recording on the screen, which stays open until a person closes it.
fn on_screen(places: &Places, args: &ReplayArgs, events: Vec<Event>) -> Result<Closed> {
    let cache = Arc::new(Cache::open(CacheOptions { folder: folders::cache(places)?, ..CacheOptions::default() }));
    let mut stage = Stage::new(args.script.as_ref())?;
    stage.app.ui.is_commanding = false;
    let (player, teller) = (stage.teller(), stage.teller());
    let speed = args.speed;
    // It ends with the program at the latest: nothing waits for it.
    thread::spawn(move || {
        let began = Instant::now();
        for event in events {
            wait_for(&event, began, speed);
            player.tell(News::Event(Box::new(event)));
        }
    });
    stage.show(&cache.clone(), &mut |request| {
        // The screen asks for nothing else of a recording that it would need an answer to.
        screen::serve(request, &cache, &teller).unwrap_or(Served::GoOn)
    })
}
