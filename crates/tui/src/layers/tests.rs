use expect_test::{Expect, expect};

use super::*;

fn text(drawing: &Drawing, labels: &[Node]) -> String {
    let row = |row: &Strip| (0..drawing.width).map(|column| row.at(column).letter(false)).collect();
    let mut rows: Vec<Vec<char>> = drawing.lines.iter().map(row).collect();
    for (spot, node) in drawing.spots.iter().zip(labels) {
        for (i, letter) in node.label.chars().enumerate() {
            assert_eq!(rows[spot.row][spot.column + i], ' ', "`{}` stands on something", node.label);
            rows[spot.row][spot.column + i] = letter;
        }
    }
    let rows: Vec<String> = rows.into_iter().map(|row| String::from_iter(row).trim_end().to_owned()).collect();
    rows.join("\n") + "\n"
}

/// `a: b c` is a box `a` after `b` and `c`.
fn nodes(graph: &str) -> Vec<Node> {
    let mut nodes: Vec<Node> = Vec::new();
    for line in graph.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (label, after) = line.split_once(':').unwrap();
        let index = |name: &str| nodes.iter().position(|node| node.label == name).unwrap();
        let after = after.split_whitespace().map(index).collect();
        nodes.push(Node { label: label.to_owned(), after });
    }
    nodes
}

fn check(graph: &str, expected: &Expect) {
    let nodes = nodes(graph);
    expected.assert_eq(&text(&draw(&nodes), &nodes));
}

#[test]
fn a_chain_stands_in_one_column() {
    check(
        "a:\nbb: a\nccc: bb",
        &expect![[r#"
         a
         │
        bb
         │
        ccc
    "#]],
    );
}

#[test]
fn text_to_image_is_read_from_top_to_bottom() {
    check(
        "words:\ntext: words\nblank:\nnoise:\nlatent: noise text blank\nimage: latent\nsaved: image",
        &expect![[r#"
        words
          │
        text  blank  noise
          └─────┴┬─────┘
              latent
                 │
               image
                 │
               saved
    "#]],
    );
}

#[test]
fn an_edge_that_skips_layers_passes_beside_them() {
    check(
        "a:\nb: a\nc: b\nd: c a",
        &expect![[r#"
          a
        ┌─┴┐
        b  │
        │  │
        c  │
        └─┬┘
          d
    "#]],
    );
}

#[test]
fn a_hundred_boxes_stand_apart() {
    // Ten chains of ten, each box after one of the chain beside it as well.
    let mut graph = String::new();
    for row in 0..10 {
        for chain in 0..10 {
            let after = match row {
                0 => String::new(),
                _ => format!("n{}_{chain} n{}_{}", row - 1, row - 1, (chain + 1) % 10),
            };
            graph.push_str(&format!("n{row}_{chain}: {after}\n"));
        }
    }
    let nodes = nodes(&graph);
    let drawing = draw(&nodes);
    for (i, a) in drawing.spots.iter().enumerate() {
        for b in &drawing.spots[..i] {
            assert!(a.row != b.row || a.column >= b.column + b.width + GAP || b.column >= a.column + a.width + GAP);
        }
    }
    assert!(drawing.width < 120, "{} columns", drawing.width);
}

#[test]
fn thousands_that_cross_each_other_stay_a_few_rows_high() {
    // Each of the lower boxes is after two of the upper ones, far apart.
    let label = |i: usize| format!("n{i}");
    let upper = (0..1000).map(|i| Node { label: label(i), after: Vec::new() });
    let lower = (0..1000).map(|i| Node { label: label(i), after: vec![i, (i + 500) % 1000] });
    let drawing = draw(&upper.chain(lower).collect::<Vec<_>>());
    assert!(drawing.height < 20, "{} rows", drawing.height);
}

#[test]
fn a_long_chain_beside_a_wide_layer_keeps_narrow_rows() {
    let wide = (0..2000).map(|i| Node { label: format!("wide{i}"), after: Vec::new() });
    let chain = (2000..4000).map(|i| Node { label: "chain".to_owned(), after: vec![i - 1] });
    let drawing = draw(&wide.chain(chain).collect::<Vec<_>>());
    let n_cells: usize = drawing.lines.iter().map(Strip::n_cells).sum();
    assert!(drawing.width > 10_000 && n_cells < 100_000, "{n_cells} cells");
}

#[test]
fn nothing_is_drawn_of_nothing() {
    assert_eq!(draw(&[]), Drawing::default());
}
