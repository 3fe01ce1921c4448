//! Fetches and checks what a call made, and settles it.

use bytes::Bytes;
use rondel_plugin::Level;
use rondel_value::Image;

use super::{Call, Got, Sent};
use crate::fault::{Class, Fault};
use crate::ledger::Outcome;
use crate::money::Micros;
use crate::picture::{self, PictureError};
use crate::price::Work;
use crate::protocol::{Job, Made, Source};

impl Call<'_> {
    /// Fetches and checks pictures, and settles the call.
    pub(super) fn finish(&self, made: Made, sent: Sent) -> Result<Got, Fault> {
        let revised_prompt = made.revised_prompt.as_ref().map(|prompt| self.blotted_text(prompt));
        let made = self.no_more_than_asked(Made { revised_prompt, ..made });
        if made.pictures.is_empty() {
            let fault = Fault::new(Class::Empty, "the provider said that it was done").billed();
            return Err(self.end(fault, sent));
        }
        // What came along is nowhere else: it is on the disk before the line that says so.
        for (i, source) in made.pictures.iter().enumerate() {
            if let Source::Inline(bytes) = source {
                // It came along with the answer.
                self.saw_first_byte();
                self.keep(i, bytes);
            }
        }
        self.warn_if(self.ledger.made(self.id, (self.now)(), &made.written()));
        match self.fetch(&made) {
            Ok(pictures) => Ok(self.done(made, pictures, sent)),
            Err(fault) if fault.is_open => Err(fault),
            Err(fault) => Err(self.end(fault, sent)),
        }
    }

    /// Fetches what an earlier process left. Links grow old: the job may know new ones, and if not, nothing is left to fetch.
    pub(super) fn finish_left(&self, made: Made, job: Option<&Job>) -> Result<Got, Fault> {
        let is_gone =
            |fault: &Fault| matches!(fault.status, Some(403 | 410)) || (fault.status == Some(404) && self.is_old);
        let came_along = made.pictures.iter().all(|source| matches!(source, Source::Here | Source::Unreadable(_)));
        let gone = match self.fetch(&made) {
            Ok(pictures) => return Ok(self.done(made, pictures, Sent::default())),
            Err(fault) if is_gone(&fault) || came_along => fault,
            Err(fault) if fault.is_open => return Err(fault),
            Err(fault) => return Err(self.end(fault, Sent::default())),
        };
        let again = match job {
            Some(job) => self.made_again(job).map_err(|fault| Fault { is_open: true, ..fault })?,
            None => None,
        };
        let gone = match again.filter(|again| !again.pictures.is_empty()) {
            None => gone,
            Some(again) => {
                let again = self.no_more_than_asked(Made { cost: made.cost, ..again });
                match self.fetch(&again) {
                    Ok(pictures) => return Ok(self.done(again, pictures, Sent::default())),
                    Err(fault) if fault.is_open && !is_gone(&fault) => return Err(fault),
                    Err(fault) => fault,
                }
            }
        };
        let gone = Fault { class: Class::NotFound, is_open: false, ..gone };
        Err(self.end(gone.billed(), Sent::default()))
    }

    fn no_more_than_asked(&self, mut made: Made) -> Made {
        let (n, came) = (self.n as usize, made.pictures.len());
        if came > n {
            self.host
                .log(Level::Warn, &format!("{n} pictures were asked for and {came} came; the first {n} are taken"));
            made.pictures.truncate(n);
        }
        made
    }

    /// All pictures that can be had; a fault if there are none, or if some may still be had later.
    fn fetch(&self, made: &Made) -> Result<Vec<Image>, Fault> {
        let n = made.pictures.len();
        let (mut pictures, mut faults) = (Vec::with_capacity(n), Vec::new());
        for (i, source) in made.pictures.iter().enumerate() {
            let is_flagged = made.flagged.get(i).copied().unwrap_or(false);
            match self.picture(source, is_flagged, (i + 1, n)) {
                Ok(picture) => pictures.push(picture),
                // All are still there, and fetched by the next run.
                Err(fault) if !matches!(fault.class, Class::BadImage | Class::ContentPolicy) => {
                    return Err(Fault { is_open: true, ..fault });
                }
                Err(fault) => {
                    self.kept.remove_one(self.id, i);
                    faults.push((i + 1, fault));
                }
            }
        }
        if pictures.is_empty() {
            let refused = faults.iter().position(|(_, fault)| fault.class == Class::ContentPolicy);
            let open = faults.iter().position(|(_, fault)| fault.is_open);
            return Err(faults.swap_remove(open.or(refused).unwrap_or(0)).1);
        }
        for (i, fault) in faults {
            let words = format!("picture {i} of {n} is left out: {}", self.blotted(fault));
            self.host.log(Level::Warn, &words);
        }
        Ok(pictures)
    }

    /// One picture, if it is one.
    fn picture(&self, source: &Source, is_flagged: bool, (i, n): (usize, usize)) -> Result<Image, Fault> {
        let kept = self.kept.get(self.id, i - 1).and_then(|bytes| picture::decode(&bytes).ok());
        let is_kept = kept.is_some();
        let (picture, bytes) = match (kept, source) {
            (Some(picture), _) => (picture, Bytes::new()),
            (None, Source::Inline(bytes)) => {
                (picture::decode(bytes).map_err(|error| unreadable(&error).billed())?, bytes.clone())
            }
            (None, Source::Here) => {
                let words = "it came along with an answer, and is not kept here any more";
                return Err(Fault::new(Class::BadImage, words).billed());
            }
            (None, Source::Unreadable(reason)) => {
                return Err(Fault::new(Class::BadImage, reason.clone()).billed());
            }
            (None, Source::Link(link)) => self.download(link, (i, n)).map_err(|fault| match fault.status {
                // It is gone, or was never meant for us.
                Some(403 | 410) => fault.billed(),
                // It cannot be read here; it is there all the same, and another program may.
                _ => Fault { is_open: true, ..fault },
            })?,
        };
        let is_black = picture::is_black(&picture);
        if is_flagged {
            let what = if is_black { "a black picture with a flag" } else { "a picture with a flag" };
            let fault = Fault::new(Class::ContentPolicy, format!("{what} came"));
            return Err(Fault { is_its_own: true, ..fault }.billed());
        }
        if is_black {
            self.host.log(Level::Warn, &format!("picture {i} of {n} is all black, without a flag"));
        }
        if let Some([width, height]) = self.size.filter(|size| *size != size_of(&picture)) {
            let [came_width, came_height] = size_of(&picture);
            let words =
                format!("{width}×{height} was asked for, {came_width}×{came_height} came as picture {i} of {n}");
            self.host.log(Level::Warn, &words);
        }
        if !is_kept {
            self.keep(i - 1, &bytes);
        }
        Ok(picture)
    }

    /// Keeps a picture until the step is through.
    fn keep(&self, i: usize, bytes: &[u8]) {
        if let Err(error) = self.kept.put(self.id, i, bytes) {
            // It is worth more than the copy.
            self.host
                .log(Level::Warn, &format!("a picture that is paid for cannot be kept beside the ledger: {error}"));
        }
    }

    fn done(&self, made: Made, pictures: Vec<Image>, sent: Sent) -> Got {
        let quote = |picture: &Image| {
            let work = Work { size: size_of(picture), n: 1, references: self.references.clone() };
            Some(self.price.quote(&work)?.high)
        };
        let own: Option<Micros> = match pictures.len() < self.n as usize {
            // What is missing may be on the bill as well.
            true => self.reserved,
            false => pictures.iter().map(quote).sum(),
        };
        // Anybody can write a number into an answer: it is money where the user's own file says so.
        let told = made.cost.filter(|_| self.endpoint.tells_cost);
        let cost = told.or(own);
        self.settle(Outcome::Done, cost, made.cost, &sent);
        Got {
            pictures,
            seed: made.seed,
            cost,
            is_cost_reported: told.is_some(),
            request_id: sent.request_id,
            revised_prompt: made.revised_prompt,
        }
    }

    /// Fetches one picture.
    fn download(&self, link: &str, (i, n): (usize, usize)) -> Result<(Image, Bytes), Fault> {
        let mut attempt = 0;
        loop {
            let note = format!("downloading {i} of {n} from {}", self.endpoint.name);
            let told = |done: u64, total: Option<u64>| {
                self.saw_first_byte();
                self.host.progress(done, total.unwrap_or(0), &note);
            };
            let fetched = self.wait(self.http.download(self.endpoint, link, (self.now)(), &told));
            let read = |bytes: Bytes| match picture::decode(&bytes) {
                Ok(picture) => Ok((picture, bytes)),
                Err(error) => Err(unreadable(&error)),
            };
            let fault = match fetched.and_then(read) {
                Ok(picture) => return Ok(picture),
                Err(fault) => fault,
            };
            attempt += 1;
            let most = match fault.class {
                // The address itself is wrong, and stays so.
                _ if fault.should_retry == Some(false) => 1,
                // It may have been damaged on its way.
                Class::BadImage if fault.status.is_none() => 3,
                // Not everywhere yet.
                Class::Network if fault.status == Some(404) => 3,
                Class::Network | Class::Server => self.patience.downloads,
                _ => 1,
            };
            if attempt >= most {
                return Err(Fault { is_unclear: false, ..fault });
            }
            self.pause_after(&fault, attempt - 1)?;
        }
    }
}

fn size_of(picture: &Image) -> [u32; 2] {
    [picture.width() as u32, picture.height() as u32]
}

fn unreadable(error: &PictureError) -> Fault {
    Fault::new(Class::BadImage, error.to_string())
}
