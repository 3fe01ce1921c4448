//! What a file that is to be opened is, as its first bytes say.
//!
//! Looked at before the system's loader is asked: of a library that is cut short, that maps what is not there, and the process
//! ends when it reads from it; and of one for another machine it says no more than that a number is wrong.

/// The numbers of machines in an ELF header, and what they are called.
const MACHINES: &[(u16, &str, &str)] = &[
    (3, "x86", "x86"),
    (8, "MIPS", "mips"),
    (20, "PowerPC", "powerpc"),
    (21, "PowerPC", "powerpc64"),
    (22, "S/390", "s390x"),
    (40, "ARM", "arm"),
    (62, "x86-64", "x86_64"),
    (183, "ARM", "aarch64"),
    (243, "RISC-V", "riscv64"),
    (258, "LoongArch", "loongarch64"),
];

/// So much of a file is looked at.
pub(super) const HEAD_BYTES: u64 = 64 << 10;

/// Why a file of this size that begins so cannot be a library for this machine, as far as that can be seen.
pub(super) fn mistake(head: &[u8], n_bytes: u64) -> Option<String> {
    match head {
        [] => Some("it is empty".to_owned()),
        [0x7f, b'E', b'L', b'F', ..] if cfg!(target_os = "linux") => elf(head, n_bytes),
        [0x7f, b'E', b'L', b'F', ..] => Some("it is built for Linux or a system like it".to_owned()),
        [b'M', b'Z', ..] if !cfg!(windows) => Some("it is built for Windows".to_owned()),
        [0xcf, 0xfa, 0xed, 0xfe, ..] if !cfg!(target_os = "macos") => Some("it is built for macOS".to_owned()),
        _ => is_text(head).then(|| "it is a text".to_owned()),
    }
}

fn is_text(head: &[u8]) -> bool {
    let is_valid = match std::str::from_utf8(head) {
        Ok(_) => true,
        // The last letter of the head may be cut.
        Err(error) => error.error_len().is_none(),
    };
    is_valid && !head.contains(&0)
}

fn elf(head: &[u8], n_bytes: u64) -> Option<String> {
    let cut_short = |n_whole: u64| Some(format!("it is cut short: {n_bytes} of at least {n_whole} bytes are there"));
    let Some([class, order]) = head.get(4..6) else { return cut_short(64) };
    let bits = if *class == 1 { 32 } else { 64 };
    let is_little = *order != 2;
    // The same place in headers of both sizes.
    let Some(machine) = number(head, 18, 2, is_little) else { return cut_short(64) };
    let machine = MACHINES.iter().find(|(number, ..)| u64::from(*number) == machine);
    let is_same = machine.is_none_or(|(.., arch)| *arch == std::env::consts::ARCH);
    if bits != usize::BITS || is_little != cfg!(target_endian = "little") || !is_same {
        let (order, name) =
            (if is_little { "" } else { " with the other order of bytes" }, machine.map_or("", |m| m.1));
        return Some(format!("it is built for {bits}-bit {name}{order}").trim_end().to_owned());
    }
    if bits == 64 {
        return end(head).filter(|end| *end > n_bytes).and_then(cut_short);
    }
    None
}

/// Where a library of 64 bits ends by what its header says: with the last of what is mapped, or with the list of its sections.
fn end(head: &[u8]) -> Option<u64> {
    const HEADER_BYTES: u64 = 64;
    let read = |at: u64, n_bytes| number(head, usize::try_from(at).ok()?, n_bytes, cfg!(target_endian = "little"));
    // Where a list begins, how large an entry is, and how many there are.
    let list = |begins, size, n| Some((read(begins, 8)?, read(size, 2)?, read(n, 2)?));
    let (Some(segments), Some(sections)) = (list(32, 54, 56), list(40, 58, 60)) else { return Some(HEADER_BYTES) };
    let end_of = |(begins, size, n): (u64, u64, u64)| begins.checked_add(size * n);
    let (begins, size, n_segments) = segments;
    let end_of_segment = |index: u64| {
        let at = begins.checked_add(index * size)?;
        read(at.checked_add(8)?, 8)?.checked_add(read(at.checked_add(32)?, 8)?)
    };
    let ends = [end_of(segments), end_of(sections)].into_iter().chain((0..n_segments).map(end_of_segment));
    ends.flatten().max()
}

fn number(bytes: &[u8], at: usize, n_bytes: usize, is_little: bool) -> Option<u64> {
    let bytes = bytes.get(at..at.checked_add(n_bytes)?)?.iter();
    let push = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
    Some(if is_little { bytes.rev().fold(0, push) } else { bytes.fold(0, push) })
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    fn this_program() -> Vec<u8> {
        std::fs::read("/proc/self/exe").unwrap()
    }

    fn of_whole(bytes: &[u8]) -> Option<String> {
        mistake(&bytes[..bytes.len().min(HEAD_BYTES as usize)], bytes.len() as u64)
    }

    fn said(bytes: &[u8]) -> String {
        of_whole(bytes).unwrap_or_default()
    }

    #[test]
    fn nothing_is_wrong_with_a_library_for_this_machine() {
        assert_eq!(of_whole(&this_program()), None);
    }

    #[test]
    fn what_is_for_another_machine_is_told_by_its_name() {
        let mut other = this_program();
        other[18..20].copy_from_slice(&21_u16.to_le_bytes());
        assert_eq!(said(&other), "it is built for 64-bit PowerPC");
        (other[4], other[18]) = (1, 3);
        assert_eq!(said(&other), "it is built for 32-bit x86");
        assert_eq!(said(b"MZ and so on"), "it is built for Windows");
    }

    #[test]
    fn wherever_it_is_cut_it_is_cut_short() {
        let whole = this_program();
        for n_left in [4, 5, 19, 40, 63, 64, 100, 5000, whole.len() / 2] {
            let said = said(&whole[..n_left]);
            assert!(said.starts_with(&format!("it is cut short: {n_left} of at least ")), "{n_left}: {said}");
        }
    }

    #[test]
    fn what_is_no_library_at_all_is_told() {
        assert_eq!((said(b""), said("dear reäder".as_bytes())), ("it is empty".to_owned(), "it is a text".to_owned()));
        assert_eq!(of_whole(&[1, 0, 255, 7]), None, "the system has a word for it");
    }
}
