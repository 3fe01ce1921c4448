//! What actions ask of whoever runs the graph.

use rondel_event::{How, Outcome};
use rondel_tui::{Action, Request, Spot};

use crate::recording::Screen;

fn asked(screen: &mut Screen, action: &str) -> Vec<Request> {
    screen.app.update(&action.parse::<Action>().expect("an action"))
}

#[test]
fn a_recording_takes_no_orders() {
    let mut screen = Screen::new(80, 24);
    screen.done().app.ui.is_commanding = false;
    for action in ["cancel", "pause", "rerun", "edit", "write", "set seed=8"] {
        assert_eq!(asked(&mut screen, action), [], "{action}");
        assert!(screen.draw().contains("there is no run to tell"), "{action}");
    }
    assert_eq!(asked(&mut screen, "quit"), [Request::Quit]);
}

#[test]
fn the_editor_opens_at_the_mistake_that_is_shown_and_else_at_the_step() {
    let mut screen = Screen::new(80, 24);
    screen.done().act("select text");
    let step = Some("text".into());
    assert_eq!(asked(&mut screen, "edit"), [Request::Edit { spot: None, step: Some("text".into()) }]);
    screen.mistake();
    let spot = Some(Spot { path: "text_to_image.ron".to_owned(), line: 24 });
    assert_eq!(asked(&mut screen, "edit"), [Request::Edit { spot, step }]);
}

#[test]
fn a_pause_is_taken_back_by_the_same_key() {
    let mut screen = Screen::new(80, 24);
    screen.halfway();
    assert_eq!(asked(&mut screen, "pause"), [Request::Pause(true)]);
    assert_eq!(asked(&mut screen, "pause"), [Request::Pause(false)]);
}

#[test]
fn the_selection_goes_with_what_runs_until_somebody_moves_it() {
    let mut screen = Screen::new(80, 24);
    screen.halfway();
    assert_eq!(screen.app.ui.selected.as_deref(), Some("latent"));
    screen.act("select text").end("latent", How::Ran).start("image");
    assert_eq!(screen.app.ui.selected.as_deref(), Some("text"));
    screen.act("back").end("image", How::Ran).start("saved");
    assert_eq!(screen.app.ui.selected.as_deref(), Some("saved"));
}

#[test]
fn the_picture_before_is_the_one_that_was_replaced() {
    let mut screen = Screen::new(80, 24);
    screen.done().act("select image; before");
    assert!(screen.draw().contains("no earlier picture"));
    screen.done().end_with("image", How::Ran, "image before").finish(Outcome::Done).act("select image");
    let (before, now) = (screen.draw(), screen.act("before").draw());
    assert_ne!(before, now);
}

#[test]
fn a_mended_file_takes_the_mistakes_away() {
    let mut screen = Screen::new(80, 24);
    screen.done().mistake();
    assert!(screen.draw().contains("did you mean `sample`?"));
    screen.begin(crate::recording::steps(), Vec::new());
    assert!(!screen.draw().contains("mistake (m)"));
}
