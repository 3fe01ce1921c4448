//! A graph drawn with letters: layers by longest path, edges as lines between them.
//!
//! ```text
//!    words   blank
//!      │       │
//!      │       │
//!    text ┐    │          names stand in the middle of their column;
//!      └──┴─┬──┘          an edge that skips layers passes them in a column of its own
//!         latent
//! ```
//!
//! Inside a layer, boxes are ordered by the mean place of what they are connected with, in two sweeps down and up, which is
//! enough for some hundred; the work grows with the boxes and the edges and not with their squares. Nothing here knows of steps or of colours.

mod route;

use crate::text;
pub use route::{Line, Strip};

/// A box and the boxes before it, by their index, all smaller than its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    pub label: String,
    pub after: Vec<usize>,
}

/// Where a box stands: row, and the column of its first letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spot {
    pub row: usize,
    pub column: usize,
    pub width: usize,
}

/// A drawn graph.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Drawing {
    /// Of each box, in the order in which they were given.
    pub spots: Vec<Spot>,
    /// The lines between them, row by row; where a box stands there is none.
    pub lines: Vec<Strip>,
    pub width: usize,
    pub height: usize,
}

/// The columns between two boxes.
const GAP: usize = 2;

/// Where columns begin while boxes are moved about.
const FAR: usize = 1 << 24;

/// The most layers that an edge passes; no eye follows a longer one, and it is not drawn.
const LONGEST: usize = 200;

/// A box, or an edge on its way past a layer.
struct Item {
    width: usize,
    layer: usize,
    /// Those before and after it, one layer away.
    above: Vec<usize>,
    below: Vec<usize>,
    /// The column of its middle.
    middle: usize,
}

/// Draws a graph.
pub fn draw(nodes: &[Node]) -> Drawing {
    let mut items = items(nodes);
    let n_layers = items.iter().map(|item| item.layer + 1).max().unwrap_or(0);
    let mut layers: Vec<Vec<usize>> = vec![Vec::new(); n_layers];
    for (index, item) in items.iter().enumerate() {
        layers[item.layer].push(index);
    }
    order(&mut layers, &items);
    place(&layers, &mut items);
    route::route(nodes.len(), &layers, &items)
}

/// Boxes with their layers, and a chain of items for each edge that skips layers.
fn items(nodes: &[Node]) -> Vec<Item> {
    let mut items: Vec<Item> = Vec::with_capacity(nodes.len());
    for node in nodes {
        let layer = node.after.iter().map(|before| items[*before].layer + 1).max().unwrap_or(0);
        let width = text::width(&node.label).max(1);
        items.push(Item { width, layer, above: Vec::new(), below: Vec::new(), middle: 0 });
    }
    // What nothing comes before stands right above what needs it, so that its edge is short.
    let mut first_below = vec![usize::MAX; nodes.len()];
    for (node, item) in nodes.iter().zip(&items) {
        node.after.iter().for_each(|before| first_below[*before] = first_below[*before].min(item.layer));
    }
    for (index, first) in first_below.into_iter().enumerate() {
        if nodes[index].after.is_empty() && first != usize::MAX {
            items[index].layer = first - 1;
        }
    }
    for (index, node) in nodes.iter().enumerate() {
        for before in &node.after {
            let mut from = *before;
            if items[index].layer - items[from].layer > LONGEST {
                continue;
            }
            for layer in items[from].layer + 1..items[index].layer {
                items.push(Item { width: 1, layer, above: vec![from], below: Vec::new(), middle: 0 });
                let passing = items.len() - 1;
                items[from].below.push(passing);
                from = passing;
            }
            items[from].below.push(index);
            items[index].above.push(from);
        }
    }
    items
}

/// Orders each layer by the mean place of the neighbours, down and up, twice.
fn order(layers: &mut [Vec<usize>], items: &[Item]) {
    let mut places = vec![0usize; items.len()];
    let note = |layer: &[usize], places: &mut [usize]| {
        layer.iter().enumerate().for_each(|(place, item)| places[*item] = place);
    };
    layers.iter().for_each(|layer| note(layer, &mut places));
    let mut sort = |layer: &mut Vec<usize>, is_down: bool| {
        let mean = |item: usize| {
            let neighbours = if is_down { &items[item].above } else { &items[item].below };
            match neighbours.is_empty() {
                true => places[item] as f64,
                false => neighbours.iter().map(|n| places[*n] as f64).sum::<f64>() / neighbours.len() as f64,
            }
        };
        let mut keyed: Vec<(f64, usize)> = layer.iter().map(|item| (mean(*item), *item)).collect();
        // Stable, so that what is equal keeps the order of the file.
        keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
        *layer = keyed.into_iter().map(|(_, item)| item).collect();
        note(layer, &mut places);
    };
    for _ in 0..2 {
        layers.iter_mut().for_each(|layer| sort(layer, true));
        layers.iter_mut().rev().for_each(|layer| sort(layer, false));
    }
}

/// Gives each item the column of its middle: near those of its neighbours, and clear of the items beside it.
fn place(layers: &[Vec<usize>], items: &mut [Item]) {
    for layer in layers {
        // Far from zero, so that there is room to the left.
        let mut next = FAR;
        for item in layer {
            items[*item].middle = next + items[*item].width / 2;
            next += items[*item].width + GAP;
        }
    }
    for round in 0..6 {
        let is_down = round % 2 == 0;
        let indices: Vec<usize> = if is_down { (0..layers.len()).collect() } else { (0..layers.len()).rev().collect() };
        for layer in indices {
            settle(&layers[layer], items, is_down);
        }
    }
    let left = items.iter().map(|item| item.middle - item.width / 2).min().unwrap_or(0);
    items.iter_mut().for_each(|item| item.middle -= left);
}

/// Moves the items of a layer towards the mean of their neighbours.
///
/// Once each is pushed right by the one before it, once left by the one after it; in the mean of both all keep their distance,
/// and nobody is pushed further than the other.
fn settle(layer: &[usize], items: &mut [Item], is_down: bool) {
    let wishes: Vec<usize> = layer
        .iter()
        .map(|item| {
            let neighbours = if is_down { &items[*item].above } else { &items[*item].below };
            let middle = match neighbours.len() {
                0 => items[*item].middle,
                n => (neighbours.iter().map(|n| items[*n].middle).sum::<usize>() + n / 2) / n,
            };
            middle - items[*item].width / 2
        })
        .collect();
    let mut starts = vec![0; layer.len()];
    let mut next = 0;
    for (at, item) in layer.iter().enumerate() {
        starts[at] = wishes[at].max(next);
        next = starts[at] + items[*item].width + GAP;
    }
    let mut limit = usize::MAX;
    for (at, item) in layer.iter().enumerate().rev() {
        let width = items[*item].width;
        let start = wishes[at].min(limit - width);
        limit = start - GAP;
        items[*item].middle = (starts[at] + start) / 2 + width / 2;
    }
}

#[cfg(test)]
mod tests;
