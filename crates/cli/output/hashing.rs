//! Says that weights are being hashed, if it takes longer than a second: it happens once, but to gigabytes.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use rondel_engine::weights::hashing::{Hashing, Watch};
use rondel_value::cost::bytes_text;

use crate::words;

/// Nobody wonders about less.
const PATIENCE: Duration = Duration::from_secs(1);

/// Shows a bar on a terminal, and one line elsewhere.
pub fn watch() -> Watch {
    let display = Mutex::new(Display::default());
    Arc::new(move |hashing: &Hashing<'_>| {
        let mut display = display.lock().expect("no panic while it is held");
        match display.clock.step(hashing.done_bytes, hashing.total_bytes, Instant::now()) {
            Show::Nothing => {}
            Show::Begin => display.begin(hashing),
            Show::Advance => display.advance(hashing),
            Show::End => display.end(),
        }
    })
}

#[derive(Default)]
struct Display {
    clock: Clock,
    bar: Option<ProgressBar>,
}

impl Display {
    fn begin(&mut self, hashing: &Hashing<'_>) {
        if words::is_quiet() {
            return;
        }
        if !words::is_terminal() {
            let total = bytes_text(hashing.total_bytes);
            words::say(format!("hashing {total} of weights: {}", hashing.path.display()));
            return;
        }
        let bar = ProgressBar::with_draw_target(Some(hashing.total_bytes), ProgressDrawTarget::stderr_with_hz(10));
        let template = "  hashing weights  {bar:24} {decimal_bytes}/{decimal_total_bytes}  {eta} left  {msg}";
        bar.set_style(ProgressStyle::with_template(template).expect("a template of this file").progress_chars("█░░"));
        self.bar = Some(bar);
        self.advance(hashing);
    }

    fn advance(&self, hashing: &Hashing<'_>) {
        if let Some(bar) = &self.bar {
            bar.set_position(hashing.done_bytes);
            bar.set_message(words::printable(&name(hashing.path)).into_owned());
        }
    }

    fn end(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// What is to be shown now.
#[derive(Debug, PartialEq)]
enum Show {
    Nothing,
    Begin,
    Advance,
    End,
}

/// Tells one go of hashing from the next, and long ones from short ones.
#[derive(Default)]
struct Clock {
    /// When the go began, and how far it was last.
    going: Option<(Instant, u64)>,
    is_shown: bool,
}

impl Clock {
    fn step(&mut self, done: u64, total: u64, now: Instant) -> Show {
        // A go that was given up, for a file that cannot be read, has no last step.
        let began = self.going.filter(|(_, last)| *last < done).map_or(now, |(began, _)| began);
        self.going = Some((began, done));
        if done >= total {
            self.going = None;
            return if std::mem::take(&mut self.is_shown) { Show::End } else { Show::Nothing };
        }
        if self.is_shown {
            return Show::Advance;
        }
        self.is_shown = now.duration_since(began) > PATIENCE;
        if self.is_shown { Show::Begin } else { Show::Nothing }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is shown at each step: milliseconds, bytes done.
    fn shown(total: u64, steps: &[(u64, u64)]) -> Vec<Show> {
        let start = Instant::now();
        let mut clock = Clock::default();
        steps.iter().map(|(ms, done)| clock.step(*done, total, start + Duration::from_millis(*ms))).collect()
    }

    #[test]
    fn only_a_long_hashing_is_shown() {
        use Show::*;
        assert_eq!(shown(3, &[(0, 1), (500, 2), (900, 3)]), [Nothing, Nothing, Nothing]);
        assert_eq!(shown(4, &[(0, 1), (1100, 2), (1200, 3), (1300, 4)]), [Nothing, Begin, Advance, End]);
    }

    #[test]
    fn each_go_has_a_second_of_its_own() {
        use Show::*;
        let steps = [(0, 1), (800, 2), (1500, 1), (1900, 2), (2600, 1), (3700, 2)];
        assert_eq!(shown(3, &steps), [Nothing, Nothing, Nothing, Nothing, Nothing, Begin]);
    }
}
