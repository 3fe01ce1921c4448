//! Graphs of the source tree that draw from other pictures: what is asked for changes, the rest stays.

use image::RgbImage;
use rondel_event::{How, Report};

use super::fixture::{Project, file, root};

/// Runs a graph of the source tree and returns the picture that it wrote.
fn run(project: &Project, graph: &str, args: &[&str]) -> (Report, RgbImage) {
    let graph = root().join("graphs").join(graph);
    let report = project.run(graph.to_str().expect("a path in UTF-8"), args);
    let picture = image::open(file(&report, "file")).expect("a picture").into_rgb8();
    (report, picture)
}

/// The mean of some pixels.
fn mean(picture: &RgbImage, wanted: impl Fn(u32, u32) -> bool) -> [u32; 3] {
    let pixels: Vec<[u8; 3]> =
        picture.enumerate_pixels().filter(|(x, y, _)| wanted(*x, *y)).map(|(_, _, pixel)| pixel.0).collect();
    [0, 1, 2].map(|channel| pixels.iter().map(|pixel| u32::from(pixel[channel])).sum::<u32>() / pixels.len() as u32)
}

fn is_border(x: u32, y: u32) -> bool {
    x.min(y) < 4 || x.max(y) >= 60
}

#[test]
fn an_edit_changes_what_was_asked_and_keeps_the_rest() {
    let (_, picture) = run(&Project::new(), "edit.ron", &[]);
    let [red, green, blue] = mean(&picture, is_border);
    assert!(red > blue + 60 && green > blue + 60, "the border is not yellow: {red} {green} {blue}");
    let [red, green, blue] = mean(&picture, |x, y| (26..38).contains(&x) && (32..38).contains(&y));
    assert!(red > green + 30 && red > blue + 30, "the car is not red any more: {red} {green} {blue}");
}

#[test]
fn outside_of_a_mask_every_pixel_stays() {
    let (_, picture) = run(&Project::new(), "inpaint.ron", &[]);
    let before = image::open(root().join("graphs/gallery/apple.png")).expect("a picture").into_rgb8();
    let corner = before.get_pixel(0, 0).0;
    let is_near = |pixel: &[u8; 3]| pixel.iter().zip(corner).all(|(a, b)| a.abs_diff(b) < 24);
    let n_far = picture.enumerate_pixels().filter(|(x, y, pixel)| is_border(*x, *y) && !is_near(&pixel.0)).count();
    assert_eq!(n_far, 0, "the background of the apple changed");
    let [red, green, blue] = mean(&picture, |x, y| (24..40).contains(&x) && (24..40).contains(&y));
    assert!(red.abs_diff(green) < red.abs_diff(blue), "the apple was not drawn anew: {red} {green} {blue}");
}

#[test]
fn another_seed_encodes_no_reference_again() {
    let project = Project::new();
    run(&project, "edit_two_references.ron", &["--set", "seed=1"]);
    let (report, _) = run(&project, "edit_two_references.ron", &["--set", "seed=2"]);
    let ran: Vec<&str> = report.steps.iter().filter(|step| step.how == How::Ran).map(|step| &*step.name).collect();
    assert_eq!(ran, ["noise", "latent", "image", "saved"]);
}

#[test]
fn full_strength_forgets_the_picture_and_less_keeps_of_it() {
    let project = Project::new();
    let far = |strength: &str| {
        let (_, drawn) = run(&project, "image_to_image.ron", &["--set", strength, "--set", "prompt=an apple"]);
        mean(&drawn, |x, y| (24..40).contains(&x) && (24..40).contains(&y))
    };
    let [red, green, _] = far("strength=0.2");
    assert!(red > green + 30, "little strength lost the apple: {red} {green}");
}
