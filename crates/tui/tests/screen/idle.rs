//! The screen draws when something changed, and at no other time.
//!
//! It runs on a thread, as in the program, and its frames are counted by what stands at the end of each.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use crossterm::event::{Event as Input, KeyCode, KeyEvent, KeyModifiers, MouseEvent, MouseEventKind};
use ratatui::layout::Rect;
use ratatui_image::picker::Picker;
use rondel_event::Gauge;
use rondel_tui::inbox::{self, inbox};
use rondel_tui::screen::{Keyboard, Served};
use rondel_tui::{Incoming, News, Pictures, Request, Screen as Terminal};

use crate::recording::Screen;

/// The least time between two frames.
const FRAME: Duration = Duration::from_millis(34);

/// The cursor is hidden after each frame.
const HIDE: &[u8] = b"\x1b[?25l";

/// Tells of each frame.
struct Frames(Sender<()>);

impl Write for Frames {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.windows(HIDE.len()).any(|part| part == HIDE) {
            // Whoever counted has seen enough.
            let _ = self.0.send(());
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A screen that shows a run that is over.
struct Shown {
    inbox: inbox::Sender,
    turnstile: Receiver<()>,
    frames: Receiver<()>,
    thread: std::thread::JoinHandle<Vec<Request>>,
}

fn show() -> Shown {
    let (inbox, incoming) = inbox();
    let (turn, turnstile) = channel();
    let (frame, frames) = channel();
    let thread = std::thread::spawn(move || {
        let mut recording = Screen::new(80, 24);
        recording.done();
        let mut asked = Vec::new();
        let mut terminal = Terminal::of_size(Frames(frame), Rect::new(0, 0, 80, 24)).expect("it takes everything");
        let pictures = Pictures::new(Picker::halfblocks(), Box::new(|_| None), Box::new(|_| ()));
        let mut serve = |request| {
            asked.push(request);
            Served::GoOn
        };
        let shown = terminal.show(&mut recording.app, &incoming, &Keyboard::elsewhere(turn), &pictures, &mut serve);
        shown.expect("it takes everything");
        // Its end writes, too.
        std::mem::forget(terminal);
        asked
    });
    Shown { inbox, turnstile, frames, thread }
}

impl Shown {
    /// Something is done at the keyboard or with the mouse, and dealt with.
    fn input(&self, input: Input) {
        self.inbox.send(Incoming::Input(input)).expect("a screen");
        self.turnstile.recv().expect("it takes the next key");
    }

    fn key(&self, letter: char) {
        self.input(Input::Key(KeyEvent::new(KeyCode::Char(letter), KeyModifiers::NONE)));
    }

    /// How many frames were drawn, and what was asked for.
    fn end(self) -> (usize, Vec<Request>) {
        self.inbox.send(Incoming::News(News::Ended)).expect("a screen");
        let asked = self.thread.join().expect("no panic");
        (self.frames.try_iter().count(), asked)
    }
}

fn moved(column: u16) -> Input {
    Input::Mouse(MouseEvent { kind: MouseEventKind::Moved, column, row: 3, modifiers: KeyModifiers::NONE })
}

#[test]
fn what_changes_nothing_draws_nothing() {
    let shown = show();
    shown.frames.recv().expect("a first frame");
    // For longer than it takes to draw a frame after the one before.
    let began = Instant::now();
    for column in (0..80).cycle() {
        shown.input(moved(column));
        if began.elapsed() > 4 * FRAME {
            break;
        }
    }
    shown.key('§');
    shown.input(Input::FocusLost);
    shown.input(Input::Paste("nobody types".to_owned()));
    let memory = Gauge { used_bytes: 3 << 30, limit_bytes: Some(8 << 30) };
    shown.inbox.send(Incoming::News(News::Resources { memory, cache: Gauge::default() })).expect("a screen");
    assert!(shown.frames.recv_timeout(4 * FRAME).is_err(), "a frame was drawn for nothing");
    assert_eq!(shown.end().0, 0);
}

#[test]
fn a_key_that_does_something_is_seen() {
    let shown = show();
    shown.frames.recv().expect("a first frame");
    shown.key('k');
    shown.frames.recv().expect("another frame");
    assert_eq!(shown.end().0, 0);
}

#[test]
fn a_flood_of_keys_is_drawn_thirty_times_a_second_at_most() {
    let began = Instant::now();
    let shown = show();
    for key in ['k', 'j'].into_iter().cycle().take(2000) {
        shown.key(key);
    }
    let (n_frames, _) = shown.end();
    let most = began.elapsed().as_millis() as usize / 33 + 1;
    assert!(n_frames <= most, "{n_frames} frames of {most}");
}

#[test]
fn previews_are_wanted_while_they_can_be_seen() {
    let shown = show();
    shown.frames.recv().expect("a first frame");
    // The log as large as the screen, and all panes again.
    for key in ['l', 'z', 'z'] {
        shown.key(key);
        shown.frames.recv().expect("another frame");
    }
    let asked = shown.end().1;
    assert_eq!(asked, [true, false, true].map(Request::Previews));
}
