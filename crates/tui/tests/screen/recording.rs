//! Runs as they are told, and a screen for them.

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui_image::picker::Picker;
use rondel_event::{
    Event, Gauge, GraphRef, How, Level, Outcome, PointInfo, Problem, StepInfo, What, Why, event::Place,
};
use rondel_tui::picture::{self, Shelf};
use rondel_tui::{Action, App, Field, Keys, Mistake, News, Planned, Preset, Spot, Theme};
use rondel_value::{Digest, Image, Lane};

/// A screen of letters.
pub struct Screen {
    pub app: App,
    seq: u64,
    at_ms: f64,
}

/// The name of a result.
pub fn result(name: &str) -> Digest {
    Digest::of(name.as_bytes())
}

/// Pictures by the first letter of what they are: those of latents are none.
fn shelf() -> Box<Shelf> {
    Box::new(|digest: &Digest| {
        let known = ["image", "image before", "preview 3", "image[seed=1]", "image[seed=2]"];
        let at = known.iter().position(|name| result(name) == *digest)?;
        let pixel = |x: usize, y: usize| {
            let is_inside = (x as f64 - 7.5).hypot(y as f64 - 7.5) < 6.0;
            let shades: [u8; 3] = [40 * at as u8, 60, 200];
            if is_inside { [220, 40 + 30 * at as u8, 30] } else { shades }
        };
        let pixels: Vec<u8> = (0..16).flat_map(|y| (0..16).flat_map(move |x| pixel(x, y))).collect();
        Image::from_u8(16, 16, 3, pixels).ok()
    })
}

pub fn step(name: &str, kind: &str, after: &[&str]) -> StepInfo {
    let lane = if kind == "sample" { Lane::Gpu } else { Lane::Cpu };
    let after = after.iter().map(|name| (*name).into()).collect();
    StepInfo { name: name.into(), kind: kind.to_owned(), lane, after, label: None }
}

/// Text to image.
pub fn steps() -> Vec<StepInfo> {
    vec![
        step("words", "prompt", &[]),
        step("text", "encode", &["words"]),
        step("blank", "encode", &[]),
        step("noise", "noise", &[]),
        step("latent", "sample", &["noise", "text", "blank"]),
        step("image", "decode", &["latent"]),
        step("saved", "save", &["image"]),
    ]
}

pub fn planned() -> Planned {
    let field = |name: &str, ty: &str, value: &str, doc: &str| Field {
        name: name.to_owned(),
        ty: ty.to_owned(),
        doc: doc.to_owned(),
        value: value.to_owned(),
        origin: "default".to_owned(),
        range: String::new(),
    };
    Planned {
        file: "text_to_image.ron".to_owned(),
        fields: vec![
            field("prompt", "Text", "an apple on a blue background", "What to draw"),
            field("seed", "Seed", "7", "Another seed, another picture"),
        ],
        presets: vec![Preset { name: "draft".to_owned(), text: "seed 1".to_owned() }],
        command: "rondel run text_to_image.ron".to_owned(),
    }
}

impl Screen {
    pub fn new(width: u16, height: u16) -> Screen {
        let mut app = App::new(Theme::PLAIN, Keys::default());
        app.ui.screen = ratatui::layout::Rect::new(0, 0, width, height);
        Screen { app, seq: 0, at_ms: 0.0 }
    }

    pub fn in_theme(mut self, theme: Theme) -> Screen {
        self.app.ui.theme = theme;
        self
    }

    pub fn tell(&mut self, what: What) -> &mut Screen {
        let event = Event { seq: self.seq, at_ms: self.at_ms, run: "0193".into(), what };
        self.app.hear(News::Event(Box::new(event)));
        self.seq += 1;
        self.at_ms += 1250.0;
        self
    }

    pub fn begin(&mut self, steps: Vec<StepInfo>, points: Vec<PointInfo>) -> &mut Screen {
        self.at_ms = 0.0;
        self.app.hear(News::Planned(Box::new(planned())));
        let graph = GraphRef { name: "text_to_image".to_owned(), path: "text_to_image.ron".to_owned(), digest: None };
        self.tell(What::RunStarted { graph, inputs: Default::default(), steps, points })
    }

    pub fn start(&mut self, step: &str) -> &mut Screen {
        self.tell(What::StepStarted { step: step.into(), lane: Lane::Cpu, why: Why::NoRecord })
    }

    pub fn end(&mut self, step: &str, how: How) -> &mut Screen {
        self.end_with(step, how, step)
    }

    pub fn end_with(&mut self, step: &str, how: How, output: &str) -> &mut Screen {
        let (step, outputs) = (step.into(), vec![result(output)]);
        self.tell(What::StepFinished { step, how, action: None, outputs, ms: 850.0, peak_bytes: 1 << 20 })
    }

    pub fn finish(&mut self, outcome: Outcome) -> &mut Screen {
        self.tell(What::RunFinished { outcome, outputs: Vec::new() })
    }

    /// A run of text to image in the middle of its sampling.
    pub fn halfway(&mut self) -> &mut Screen {
        self.begin(steps(), Vec::new());
        self.end("words", How::KnownByRecipe).end("blank", How::KnownByRecipe);
        self.start("text").end("text", How::KnownByContent).start("noise").end("noise", How::Ran).start("latent");
        for (done, sigma) in [(1, 1.0), (2, 0.78), (3, 0.41)] {
            let note = format!("sigma {sigma}, update {}", sigma / 10.0);
            self.tell(What::StepProgress { step: "latent".into(), done, total: 8, note });
        }
        let memory = Gauge { used_bytes: 3 << 30, limit_bytes: Some(8 << 30) };
        self.app.hear(News::Resources { memory, cache: Gauge::default() });
        self.tell(What::StepPreview { step: "latent".into(), image: result("preview 3") })
    }

    /// The same run, done.
    pub fn done(&mut self) -> &mut Screen {
        self.halfway().end("latent", How::Ran).start("image").end("image", How::Ran);
        self.start("saved").end("saved", How::Ran).finish(Outcome::Done)
    }

    /// A run whose sampling failed.
    pub fn failed(&mut self) -> &mut Screen {
        self.halfway();
        let place = Place { file: "text_to_image.ron".to_owned(), line: 24, column: 9, start: 0, end: 1 };
        let message = "`steps` is 0, and must be 1 or more".to_owned();
        let problem = Problem { kind: "invalid_input".to_owned(), message, port: None, place: Some(place) };
        let step = "latent".into();
        self.tell(What::StepFailed { step, problem, ms: 12.0, attempt: 1, retry_in_ms: None });
        self.tell(What::StepBlocked { step: "image".into(), by: Some("latent".into()) });
        self.tell(What::StepBlocked { step: "saved".into(), by: Some("latent".into()) });
        self.tell(What::Log { step: None, level: Level::Warn, text: "the cache is nearly full".to_owned() });
        self.finish(Outcome::Failed)
    }

    /// A sweep over two seeds.
    pub fn sweep(&mut self) -> &mut Screen {
        let mut all = vec![step("text", "encode", &[])];
        for seed in 1..=2 {
            let name = |node: &str| format!("{node}[seed={seed}]");
            all.push(step(&name("latent"), "sample", &["text"]));
            all.push(step(&name("image"), "decode", &[&name("latent")]));
        }
        self.begin(all, vec![PointInfo::default(), PointInfo::default()]);
        self.end("text", How::KnownByRecipe);
        for seed in 1..=2 {
            self.end(&format!("latent[seed={seed}]"), How::Ran).end(&format!("image[seed={seed}]"), How::Ran);
        }
        self.finish(Outcome::Done)
    }

    /// A sweep over so many seeds, half of it done, with one picture that failed.
    pub fn large_sweep(&mut self, n_points: usize) -> &mut Screen {
        let name = |node: &str, seed: usize| format!("{node}[seed={seed}]");
        let mut all = vec![step("text", "encode", &[])];
        for seed in 0..n_points {
            all.push(step(&name("latent", seed), "sample", &["text"]));
            all.push(step(&name("image", seed), "decode", &[&name("latent", seed)]));
            all.push(step(&name("saved", seed), "save", &[&name("image", seed)]));
        }
        let sheet: Vec<String> = (0..n_points).map(|seed| name("image", seed)).collect();
        all.push(step("contact sheet", "sheet", &sheet.iter().map(String::as_str).collect::<Vec<_>>()));
        self.begin(all, vec![PointInfo::default(); n_points]);
        self.end("text", How::KnownByRecipe);
        for seed in 0..n_points / 2 {
            let image = if seed == 3 { How::Failed } else { How::Ran };
            self.end(&name("latent", seed), How::Ran).end(&name("image", seed), image);
        }
        self.start(&name("latent", n_points / 2))
    }

    pub fn mistake(&mut self) -> &mut Screen {
        let text = "graph::unknown-kind\n\n  × no kind is called `smaple`\n    ╭─[text_to_image.ron:24:17]\n 24 │         latent: smaple(model: flux),\n    ·                 ──────\n    ╰────\n  help: did you mean `sample`?";
        let spot = Some(Spot { path: "text_to_image.ron".to_owned(), line: 24 });
        self.app.hear(News::Mistakes(vec![Mistake { text: text.to_owned(), spot }]));
        self
    }

    /// Does actions by their names, with `;` between them.
    pub fn act(&mut self, actions: &str) -> &mut Screen {
        for action in actions.split(';').map(str::trim).filter(|action| !action.is_empty()) {
            let action: Action = action.parse().unwrap_or_else(|error| panic!("{action}: {error}"));
            self.app.update(&action);
        }
        self
    }

    /// The screen as letters, with trailing blanks cut.
    pub fn draw(&mut self) -> String {
        if let Some(wish) = self.app.wish()
            && self.app.ui.shown.ask(&wish)
        {
            let drawn = picture::draw(&wish, &Picker::halfblocks(), &*shelf());
            self.app.ui.shown.put((wish, drawn));
        }
        let (area, buffer) = (self.app.ui.screen, self.cells());
        let row = |y: u16| {
            let mut letters = String::new();
            let mut x = 0;
            while x < area.width {
                let symbol = buffer[(x, y)].symbol();
                letters.push_str(symbol);
                // What a wide letter covers is no cell of its own.
                x += rondel_tui::text::width(symbol).max(1) as u16;
            }
            letters.trim_end().to_owned() + "\n"
        };
        (0..area.height).map(row).collect()
    }

    /// The same as cells.
    pub fn cells(&self) -> Buffer {
        let area = self.app.ui.screen;
        let mut terminal = Terminal::new(TestBackend::new(area.width, area.height)).expect("a screen of letters");
        terminal.draw(|frame| rondel_tui::draw(&self.app, frame)).expect("it takes everything");
        terminal.backend().buffer().clone()
    }
}
