//! A run on a terminal: panes over the one stream of events.
//!
//! State, then picture: [`App::apply`] takes in events and news, [`App::update`] does what a person asks for, and [`draw`] only
//! looks. Whatever the run is to do about it leaves as a [`Request`], for the program to serve; this crate knows no engine.
//!
//! ```text
//! keys, mouse ─► Action ─► App::update ─► Request ─► whoever runs the graph
//!                             │                            │
//!                 draw ◄── App ◄── App::apply ◄── News ◄────┘
//! ```
//!
//! - [`action`], [`keys`]: all that can be done, and by which keys
//! - [`app`]: what is known and what is open
//! - [`news`]: what comes in, and what goes out
//! - [`inbox`]: what waits to be shown
//! - [`layout`], [`mod@draw`], [`panes`], [`popups`]: the picture
//! - [`layers`]: a graph drawn with letters
//! - [`picture`]: pictures for the terminal, made beside the screen
//! - [`screen`]: the terminal itself, and the one loop
//! - [`theme`], [`words`], [`text`]: what it looks like, what it says, and how that is measured
//!
//! The crate reads no file and no environment. The terminal is given, and so is the time of a run.

pub mod action;
pub mod app;
pub mod draw;
pub mod inbox;
pub mod keys;
pub mod layers;
pub mod layout;
pub mod news;
pub mod panes;
pub mod picture;
pub mod popups;
pub mod screen;
pub mod text;
pub mod theme;
pub mod words;

pub use action::{Action, Pane, Script};
pub use app::App;
pub use draw::draw;
pub use inbox::{Inbox, inbox};
pub use keys::Keys;
pub use news::{Field, Mistake, News, Page, Planned, Preset, Request, Row, Spot};
pub use picture::Pictures;
pub use screen::{Incoming, Screen};
pub use theme::Theme;
