//! The lines between the layers.
//!
//! Between two layers each box that has something below gets a row to turn in; boxes whose turns do not meet share one. Where
//! more cross each other than anybody could tell apart, they share rows as well, and only say that there is a way.

use std::collections::BTreeMap;

use super::{Drawing, Item, Spot};

/// What of a line passes through a cell: a set of the four directions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Line(u8);

const UP: u8 = 1;
const DOWN: u8 = 2;
const LEFT: u8 = 4;
const RIGHT: u8 = 8;

impl Line {
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn letter(self, is_ascii: bool) -> char {
        const FINE: [char; 16] = [' ', '│', '│', '│', '─', '┘', '┐', '┤', '─', '└', '┌', '├', '─', '┴', '┬', '┼'];
        match (is_ascii, self.0) {
            (false, set) => FINE[usize::from(set)],
            (true, 0) => ' ',
            (true, set) if set & (LEFT | RIGHT) == 0 => '|',
            (true, set) if set & (UP | DOWN) == 0 => '-',
            (true, _) => '+',
        }
    }
}

/// A row of lines, kept from the first column that has one: a narrow layer costs nothing for a wide one elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Strip {
    first: usize,
    cells: Vec<Line>,
}

impl Strip {
    pub fn at(&self, column: usize) -> Line {
        column.checked_sub(self.first).and_then(|at| self.cells.get(at)).copied().unwrap_or_default()
    }

    #[cfg(test)]
    pub(super) fn n_cells(&self) -> usize {
        self.cells.len()
    }

    fn add(&mut self, column: usize, directions: u8) {
        self.cells[column - self.first].0 |= directions;
    }
}

/// The most rows between two layers.
const MOST_TRACKS: usize = 12;

/// One box with all that it goes to in the layer below.
struct Turn {
    from: usize,
    to: Vec<usize>,
    left: usize,
    right: usize,
    track: usize,
}

pub(super) fn route(n_nodes: usize, layers: &[Vec<usize>], items: &[Item]) -> Drawing {
    let width = items.iter().map(|item| item.middle - item.width / 2 + item.width).max().unwrap_or(0);
    let mut drawing = Drawing { spots: Vec::new(), lines: Vec::new(), width, height: 0 };
    drawing.spots.resize(n_nodes, Spot { row: 0, column: 0, width: 0 });
    let mut row = 0;
    for (at, layer) in layers.iter().enumerate() {
        let mut turns = turns(layer, items);
        let n_tracks = share_tracks(&mut turns);
        let n_rows = if at + 1 == layers.len() { 0 } else { n_tracks.max(1) };
        drawing.lines.resize(row + 1 + n_rows, empty(layer, items, &turns));
        for item in layer {
            let Item { width, middle, .. } = items[*item];
            match drawing.spots.get_mut(*item) {
                Some(spot) => *spot = Spot { row, column: middle - width / 2, width },
                None => drawing.lines[row].add(middle, UP | DOWN),
            }
        }
        for turn in &turns {
            draw_turn(turn, row + 1, n_rows, &mut drawing.lines);
        }
        row += 1 + n_rows;
    }
    drawing.height = drawing.lines.len();
    drawing
}

/// A row as wide as all that stands in a layer and below it.
fn empty(layer: &[usize], items: &[Item], turns: &[Turn]) -> Strip {
    let middles = || layer.iter().map(|item| items[*item].middle);
    let first = middles().chain(turns.iter().map(|turn| turn.left)).min().unwrap_or(0);
    let last = middles().chain(turns.iter().map(|turn| turn.right)).max().unwrap_or(0);
    Strip { first, cells: vec![Line::default(); last + 1 - first] }
}

fn turns(layer: &[usize], items: &[Item]) -> Vec<Turn> {
    let turn = |item: &usize| {
        let from = items[*item].middle;
        let to: Vec<usize> = items[*item].below.iter().map(|below| items[*below].middle).collect();
        let left = to.iter().copied().min()?.min(from);
        let right = to.iter().copied().max()?.max(from);
        Some(Turn { from, to, left, right, track: 0 })
    };
    layer.iter().filter_map(turn).collect()
}

/// Gives each turn a row; those that do not meet share one, and so do those that lead to the same boxes, because they may meet.
/// Returns how many rows there are.
fn share_tracks(turns: &mut [Turn]) -> usize {
    let mut bundles: BTreeMap<Vec<usize>, Bundle> = BTreeMap::new();
    for (i, turn) in turns.iter().enumerate() {
        let mut to = turn.to.clone();
        to.sort_unstable();
        let bundle = bundles.entry(to).or_insert(Bundle { turns: Vec::new(), left: turn.left, right: turn.right });
        bundle.left = bundle.left.min(turn.left);
        bundle.right = bundle.right.max(turn.right);
        bundle.turns.push(i);
    }
    let mut ends: Vec<usize> = Vec::new();
    let mut n_shared = 0;
    // By their left end, so that the first free row is the right one.
    let mut bundles: Vec<Bundle> = bundles.into_values().filter(|bundle| bundle.left < bundle.right).collect();
    bundles.sort_by_key(|bundle| bundle.left);
    for bundle in bundles {
        let is_free = ends.iter().position(|end| *end < bundle.left);
        let track = is_free.unwrap_or(if ends.len() < MOST_TRACKS { ends.len() } else { n_shared % MOST_TRACKS });
        n_shared += usize::from(is_free.is_none());
        match ends.get_mut(track) {
            Some(end) => *end = bundle.right.max(*end),
            None => ends.push(bundle.right),
        }
        bundle.turns.iter().for_each(|i| turns[*i].track = track);
    }
    ends.len()
}

/// Turns that lead to the same boxes.
struct Bundle {
    turns: Vec<usize>,
    left: usize,
    right: usize,
}

fn draw_turn(turn: &Turn, first_row: usize, n_rows: usize, lines: &mut [Strip]) {
    let turn_row = first_row + turn.track;
    let last_row = first_row + n_rows;
    for line in &mut lines[first_row..turn_row] {
        line.add(turn.from, UP | DOWN);
    }
    lines[turn_row].add(turn.from, UP);
    for to in &turn.to {
        lines[turn_row].add(*to, DOWN);
        for line in &mut lines[turn_row + 1..last_row] {
            line.add(*to, UP | DOWN);
        }
    }
    for column in turn.left..turn.right {
        lines[turn_row].add(column, RIGHT);
        lines[turn_row].add(column + 1, LEFT);
    }
}
