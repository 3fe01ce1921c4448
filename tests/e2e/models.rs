//! Models as `models.ron` describes them: parts from elsewhere, LoRAs, and files that cannot be used.

use std::collections::BTreeMap;
use std::fs;

use rondel_event::How;

use crate::fixture::{Project, how, root, step, those};

/// A safetensors file of one tensor.
fn weights(byte: u8) -> String {
    let header = r#"{"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}"#;
    let length = (header.len() as u64).to_le_bytes().map(char::from);
    format!("{}{header}{}", String::from_iter(length), char::from(byte))
}

fn models(project: &Project, entries: &str) {
    project.write("models.ron", &format!("Models(format: 1, {entries})"));
}

/// Step to the key that it has before anything runs.
fn recipes(project: &Project) -> BTreeMap<String, String> {
    let said = project.rondel(&["plan", "text_to_image.ron", "--set", "seed=7", "--format", "json"]);
    // Files with one tensor are no LoRA that could be used, which the plan says; they have a content all the same.
    assert!(matches!(said.code, Some(0 | 2)), "{}", said.stderr);
    let plan: serde_json::Value = serde_json::from_str(&said.stdout).expect("a plan");
    let text = |value: &serde_json::Value| value.as_str().expect("text").to_owned();
    plan["steps"].as_array().expect("steps").iter().map(|step| (text(&step["name"]), text(&step["recipe"]))).collect()
}

/// The steps that have another key after `change`.
fn changed(project: &Project, change: impl FnOnce()) -> String {
    let before = recipes(project);
    change();
    let after = recipes(project);
    before.keys().filter(|step| before[*step] != after[*step]).cloned().collect::<Vec<_>>().join(" ")
}

#[test]
fn another_lora_draws_anew_and_encodes_nothing_anew() {
    let project = Project::with(&["text_to_image.ron"]);
    models(&project, r#"loras: { "ink": (family: Flux2, source: File("ink.safetensors")) }"#);
    project.write("ink.safetensors", &weights(1));
    let plain = r#"Flux2(weights: "tiny-flux2")"#;
    let [whole, half] = ["1.0", "0.5"]
        .map(|scale| format!(r#"Flux2(weights: "tiny-flux2", loras: [Lora(weights: "ink", scale: {scale})])"#));
    const DRAWN: &str = "image latent saved";
    assert_eq!(changed(&project, || project.edit("text_to_image.ron", plain, &whole)), DRAWN);
    assert_eq!(changed(&project, || project.edit("text_to_image.ron", &whole, &half)), DRAWN);
    assert_eq!(changed(&project, || project.write("ink.safetensors", &weights(2))), DRAWN);
    let renamed = || {
        models(&project, r#"loras: { "pen": (family: Flux2, source: File("ink.safetensors")) }"#);
        project.edit("text_to_image.ron", r#""ink""#, r#""pen""#);
    };
    assert_eq!(changed(&project, renamed), "");
}

#[test]
fn another_dtype_encodes_and_draws_anew_and_keeps_the_noise() {
    let project = Project::with(&["text_to_image.ron"]);
    let quantised =
        || project.edit("text_to_image.ron", r#"(weights: "tiny-flux2")"#, r#"(weights: "tiny-flux2", quant: Q8_0)"#);
    assert_eq!(changed(&project, quantised), "blank image latent saved text");
}

#[test]
fn a_model_with_a_part_from_elsewhere_is_the_same_if_the_part_is() {
    let project = Project::with(&["text_to_image.ron"]);
    project.run("text_to_image.ron", &[]);
    let from = root().join("graphs/models/tiny-flux2/vae");
    for name in ["config.json", "diffusion_pytorch_model.safetensors"] {
        fs::create_dir_all(project.path("home/vae")).expect("a folder");
        fs::copy(from.join(name), project.path("home/vae").join(name)).expect("a copy");
    }
    let vae = project.path("home/vae").display().to_string();
    models(&project, &format!(r#"models: {{ "mine": (family: Flux2, base: "tiny-flux2", parts: (vae: {vae:?})) }}"#));
    let report = project.run("text_to_image.ron", &["--model", "flux=mine"]);
    assert_eq!(those(&report, How::Ran), "");
}

#[test]
fn a_file_that_cannot_be_used_is_told_at_its_place_in_the_graph() {
    let project = Project::with(&["text_to_image.ron"]);
    project.write("klein.safetensors", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n");
    let entry = r#"(family: Flux2, base: "tiny-flux2", parts: (transformer: "klein.safetensors"))"#;
    models(&project, &format!(r#"models: {{ "klein": {entry} }}"#));
    let said = project.rondel(&["plan", "text_to_image.ron", "--model", "flux=klein", "--message-format", "json"]);
    assert_eq!(said.code, Some(2), "{}", said.stderr);
    let mistake: serde_json::Value = serde_json::from_str(&said.stdout).expect("one mistake");
    assert_eq!(mistake["code"], "models::unusable");
    let message = mistake["message"].as_str().expect("words");
    assert!(
        message.starts_with("the model `klein` cannot be used: a file of its part `transformer` is a Git LFS pointer")
    );
    assert!(mistake["labels"][0]["line"].as_u64().is_some_and(|line| line > 1), "{mistake}");
}

#[test]
fn a_part_that_a_model_lacks_is_told_before_anything_runs() {
    let project = Project::with(&["text_to_image.ron"]);
    project.write("klein.safetensors", &weights(1));
    let entry = r#"(family: Flux2, source: Files, parts: (transformer: "klein.safetensors"))"#;
    models(&project, &format!(r#"models: {{ "klein": {entry} }}"#));
    let said = project.rondel(&["run", "text_to_image.ron", "--model", "flux=klein"]);
    assert_eq!(said.code, Some(2));
    assert!(said.stderr.contains("`image` needs the part `vae` of the model `klein`"), "{}", said.stderr);
    assert!(!said.stderr.contains("`latent` needs"), "{}", said.stderr);
}

#[test]
fn a_tensor_that_weights_lack_is_told_before_anything_runs() {
    let project = Project::with(&["text_to_image.ron"]);
    let from = root().join("graphs/models/tiny-flux2/transformer");
    fs::create_dir_all(project.path("broken")).expect("a folder");
    fs::copy(from.join("config.json"), project.path("broken/config.json")).expect("a copy");
    let name = "diffusion_pytorch_model.safetensors";
    let mut bytes = fs::read(from.join(name)).expect("weights");
    let lacked = b"\"x_embedder.weight\"";
    let at = bytes.windows(lacked.len()).position(|window| window == lacked).expect("a tensor of the transformer");
    bytes[at + 1] = b'y';
    fs::write(project.path("broken").join(name), bytes).expect("a file in the project");
    let broken = project.path("broken").display().to_string();
    models(
        &project,
        &format!(r#"models: {{ "broken": (family: Flux2, base: "tiny-flux2", parts: (transformer: {broken:?})) }}"#),
    );
    let swap = ["--model", "flux=broken"];
    let (said, report) = project.try_run("text_to_image.ron", &swap);
    assert_eq!((said.code, those(&report, How::Failed)), (Some(1), "latent".to_owned()), "{}", said.stderr);
    assert_eq!(those(&report, How::Ran), "");
    assert_eq!((how(&report, "text"), how(&report, "image")), (How::Blocked, How::Blocked));
    let problem = step(&report, "latent").problem.as_ref().expect("a problem");
    assert!(problem.message.contains("x_embedder.weight"), "{}", problem.message);
    assert!(problem.place.as_ref().is_some_and(|place| place.line > 1), "{problem:?}");

    let said = project.rondel(&["plan", "text_to_image.ron", swap[0], swap[1]]);
    assert_eq!(said.code, Some(2), "{}", said.stderr);
    assert!(said.stderr.contains("error: `latent` cannot run: "), "{}", said.stderr);
    assert!(said.stderr.contains("x_embedder.weight"), "{}", said.stderr);
}

#[test]
fn what_is_in_the_files_is_shown_from_their_headers() {
    let project = Project::new();
    project.write("ink.safetensors", &weights(1));
    let q4 = root().join("tests/golden/layouts/flux2-tiny-Q4_0.gguf").display().to_string();
    let entry = format!(r#"(family: Flux2, source: Files, variant: Dev, parts: (transformer: {q4:?}))"#);
    models(
        &project,
        &format!(
            r#"models: {{ "q4": {entry} }}, loras: {{ "ink": (family: Flux2, source: File("ink.safetensors")),
                "gone": (family: Flux2, source: File("gone.safetensors")) }}"#
        ),
    );
    let shown = |name: &str| {
        let said = project.rondel(&["models", "show", name]);
        (said.code, said.stdout)
    };
    let (code, text) = shown("q4");
    assert_eq!(code, Some(0), "{text}");
    for part in ["q4  Flux2, Dev", "transformer  1 file", "GGUF, 47 tensors", "of Q4_0", "`double_blocks.0."] {
        assert!(text.contains(part), "`{part}` is not in {text}");
    }
    let (code, text) = shown("ink");
    assert!(code == Some(0) && text.contains("safetensors, 1 tensor, 1 B of U8; the first is `w`"), "{text}");
    let (code, text) = shown("gone");
    assert!(code == Some(1) && text.contains("its file is not there"), "{text}");
    let said = project.rondel(&["models", "show", "inc"]);
    assert!(said.code == Some(4) && said.stderr.contains("LoRAs: ink, gone"), "{}", said.stderr);
    let said = project.rondel(&["models", "verify", "ink", "q4"]);
    assert_eq!(said.code, Some(0), "{}", said.stdout);
    assert!(said.stdout.contains("q4.transformer: whole, 1 file"), "{}", said.stdout);
}
