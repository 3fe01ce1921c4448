//! What lies over the panes, one thing at a time.

use crate::action::Action;
use crate::app::{App, Typed};
use crate::news::{Mistake, Spot};

/// What lies over the panes.
#[derive(Clone, Debug, PartialEq)]
pub enum Popup {
    Help {
        at: usize,
    },
    Palette {
        text: Typed,
        at: usize,
    },
    Search {
        text: Typed,
    },
    Inputs(Form),
    Detail {
        up: usize,
    },
    Mistakes {
        up: usize,
    },
    /// The cache, runs, or two of them side by side.
    Page {
        at: usize,
    },
}

/// The form of the inputs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Form {
    pub row: usize,
    /// The text that is being typed.
    pub text: Option<Typed>,
}

impl App {
    /// The actions that the palette offers for what was typed: by their beginning first, then by what is in them.
    pub fn offers(&self, text: &str) -> Vec<Action> {
        let typed = text.trim();
        let text = typed.to_lowercase();
        let all = Action::all();
        let begins = |action: &&Action| action.to_string().starts_with(&text);
        let holds = |action: &&Action| {
            !begins(action) && (action.to_string().contains(&text) || action.words().to_lowercase().contains(&text))
        };
        let mut offers: Vec<Action> = all.iter().filter(begins).cloned().collect();
        offers.extend(all.iter().filter(holds).cloned());
        // `set seed=8` is none of the list, and an action all the same.
        if let Ok(typed) = typed.parse::<Action>()
            && !offers.contains(&typed)
        {
            offers.insert(0, typed);
        }
        offers
    }

    /// How many rows can be gone through.
    pub(super) fn n_popup_rows(&self) -> usize {
        match &self.ui.popup {
            Some(Popup::Help { .. }) => self.ui.keys.table().len(),
            Some(Popup::Palette { text, .. }) => self.offers(text.text()).len(),
            Some(Popup::Inputs(_)) => self.ui.planned.fields.len() + self.ui.planned.presets.len(),
            Some(Popup::Page { .. }) => self.ui.page.as_ref().map_or(0, |(_, rows)| rows.len()),
            Some(Popup::Detail { .. }) => crate::popups::detail::lines(self).len(),
            Some(Popup::Mistakes { .. }) => self.ui.mistakes.iter().map(n_rows).sum(),
            Some(Popup::Search { .. }) | None => 0,
        }
    }

    /// Where the mistake is that was scrolled to, or else the first that is anywhere.
    pub(super) fn mistaken_spot(&self) -> Option<Spot> {
        let up = if let Some(Popup::Mistakes { up }) = self.ui.popup { up } else { 0 };
        let mut end = 0;
        let at = self.ui.mistakes.iter().find(|mistake| {
            end += n_rows(mistake);
            up < end
        });
        let anywhere = || self.ui.mistakes.iter().find_map(|mistake| mistake.spot.clone());
        at.and_then(|mistake| mistake.spot.clone()).or_else(anywhere)
    }

    /// Where a popup is, in its rows.
    pub(super) fn popup_row(&mut self) -> Option<&mut usize> {
        match self.ui.popup.as_mut()? {
            Popup::Help { at } | Popup::Palette { at, .. } | Popup::Page { at } => Some(at),
            Popup::Detail { up } | Popup::Mistakes { up } => Some(up),
            Popup::Inputs(form) => {
                // What was typed is meant for the row that it was typed in.
                form.text = None;
                Some(&mut form.row)
            }
            Popup::Search { .. } => None,
        }
    }
}

/// The rows of a mistake, and the empty one behind it.
fn n_rows(mistake: &Mistake) -> usize {
    mistake.text.lines().count() + 1
}
