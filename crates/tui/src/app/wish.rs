//! Which picture the preview wants, of what is known now.

use std::collections::VecDeque;

use rondel_value::Digest;

use super::{App, PictureMode};
use crate::action::Pane;
use crate::layout;
use crate::news::Request;
use crate::picture::Wish;

/// How many results are looked at in search of a picture.
const N_TRIED: usize = 12;

/// How many steps before and after the selected one are looked at for one.
const N_LOOKED_AT: usize = 64;

/// How many pictures fit on a sheet.
pub const N_ON_A_SHEET: usize = 64;

impl App {
    /// The picture that is to be seen; none while the pane is not.
    pub fn wish(&self) -> Option<Wish> {
        let area = layout::areas(self.ui.screen, self.ui.focus, self.ui.zoom).of(Pane::Preview)?;
        let area = layout::inside(area);
        if area.width < 2 || area.height < 2 {
            return None;
        }
        let alone = |pictures: Vec<Digest>| pictures.into_iter().map(|picture| vec![picture]).collect();
        let choices: Vec<Vec<Digest>> = match self.ui.picture_mode {
            PictureMode::Newest => alone(self.candidates(false)),
            PictureMode::Before => alone(self.candidates(true)),
            PictureMode::Sheet => self.of_the_sweep(),
        };
        let has_colors = self.ui.theme.has_pictures();
        (!choices.is_empty()).then_some(Wish { choices, width: area.width, height: area.height, has_colors })
    }

    /// Tells whoever runs the graph whether anybody looks at pictures of what is not done, if that changed: to make them costs the
    /// step a part of its time.
    pub fn look_at_previews(&mut self) -> Option<Request> {
        let areas = layout::areas(self.ui.screen, self.ui.focus, self.ui.zoom);
        let is_looking = areas.of(Pane::Preview).is_some() && self.ui.picture_mode != PictureMode::Before;
        if std::mem::replace(&mut self.ui.is_looking, is_looking) == is_looking {
            return None;
        }
        Some(Request::Previews(is_looking))
    }

    /// Results that may be the picture of the selected step: its own, then those of what comes of it, then of what it is made
    /// from.
    fn candidates(&self, is_before: bool) -> Vec<Digest> {
        let Some(selected) = self.selected_index() else { return Vec::new() };
        let mut found = Vec::new();
        if is_before {
            let old =
                |index: &usize| self.view.steps.get_index(*index).and_then(|(name, _)| self.ui.history.get(name)?.0);
            found.extend(self.around(selected).iter().filter_map(old));
            found.truncate(N_TRIED);
            return found;
        }
        for index in self.around(selected) {
            let step = &self.view.steps[index];
            // A live preview is newer than any result, and older than its own.
            found.extend(step.outputs.iter().copied().chain(step.preview));
            if found.len() >= N_TRIED {
                break;
            }
        }
        found
    }

    /// The selected step, what comes after it, and what came before it; the nearest first.
    fn around(&self, selected: usize) -> Vec<usize> {
        let standing = &self.ui.standing;
        let mut all = vec![selected];
        spread(selected, &standing.after, &mut all);
        spread(selected, &standing.before, &mut all);
        all
    }

    /// The results at all points: of the selected node, or where these are no pictures, of those around it.
    fn of_the_sweep(&self) -> Vec<Vec<Digest>> {
        let Some(selected) = self.selected_index() else { return Vec::new() };
        let standing = &self.ui.standing;
        let mut nodes: Vec<usize> = Vec::new();
        for node in self.around(selected).iter().map(|index| standing.node_of[*index]) {
            if !nodes.contains(&node) && standing.nodes[node].len() > 1 {
                nodes.push(node);
            }
        }
        let results = |node: &usize| {
            let steps = standing.nodes[*node].iter().map(|index| &self.view.steps[*index]);
            steps.filter_map(|step| step.outputs.first().copied().or(step.preview)).take(N_ON_A_SHEET).collect()
        };
        nodes.iter().map(results).filter(|found: &Vec<Digest>| !found.is_empty()).collect()
    }
}

/// Adds what is reached from a step, the nearest first, as far as somebody would look.
fn spread(from: usize, ways: &[Vec<usize>], all: &mut Vec<usize>) {
    let mut open = VecDeque::from([from]);
    let mut left = N_LOOKED_AT;
    while let Some(index) = open.pop_front() {
        for next in ways.get(index).into_iter().flatten() {
            if left == 0 {
                return;
            }
            left -= 1;
            if !all.contains(next) {
                all.push(*next);
                open.push_back(*next);
            }
        }
    }
}
