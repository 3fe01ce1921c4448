//! The terminal itself, and the one loop over all that comes in.
//!
//! The loop waits; it wakes for a key, for news, or for a picture that is ready, and while something runs once a second for the
//! clock. It draws at most thirty times a second, and nothing at all while nothing changes.

mod buttons;
mod title;

use std::io::{self, Write};
use std::mem::ManuallyDrop;
use std::sync::Mutex;
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use crossterm::clipboard::CopyToClipboard;
use crossterm::cursor::Show;
use crossterm::event::{
    self, DisableBracketedPaste, EnableBracketedPaste, Event as Input, KeyCode, KeyEvent, KeyModifiers,
};
use crossterm::execute;
use crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, SetTitle, disable_raw_mode, enable_raw_mode};
use ratatui::backend::CrosstermBackend;
use ratatui::layout::Rect;
use ratatui::{Terminal, TerminalOptions, Viewport};
use ratatui_image::picker::cap_parser::QueryStdioOptions;
use ratatui_image::picker::{Capability, Picker};

use self::buttons::{TellNothing, TellOfButtons};
use self::title::{KeepTitle, TitleAsItWas};
use crate::app::App;
use crate::draw::draw;
use crate::inbox::{self, Inbox};
use crate::news::{News, Request};
use crate::picture::{Fulfilled, Pictures};
use crate::words;

/// The least time between two frames.
const FRAME: Duration = Duration::from_millis(33);

/// How long a terminal has to say how it takes pictures: twice what a far one needs.
const PATIENCE: Duration = Duration::from_millis(400);

/// How long the last answer has to arrive. If it is later, a key is lost and nothing else.
const ANSWER: Duration = Duration::from_millis(50);

/// How often the clock is looked at while something runs.
const TICK: Duration = Duration::from_secs(1);

/// All that wakes the screen.
pub enum Incoming {
    Input(Input),
    News(News),
    Picture(Fulfilled),
    /// What had the terminal for itself is over, and has said this.
    Back(Option<String>),
}

/// Why a screen is to be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    ByHand,
    /// By Ctrl-C, which is a key here and means what it means elsewhere.
    ByInterrupt,
    /// By whoever runs the graph.
    Told,
}

/// What came of a request.
pub enum Served {
    GoOn,
    /// Nothing, and why; it is said.
    Refused(String),
    /// Something that needs the terminal for itself, such as an editor; what it returns is said.
    Outside(Box<dyn FnOnce() -> Option<String> + Send>),
}

/// A terminal that shows a run. Whatever becomes of it, the terminal is as it was once it is dropped.
pub struct Screen<W: Write> {
    /// Never dropped: it would say on standard error that a terminal is gone, and panic because that is gone, too. [`leave`] does
    /// all that its end would do.
    terminal: ManuallyDrop<Terminal<CrosstermBackend<W>>>,
}

/// Reads keys on a thread of its own.
pub struct Keyboard {
    /// A turnstile: the next key is read once this one was dealt with. An editor that a key opens finds the keys its own, without
    /// anybody having to ask every now and then whether one is open.
    turnstile: Sender<()>,
}

impl Keyboard {
    /// The thread ends with the program: nothing wakes it but a key.
    pub fn listen(to: inbox::Sender) -> Keyboard {
        let (turnstile, turned) = channel();
        std::thread::spawn(move || {
            while let Ok(input) = event::read() {
                if to.send(Incoming::Input(input)).is_err() || turned.recv().is_err() {
                    return;
                }
            }
            // A terminal that cannot be read from is gone, and with it whoever could end this.
            let _ = to.send(Incoming::News(News::Ended));
        });
        Keyboard { turnstile }
    }

    /// Keys that come from elsewhere; `turnstile` is told when the next one is welcome.
    pub fn elsewhere(turnstile: Sender<()>) -> Keyboard {
        Keyboard { turnstile }
    }

    fn next(&self) {
        // A thread that is gone reads no more keys.
        let _ = self.turnstile.send(());
    }
}

impl<W: Write> Screen<W> {
    pub fn open(out: W) -> io::Result<Screen<W>> {
        let terminal = Terminal::new(CrosstermBackend::new(out))?;
        let mut screen = Screen { terminal: ManuallyDrop::new(terminal) };
        enter(screen.terminal.backend_mut())?;
        Ok(screen)
    }

    /// A screen of a fixed size on whatever takes its sequences; it has no terminal to change.
    pub fn of_size(out: W, area: Rect) -> io::Result<Screen<W>> {
        let options = TerminalOptions { viewport: Viewport::Fixed(area) };
        let terminal = Terminal::with_options(CrosstermBackend::new(out), options)?;
        Ok(Screen { terminal: ManuallyDrop::new(terminal) })
    }

    /// Asks the terminal how it takes pictures and how light it is, before anybody else reads from it. One that does not answer
    /// gets half blocks.
    pub fn picker(&mut self, app: &mut App) -> Picker {
        let options = QueryStdioOptions {
            timeout: PATIENCE,
            terminal_background_color_osc: true,
            // Beside the screen it costs nobody's time, and a far terminal waits for a tenth.
            kitty_compression: true,
            ..QueryStdioOptions::default()
        };
        let picker = Picker::from_query_stdio_with_options(options).unwrap_or_else(|_| Picker::halfblocks());
        if picker.capabilities().is_empty() {
            // Whoever asked still waits for the end of the answer, and would take the first key for it. In tmux the question went
            // to the terminal around it, of which there may be none; this one tmux answers itself.
            let _ = self.terminal.backend_mut().write_all(b"\x1b[5n");
            let _ = Write::flush(self.terminal.backend_mut());
            std::thread::sleep(ANSWER);
        }
        let background = picker.capabilities().iter().find_map(|capability| match capability {
            Capability::Background(red, green, blue) => Some([*red, *green, *blue]),
            _ => None,
        });
        app.ui.theme = background.map_or(app.ui.theme, |color| app.ui.theme.on(color));
        picker
    }

    /// Shows the state of a run, and what becomes of it, until a person or whoever runs it ends it.
    pub fn show(
        &mut self,
        app: &mut App,
        inbox: &Inbox,
        keyboard: &Keyboard,
        pictures: &Pictures,
        serve: &mut dyn FnMut(Request) -> Served,
    ) -> io::Result<End> {
        let mut drawn: Option<Instant> = None;
        let mut heard = Instant::now();
        let mut is_stale = true;
        loop {
            let due = match (drawn, is_stale) {
                (None, _) => Some(Instant::now()),
                (Some(at), true) => Some(at + FRAME),
                (Some(at), false) if app.is_running() => Some(at + TICK),
                (Some(_), false) => None,
            };
            let mut next = inbox.next(due);
            if next.is_none() {
                if inbox.is_over() {
                    return Ok(End::Told);
                }
                is_stale = true;
            }
            let began = Instant::now();
            while let Some(incoming) = next.take() {
                is_stale |= app.minds(&incoming);
                match incoming {
                    Incoming::News(News::Ended) => return Ok(End::Told),
                    Incoming::Back(_) => {}
                    Incoming::News(news) => {
                        if let News::Event(_) = news {
                            heard = Instant::now();
                        }
                        app.hear(news);
                        if app.view.run.is_some() {
                            for action in std::mem::take(&mut app.ui.script) {
                                let requests = app.update(&action);
                                // The keyboard is read meanwhile: it would take the keys of whoever has the terminal.
                                let mut serve = |request| match serve(request) {
                                    Served::Outside(_) => Served::Refused(words::NEEDS_A_KEY.to_owned()),
                                    served => served,
                                };
                                if let Some(end) = self.ask(app, requests, End::ByHand, inbox, keyboard, &mut serve)? {
                                    return Ok(end);
                                }
                            }
                        }
                    }
                    Incoming::Picture(picture) => app.ui.shown.put(picture),
                    Incoming::Input(input) => {
                        // Before the next key is read, which then is somebody else's.
                        if let Some(end) = self.input(app, input, inbox, keyboard, serve)? {
                            return Ok(end);
                        }
                        keyboard.next();
                    }
                }
                // A flood of events does not keep the screen from being drawn.
                if began.elapsed() < FRAME {
                    next = inbox.try_next();
                }
            }
            if is_stale && drawn.is_none_or(|at| at.elapsed() >= FRAME) {
                if app.is_running() {
                    app.ui.now_ms = app.view.at_ms + heard.elapsed().as_secs_f64() * 1000.0;
                }
                self.draw(app, pictures, serve)?;
                drawn = Some(Instant::now());
                is_stale = false;
            }
        }
    }

    fn draw(&mut self, app: &mut App, pictures: &Pictures, serve: &mut dyn FnMut(Request) -> Served) -> io::Result<()> {
        self.terminal.autoresize()?;
        app.ui.screen = self.terminal.get_frame().area();
        if let Some(wish) = app.wish()
            && app.ui.shown.ask(&wish)
        {
            pictures.ask(wish);
        }
        if let Some(request) = app.look_at_previews() {
            serve(request);
        }
        self.terminal.draw(|frame| draw(app, frame))?;
        Ok(())
    }

    /// Deals with what a person did; says so if the screen is to end.
    fn input(
        &mut self,
        app: &mut App,
        input: Input,
        inbox: &Inbox,
        keyboard: &Keyboard,
        serve: &mut dyn FnMut(Request) -> Served,
    ) -> io::Result<Option<End>> {
        let end = if is_interrupt(&input) { End::ByInterrupt } else { End::ByHand };
        let requests = match input {
            Input::Key(key) => app.key(key),
            Input::Mouse(mouse) => app.mouse(mouse),
            Input::Paste(text) => {
                app.paste(&text);
                Vec::new()
            }
            Input::Resize(..) | Input::FocusGained | Input::FocusLost => Vec::new(),
        };
        self.ask(app, requests, end, inbox, keyboard, serve)
    }

    /// Hands on what a person asks for; says so if the screen is to end.
    fn ask(
        &mut self,
        app: &mut App,
        requests: Vec<Request>,
        end: End,
        inbox: &Inbox,
        keyboard: &Keyboard,
        serve: &mut dyn FnMut(Request) -> Served,
    ) -> io::Result<Option<End>> {
        for request in requests {
            match request {
                Request::Quit => return Ok(Some(end)),
                Request::Copy(text) => execute!(self.terminal.backend_mut(), CopyToClipboard::to_clipboard_from(text))?,
                request => match serve(request) {
                    Served::GoOn => {}
                    Served::Refused(why) => {
                        // The next of a script takes the hint away.
                        app.hear(News::Said(why.clone()));
                        app.ui.hint = Some(why);
                    }
                    Served::Outside(job) => {
                        leave(self.terminal.backend_mut());
                        let Some(said) = outside(job, app, inbox, keyboard) else { return Ok(Some(End::Told)) };
                        enter(self.terminal.backend_mut())?;
                        self.terminal.clear()?;
                        // A terminal may have dropped its pictures with the screen.
                        app.ui.shown.forget();
                        if let Some(said) = said {
                            app.ui.hint = Some(said);
                        }
                    }
                },
            }
        }
        Ok(None)
    }
}

fn is_interrupt(input: &Input) -> bool {
    matches!(input, Input::Key(KeyEvent { code: KeyCode::Char('c'), modifiers, .. }) if modifiers.contains(KeyModifiers::CONTROL))
}

/// Lets something else have the terminal, and hears meanwhile what there is to hear; returns what it said, or none if the screen is
/// to end, which it is not before that is over.
fn outside(
    job: Box<dyn FnOnce() -> Option<String> + Send>,
    app: &mut App,
    inbox: &Inbox,
    keyboard: &Keyboard,
) -> Option<Option<String>> {
    let back = inbox.sender();
    std::thread::spawn(move || {
        let said = job();
        // A screen that is closed does not wait for it.
        let _ = back.send(Incoming::Back(said));
    });
    let mut is_ended = false;
    let mut n_dropped = 0;
    loop {
        match inbox.next(None)? {
            Incoming::Back(said) => {
                (0..n_dropped).for_each(|_| keyboard.next());
                return (!is_ended).then_some(said);
            }
            Incoming::News(News::Ended) => is_ended = true,
            Incoming::News(news) => app.hear(news),
            Incoming::Picture(picture) => app.ui.shown.put(picture),
            // The keyboard waits for the last key to be dealt with; one that was there before may be left, and it waits for this.
            Incoming::Input(_) => n_dropped += 1,
        }
    }
}

impl<W: Write> Drop for Screen<W> {
    fn drop(&mut self) {
        leave(self.terminal.backend_mut());
    }
}

/// The terminal is in the state that [`leave`] takes back. One for the process, as there is one terminal; and a lock, since whoever
/// ends the program has to wait for somebody else's [`leave`] to be over.
static IS_ENTERED: Mutex<bool> = Mutex::new(false);

fn enter(out: &mut impl Write) -> io::Result<()> {
    enable_raw_mode()?;
    *IS_ENTERED.lock().expect("no panic while it is held") = true;
    let entered =
        execute!(out, EnterAlternateScreen, TellOfButtons, EnableBracketedPaste, KeepTitle, SetTitle(words::TITLE));
    // Some of it may have arrived.
    entered.inspect_err(|_| leave(out))
}

/// Gives the terminal back as it was, once; for a panic and a second signal too, when there is no [`Screen`] at hand.
pub fn leave(out: &mut impl Write) {
    // A second time would put the cursor where it was before the screen, over what was said since.
    let mut is_entered = IS_ENTERED.lock().expect("no panic while it is held");
    if !std::mem::take(&mut *is_entered) {
        return;
    }
    // Each by itself: what fails leaves the others to be done.
    let _ = execute!(out, DisableBracketedPaste);
    let _ = execute!(out, TellNothing);
    let _ = execute!(out, LeaveAlternateScreen, Show);
    let _ = execute!(out, TitleAsItWas);
    let _ = disable_raw_mode();
}
