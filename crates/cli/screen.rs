//! The terminal as a screen: opened for a run, and given back whatever happens.
//!
//! While it is open, all words of the program go to its log, and a panic on a lane too: a node that panics fails its step and
//! nothing else. Any other panic gives the terminal back before it says so.

mod asked;
mod fatal;
pub mod guest;
mod look;
mod pages;
pub mod planned;

use std::io::{Stdout, stdout};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rondel_cache::Cache;
use rondel_tui::inbox::{self, Inbox, inbox};
use rondel_tui::screen::{End, Keyboard, Served, leave};
use rondel_tui::{App, Incoming, News, Pictures, Request, Screen, Script};
use rondel_value::{Digest, Image};

use self::fatal::Fatal;
use crate::signals::{self, Signal};
use crate::{folders, words};
pub use asked::serve;

/// The name of threads that the program needs as it needs its first one.
pub const DRIVER: &str = "driver";

/// What a screen shows, and the way to tell it something.
pub struct Stage {
    pub app: App,
    sender: inbox::Sender,
    inbox: Inbox,
    asked: Arc<Asked>,
}

/// What was asked for from outside of the screen, and by whom it may be asked.
#[derive(Default)]
struct Asked {
    /// The first signal.
    signal: OnceLock<Signal>,
    /// The screen is closed, or about to be: the next signal is the second.
    is_closing: AtomicBool,
    /// An editor has the terminal, and Ctrl-C is meant for it. A lock of a moment.
    outside: Mutex<Outside>,
}

/// Whether something else has the terminal.
#[derive(Default)]
enum Outside {
    #[default]
    Never,
    Now,
    Until(Instant),
}

/// How long after it had the terminal a signal may still be heard of that was meant for it. Nobody can send one by a key meanwhile:
/// the screen takes Ctrl-C as a key.
const ECHO: Duration = Duration::from_millis(500);

impl Outside {
    fn takes_interrupts(&self) -> bool {
        match self {
            Outside::Never => false,
            Outside::Now => true,
            Outside::Until(end) => end.elapsed() < ECHO,
        }
    }
}

/// The way to tell a screen something, from any thread.
#[derive(Clone)]
pub struct Teller(inbox::Sender);

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
    /// Or by Ctrl-C, which is a key while the screen is open.
    BySignal(Signal),
}

impl Closed {
    /// What the program ends with for it; none if that is somebody else's to say.
    pub fn exit_code(self) -> Option<u8> {
        match self {
            Closed::ByHand => None,
            Closed::BySignal(signal) => Some(signal.exit_code()),
        }
    }
}

impl Stage {
    /// Reads the user's keys, and chooses what the terminal can show.
    ///
    /// `script` is what is to be done at the screen as soon as there is a run.
    pub fn new(script: Option<&Script>) -> Result<Stage> {
        let (sender, inbox) = inbox();
        let mut app = App::new(look::theme(), look::keys(folders::config())?);
        app.ui.script = script.map(|script| script.0.clone()).unwrap_or_default();
        Ok(Stage { app, sender, inbox, asked: Arc::default() })
    }

    pub fn teller(&self) -> Teller {
        Teller(self.sender.clone())
    }

    /// Opens the screen, and returns when it is closed.
    pub fn show(mut self, cache: &Arc<Cache>, serve: &mut dyn FnMut(Request) -> Served) -> Result<Closed> {
        self.listen_to_signals()?;
        let teller = self.teller();
        words::hand_to(Some(Box::new(move |text| teller.tell(News::Said(text)))));
        let fatal = Fatal::watch(self.teller());
        let shown = self.play(cache, serve);
        drop(fatal);
        self.asked.is_closing.store(true, Ordering::Release);
        // A terminal that is gone cannot be drawn on, and that it is was told.
        if let Some(signal) = self.asked.signal.get() {
            return Ok(Closed::BySignal(*signal));
        }
        match shown.context("the terminal cannot be used as a screen; `--headless`, or no `--tui`, prints lines")? {
            End::ByInterrupt => Ok(Closed::BySignal(Signal::Interrupt)),
            End::ByHand | End::Told => Ok(Closed::ByHand),
        }
    }

    fn play(&mut self, cache: &Arc<Cache>, serve: &mut dyn FnMut(Request) -> Served) -> std::io::Result<End> {
        let mut screen: Screen<Stdout> = Screen::open(stdout())?;
        let picker = screen.picker(&mut self.app);
        let (cache, sender) = (cache.clone(), self.sender.clone());
        let shelf = move |digest: &Digest| Image::try_from(cache.blob(digest).ok()??).ok();
        // A screen that is closed shows no more.
        let done = move |picture| {
            let _ = sender.send(Incoming::Picture(picture));
        };
        let pictures = Pictures::new(picker, Box::new(shelf), Box::new(done));
        let keyboard = Keyboard::listen(self.sender.clone());
        let asked = self.asked.clone();
        let mut serve = |request| match serve(request) {
            Served::Outside(job) => Served::Outside(outside(job, asked.clone())),
            served => served,
        };
        screen.show(&mut self.app, &self.inbox, &keyboard, &pictures, &mut serve)
    }

    /// The first signal closes the screen, and an editor that has the terminal; the second ends the program at once; so does the first after the screen was closed.
    fn listen_to_signals(&self) -> Result<()> {
        let (teller, asked) = (self.teller(), self.asked.clone());
        signals::listen(move |signal| {
            if signal == Signal::Interrupt
                && asked.outside.lock().expect("no panic while it is held").takes_interrupts()
            {
                return;
            }
            if asked.is_closing.swap(true, Ordering::AcqRel) {
                leave(&mut stdout());
                std::process::exit(signal.exit_code().into());
            }
            // The only one that comes this far.
            let _ = asked.signal.set(signal);
            teller.tell(News::Ended);
            guest::tell(signal);
        })
    }
}

/// Says that the end takes a moment, if it does: what runs was asked to stop, and is waited for.
pub fn say_that_it_ends<T>(driver: &std::thread::ScopedJoinHandle<'_, T>) {
    if !driver.is_finished() {
        words::say("stopping what runs; Ctrl-C leaves at once");
    }
}

type Job = Box<dyn FnOnce() -> Option<String> + Send>;

/// The same job, while which Ctrl-C is not for the program.
fn outside(job: Job, asked: Arc<Asked>) -> Job {
    Box::new(move || {
        let now = |outside| *asked.outside.lock().expect("no panic while it is held") = outside;
        now(Outside::Now);
        let said = job();
        now(Outside::Until(Instant::now()));
        said
    })
}
