//! Pictures that were paid for, kept to be had again: for CI without a key.
//!
//! A folder with one folder for each call, by the digest of what was asked: `0.png`, `1.png`, … and `details.json`. There is
//! nothing in it that was sent, so no key can be.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rondel_value::Digest;
use serde::{Deserialize, Serialize};

use crate::call::Got;
use crate::money::Micros;
use crate::picture;

const DETAILS: &str = "details.json";

/// A folder of calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording(pub PathBuf);

/// What a call made, beside its pictures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Details {
    provider: String,
    model: String,
    /// What was asked for.
    n_asked: u32,
    n_pictures: usize,
    seed: Option<u64>,
    cost: Option<Micros>,
    is_cost_reported: bool,
    request_id: Option<String>,
    revised_prompt: Option<String>,
}

/// A recording that cannot be written or read.
#[derive(Debug, thiserror::Error)]
#[error("the recording cannot be {doing} ({reason}): {}", path.display())]
pub struct RecordingError {
    doing: &'static str,
    reason: String,
    path: PathBuf,
}

/// A call as it was recorded.
#[derive(Debug)]
pub struct Recorded {
    pub got: Got,
    pub provider: String,
    pub model: String,
    pub n_asked: u32,
}

impl Recording {
    fn folder(&self, request: &Digest) -> PathBuf {
        self.0.join(&request.to_string()[..32])
    }

    /// Keeps what a call made.
    pub fn put(&self, request: &Digest, recorded: &Recorded) -> Result<(), RecordingError> {
        let folder = self.folder(request);
        let error = |reason: &dyn std::fmt::Display| RecordingError {
            doing: "written",
            reason: reason.to_string(),
            path: folder.clone(),
        };
        fs::create_dir_all(&folder).map_err(|source| error(&source))?;
        let Recorded { got, provider, model, n_asked } = recorded;
        for (i, image) in got.pictures.iter().enumerate() {
            let png = picture::to_png(image).map_err(|source| error(&source))?;
            fs::write(folder.join(format!("{i}.png")), png).map_err(|source| error(&source))?;
        }
        let details = Details {
            provider: provider.clone(),
            model: model.clone(),
            n_asked: *n_asked,
            n_pictures: got.pictures.len(),
            seed: got.seed,
            cost: got.cost,
            is_cost_reported: got.is_cost_reported,
            request_id: got.request_id.clone(),
            revised_prompt: got.revised_prompt.clone(),
        };
        let json = serde_json::to_vec_pretty(&details).map_err(|source| error(&source))?;
        // Last, so that what is there is whole.
        fs::write(folder.join(DETAILS), json).map_err(|source| error(&source))
    }

    /// What a call made, if it was recorded.
    pub fn get(&self, request: &Digest) -> Result<Option<Recorded>, RecordingError> {
        let folder = self.folder(request);
        let error = |reason: &dyn std::fmt::Display| RecordingError {
            doing: "read",
            reason: reason.to_string(),
            path: folder.clone(),
        };
        let json = match fs::read(folder.join(DETAILS)) {
            Ok(json) => json,
            Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(error(&source)),
        };
        let details: Details = serde_json::from_slice(&json).map_err(|source| error(&source))?;
        let mut pictures = Vec::new();
        for i in 0..details.n_pictures {
            let bytes = fs::read(folder.join(format!("{i}.png"))).map_err(|source| error(&source))?;
            pictures.push(picture::decode(&bytes).map_err(|source| error(&source))?);
        }
        let Details { provider, model, n_asked, seed, cost, is_cost_reported, request_id, revised_prompt, .. } =
            details;
        let got = Got { pictures, seed, cost, is_cost_reported, request_id, revised_prompt };
        Ok(Some(Recorded { got, provider, model, n_asked }))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}
