//! Which picture the preview wants, of what is known now.

use std::collections::HashSet;

use rondel_value::Digest;

use super::{App, PictureMode};
use crate::action::Pane;
use crate::layout;
use crate::picture::{Arrangement, Wish};

/// How many results are looked at in search of a picture.
const N_TRIED: usize = 12;

/// How many pictures fit on a sheet.
const N_ON_A_SHEET: usize = 64;

impl App {
    /// The picture that is to be seen; none while the pane is not.
    pub fn wish(&self) -> Option<Wish> {
        let area = layout::areas(self.ui.screen, self.ui.focus, self.ui.zoom).of(Pane::Preview)?;
        let area = layout::inside(area);
        if area.width < 2 || area.height < 2 {
            return None;
        }
        let (pictures, arrangement) = match self.ui.picture_mode {
            PictureMode::Newest => (self.candidates(false), Arrangement::FirstThatIsOne),
            PictureMode::Before => (self.candidates(true), Arrangement::FirstThatIsOne),
            PictureMode::Sheet => (self.of_the_sweep(), Arrangement::Sheet),
        };
        let has_colors = self.ui.theme.has_pictures();
        (!pictures.is_empty()).then_some(Wish {
            pictures,
            arrangement,
            width: area.width,
            height: area.height,
            has_colors,
        })
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
        let mut seen = HashSet::from([selected]);
        let mut all = vec![selected];
        let selected_name = &self.view.steps[selected].info.name;
        let mut ahead = HashSet::from([selected_name.clone()]);
        // In the order of the plan, one pass finds all that comes of it; as a rule they stand close behind.
        for (index, step) in self.view.steps.values().enumerate().skip(selected + 1).take(512) {
            if step.info.after.iter().any(|name| ahead.contains(name)) {
                ahead.insert(step.info.name.clone());
                seen.insert(index);
                all.push(index);
            }
        }
        let mut open = vec![selected];
        while let Some(index) = open.pop() {
            for name in &self.view.steps[index].info.after {
                if let Some(before) = self.view.steps.get_index_of(name)
                    && seen.insert(before)
                {
                    all.push(before);
                    open.push(before);
                }
            }
            if all.len() > 64 {
                break;
            }
        }
        all
    }

    /// The results of the selected node at all points.
    fn of_the_sweep(&self) -> Vec<Digest> {
        let Some(selected) = &self.ui.selected else { return Vec::new() };
        let node = |name: &str| name.split('[').next().unwrap_or(name).to_owned();
        let wanted = node(selected);
        let of_node = self.view.steps.values().filter(|step| node(&step.info.name) == wanted);
        of_node.filter_map(|step| step.outputs.first().copied().or(step.preview)).take(N_ON_A_SHEET).collect()
    }
}
