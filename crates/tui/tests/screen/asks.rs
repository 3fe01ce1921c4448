//! What actions ask of whoever runs the graph.

use rondel_event::{Event, How, Outcome, What};
use rondel_tui::{Action, Mistake, News, Page, Request, Row, Spot};

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
fn a_run_of_which_all_is_known_ends_at_its_last_step() {
    let mut screen = Screen::new(80, 24);
    screen.begin(crate::recording::steps(), Vec::new());
    for step in ["words", "text", "blank", "noise", "latent", "image", "saved"] {
        screen.end(step, How::KnownByRecipe);
    }
    assert_eq!(screen.finish(Outcome::Done).app.ui.selected.as_deref(), Some("saved"));
}

#[test]
fn a_choice_stays_from_run_to_run_as_long_as_it_is_there() {
    let mut screen = Screen::new(80, 24);
    screen.done().act("select text").halfway();
    assert_eq!(screen.app.ui.selected.as_deref(), Some("text"));
    // In a graph without it, the selection goes with what runs again.
    screen.begin(vec![crate::recording::step("other", "noise", &[])], Vec::new()).start("other");
    assert_eq!(screen.app.ui.selected.as_deref(), Some("other"));
}

#[test]
fn left_and_right_go_through_the_points_of_a_sweep_and_up_and_down_keep_the_point() {
    let mut screen = Screen::new(80, 24);
    screen.large_sweep(20).act("pane steps; select image[seed=0]; right; right");
    assert_eq!(screen.app.ui.selected.as_deref(), Some("image[seed=2]"));
    assert_eq!(screen.act("up").app.ui.selected.as_deref(), Some("latent[seed=2]"));
    assert_eq!(screen.act("left").app.ui.selected.as_deref(), Some("latent[seed=1]"));
    assert_eq!(screen.act("fold; down").app.ui.selected.as_deref(), Some("image[seed=1]"), "one row a step");
}

#[test]
fn a_clock_that_is_set_back_makes_no_time_of_nothing() {
    let mut screen = Screen::new(80, 24);
    screen.halfway();
    let note = "sigma 0.2".to_owned();
    let what = What::StepProgress { step: "latent".into(), done: 4, total: 8, note };
    let event = Event { seq: 99, at_ms: -60_000.0, run: "0193".into(), what };
    screen.app.hear(News::Event(Box::new(event)));
    let drawn = screen.draw();
    assert!(drawn.contains("4/7 steps · 0s") && !drawn.contains(" left ") && !drawn.contains("a step"), "{drawn}");
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
fn the_last_picture_stays_until_there_is_another_and_only_for_who_did_not_choose() {
    let mut screen = Screen::new(80, 24);
    screen.large_sweep(2).end("image[seed=0]", How::Ran).end_with("image[seed=0]", How::Ran, "image");
    let picture = screen.act("select image[seed=0]; back").draw();
    // What runs now has no picture of its own.
    let drawn = screen.start("latent[seed=1]").draw();
    assert!(
        drawn.contains("latent[seed=1] · the last picture") && !drawn.contains("no picture yet"),
        "{picture}{drawn}"
    );
    assert!(screen.act("select latent[seed=1]").draw().contains("no picture yet"));
}

#[test]
fn a_sheet_of_what_is_no_picture_is_one_of_what_comes_of_it() {
    let mut screen = Screen::new(80, 24);
    screen.sweep().act("select image[seed=1]; sheet");
    let rows = |drawn: &str| {
        let sheet = drawn.lines().filter_map(|line| line.rsplit("││").next()).filter(|line| line.contains(":::"));
        sheet.map(str::to_owned).collect::<Vec<_>>()
    };
    let of_pictures = rows(&screen.draw());
    assert!(!of_pictures.is_empty());
    assert_eq!(rows(&screen.act("select latent[seed=1]").draw()), of_pictures);
}

#[test]
fn what_is_too_long_for_a_popup_can_be_moved_to_the_left() {
    let mut screen = Screen::new(80, 24);
    let text = format!(" 24 │ {}the end", "a long line, ".repeat(9));
    screen.done().app.hear(News::Mistakes(vec![Mistake { text, spot: None }]));
    assert!(!screen.draw().contains("the end"));
    assert!(screen.act("right; right; right; right; right; right; right; right; right").draw().contains("the end│"));
    let drawn = screen.act("left; left; left; left; left; left; left; left; left").draw();
    assert!(drawn.contains("24 │") && drawn.contains("a l…│"), "{drawn}");
}

#[test]
fn a_mended_file_takes_the_mistakes_away() {
    let mut screen = Screen::new(80, 24);
    screen.done().mistake();
    assert!(screen.draw().contains("did you mean `sample`?"));
    // No run of it has begun, since one that it wants, too, goes on.
    screen.app.hear(News::Mistakes(Vec::new()));
    let drawn = screen.draw();
    assert!(!drawn.contains("mistake (m)") && !drawn.contains("did you mean") && drawn.contains("mended"), "{drawn}");
    screen.mistake().begin(crate::recording::steps(), Vec::new());
    assert!(!screen.draw().contains("mistake (m)"));
}

#[test]
fn the_editor_opens_at_the_mistake_that_was_scrolled_to_and_while_the_list_is_closed_at_the_first() {
    let mut screen = Screen::new(80, 24);
    let spot = |line| Some(Spot { path: "text_to_image.ron".to_owned(), line });
    let mistake = |line| Mistake { text: "one\ntwo".to_owned(), spot: spot(line) };
    screen.done().app.hear(News::Mistakes(vec![mistake(3), mistake(8)]));
    let step = screen.app.ui.selected.clone();
    let at = |line| [Request::Edit { spot: spot(line), step: step.clone() }];
    assert_eq!(asked(screen.act("down; down"), "edit"), at(3));
    assert_eq!(asked(screen.act("down"), "edit"), at(8));
    assert_eq!(asked(screen.act("back"), "edit"), at(3));
}

#[test]
fn a_list_that_comes_late_does_not_take_the_place_of_the_one_asked_for_last() {
    let mut screen = Screen::new(80, 24);
    screen.done().act("cache; back; runs");
    let row = |text: &str| vec![Row { id: "one".to_owned(), text: text.to_owned() }];
    screen.app.hear(News::Page(Page::Runs, row("a run")));
    screen.app.hear(News::Page(Page::Cache, row("a result")));
    let drawn = screen.draw();
    assert!(drawn.contains("a run") && !drawn.contains("a result"), "{drawn}");
}

#[test]
fn a_run_of_the_list_is_pinned_and_shown_again() {
    let mut screen = Screen::new(80, 24);
    assert_eq!(asked(screen.done(), "pin"), []);
    assert!(screen.draw().contains("no run was chosen"));
    screen.act("runs");
    let row = |id: &str| Row { id: id.to_owned(), text: id.to_owned() };
    screen.app.hear(News::Page(Page::Runs, vec![row("one"), row("two")]));
    assert_eq!(asked(screen.act("down"), "pin"), [Request::Pin("two".to_owned())]);
    assert_eq!(asked(&mut screen, "replay"), [Request::Replay("two".to_owned())]);
    // By name, too, where the palette takes the place of the list.
    assert_eq!(asked(screen.act("up; palette; back"), "pin"), [Request::Pin("one".to_owned())]);
}

#[test]
fn a_preset_is_chosen_in_the_form() {
    let mut screen = Screen::new(80, 24);
    screen.done().act("inputs; last");
    assert!(screen.draw().contains("draft  seed 1"));
    let requests = screen.app.key(crossterm::event::KeyEvent::from(crossterm::event::KeyCode::Enter));
    assert_eq!(requests, [Request::Preset("draft".to_owned())]);
}

#[test]
fn why_something_was_refused_stays_over_the_next_run_until_a_key_is_pressed() {
    let mut screen = Screen::new(80, 24);
    screen.done().app.hear(News::Refused("`--set seed=nine` is not Seed".to_owned()));
    screen.begin(crate::recording::steps(), Vec::new());
    assert!(screen.draw().contains("is not Seed"));
    assert!(!screen.act("down").draw().contains("is not Seed"));
}
