//! Texts come from files and from elsewhere: whatever is in them, none steers the terminal, and none leaves its pane.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use proptest::prelude::*;
use ratatui::buffer::Buffer;
use ratatui::layout::Position;
use rondel_event::{How, Level, Problem, What};
use rondel_tui::{Field, Mistake, News, Page, Planned, Preset, Row, Theme, layout};

use crate::recording::{Screen, step};

/// Letters of one column, of two and of none, and what would steer a terminal.
fn texts() -> impl Strategy<Value = String> {
    let pieces = prop_oneof![
        Just("a car".to_owned()),
        Just("苹果".to_owned()),
        Just("👩‍🎨".to_owned()),
        Just("e\u{301}\u{301}".to_owned()),
        Just("\x1b[2J\x1b]0;gone\x07".to_owned()),
        Just("\u{9b}31m\u{202e}\r\n\t\0".to_owned()),
        Just("\x1b_Ga=d\x1b\\\u{10eeee}".to_owned()),
        any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(pieces, 0..12).prop_map(|pieces| pieces.concat())
}

/// A run in which everything is called so.
fn strange(text: &str, theme: Theme) -> Screen {
    let mut screen = Screen::new(80, 24).in_theme(theme);
    let names = [format!("1{text}"), format!("2{text}"), format!("3{text}")];
    screen.begin(
        vec![step(&names[0], text, &[]), step(&names[1], text, &[&names[0]]), step(&names[2], text, &[])],
        vec![],
    );
    screen.end(&names[0], How::Ran).start(&names[1]);
    screen.tell(What::StepProgress { step: (*names[1]).into(), done: 1, total: 2, note: format!("{text} 1.5") });
    let problem = Problem { kind: text.to_owned(), message: text.to_owned(), port: None, place: None };
    screen.tell(What::StepFailed { step: (*names[2]).into(), problem, ms: -1.0, attempt: 1, retry_in_ms: None });
    screen.tell(What::Log { step: Some((*names[0]).into()), level: Level::Warn, text: text.to_owned() });
    let field = |name: &String| Field {
        name: name.clone(),
        ty: text.to_owned(),
        doc: text.to_owned(),
        value: text.to_owned(),
        origin: text.to_owned(),
        range: text.to_owned(),
    };
    let fields = names.iter().map(field).collect();
    screen.app.hear(News::Planned(Box::new(Planned {
        file: text.to_owned(),
        fields,
        presets: vec![Preset { name: text.to_owned(), text: text.to_owned() }],
        command: text.to_owned(),
    })));
    screen.app.hear(News::Said(text.to_owned()));
    screen
}

fn holds_no_orders(buffer: &Buffer) -> Result<(), TestCaseError> {
    for cell in &buffer.content {
        prop_assert!(!cell.symbol().contains(char::is_control), "{:?}", cell.symbol());
        prop_assert!(!cell.symbol().contains(['\u{202e}', '\u{10eeee}']), "{:?}", cell.symbol());
    }
    Ok(())
}

/// The left and the right border of every pane.
fn keeps_its_panes(screen: &Screen, buffer: &Buffer) -> Result<(), TestCaseError> {
    let ui = &screen.app.ui;
    for (pane, area) in layout::areas(ui.screen, ui.focus, ui.zoom).panes {
        for y in area.top() + 1..area.bottom() - 1 {
            for x in [area.left(), area.right() - 1] {
                let symbol = buffer.cell(Position::new(x, y)).map(|cell| cell.symbol());
                prop_assert!(matches!(symbol, Some("│" | "|" | "+")), "{pane:?} at {x}, {y}: {symbol:?}");
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_text_steers_the_terminal_or_leaves_its_pane(text in texts()) {
        for theme in [Theme::PLAIN, Theme::ASCII] {
            for pane in ["pane graph", "pane steps"] {
                let mut screen = strange(&text, theme);
                screen.act(pane);
                let buffer = screen.cells();
                holds_no_orders(&buffer)?;
                keeps_its_panes(&screen, &buffer)?;
            }
        }
    }

    #[test]
    fn no_text_in_a_popup_steers_the_terminal(text in texts()) {
        for popup in ["detail", "inputs", "palette", "search", "help", "mistakes", "runs", "copy"] {
            let mut screen = strange(&text, Theme::PLAIN);
            screen.app.hear(News::Mistakes(vec![Mistake { text: text.clone(), spot: None }]));
            screen.act("back").act(popup);
            screen.app.hear(News::Page(Page::Runs, vec![Row { id: text.clone(), text: text.clone() }]));
            let name = screen.app.ui.selected.clone().expect("a step");
            screen.app.hear(News::Detail(name, vec![Row { id: text.clone(), text: text.clone() }]));
            screen.app.key(KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE));
            screen.app.paste(&text);
            holds_no_orders(&screen.cells())?;
        }
    }
}
