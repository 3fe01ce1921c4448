//! Texts, JSON and files.

use std::fs;

use rondel_sdk::prelude::*;
use rondel_sdk::value::Digest;

/// Makes a text, without the blanks around it.
#[derive(Node)]
#[node(kind = "stub.words", version = 1, lane = Cpu, category = "stub")]
pub struct Words {
    /// The text; names of inputs in braces stand for their values.
    #[param(expand)]
    pub text: String,
}

impl Run for Words {
    type Output = String;

    fn run(self, _cx: &mut Cx) -> NodeResult<String> {
        Ok(self.text.trim().to_owned())
    }
}

/// Reads a text file.
#[derive(Node)]
#[node(kind = "stub.read", version = 1, lane = Disk, category = "stub")]
pub struct Read {
    /// The file.
    #[param(file)]
    pub path: String,
}

impl Run for Read {
    type Output = String;

    fn run(self, _cx: &mut Cx) -> NodeResult<String> {
        Ok(fs::read_to_string(&self.path)?)
    }
}

/// Counts the members of an object or a list.
#[derive(Node)]
#[node(kind = "stub.count", version = 1, lane = Cpu, category = "stub")]
pub struct Count {
    /// The object or list.
    pub json: serde_json::Value,
}

impl Run for Count {
    type Output = usize;

    fn run(self, _cx: &mut Cx) -> NodeResult<usize> {
        match &self.json {
            serde_json::Value::Object(members) => Ok(members.len()),
            serde_json::Value::Array(items) => Ok(items.len()),
            other => Err(NodeError::input("json", format!("nothing to count in {other}"))),
        }
    }
}

/// Writes a text to a file.
#[derive(Node)]
#[node(kind = "stub.write", version = 1, lane = Disk, category = "stub", effect)]
pub struct Write {
    /// What to write.
    pub text: String,
    /// Where to, below the output folder.
    #[param(expand)]
    pub path: String,
}

impl Run for Write {
    type Output = Saved;

    fn run(self, cx: &mut Cx) -> NodeResult<Saved> {
        let path = cx.output_folder()?.join(&self.path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&path, &self.text)?;
        let path = path.to_string_lossy().into_owned();
        Ok(Saved { path, digest: Digest::of(self.text.as_bytes()), bytes: self.text.len() as u64 })
    }
}
