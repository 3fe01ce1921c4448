//! The terminal as a screen: opened for a run, and given back whatever happens.
//!
//! While it is open, all words of the program go to its log, and a panic on a lane too: a node that panics fails its step and
//! nothing else. A panic of the screen itself gives the terminal back before it says so.

mod look;
mod pages;
pub mod planned;

use std::io::{Stdout, stdout};
use std::panic::PanicHookInfo;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use anyhow::{Context, Result};
use rondel_cache::Cache;
use rondel_tui::screen::{Keyboard, Served, leave};
use rondel_tui::{App, Incoming, News, Pictures, Request, Screen};
use rondel_value::{Digest, Image};

use crate::{folders, words};
pub use pages::{compare, look_at};

/// The name of threads that the program needs as it needs its first one.
pub const DRIVER: &str = "driver";

/// What a screen shows, and the way to tell it something.
pub struct Stage {
    pub app: App,
    sender: Sender<Incoming>,
    inbox: Receiver<Incoming>,
    was_signalled: Arc<AtomicBool>,
}

/// The way to tell a screen something, from any thread.
#[derive(Clone)]
pub struct Teller(Sender<Incoming>);

impl Teller {
    pub fn tell(&self, news: News) {
        // A screen that is closed needs no news.
        let _ = self.0.send(Incoming::News(news));
    }
}

/// Why a screen was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    ByHand,
    BySignal,
}

impl Stage {
    /// Reads the user's keys, and chooses what the terminal can show.
    pub fn new() -> Result<Stage> {
        let (sender, inbox) = channel();
        let app = App::new(look::theme(), look::keys(folders::config())?);
        Ok(Stage { app, sender, inbox, was_signalled: Arc::default() })
    }

    pub fn teller(&self) -> Teller {
        Teller(self.sender.clone())
    }

    /// Opens the screen, and returns when it is closed.
    pub fn show(mut self, cache: &Arc<Cache>, serve: &mut dyn FnMut(Request) -> Served) -> Result<Closed> {
        self.listen_to_signals()?;
        let teller = self.teller();
        words::hand_to(Some(Box::new(move |text| teller.tell(News::Said(text)))));
        guard_against_panics();
        let shown = self.play(cache, serve);
        let _ = std::panic::take_hook();
        words::hand_to(None);
        shown.context("the terminal cannot be used as a screen; `--headless`, or no `--tui`, prints lines")?;
        Ok(if self.was_signalled.load(Ordering::Acquire) { Closed::BySignal } else { Closed::ByHand })
    }

    fn play(&mut self, cache: &Arc<Cache>, serve: &mut dyn FnMut(Request) -> Served) -> std::io::Result<()> {
        let mut screen: Screen<Stdout> = Screen::open(stdout())?;
        let picker = screen.picker(&mut self.app);
        let (cache, sender) = (cache.clone(), self.sender.clone());
        let shelf = move |digest: &Digest| Image::try_from(cache.blob(digest).ok()??).ok();
        let done = move |picture| drop(sender.send(Incoming::Picture(picture)));
        let pictures = Pictures::new(picker, Box::new(shelf), Box::new(done));
        let keyboard = Keyboard::listen(self.sender.clone());
        screen.show(&mut self.app, &self.inbox, &keyboard, &pictures, serve)
    }

    /// The first signal closes the screen, the second ends the program at once.
    fn listen_to_signals(&self) -> Result<()> {
        let (teller, was_signalled) = (self.teller(), self.was_signalled.clone());
        ctrlc::set_handler(move || match was_signalled.swap(true, Ordering::AcqRel) {
            true => {
                leave(&mut stdout());
                std::process::exit(130)
            }
            false => teller.tell(News::Ended),
        })
        .context("signals cannot be handled")
    }
}

fn guard_against_panics() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic: &PanicHookInfo<'_>| {
        match std::thread::current().name() {
            Some("main" | DRIVER) => {
                leave(&mut stdout());
                words::hand_to(None);
                before(panic);
            }
            // The step says what became of it.
            _ => words::say(format!("error: {panic}")),
        }
    }));
}
