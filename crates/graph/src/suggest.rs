//! Names that may have been meant.

/// The name nearest to `written`, if one is near enough to be a slip.
pub fn closest<'a>(written: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let written = written.to_lowercase();
    let length = written.chars().count();
    let allowed = (length / 3).max(1);
    names
        .into_iter()
        .filter(|name| name.len().abs_diff(written.len()) <= allowed)
        .map(|name| (strsim::osa_distance(&written, &name.to_lowercase()), name))
        .filter(|(distance, _)| *distance <= allowed && *distance < length)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// The names in the order of their distance to `written`, joined for a sentence; the far end of a long list is cut.
pub(crate) fn list<'a>(written: &str, names: impl IntoIterator<Item = &'a str>) -> Option<String> {
    const SHOWN: usize = 12;
    let mut names: Vec<(usize, &str)> =
        names.into_iter().map(|name| (strsim::osa_distance(written, name), name)).collect();
    names.sort_by_key(|(distance, _)| *distance);
    let more = if names.len() > SHOWN { ", …" } else { "" };
    let shown: Vec<&str> = names.iter().take(SHOWN).map(|(_, name)| *name).collect();
    (!shown.is_empty()).then(|| format!("{}{more}", shown.join(", ")))
}

/// The names in their own order, joined for a sentence; the end of a long list is cut.
pub(crate) fn join<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    const SHOWN: usize = 12;
    let names: Vec<&str> = names.into_iter().collect();
    let more = if names.len() > SHOWN { ", …" } else { "" };
    format!("{}{more}", names[..names.len().min(SHOWN)].join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_another_word_is_not() {
        let names = ["text", "noise", "latent", "sampler"];
        assert_eq!(closest("txt", names), Some("text"));
        assert_eq!(closest("Noise", names), Some("noise"));
        assert_eq!(closest("lantent", names), Some("latent"));
        assert_eq!(closest("image", names), None);
        assert_eq!(closest("x", ["a"]), None);
    }

    #[test]
    fn nearer_names_come_first() {
        assert_eq!(list("nois", ["text", "noise"]).as_deref(), Some("noise, text"));
        assert_eq!(list("nois", []), None);
    }
}
