//! What is drawn, at three sizes. `UPDATE_EXPECT=1 cargo test -p rondel-tui` writes the files anew.

use expect_test::expect_file;
use rondel_event::{Gauge, How, Outcome};
use rondel_tui::{News, Page, Row, Theme};

use crate::recording::{Screen, step};

/// Compares a screen with `snapshots/<name>.txt`.
macro_rules! check {
    ($screen:expr, $name:literal) => {
        expect_file![concat!("snapshots/", $name, ".txt")].assert_eq(&$screen.draw())
    };
}

#[test]
fn a_run_halfway_at_80_by_24() {
    check!(Screen::new(80, 24).halfway(), "halfway_80x24");
}

#[test]
fn a_run_halfway_at_120_by_40() {
    check!(Screen::new(120, 40).halfway(), "halfway_120x40");
}

#[test]
fn a_run_halfway_at_200_by_60() {
    check!(Screen::new(200, 60).halfway(), "halfway_200x60");
}

#[test]
fn the_graph_takes_the_place_of_the_steps_where_there_is_little() {
    check!(Screen::new(80, 24).halfway().act("pane graph"), "graph_80x24");
}

#[test]
fn a_done_run_shows_its_picture() {
    // With colours, a picture is half blocks, which are letters too.
    check!(Screen::new(80, 24).in_theme(Theme::SIXTEEN).done().act("select image"), "done_80x24");
}

#[test]
fn without_colours_and_fine_letters_nothing_is_lost() {
    let mut screen = Screen::new(120, 40).in_theme(Theme::ASCII);
    let drawn = screen.done().draw();
    assert!(drawn.is_ascii(), "{drawn}");
    check!(screen, "ascii_120x40");
}

#[test]
fn a_failed_run_shows_what_failed() {
    check!(Screen::new(120, 40).failed().act("detail"), "failed_120x40");
}

#[test]
fn mistakes_lie_over_the_last_good_plan() {
    check!(Screen::new(80, 24).done().mistake(), "mistakes_80x24");
}

#[test]
fn the_help_lists_the_table_of_keys() {
    check!(Screen::new(80, 24).act("help"), "help_80x24");
}

#[test]
fn the_inputs_are_a_form() {
    check!(Screen::new(80, 24).done().act("inputs; down; set seed=8"), "inputs_80x24");
}

#[test]
fn the_palette_offers_what_can_be_done() {
    check!(Screen::new(80, 24).halfway().act("palette"), "palette_80x24");
}

#[test]
fn a_sweep_is_folded_and_laid_out_on_a_sheet() {
    let mut screen = Screen::new(120, 40).in_theme(Theme::SIXTEEN);
    check!(screen.sweep().act("select image[seed=2]; sheet"), "sweep_120x40");
}

#[test]
fn a_sweep_of_thousands_is_a_row_for_each_node() {
    check!(Screen::new(100, 30).large_sweep(2500), "large_sweep_100x30");
}

#[test]
fn what_a_sampler_makes_is_seen_while_it_works() {
    check!(Screen::new(80, 24).in_theme(Theme::FULL).halfway(), "live_80x24");
}

#[test]
fn the_picture_as_it_was_before_is_one_key_away() {
    let mut screen = Screen::new(80, 24);
    screen.done().end_with("image", How::Ran, "image before").finish(Outcome::Done);
    check!(screen.act("select image; before"), "before_80x24");
}

#[test]
fn names_may_be_wide() {
    let mut screen = Screen::new(80, 24);
    let all = vec![
        step("提示词", "prompt", &[]),
        step("苹果", "encode", &["提示词"]),
        step("e\u{301}te\u{301}", "save", &["苹果"]),
    ];
    screen.begin(all, Vec::new());
    screen.end("提示词", How::KnownByRecipe).start("苹果").end("苹果", How::Ran).start("e\u{301}te\u{301}");
    check!(screen.act("select 苹果; pane graph"), "wide_80x24");
}

#[test]
fn the_cache_is_a_list_below_what_it_takes() {
    let mut screen = Screen::new(80, 24);
    screen.done().act("cache");
    let cache = Gauge { used_bytes: 12_300_000_000, limit_bytes: Some(20_000_000_000) };
    screen.app.hear(News::Resources { memory: Gauge::default(), cache });
    let rows = ["2 results, 12.3 GB", "sample  12.0 GB  3m12s  2 min ago", "decode  0.3 GB  1.2 s  2 min ago"];
    let rows = rows.iter().map(|text| Row { id: String::new(), text: (*text).to_owned() }).collect();
    screen.app.hear(News::Page(Page::Cache, rows));
    check!(screen, "cache_80x24");
}

#[test]
fn a_light_terminal_gets_what_a_dark_one_gets() {
    let drawn = |theme| Screen::new(120, 40).in_theme(theme).done().draw();
    assert_eq!(drawn(Theme::LIGHT), drawn(Theme::FULL));
}

#[test]
fn before_a_run_there_are_words_where_it_will_be() {
    check!(Screen::new(120, 40), "empty_120x40");
}

#[test]
fn earlier_runs_are_a_list() {
    let mut screen = Screen::new(80, 24);
    screen.done().act("runs");
    let rows = ["2 min ago  text_to_image  done in 1.2 s: 3 ran, 4 known", "3 min ago  edit  failed in 0.2 s"];
    let rows = rows.iter().map(|text| Row { id: "0193".to_owned(), text: (*text).to_owned() }).collect();
    screen.app.hear(News::Page(Page::Runs, rows));
    check!(screen, "runs_80x24");
}

#[test]
fn a_window_too_small_for_panes_shows_the_one_that_is_looked_at() {
    check!(Screen::new(40, 12).halfway().act("pane log"), "log_40x12");
}
