//! Where keys are found: in the environment, in a file that its owner alone can read, in the keyring of the system, or by asking a
//! program such as a password manager.
//!
//! The keyring is asked through the tool that the system has for it. A library that speaks to it would bring a whole D-Bus client
//! along, a third of what this crate takes to build, for a question that is asked once.

use std::io::ErrorKind;
use std::path::Path;

use crate::endpoint::Secret;
use crate::painter::Hosted;
use crate::providers::KeyPlace;

/// Where a key was looked for, and whether it is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyFound {
    /// The provider takes none.
    NotNeeded,
    /// There is one, at this place.
    At(String),
    /// There is none; what would give one.
    Missing(String),
}

impl Hosted {
    /// Whether a provider's key is there, and where it was looked for.
    pub fn key_of(&self, provider: &str) -> Option<KeyFound> {
        Some(match self.key(provider)? {
            Ok(None) => KeyFound::NotNeeded,
            Ok(Some((place, _))) => KeyFound::At(place),
            Err(missing) => KeyFound::Missing(missing),
        })
    }

    /// What would give a provider's key, if there is none. No program is asked: one that may have it counts as having it until it is
    /// needed, so that a plan opens nobody's keyring.
    pub(crate) fn missing_key(&self, provider: &str) -> Option<String> {
        let places = &self.providers().by_name.get(provider)?.keys;
        let may_be_told = |place: &KeyPlace| matches!(place, KeyPlace::Keyring(..) | KeyPlace::Program(_));
        if places.iter().any(may_be_told) {
            return None;
        }
        self.key(provider)?.err()
    }

    /// A provider's key with its place, or what would give one.
    pub(crate) fn key(&self, provider: &str) -> Option<Result<Option<(String, Secret)>, String>> {
        let places = &self.providers().by_name.get(provider)?.keys;
        if places.is_empty() {
            return Some(Ok(None));
        }
        let variable = |name: &str| (self.settings().variable)(name);
        let mut wanted = Vec::new();
        for place in places {
            match place {
                KeyPlace::Env(name) => {
                    if let Some(key) = variable(name).and_then(|text| Secret::new(&text)) {
                        return Some(Ok(Some((name.clone(), key))));
                    }
                    wanted.push(format!("set {name}"));
                }
                KeyPlace::EnvPair(first, second) => {
                    let both = variable(first).zip(variable(second));
                    if let Some(key) = both.and_then(|(first, second)| Secret::new(&format!("{first}:{second}"))) {
                        return Some(Ok(Some((format!("{first} and {second}"), key))));
                    }
                    wanted.push(format!("set {first} and {second}"));
                }
                KeyPlace::Keyring(service, account) => {
                    let named = format!("`{account}` of `{service}` in the keyring");
                    match self.ask_program(&in_keyring(service, account)) {
                        Ok(Some(key)) => return Some(Ok(Some((named, key)))),
                        Ok(None) => {
                            wanted.push(format!("put it into the keyring: `{}`", into_keyring(service, account)))
                        }
                        Err(problem) => wanted.push(format!("the keyring does not answer ({problem})")),
                    }
                }
                KeyPlace::Program(command) => match self.ask_program(command) {
                    Ok(Some(key)) => return Some(Ok(Some((format!("`{}`", command.join(" ")), key)))),
                    Ok(None) => wanted.push(format!("`{}` prints none", command.join(" "))),
                    Err(problem) => wanted.push(format!("`{}` does not answer ({problem})", command.join(" "))),
                },
                KeyPlace::File(path) => {
                    let path = match (path.strip_prefix("~"), &self.settings().home) {
                        (Ok(rest), Some(home)) => home.join(rest),
                        _ => path.clone(),
                    };
                    match read_key(&path) {
                        Ok(Some(key)) => return Some(Ok(Some((path.display().to_string(), key)))),
                        Ok(None) => wanted.push(format!("put it into {}", path.display())),
                        Err(problem) => wanted.push(problem),
                    }
                }
            }
        }
        Some(Err(format!("there is no key: {}", wanted.join(", or "))))
    }

    /// What a program says, which is remembered: a keyring may ask its owner each time. That it has nothing is remembered for a
    /// minute only, since somebody may put it there.
    fn ask_program(&self, command: &[String]) -> Result<Option<Secret>, String> {
        const FORGOTTEN_AFTER_S: u64 = 60;
        // Held while the program runs: of several that want the same key one asks, and the owner is asked once.
        let mut told = self.told().lock().expect("nobody panics while holding it");
        let now = self.now();
        if let Some((at, said)) = told.get(command)
            && (matches!(said, Ok(Some(_))) || now < at + FORGOTTEN_AFTER_S)
        {
            return said.clone();
        }
        let said = (self.settings().program)(command).map(|text| text.and_then(|text| Secret::new(&text)));
        told.insert(command.to_owned(), (now, said.clone()));
        said
    }
}

/// What prints an entry of the system's keyring.
fn in_keyring(service: &str, account: &str) -> Vec<String> {
    let words: &[&str] = match cfg!(target_os = "macos") {
        true => &["security", "find-generic-password", "-w", "-s", service, "-a", account],
        false => &["secret-tool", "lookup", "service", service, "account", account],
    };
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// What puts one there.
fn into_keyring(service: &str, account: &str) -> String {
    match cfg!(target_os = "macos") {
        true => format!("security add-generic-password -s {service} -a {account} -w"),
        false => format!("secret-tool store --label='{service} {account}' service {service} account {account}"),
    }
}

/// A key in a file, which others must not be able to read.
fn read_key(path: &Path) -> Result<Option<Secret>, String> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("the key cannot be read ({error}): {}", path.display())),
    };
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(path).map_or(0, |metadata| metadata.permissions().mode());
        if mode & 0o077 != 0 {
            return Err(format!("others can read the key: say `chmod 600` for {}", path.display()));
        }
    }
    Ok(Secret::new(&text))
}
