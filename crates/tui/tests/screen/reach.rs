//! Everything that can be done can be done by key, by name and with the mouse, and changes something.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use ratatui::style::Modifier;
use rondel_tui::{Action, News, Pane, Request};

use crate::recording::Screen;

/// What is to be seen and what is asked for: two screens with equal ones have done the same.
fn outcome(screen: &mut Screen, requests: &[Request]) -> String {
    format!("{}\n{:?}\n{requests:?}", screen.draw(), screen.app.ui.focus)
}

/// A screen at which every action has something to do.
fn screen(action: &Action) -> Screen {
    let mut screen = Screen::new(120, 80);
    match action {
        Action::Sheet => screen.sweep(),
        _ => screen.done(),
    };
    screen.act("select latent; set seed=8");
    match action {
        Action::Pin | Action::Replay => {
            screen.app.ui.run = Some("a-run".to_owned());
            &mut screen
        }
        Action::Back => screen.act("zoom"),
        Action::Left | Action::Right => screen.act("pane graph; select blank"),
        Action::NextMatch => {
            screen.app.ui.needle = "a".to_owned();
            &mut screen
        }
        Action::Before => {
            screen.done();
            screen.end_with("image", rondel_event::How::Ran, "image before").act("select image")
        }
        _ => &mut screen,
    };
    if *action == Action::Pane(Pane::Steps) {
        screen.act("pane log");
    }
    if *action == Action::Fold {
        screen.sweep();
    }
    screen
}

fn click(screen: &mut Screen, column: u16, row: u16) -> Vec<Request> {
    let kind = MouseEventKind::Down(MouseButton::Left);
    screen.app.mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE })
}

fn press(screen: &mut Screen, code: KeyCode) -> Vec<Request> {
    screen.app.key(KeyEvent::new(code, KeyModifiers::NONE))
}

/// Where a text stands on the screen.
fn place(screen: &mut Screen, text: &str) -> (u16, u16) {
    let drawn = screen.draw();
    let (row, line) =
        drawn.lines().enumerate().find(|(_, line)| line.contains(text)).unwrap_or_else(|| panic!("{text}"));
    (line[..line.find(text).unwrap()].chars().count() as u16, row as u16)
}

#[test]
fn every_action_does_something_and_the_same_by_key_by_name_and_by_mouse() {
    for action in Action::all() {
        let mut by_name = screen(&action);
        let before = outcome(&mut by_name, &[]);
        let requests = by_name.app.update(&action);
        let wanted = outcome(&mut by_name, &requests);
        assert_ne!(wanted, before, "`{action}` does nothing");

        let mut by_key = screen(&action);
        let (_, keys) = by_key.app.ui.keys.table().find(|(it, _)| **it == action).expect("it is in the table");
        let event = keys[0].event();
        let requests = by_key.app.key(event);
        assert_eq!(outcome(&mut by_key, &requests), wanted, "`{action}` by key");

        // The palette closes before it acts, and so does the help.
        if matches!(action, Action::Back) {
            continue;
        }
        let mut by_palette = screen(&action);
        by_palette.act("palette");
        for letter in action.to_string().chars() {
            press(&mut by_palette, KeyCode::Char(letter));
        }
        let requests = press(&mut by_palette, KeyCode::Enter);
        assert_eq!(outcome(&mut by_palette, &requests), wanted, "`{action}` by its name");

        let mut by_mouse = screen(&action);
        by_mouse.act("help");
        let (column, row) = place(&mut by_mouse, &format!(" {:<15}{}", action.to_string(), action.words()));
        let requests = click(&mut by_mouse, column, row);
        assert_eq!(outcome(&mut by_mouse, &requests), wanted, "`{action}` by mouse");
    }
}

#[test]
fn the_help_is_one_click_away() {
    let mut screen = Screen::new(80, 24);
    let (column, row) = place(&mut screen, "? help");
    click(&mut screen, column, row);
    assert!(screen.draw().contains("keys (click a line"));
}

#[test]
fn a_click_selects_a_step_in_the_list_and_in_the_graph() {
    let mut screen = Screen::new(120, 40);
    screen.done();
    let (column, row) = place(&mut screen, "image   ran");
    click(&mut screen, column, row);
    assert_eq!(screen.app.ui.selected.as_deref(), Some("image"));
    let (column, row) = place(&mut screen, "= text");
    click(&mut screen, column, row);
    assert_eq!((screen.app.ui.selected.as_deref(), screen.app.ui.focus), (Some("text"), Pane::Graph));
}

#[test]
fn what_the_selected_box_is_connected_with_is_underlined() {
    let mut screen = Screen::new(120, 40);
    screen.done().act("select latent");
    let boxes = ["= words", "= text", "= blank", "✓ noise", "✓ latent", "✓ image", "✓ saved"];
    let underlined = boxes.map(|name| {
        let (column, row) = place(&mut screen, name);
        screen.cells()[(column + 2, row)].modifier.contains(Modifier::UNDERLINED)
    });
    assert_eq!(underlined, [false, true, true, true, false, true, false]);
}

#[test]
fn arrows_go_through_the_graph_as_it_is_drawn() {
    let mut screen = Screen::new(120, 40);
    screen.done().act("pane graph; select latent; up");
    let above: Vec<String> = ["left", "left", "right", "right"]
        .iter()
        .map(|action| screen.act(action).app.ui.selected.as_deref().unwrap().to_owned())
        .collect();
    assert!(above.iter().all(|name| ["text", "blank", "noise"].contains(&name.as_str())), "{above:?}");
    assert_eq!(screen.act("down").app.ui.selected.as_deref(), Some("latent"));
}

#[test]
fn a_changed_value_is_typed_into_the_form() {
    let mut screen = Screen::new(80, 24);
    screen.done().act("inputs; down");
    press(&mut screen, KeyCode::Enter);
    press(&mut screen, KeyCode::Backspace);
    press(&mut screen, KeyCode::Char('9'));
    let requests = press(&mut screen, KeyCode::Enter);
    assert_eq!(requests, [Request::Set { input: "seed".to_owned(), value: "9".to_owned() }]);
    screen.app.hear(News::Changed(Vec::new()));
    assert!(!screen.draw().contains("not in the file"));
}

#[test]
fn a_changed_value_is_taken_back_before_it_runs() {
    let mut screen = Screen::new(80, 24);
    screen.done().act("inputs; down; set seed=9");
    press(&mut screen, KeyCode::Enter);
    assert_eq!(press(&mut screen, KeyCode::Enter), [], "it is what it was");
    press(&mut screen, KeyCode::Enter);
    press(&mut screen, KeyCode::Backspace);
    press(&mut screen, KeyCode::Char('7'));
    // The plan still says so, and its run is not the newest wish.
    let requests = press(&mut screen, KeyCode::Enter);
    assert_eq!(requests, [Request::Set { input: "seed".to_owned(), value: "7".to_owned() }]);
}

#[test]
fn what_is_typed_goes_to_no_other_input() {
    let mut screen = Screen::new(80, 24);
    screen.done().act("select text; inputs");
    for code in [KeyCode::Enter, KeyCode::Char('8'), KeyCode::Down, KeyCode::Enter] {
        assert_eq!(press(&mut screen, code), [], "{code:?}");
    }
    // Enter opens the other input with its own value.
    assert_eq!(press(&mut screen, KeyCode::Enter), []);
}

#[test]
fn a_mistake_in_the_file_takes_no_keys_from_whoever_types() {
    let mut screen = Screen::new(80, 24);
    screen.done().act("inputs");
    press(&mut screen, KeyCode::Enter);
    screen.mistake();
    assert_eq!(press(&mut screen, KeyCode::Char('c')), [], "a letter, and no command");
    assert!(screen.draw().contains("1 mistake (m)"));
}

#[test]
fn what_is_typed_is_mended_where_the_cursor_is_and_the_wheel_leaves_it() {
    let mut screen = Screen::new(80, 24);
    screen.done().act("inputs");
    for code in [KeyCode::Enter, KeyCode::Home, KeyCode::Char('x'), KeyCode::Right] {
        press(&mut screen, code);
    }
    for kind in [MouseEventKind::ScrollDown, MouseEventKind::ScrollUp] {
        screen.app.mouse(MouseEvent { kind, column: 40, row: 12, modifiers: KeyModifiers::NONE });
    }
    press(&mut screen, KeyCode::Delete);
    let field = screen.app.ui.planned.fields[0].clone();
    let mended: String =
        std::iter::once('x').chain(field.value.chars().take(1)).chain(field.value.chars().skip(2)).collect();
    assert_eq!(press(&mut screen, KeyCode::Enter), [Request::Set { input: field.name, value: mended }]);
}
