//! Previews as files: the newest of each step, `<folder>/<step>.png`, for whoever looks at them while the run goes on.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use rondel_cache::Cache;
use rondel_value::{Digest, Image};

use super::files;
use crate::words;

/// Writes previews into a folder.
pub struct Previews {
    folder: PathBuf,
    /// Where the pictures are, by digest.
    cache: Arc<Cache>,
    has_warned: bool,
}

impl Previews {
    /// Makes the folder: that it cannot be made is found out before the work.
    pub fn new(folder: &Path, cache: &Arc<Cache>) -> Result<Previews> {
        std::fs::create_dir_all(folder).with_context(|| format!("previews cannot be written: {}", folder.display()))?;
        Ok(Previews { folder: folder.to_owned(), cache: cache.clone(), has_warned: false })
    }

    /// Writes a preview in place of the one before. A preview is not what the run is for, so a lost one costs a warning.
    pub fn show(&mut self, step: &str, image: &Digest) {
        let path = self.folder.join(format!("{step}.png"));
        let written = self.png(image).and_then(|bytes| Ok(files::write(&path, &bytes)?));
        if let Err(error) = written
            && !std::mem::replace(&mut self.has_warned, true)
        {
            words::say(format!("warning: a preview cannot be written: {error:#}: {}", path.display()));
        }
    }

    fn png(&self, image: &Digest) -> Result<Vec<u8>> {
        let bundle = self.cache.blob(image)?.context("it is lost")?;
        let image = Image::try_from(bundle)?;
        let color = match image.channels() {
            1 => png::ColorType::Grayscale,
            3 => png::ColorType::Rgb,
            4 => png::ColorType::Rgba,
            n => bail!("it has {n} channels"),
        };
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, image.width() as u32, image.height() as u32);
        encoder.set_color(color);
        encoder.set_depth(png::BitDepth::Eight);
        // It is looked at for a second.
        encoder.set_compression(png::Compression::Fast);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&image.to_u8())?;
        writer.finish()?;
        Ok(bytes)
    }
}
