//! A fixed world around a graph: some kinds, files and weights.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use rondel_graph::{ImportError, Source, World};
use rondel_value::NodeSpec;

pub struct Fixed;

/// Kinds with every form of port that the checker knows.
static KINDS: LazyLock<Vec<Arc<NodeSpec>>> = LazyLock::new(|| {
    let kinds: Vec<NodeSpec> = serde_json::from_str(include_str!("kinds.json")).expect("specifications");
    kinds.into_iter().map(Arc::new).collect()
});

impl World for Fixed {
    fn spec(&self, kind: &str) -> Option<Arc<NodeSpec>> {
        KINDS.iter().find(|spec| spec.kind == kind).cloned()
    }

    fn kinds(&self) -> Vec<String> {
        KINDS.iter().map(|spec| spec.kind.clone()).collect()
    }

    fn import(&self, _: &Path, path: &str) -> Result<Source, ImportError> {
        let text = match path {
            "good.ron" => {
                "Graph(format: 1, inputs: (a: Int), nodes: (n: noise(size: (1, 2), seed: a)), outputs: (n: n))"
            }
            "wrong.ron" => "Graph(format: 1, nodes: (n: nothing()))",
            "ring.ron" => "Graph(format: 1, imports: (again: Graph(\"ring.ron\")), nodes: ())",
            _ => return Err(ImportError::NotFound { path: path.to_owned() }),
        };
        Ok(Source::new(path, path, text))
    }

    fn model_family(&self, _: &Path, weights: &str) -> Option<String> {
        let known = [("tiny", "Flux2"), ("klein", "Flux2"), ("other", "ZImage")];
        known.iter().find(|(name, _)| *name == weights).map(|(_, family)| (*family).to_owned())
    }

    fn model_names(&self, _: &Path) -> Vec<String> {
        ["tiny", "klein", "other"].map(str::to_owned).to_vec()
    }

    fn lora_family(&self, _: &Path, lora: &str) -> Option<String> {
        (lora == "watercolor").then(|| "Flux2".to_owned())
    }

    fn lora_names(&self, _: &Path) -> Vec<String> {
        vec!["watercolor".to_owned()]
    }

    fn file_exists(&self, _: &Path, path: &str) -> bool {
        path == "coat.png"
    }
}
