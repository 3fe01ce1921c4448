//! What the parts of the screen look like.
//!
//! Colour repeats what a glyph or a word says already, so that [`Theme::PLAIN`] and [`Theme::ASCII`] lose nothing.

use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols::border;
use ratatui::text::{Line, Span};
use rondel_event::{How, State};

/// Colours and glyphs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Theme {
    pub name: &'static str,
    colors: Option<Colors>,
    /// Round corners, which the fonts of consoles do not have.
    has_fine_corners: bool,
    pub is_ascii: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Colors {
    accent: Color,
    good: Color,
    known: Color,
    bad: Color,
    warn: Color,
    dim: Color,
    /// Of what is selected: paper and ink. None where colours are too few for a quiet one; then they are exchanged.
    selected: Option<(Color, Color)>,
}

/// What a piece of the screen is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Text,
    Dim,
    Accent,
    Good,
    Known,
    Bad,
    Warn,
    Selected,
    Border,
    FocusedBorder,
}

impl Theme {
    /// For terminals with many colours that are dark, as most are: nothing is said of the background.
    pub const FULL: Theme = Theme {
        name: "full",
        colors: Some(Colors {
            accent: Color::Rgb(96, 165, 250),
            good: Color::Rgb(74, 180, 110),
            known: Color::Rgb(110, 160, 170),
            bad: Color::Rgb(239, 83, 80),
            warn: Color::Rgb(230, 160, 50),
            dim: Color::Rgb(128, 128, 128),
            selected: Some((Color::Rgb(50, 56, 72), Color::Rgb(235, 238, 245))),
        }),
        has_fine_corners: true,
        is_ascii: false,
    };

    /// The same for a light background.
    pub const LIGHT: Theme = Theme {
        name: "light",
        colors: Some(Colors {
            accent: Color::Rgb(25, 90, 200),
            good: Color::Rgb(20, 115, 60),
            known: Color::Rgb(40, 105, 115),
            bad: Color::Rgb(190, 30, 30),
            warn: Color::Rgb(145, 85, 0),
            dim: Color::Rgb(105, 105, 105),
            selected: Some((Color::Rgb(214, 226, 245), Color::Rgb(20, 24, 32))),
        }),
        has_fine_corners: true,
        is_ascii: false,
    };

    /// For terminals with the colours that all have.
    pub const SIXTEEN: Theme = Theme {
        name: "sixteen",
        colors: Some(Colors {
            accent: Color::Blue,
            good: Color::Green,
            known: Color::Cyan,
            bad: Color::Red,
            warn: Color::Yellow,
            dim: Color::DarkGray,
            selected: None,
        }),
        has_fine_corners: false,
        is_ascii: false,
    };

    /// Without colours, for who says `NO_COLOR`.
    pub const PLAIN: Theme = Theme { name: "plain", colors: None, has_fine_corners: false, is_ascii: false };

    /// Without colours, and of the letters of a typewriter.
    pub const ASCII: Theme = Theme { name: "ascii", colors: None, has_fine_corners: false, is_ascii: true };

    pub const ALL: [Theme; 5] = [Theme::FULL, Theme::LIGHT, Theme::SIXTEEN, Theme::PLAIN, Theme::ASCII];

    /// The theme for a background of this colour.
    pub fn on(self, [red, green, blue]: [u8; 3]) -> Theme {
        let light = 0.299 * f64::from(red) + 0.587 * f64::from(green) + 0.114 * f64::from(blue);
        if self == Theme::FULL && light > 140.0 { Theme::LIGHT } else { self }
    }

    /// The theme after this one.
    pub fn next(self) -> Theme {
        let at = Theme::ALL.iter().position(|theme| *theme == self).unwrap_or(0);
        Theme::ALL[(at + 1) % Theme::ALL.len()]
    }

    /// Whether pictures may have colours of their own.
    pub fn has_pictures(&self) -> bool {
        self.colors.is_some()
    }

    pub fn style(&self, role: Role) -> Style {
        let plain = Style::default();
        let Some(colors) = self.colors else {
            return match role {
                Role::Text | Role::Known | Role::Warn | Role::Good | Role::Border => plain,
                Role::Dim => plain.add_modifier(Modifier::DIM),
                Role::Accent | Role::Bad | Role::FocusedBorder => plain.add_modifier(Modifier::BOLD),
                Role::Selected => plain.add_modifier(Modifier::REVERSED),
            };
        };
        match role {
            Role::Text => plain,
            Role::Dim | Role::Border => plain.fg(colors.dim),
            Role::Accent => plain.fg(colors.accent).add_modifier(Modifier::BOLD),
            Role::FocusedBorder => plain.fg(colors.accent),
            Role::Good => plain.fg(colors.good),
            Role::Known => plain.fg(colors.known),
            Role::Bad => plain.fg(colors.bad).add_modifier(Modifier::BOLD),
            Role::Warn => plain.fg(colors.warn),
            Role::Selected => match colors.selected {
                Some((paper, ink)) => plain.fg(ink).bg(paper).add_modifier(Modifier::BOLD),
                // One bar: the glyphs on it say what their colours would.
                None => plain.fg(Color::Reset).add_modifier(Modifier::REVERSED),
            },
        }
    }

    /// Shows that a line is chosen.
    pub fn select<'a>(&self, mut line: Line<'a>) -> Line<'a> {
        line.spans.iter_mut().for_each(|span| span.style = self.selected(span.style));
        line.patch_style(self.style(Role::Selected))
    }

    /// The same of a piece of it. What has a colour for a reason keeps it where it can be read.
    pub fn selected(&self, style: Style) -> Style {
        let selected = style.patch(self.style(Role::Selected));
        let quiet = self.colors.filter(|colors| colors.selected.is_some());
        match (quiet, style.fg) {
            (Some(colors), Some(color)) if color != colors.dim => selected.fg(color),
            _ => selected,
        }
    }

    /// The glyph of a step and what it is drawn as. `is_lit` makes what runs pulse.
    pub fn step(&self, state: State, is_lit: bool) -> (&'static str, Role) {
        let (glyph, ascii, role) = match state {
            State::Waiting => ("·", ".", Role::Dim),
            State::Running if is_lit => ("▶", ">", Role::Accent),
            State::Running => ("▷", ">", Role::Accent),
            State::Over(How::Ran | How::Took) => ("✓", "+", Role::Good),
            State::Over(How::KnownByRecipe | How::KnownByContent | How::UpToDate) => ("=", "=", Role::Known),
            State::Over(How::Failed) => ("✗", "x", Role::Bad),
            State::Over(How::Blocked) => ("–", "-", Role::Warn),
            State::Over(How::NotNeeded) => ("○", "o", Role::Dim),
        };
        (if self.is_ascii { ascii } else { glyph }, role)
    }

    pub fn border(&self) -> border::Set<'static> {
        match self.is_ascii {
            false if self.has_fine_corners => border::ROUNDED,
            false => border::PLAIN,
            true => border::Set {
                top_left: "+",
                top_right: "+",
                bottom_left: "+",
                bottom_right: "+",
                vertical_left: "|",
                vertical_right: "|",
                horizontal_top: "-",
                horizontal_bottom: "-",
            },
        }
    }

    /// A bar that is `part` of 1 full: what is full of it, and what is empty.
    pub fn bar<'a>(&self, part: f64, width: usize, role: Role) -> [Span<'a>; 2] {
        let (full, empty) = if self.is_ascii { ("#", ".") } else { ("█", "░") };
        let n_full = (part.clamp(0.0, 1.0) * width as f64).round() as usize;
        let piece = |letter: &str, n: usize, role| Span::styled(letter.repeat(n), self.style(role));
        [piece(full, n_full, role), piece(empty, width - n_full, Role::Dim)]
    }

    /// A line of values, one column each, the lowest and the highest of them as far apart as can be.
    pub fn curve(&self, values: &[f64]) -> String {
        const FINE: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
        const ASCII: [char; 8] = ['_', '.', '-', '~', '=', '+', '*', '#'];
        let glyphs = if self.is_ascii { ASCII } else { FINE };
        let (low, high) = values.iter().fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(*v), high.max(*v)));
        let level = |value: &f64| match high > low {
            true => ((value - low) / (high - low) * 7.0).round() as usize,
            false => 3,
        };
        values.iter().map(|value| glyphs[level(value).min(7)]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_and_curves_fill_their_columns() {
        let bar = |theme: Theme, part| theme.bar(part, 4, Role::Good).map(|span| span.content).concat();
        assert_eq!(bar(Theme::FULL, 0.5), "██░░");
        assert_eq!([bar(Theme::ASCII, 2.0), bar(Theme::ASCII, f64::NAN)], ["####", "...."]);
        assert_eq!(Theme::FULL.curve(&[1.0, 0.5, 0.0]), "█▅▁");
        assert_eq!(Theme::ASCII.curve(&[2.0, 2.0]), "~~");
    }

    #[test]
    fn colours_can_be_read_on_the_background_that_they_are_for() {
        // The luminance and the contrast of the guidelines for accessible content.
        let channel = |value: u8| match f64::from(value) / 255.0 {
            value if value <= 0.03928 => value / 12.92,
            value => ((value + 0.055) / 1.055).powf(2.4),
        };
        let luminance = |color: Color| match color {
            Color::Rgb(r, g, b) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b),
            _ => panic!("a colour in full"),
        };
        for (theme, paper) in [(Theme::FULL, Color::Rgb(20, 20, 24)), (Theme::LIGHT, Color::Rgb(250, 250, 245))] {
            for role in [Role::Dim, Role::Accent, Role::Good, Role::Known, Role::Bad, Role::Warn] {
                let ink = luminance(theme.style(role).fg.expect("a colour")) + 0.05;
                let paper = luminance(paper) + 0.05;
                let contrast = ink.max(paper) / ink.min(paper);
                assert!(contrast > 4.5, "{}: {role:?} has {contrast:.1}", theme.name);
            }
        }
        assert_eq!(Theme::FULL.on([255, 250, 240]), Theme::LIGHT);
        assert_eq!(Theme::FULL.on([30, 30, 30]), Theme::FULL);
        assert_eq!(Theme::ASCII.on([255, 255, 255]), Theme::ASCII);
    }

    #[test]
    fn without_colours_nothing_is_coloured_and_what_is_ascii_says_so() {
        for role in [Role::Accent, Role::Bad, Role::Selected, Role::Dim] {
            assert_eq!(Theme::PLAIN.style(role).fg, None);
        }
        for state in [State::Waiting, State::Running, State::Over(How::Failed), State::Over(How::Ran)] {
            assert!(Theme::ASCII.step(state, true).0.is_ascii());
        }
        let mut theme = Theme::FULL;
        (0..Theme::ALL.len()).for_each(|_| theme = theme.next());
        assert_eq!(theme, Theme::FULL);
    }
}
