//! `save`: writes a picture, whole or not at all, and never over a different one without being told.

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::{Component, Path, PathBuf};

use rondel_sdk::prelude::*;
use rondel_sdk::value::Digest;

use crate::encode::encode;

/// Writes a picture to a file.
///
/// A PNG carries how it was made: `rondel from picture.png` gives the graph back. If the file is there and holds the same
/// picture, it is left as it is; what happens if it holds another is up to `if_exists`.
#[derive(Node)]
#[node(kind = "save", version = 1, lane = Disk, category = "output", effect)]
pub struct Save {
    /// The picture.
    pub image: Image,
    /// Where to, below the output folder. `{seed}` is the input `seed`, `{seed:04}` with zeros in front, `{graph}` the graph's
    /// name.
    #[param(expand)]
    pub path: String,
    /// `Auto` goes by the path's extension.
    #[param(default = Auto)]
    pub format: Format,
    /// Of JPEG and AVIF; PNG and WebP keep every pixel.
    #[param(default = 90, range = 1..=100)]
    pub quality: u8,
    /// What to do if another picture is there already.
    #[param(default = Number)]
    pub if_exists: IfExists,
    /// Whether a PNG says how it was made.
    #[param(default = true)]
    pub embed: bool,
}

/// How a picture is encoded.
#[derive(Choice, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Auto,
    Png,
    Jpeg,
    Webp,
    Avif,
}

/// What to do if another picture is there already.
#[derive(Choice, Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfExists {
    /// Write beside it: `fox-2.png`.
    Number,
    Replace,
    Fail,
}

impl Run for Save {
    type Output = Saved;

    fn run(self, cx: &mut Cx) -> NodeResult<Saved> {
        let relative = Path::new(&self.path);
        if self.path.is_empty()
            || !relative.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
        {
            let message = format!(
                "`{}` is not below the output folder; write a relative path, and choose the folder with --out",
                self.path
            );
            return Err(NodeError::input("path", message));
        }
        let format = self.format()?;
        let provenance = match self.embed && format == Format::Png {
            true => with_digest(cx.provenance()?, &self.image),
            false => None,
        };
        let bytes = encode(&self.image, format, self.quality, provenance.as_deref())?;
        let wanted = cx.output_folder()?.join(relative);
        if let Some(folder) = wanted.parent() {
            fs::create_dir_all(folder).map_err(|error| at(&error, folder))?;
        }
        let path = self.place(cx, &wanted, &bytes)?;
        // Read back: the digest is that of what lies there, also if it was there before.
        let there = fs::read(&path).map_err(|error| at(&error, &path))?;
        let digest = Digest::of(&there);
        Ok(Saved { path: path.to_string_lossy().into_owned(), digest, bytes: there.len() as u64 })
    }
}

impl Save {
    fn format(&self) -> NodeResult<Format> {
        let by_name = self.format_by_name();
        match (self.format, by_name) {
            (Format::Auto, Some(format)) => Ok(format),
            (Format::Auto, None) => {
                let message = format!(
                    "`{}` does not say which format; end it with .png, .jpg, .webp or .avif, or set `format`",
                    self.path
                );
                Err(NodeError::input("path", message))
            }
            (format, Some(named)) if named != format => {
                let message = format!("`format` is {format:?}, but the name `{}` says {named:?}", self.path);
                Err(NodeError::input("format", message))
            }
            (format, _) => Ok(format),
        }
    }

    /// The format that the path's extension names.
    fn format_by_name(&self) -> Option<Format> {
        let extension = Path::new(&self.path).extension().and_then(|it| it.to_str()).unwrap_or("").to_ascii_lowercase();
        Some(match extension.as_str() {
            "png" => Format::Png,
            "jpg" | "jpeg" => Format::Jpeg,
            "webp" => Format::Webp,
            "avif" => Format::Avif,
            _ => return None,
        })
    }

    /// Puts the file in its place and says where that is.
    fn place(&self, cx: &mut Cx, wanted: &Path, bytes: &[u8]) -> NodeResult<PathBuf> {
        let mut number = 1;
        loop {
            cx.check()?;
            let path = numbered(wanted, number);
            if holds(&path, bytes, &self.image).map_err(|error| at(&error, &path))? {
                return Ok(path);
            }
            // A link that leads nowhere is something that is there, too.
            if path.symlink_metadata().is_ok() {
                match self.if_exists {
                    IfExists::Replace => {
                        write(&path, bytes, true).map_err(|error| at(&error, &path))?;
                        return Ok(path);
                    }
                    IfExists::Fail => {
                        let message = format!("another picture is there already: {}", path.display());
                        return Err(NodeError::input("path", message));
                    }
                    IfExists::Number => number += 1,
                }
                continue;
            }
            match write(&path, bytes, false) {
                Ok(()) if number > 1 => {
                    let (name, there) = (file_name(&path), file_name(wanted));
                    cx.log(Level::Info, format!("another picture is at {there}, so this one is {name}"));
                    return Ok(path);
                }
                Ok(()) => return Ok(path),
                // Someone else wrote it meanwhile: look again.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(at(&error, &path)),
            }
        }
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The provenance with the picture's digest; none if the host tells nothing.
fn with_digest(mut provenance: serde_json::Value, image: &Image) -> Option<String> {
    let object = provenance.as_object_mut()?;
    object.insert("image".to_owned(), image.bundle().digest().to_string().into());
    Some(provenance.to_string())
}

/// `fox.png`, `fox-2.png`, `fox-3.png`, …
fn numbered(wanted: &Path, number: usize) -> PathBuf {
    if number == 1 {
        return wanted.to_owned();
    }
    let stem = wanted.file_stem().unwrap_or_default().to_string_lossy();
    let name = match wanted.extension() {
        Some(extension) => format!("{stem}-{number}.{}", extension.to_string_lossy()),
        None => format!("{stem}-{number}"),
    };
    wanted.with_file_name(name)
}

/// Whether the file holds this picture: the same bytes, or a PNG with the same pixels that was made another way.
fn holds(path: &Path, bytes: &[u8], picture: &Image) -> io::Result<bool> {
    let there = match fs::read(path) {
        Ok(there) => there,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    if there == bytes {
        return Ok(true);
    }
    let is_png = |bytes: &[u8]| image::guess_format(bytes).is_ok_and(|format| format == image::ImageFormat::Png);
    if !is_png(&there) || !is_png(bytes) {
        return Ok(false);
    }
    let Ok(there) = image::load_from_memory(&there) else { return Ok(false) };
    let channels = usize::from(there.color().channel_count());
    let is_like = (there.width() as usize, there.height() as usize, channels)
        == (picture.width(), picture.height(), picture.channels());
    Ok(is_like && there.as_bytes() == &picture.to_u8()[..])
}

/// Writes a file in one piece; with `replace` over what is there.
fn write(path: &Path, bytes: &[u8], replace: bool) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".rondel-").suffix(".part");
    // Temporary files are private by default; a picture is as readable as any other new file.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.tempfile_in(folder)?;
    file.write_all(bytes)?;
    let persisted = if replace { file.persist(path) } else { file.persist_noclobber(path) };
    persisted.map(drop).map_err(|error| error.error)
}

fn at(error: &io::Error, path: &Path) -> NodeError {
    NodeError::failed(format!("{error}: {}", path.display()))
}
