//! What has the terminal for itself, and the keys meanwhile.

use std::io::sink;
use std::sync::mpsc::channel;

use crossterm::event::{Event as Input, KeyCode, KeyEvent};
use ratatui::layout::Rect;
use ratatui_image::picker::Picker;
use rondel_tui::inbox::inbox;
use rondel_tui::screen::{End, Keyboard, Served};
use rondel_tui::{Incoming, News, Pictures, Request, Screen as Terminal};

use crate::recording::Screen;

/// It used to open, and the key that the keyboard had read meanwhile was the last one that it read.
#[test]
fn a_script_opens_no_editor_and_the_next_key_is_heard() {
    let (sender, inbox) = inbox();
    let (turn, turnstile) = channel();
    let mut recording = Screen::new(80, 24);
    recording.done();
    recording.app.ui.script = vec!["edit".parse().expect("an action")];
    let mut terminal = Terminal::of_size(sink(), Rect::new(0, 0, 80, 24)).expect("it takes everything");
    let pictures = Pictures::new(Picker::halfblocks(), Box::new(|_| None), Box::new(|_| ()));
    let mut serve = |request| match request {
        Request::Edit { .. } => Served::Outside(Box::new(|| panic!("the editor opens"))),
        _ => Served::GoOn,
    };
    sender.send(Incoming::News(News::Said("a word".to_owned()))).expect("a screen");
    sender.send(Incoming::Input(Input::Key(KeyEvent::from(KeyCode::Char('§'))))).expect("a screen");
    sender.send(Incoming::News(News::Ended)).expect("a screen");
    let end = terminal.show(&mut recording.app, &inbox, &Keyboard::elsewhere(turn), &pictures, &mut serve);
    assert_eq!(end.expect("it takes everything"), End::Told);
    assert_eq!(turnstile.try_iter().count(), 1, "the keyboard was told to go on after the key");
    assert!(recording.app.ui.hint.as_deref().is_some_and(|hint| hint.contains("script")));
    // Its end writes, too.
    std::mem::forget(terminal);
}
