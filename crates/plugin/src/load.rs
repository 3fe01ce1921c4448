//! From a file or an entry to kinds that can be run.
//!
//! A shared object is opened by way of a copy that carries the digest of its content in its name: the C library answers
//! a second opening of a known path with the old library even if the file was replaced, and an opened file that a linker
//! writes over crashes its users. A copy is never written twice and never unloaded.

#![expect(unsafe_code)]

mod header;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;
use std::{fs, io};

use libloading::Library;
use rondel_abi::{self as abi, Entry, NODE_FACTORY, Node, NodeFactory, Str, entry_flags, status};
use rondel_value::{Digest, NodeSpec};

use crate::error::LoadError;
use crate::facts::{Facts, steers_terminals};
use crate::host::HostSide;
use crate::kind::OpenNode;
use crate::registry::Origin;

/// How the names of shared objects end on this system.
const EXTENSIONS: &[&str] = if cfg!(target_os = "macos") {
    &["dylib", "so"]
} else if cfg!(windows) {
    &["dll"]
} else {
    &["so"]
};

/// The shared objects of a folder, sorted by name; none if it is missing.
pub fn shared_objects_in(folder: &Path) -> Result<Vec<PathBuf>, LoadError> {
    let is_shared_object = |path: &Path| {
        path.extension().is_some_and(|found| EXTENSIONS.iter().any(|known| found == *known)) && path.is_file()
    };
    let list = || fs::read_dir(folder)?.map(|file| Ok(file?.path())).collect::<io::Result<Vec<_>>>();
    match list() {
        Ok(mut files) => {
            files.retain(|path| is_shared_object(path));
            files.sort();
            Ok(files)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(source) => Err(LoadError::Folder { folder: folder.to_owned(), source }),
    }
}

/// The content of a file that may be a plugin.
pub(crate) struct SharedObject<'a> {
    path: &'a Path,
    bytes: Vec<u8>,
    digest: Digest,
}

impl SharedObject<'_> {
    pub(crate) fn read(path: &Path) -> Result<SharedObject<'_>, LoadError> {
        let bytes = fs::read(path).map_err(|source| LoadError::Read { path: path.to_owned(), source })?;
        let digest = Digest::of(&bytes);
        Ok(SharedObject { path, bytes, digest })
    }

    pub(crate) fn digest(&self) -> Digest {
        self.digest
    }

    /// Places the content in `copies` under its own name and digest, unless it is there.
    pub(crate) fn copy_into(&self, copies: &Path) -> Result<PathBuf, LoadError> {
        /// Two threads that make the same copy do not write into one file.
        static PARTIAL: AtomicU32 = AtomicU32::new(0);
        let copy = copy_of(self.path, &self.digest, copies);
        if fs::metadata(&copy).is_ok_and(|found| found.len() == self.bytes.len() as u64) {
            mark_as_used(&copy);
            return Ok(copy);
        }
        let number = PARTIAL.fetch_add(1, Ordering::Relaxed);
        let partial = copies.join(format!(".{}.{}.{number}.partial", self.digest, std::process::id()));
        let place = || {
            fs::create_dir_all(copies)?;
            fs::write(&partial, &self.bytes)?;
            fs::rename(&partial, &copy)
        };
        place().map_err(|source| {
            let _ = fs::remove_file(&partial);
            LoadError::Copy { copy: copy.clone(), source }
        })?;
        Ok(copy)
    }
}

/// Places the content of a file in `copies` under its own name and digest, unless it is there: the copy, and the digest.
pub fn place(path: &Path, copies: &Path) -> Result<(PathBuf, Digest), LoadError> {
    let file = SharedObject::read(path)?;
    Ok((file.copy_into(copies)?, file.digest))
}

/// Where the copy of a file with this content is, if it was made.
pub fn copy_of(path: &Path, digest: &Digest, copies: &Path) -> PathBuf {
    let extension = path.extension().unwrap_or_default().to_string_lossy();
    copies.join(format!("{}-{digest}.{extension}", stem(path)))
}

/// The copy of a file whose content was seen before, without another look into the file if the copy is there and as long.
pub(crate) fn copy_of_known(path: &Path, digest: &Digest, copies: &Path) -> Result<PathBuf, LoadError> {
    let copy = copy_of(path, digest, copies);
    let length = |path: &Path| fs::metadata(path).ok().map(|metadata| metadata.len());
    // A copy may have been cut by a full disk or a power loss. If the file itself is gone, there is nothing to hold it against.
    if length(&copy).is_some_and(|copied| length(path).is_none_or(|whole| whole == copied)) {
        mark_as_used(&copy);
        return Ok(copy);
    }
    let file = SharedObject::read(path)?;
    match file.digest == *digest {
        true => file.copy_into(copies),
        false => Err(LoadError::Changed { path: path.to_owned() }),
    }
}

/// Lets nobody think that a copy can go because it is old. If this fails, it is old at worst.
fn mark_as_used(copy: &Path) {
    let _ = fs::File::open(copy).and_then(|file| file.set_modified(SystemTime::now()));
}

/// Opens a copy of the file at `path`, for the rest of the process, and finds the entry.
pub(crate) fn open(path: &Path, copy: &Path) -> Result<NonNull<Entry>, LoadError> {
    let refused = |reason| {
        // It is of no use to anyone; if it stays, nothing is lost.
        let _ = fs::remove_file(copy);
        LoadError::NotASharedObject { path: path.to_owned(), reason }
    };
    // What cannot be read is for the system to tell.
    if let Some(mistake) = head(copy).ok().and_then(|(head, n_bytes)| header::mistake(&head, n_bytes)) {
        return Err(refused(mistake));
    }
    // SAFETY: opening runs the initialisers of the library. A plugin is code that the user chose to run; that they
    // do nothing harmful is as much as can be asked.
    let library = unsafe { Library::new(copy) }.map_err(|error| refused(reason(&error, copy)))?;
    let symbol = symbol_of(path);
    // SAFETY: only the address is taken here, and a symbol of this name is an entry by contract.
    let entry = unsafe { library.get::<*mut Entry>(symbol.as_bytes()) }.ok().and_then(|at| NonNull::new(*at));
    // Unloading would leave thread-locals and everything static that the library handed out without their code.
    std::mem::forget(library);
    entry.ok_or_else(|| LoadError::NoEntry { path: path.to_owned(), symbol })
}

/// The first bytes of a file, and how many it has.
fn head(path: &Path) -> io::Result<(Vec<u8>, u64)> {
    let file = fs::File::open(path)?;
    let (mut head, n_bytes) = (Vec::new(), file.metadata()?.len());
    file.take(header::HEAD_BYTES).read_to_end(&mut head)?;
    Ok((head, n_bytes))
}

/// What the system says of a library that does not open, without the name of the copy, which nobody knows.
fn reason(error: &libloading::Error, copy: &Path) -> String {
    let text = std::error::Error::source(error).unwrap_or(error).to_string();
    text.replace(&format!("{}: ", copy.display()), "")
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// The symbol that a plugin in this file exports: `rondel_entry_glow` for `libglow.so`.
fn symbol_of(path: &Path) -> String {
    let stem = stem(path);
    let name = stem.strip_prefix("lib").unwrap_or(&stem);
    format!("rondel_entry_{}", name.replace('-', "_"))
}

/// A plugin whose kinds can be registered.
pub(crate) struct Loaded {
    pub(crate) facts: Facts,
    /// One for each kind.
    pub(crate) nodes: Vec<OpenNode>,
    /// How the plugin puts away what it has, if it does.
    pub(crate) deinit: Option<Deinit>,
}

/// The end of a plugin; to be called when nothing of it is in use any more.
pub(crate) type Deinit = unsafe extern "C" fn();

/// Initialises a plugin and reads its kinds.
///
/// # Safety
///
/// `entry` stays for the rest of the process: it is a static, or part of a library that is never unloaded. All else is
/// checked here, as far as it can be.
pub(crate) unsafe fn entry(
    entry: impl Into<NonNull<Entry>>,
    origin: &Origin,
    host: &'static HostSide,
) -> Result<Loaded, LoadError> {
    // SAFETY: promised by the caller.
    let entry = unsafe { checked(entry.into(), origin) }?;
    // SAFETY: texts of an entry are static by contract.
    let (name, version) = match unsafe { (entry.name.get(), entry.version.get()) } {
        (Some(name), Some(version)) if !name.is_empty() => (name.to_owned(), version.to_owned()),
        _ => return Err(LoadError::NoName { origin: origin.clone() }),
    };
    if steers_terminals(&name, &version) {
        return Err(LoadError::ControlInName { origin: origin.clone() });
    }
    init(entry, &name, origin, host)?;
    let nodes = nodes(entry, &name, origin)?;
    let mut kinds = Vec::with_capacity(nodes.len());
    for (index, node) in nodes.iter().enumerate() {
        kinds.push(Arc::new(read_spec(node.spec_json, index as u32, &name, origin)?));
    }
    let nodes = nodes.into_iter().map(|node| {
        let run = node.run.expect("checked when the nodes were listed");
        // SAFETY: nodes belong to the plugin and live as long as it, which is as long as the process.
        unsafe { OpenNode::new(NonNull::from(node), run) }
    });
    let nodes = nodes.collect();
    let aborts_on_panic = entry.flags & entry_flags::ABORTS_ON_PANIC != 0;
    Ok(Loaded { facts: Facts { name, version, aborts_on_panic, kinds }, nodes, deinit: entry.deinit })
}

/// The entry, once its head says that all fields are there in the layout of this version.
///
/// # Safety
///
/// As for [`entry`].
unsafe fn checked(entry: NonNull<Entry>, origin: &Origin) -> Result<&'static Entry, LoadError> {
    let at = entry.as_ptr();
    // SAFETY: the size and the two version numbers stand first in an entry of any version.
    let (size, major) =
        unsafe { ((&raw const (*at).struct_size).read() as usize, (&raw const (*at).abi_major).read()) };
    let origin = || origin.clone();
    if major != abi::ABI_MAJOR {
        return Err(LoadError::AbiMajor { origin: origin(), found: major, expected: abi::ABI_MAJOR });
    }
    if size < size_of::<Entry>() {
        return Err(LoadError::EntryTooSmall { origin: origin(), found: size, expected: size_of::<Entry>() });
    }
    // SAFETY: the size says that every field is there, and an entry is immutable and stays for the rest of the process.
    Ok(unsafe { entry.as_ref() })
}

fn init(entry: &Entry, name: &str, origin: &Origin, host: &'static HostSide) -> Result<(), LoadError> {
    /// Nothing of the boundary says that `init` may be entered twice at once, and two registries may be filled at once.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let Some(init) = entry.init else { return Ok(()) };
    let path = match origin {
        Origin::Builtin => String::new(),
        Origin::File(path) => path.to_string_lossy().into_owned(),
    };
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    // SAFETY: the host struct is never freed; the path is borrowed for the call.
    match unsafe { init(host.as_ptr(), Str::new(&path)) } {
        status::OK => Ok(()),
        status => Err(LoadError::Init { plugin: name.to_owned(), origin: origin.clone(), status }),
    }
}

/// The nodes of the plugin's factory: at least one, each of them whole.
fn nodes(entry: &Entry, name: &str, origin: &Origin) -> Result<Vec<&'static Node>, LoadError> {
    let no_kinds = || LoadError::NoKinds { plugin: name.to_owned(), origin: origin.clone() };
    // SAFETY: the id is borrowed for the call; what comes back is null or a factory that lives as long as the plugin.
    let factory = entry.get_factory.map(|get| unsafe { get(Str::new(NODE_FACTORY)) }.cast::<NodeFactory>());
    // SAFETY: as above; the size stands first in every struct, and says whether the rest is there.
    let factory = unsafe { whole(factory.unwrap_or(std::ptr::null())) }.ok_or_else(no_kinds)?;
    let (Some(count), Some(get)) = (factory.count, factory.get) else { return Err(no_kinds()) };
    // SAFETY: both functions are [any] and take the factory that they came from.
    let count = unsafe { count(factory) };
    if count == 0 {
        return Err(no_kinds());
    }
    let node = |index| {
        // SAFETY: as above, and nodes live as long as the plugin.
        let node = unsafe { whole::<Node>(get(factory, index)) }.filter(|node| node.run.is_some());
        node.ok_or_else(|| LoadError::NotANode { plugin: name.to_owned(), origin: origin.clone(), index })
    };
    (0..count).map(node).collect()
}

/// A struct of the boundary, if it is there and its size says that all its fields are.
///
/// # Safety
///
/// `at` is null, or points to a struct that begins with its size and stays for the rest of the process.
unsafe fn whole<T>(at: *const T) -> Option<&'static T> {
    // SAFETY: promised by the caller; every struct of the boundary begins with its size.
    unsafe { (!at.is_null() && at.cast::<u32>().read() as usize >= size_of::<T>()).then(|| &*at) }
}

fn read_spec(json: Str, index: u32, plugin: &str, origin: &Origin) -> Result<NodeSpec, LoadError> {
    let (plugin, origin) = (plugin.to_owned(), origin.clone());
    // SAFETY: specifications are static by contract.
    let json = unsafe { json.get() }.ok_or("it is not UTF-8".to_owned());
    match json.and_then(|json| serde_json::from_str::<NodeSpec>(json).map_err(|error| error.to_string())) {
        Err(reason) => Err(LoadError::Spec { plugin, origin, index, reason }),
        Ok(spec) => match spec.mistakes() {
            mistakes if mistakes.is_empty() => Ok(spec),
            mistakes => Err(LoadError::SpecMistakes { plugin, origin, kind: spec.kind, mistakes }),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_symbol_is_named_after_the_file() {
        assert_eq!(symbol_of(Path::new("/p/libglow.so")), "rondel_entry_glow");
        assert_eq!(symbol_of(Path::new("node-save.dll")), "rondel_entry_node_save");
    }

    #[test]
    fn a_missing_folder_holds_no_plugins() {
        assert!(shared_objects_in(Path::new("/nowhere/at/all")).unwrap().is_empty());
    }
}
