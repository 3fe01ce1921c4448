//! The lines between the layers.
//!
//! Between two layers each box that has something below gets a row to turn in; boxes whose turns do not meet share one.

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
        drawing.lines.resize(row + 1, vec![Line::default(); width]);
        for item in layer {
            let Item { width, middle, .. } = items[*item];
            match drawing.spots.get_mut(*item) {
                Some(spot) => *spot = Spot { row, column: middle - width / 2, width },
                None => drawing.lines[row][middle].0 |= UP | DOWN,
            }
        }
        let mut turns = turns(layer, items);
        let n_tracks = share_tracks(&mut turns);
        let n_rows = if at + 1 == layers.len() { 0 } else { n_tracks.max(1) };
        drawing.lines.resize(row + 1 + n_rows, vec![Line::default(); width]);
        for turn in &turns {
            draw_turn(turn, row + 1, n_rows, &mut drawing.lines);
        }
        row += 1 + n_rows;
    }
    drawing.height = drawing.lines.len();
    drawing
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
    // By their left end, so that the first free row is the right one.
    let mut bundles: Vec<Bundle> = bundles.into_values().filter(|bundle| bundle.left < bundle.right).collect();
    bundles.sort_by_key(|bundle| bundle.left);
    for bundle in bundles {
        let track = ends.iter().position(|end| *end < bundle.left).unwrap_or(ends.len());
        match ends.get_mut(track) {
            Some(end) => *end = bundle.right,
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

fn draw_turn(turn: &Turn, first_row: usize, n_rows: usize, lines: &mut [Vec<Line>]) {
    let turn_row = first_row + turn.track;
    let last_row = first_row + n_rows;
    for line in &mut lines[first_row..turn_row] {
        line[turn.from].0 |= UP | DOWN;
    }
    lines[turn_row][turn.from].0 |= UP;
    for to in &turn.to {
        lines[turn_row][*to].0 |= DOWN;
        for line in &mut lines[turn_row + 1..last_row] {
            line[*to].0 |= UP | DOWN;
        }
    }
    for column in turn.left..turn.right {
        lines[turn_row][column].0 |= RIGHT;
        lines[turn_row][column + 1].0 |= LEFT;
    }
}
