//! Pictures of four pixels, written and looked at again.

use std::fs;
use std::path::Path;

use node_save::{Format, IfExists, Save};
use rondel_sdk::prelude::*;
use serde_json::json;

fn picture(red: u8) -> Image {
    Image::from_u8(2, 2, 3, [red, 20, 30].repeat(4)).unwrap()
}

fn save(red: u8, path: &str) -> Save {
    let (image, path) = (picture(red), path.to_owned());
    Save { image, path, format: Format::Auto, quality: 90, if_exists: IfExists::Number, embed: true }
}

fn run(node: Save, folder: &Path) -> NodeResult<Saved> {
    let provenance = json!({"graph": {"name": "fox", "text": "Graph(…)"}});
    node.run(&mut Cx::for_test().with_folder(folder).with_provenance(provenance))
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_png_keeps_every_pixel_and_says_how_it_was_made() {
    let folder = tempfile::tempdir().unwrap();
    let saved = run(save(10, "deep/fox.png"), folder.path()).unwrap();
    let bytes = fs::read(&saved.path).unwrap();
    assert_eq!((saved.bytes, saved.digest), (bytes.len() as u64, rondel_sdk::value::Digest::of(&bytes)));
    assert_eq!(image::load_from_memory(&bytes).unwrap().as_bytes(), &picture(10).to_u8()[..]);

    let reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
    let chunk = &reader.info().utf8_text[0];
    let made: serde_json::Value = serde_json::from_str(&chunk.get_text().unwrap()).unwrap();
    assert_eq!(chunk.keyword, "rondel");
    assert_eq!(made["graph"]["text"], "Graph(…)");
    assert_eq!(made["image"], picture(10).bundle().digest().to_string());
}

#[test]
fn every_format_is_what_it_says() {
    let folder = tempfile::tempdir().unwrap();
    for (name, format) in [
        ("a.png", image::ImageFormat::Png),
        ("a.jpg", image::ImageFormat::Jpeg),
        ("a.webp", image::ImageFormat::WebP),
        ("a.avif", image::ImageFormat::Avif),
    ] {
        let saved = run(save(10, name), folder.path()).unwrap();
        let bytes = fs::read(saved.path).unwrap();
        assert_eq!(image::guess_format(&bytes).unwrap(), format, "{name}");
    }
}

#[test]
fn the_same_picture_is_left_as_it_is_and_another_is_numbered() {
    let folder = tempfile::tempdir().unwrap();
    let first = run(save(10, "fox.png"), folder.path()).unwrap();
    assert_eq!(run(save(10, "fox.png"), folder.path()).unwrap(), first);
    let second = run(save(99, "fox.png"), folder.path()).unwrap();
    assert!(second.path.ends_with("fox-2.png"));
    assert_eq!(run(save(99, "fox.png"), folder.path()).unwrap(), second);
    assert_eq!(names(folder.path()), ["fox-2.png", "fox.png"]);
}

#[test]
fn the_same_pixels_made_another_way_are_the_same_picture() {
    let folder = tempfile::tempdir().unwrap();
    let first = run(save(10, "fox.png"), folder.path()).unwrap();
    let again = run(Save { embed: false, ..save(10, "fox.png") }, folder.path()).unwrap();
    assert_eq!(again, first);
}

#[test]
fn another_picture_is_replaced_or_refused_when_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let first = run(save(10, "fox.png"), folder.path()).unwrap();
    let refused = run(Save { if_exists: IfExists::Fail, ..save(99, "fox.png") }, folder.path()).unwrap_err();
    assert!(refused.to_string().starts_with("`path`: another picture is there already"), "{refused}");
    assert_eq!(run(save(10, "fox.png"), folder.path()).unwrap(), first);
    let replaced = run(Save { if_exists: IfExists::Replace, ..save(99, "fox.png") }, folder.path()).unwrap();
    assert_eq!(replaced.path, first.path);
    assert_eq!(names(folder.path()), ["fox.png"]);
}

#[test]
fn a_path_outside_of_the_output_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for path in ["/etc/fox.png", "../fox.png", "a/../../fox.png", ""] {
        let error = run(save(10, path), folder.path()).unwrap_err();
        assert_eq!(error.port(), Some("path"), "{path}");
    }
    let error = run(save(10, "fox.bmp"), folder.path()).unwrap_err();
    assert!(error.to_string().contains("end it with .png"), "{error}");
    let error = run(Save { format: Format::Jpeg, ..save(10, "fox.png") }, folder.path()).unwrap_err();
    assert_eq!(error.to_string(), "`format`: `format` is Jpeg, but the name `fox.png` says Png");
    assert_eq!(names(folder.path()), Vec::<String>::new());
}
