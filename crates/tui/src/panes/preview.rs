//! The picture of the selected step: live, made, as it was before, or all of a sweep.

use ratatui::Frame;
use ratatui::layout::{Alignment, Rect};
use ratatui::text::Line;
use ratatui::widgets::Paragraph;
use ratatui_image::Image;
use rondel_event::State;

use crate::action::Pane;
use crate::app::{App, N_ON_A_SHEET, PictureMode};
use crate::draw::block;
use crate::layout::inside;
use crate::picture::Drawn;
use crate::popups;
use crate::text;
use crate::theme::Role;
use crate::words;

pub fn draw(app: &App, area: Rect, frame: &mut Frame<'_>) {
    frame.render_widget(block(app, Pane::Preview, heading(app, usize::from(area.width))), area);
    let inner = inside(area);
    match seen(app).map(|(drawn, _)| drawn) {
        Some(drawn) if drawn.is_in_one_piece() && popups::covers(app, inner) => {
            let line = Line::styled(words::PICTURE_BEHIND, app.ui.theme.style(Role::Dim)).alignment(Alignment::Center);
            frame.render_widget(line, centered(inner, inner.width, 1));
        }
        Some(Drawn::Encoded(protocol)) => {
            let size = protocol.size();
            let area = centered(inner, size.width, size.height);
            frame.render_widget(Image::new(protocol), area);
        }
        Some(Drawn::Letters(lines)) => {
            let width = lines.first().map_or(0, |line| line.chars().count());
            let area = centered(inner, width as u16, lines.len() as u16);
            frame.render_widget(
                Paragraph::new(lines.iter().map(|line| Line::raw(line.as_str())).collect::<Vec<_>>()),
                area,
            );
        }
        None => {
            let text = match app.ui.picture_mode {
                PictureMode::Before => words::NOTHING_BEFORE,
                PictureMode::Newest | PictureMode::Sheet => words::NO_PICTURE,
            };
            let line = Line::styled(text, app.ui.theme.style(Role::Dim)).alignment(Alignment::Center);
            frame.render_widget(line, centered(inner, inner.width, 1));
        }
    }
}

/// The picture that is shown, and whether it is an earlier one: while the selection goes with what runs, the last picture stays
/// until there is another.
fn seen(app: &App) -> Option<(&Drawn, bool)> {
    let shown = &app.ui.shown;
    let wish = app.wish();
    let is_earlier = wish.as_ref().is_some_and(|wish| shown.is_vain(wish));
    if is_earlier && !(app.ui.is_following && app.ui.picture_mode == PictureMode::Newest) {
        return None;
    }
    Some((shown.get(&wish?)?, is_earlier))
}

/// ` latent · 5/8 · live `
fn heading(app: &App, width: usize) -> String {
    let mut parts = Vec::new();
    if let Some(step) = app.selected_index().map(|index| &app.view.steps[index]) {
        parts.push(text::cut_inside(&step.info.name, width * 2 / 3));
        if let (State::Running, Some((done, total, _))) = (step.state, &step.progress) {
            parts.push(format!("{done}/{total}"));
            parts.push(words::LIVE.to_owned());
        }
    }
    if let Some((_, true)) = seen(app) {
        parts.push(words::EARLIER.to_owned());
    }
    match app.ui.picture_mode {
        PictureMode::Newest => {}
        PictureMode::Before => parts.push(words::BEFORE.to_owned()),
        PictureMode::Sheet => parts.push(match app.selected_index().map(|index| app.ui.standing.n_points_of(index)) {
            Some(n) if n > N_ON_A_SHEET => format!("{} of the first {N_ON_A_SHEET} of {n}", words::SHEET),
            _ => words::SHEET.to_owned(),
        }),
    }
    match parts.is_empty() {
        true => format!(" {} ", words::pane(Pane::Preview)),
        false => format!(" {} ", text::cut(&parts.join(" · "), width.saturating_sub(4))),
    }
}

fn centered(area: Rect, width: u16, height: u16) -> Rect {
    let (width, height) = (width.min(area.width), height.min(area.height));
    Rect::new(area.x + (area.width - width) / 2, area.y + (area.height - height) / 2, width, height)
}
