//! What goes wrong: how faults are written, and which request gets which.
//!
//! A fault is a line, `[provider] stage fault [option=value…]`:
//!
//! ```text
//! fal submit 429 after=2 times=1     once, with `Retry-After: 2`
//! poll 503 skip=1 times=3            of any provider: the second to the fourth look at a job
//! fal picture truncated              every picture of fal
//! ```
//!
//! The same, without the provider and between `[[` and `]]`, may stand in a prompt, and goes for that request and its job alone:
//! `a red boat [[picture bomb]]`. So it passes through every client unchanged. Two tags that read alike share their `times`.
//!
//! | option | of | means |
//! | --- | --- | --- |
//! | `times=N`, `skip=N` | all | how many requests have it; how many are spared before |
//! | `after=S`, `date=S`, `ms=N` | a status | `Retry-After` in seconds, or as a date in so many seconds; `retry-after-ms` |
//! | `retry=false` | a status | `x-should-retry: false` |
//! | `as=html` | a status | the page of a proxy in place of the service's own form |
//! | `as=quota` | a status | for want of money, where the service says so with this status |
//! | `ms=N` | `slow` | how long to wait before each tenth of the answer |
//! | `to=…` | `redirect` | `host`, `private`, `loop`, `file`: [`Redirect`] |
//! | `of=output` | `refused` | what was made is refused, and not what was asked for |

use std::time::Duration;

use super::Provider;

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Orders pictures, and costs money.
    Submit,
    /// Asks how far a job is.
    Poll,
    /// Asks for the result of a job, where that is another request.
    Result,
    /// Calls a job off.
    Cancel,
    /// Hands over a reference, or asks where to.
    Upload,
    /// Fetches a picture.
    Picture,
    /// Asks about models, accounts and prices.
    Facts,
}

impl Stage {
    fn named(name: &str) -> Option<Self> {
        match name {
            "submit" => Some(Self::Submit),
            "poll" => Some(Self::Poll),
            "result" => Some(Self::Result),
            "cancel" => Some(Self::Cancel),
            "upload" => Some(Self::Upload),
            "picture" => Some(Self::Picture),
            "facts" => Some(Self::Facts),
            _ => None,
        }
    }
}

/// Something that goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// `429`, `503`, …: an error in the service's own form. Nothing is done and nothing charged.
    Status(Status),
    /// `reset_before`: the connection is reset before the body of the request was read.
    ResetBefore,
    /// `reset_after`: all is done as if nothing was wrong, then the connection is reset.
    ResetAfter,
    /// `cut`: all is done, and the connection closed after half of the answer.
    Cut,
    /// `slow`: all is done, and the answer comes bit by bit.
    Slow(Duration),
    /// `hang`: nothing is done, and no answer comes.
    Hang,
    /// `redirect`: 307, or 302 for pictures.
    Redirect(Redirect),
    /// `truncated`: the first half of the body, with a length that fits.
    Truncated,
    /// `corrupt`: noise in the middle of the body.
    Corrupt,
    /// `html`: a page, with status 200.
    Html,
    /// `wrong_type`: the right body as `text/plain`.
    WrongType,
    /// `no_type`: the right body without a type.
    NoType,
    /// `octets`: the right body as `application/octet-stream`.
    Octets,
    /// `bomb`: a small PNG of 900 million pixels.
    Bomb,
    /// `huge`: 200 MB.
    Huge,
    /// `never`: the job does not end.
    Never,
    /// `failed`: the job fails.
    Failed,
    /// `aborted`: the job ends before it began.
    Aborted,
    /// `refused`: the content is refused, in the service's way.
    Refused {
        /// What was made, and not what was asked for.
        is_output: bool,
    },
    /// `black`: black pictures, with a flag where the service has one.
    Black,
    /// `fewer`: one picture less than asked for.
    Fewer,
    /// `more`: one picture more than asked for.
    More,
    /// `smaller`: pictures of half the size.
    Smaller,
    /// `empty`: success, without pictures.
    Empty,
    /// `echo`: an error in which everything that can be a text is the key that was sent.
    Echo,
}

/// An error as an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// The status of HTTP.
    pub code: u16,
    /// `Retry-After` in seconds.
    pub after_s: Option<u64>,
    /// `Retry-After` as the date that is in so many seconds.
    pub date_s: Option<u64>,
    /// `retry-after-ms`
    pub after_ms: Option<u64>,
    /// `x-should-retry: false`
    pub is_final: bool,
    /// A page of a proxy.
    pub is_html: bool,
    /// For want of money.
    pub is_quota: bool,
}

/// Where a redirect leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redirect {
    /// To a host that nobody configured, which answers.
    Host,
    /// To a private address, `10.0.0.1`.
    Private,
    /// To where it came from.
    Loop,
    /// To a file.
    File,
}

/// A fault that cannot be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum FaultError {
    /// No stage where one should be.
    #[error("`{line}` names no stage: submit, poll, result, cancel, upload, picture or facts")]
    Stage {
        /// The line.
        line: String,
    },
    /// No fault where one should be.
    #[error("`{line}` names no fault that is known")]
    Unknown {
        /// The line.
        line: String,
    },
    /// An option that is not known, or a value that it cannot have.
    #[error("`{option}` is no option of a fault: {line}")]
    Option {
        /// The option and its value.
        option: String,
        /// The line.
        line: String,
    },
}

/// A fault, and the requests that it is for.
#[derive(Clone, Debug)]
struct Rule {
    provider: Option<Provider>,
    stage: Stage,
    fault: Fault,
    /// How many more requests are spared.
    n_skipped: u32,
    /// How many more requests have it; all of them if nothing is said.
    n_left: Option<u32>,
    /// Of a fault in a prompt: what stands there.
    tag: Option<String>,
}

impl Rule {
    fn read(line: &str) -> Result<Self, FaultError> {
        let mut words = line.split_whitespace().peekable();
        let provider = words.peek().and_then(|word| Provider::named(word));
        if provider.is_some() {
            words.next();
        }
        let stage = words.next().and_then(Stage::named).ok_or_else(|| FaultError::Stage { line: line.to_owned() })?;
        let unknown = || FaultError::Unknown { line: line.to_owned() };
        let mut fault = named(words.next().ok_or_else(unknown)?).ok_or_else(unknown)?;
        let mut rule = Self { provider, stage, fault: Fault::Hang, n_skipped: 0, n_left: None, tag: None };
        for option in words {
            let wrong = || FaultError::Option { option: option.to_owned(), line: line.to_owned() };
            let (name, value) = option.split_once('=').ok_or_else(wrong)?;
            let number = || value.parse::<u64>().map_err(|_| wrong());
            match (name, &mut fault) {
                ("times", _) => rule.n_left = Some(value.parse().map_err(|_| wrong())?),
                ("skip", _) => rule.n_skipped = value.parse().map_err(|_| wrong())?,
                ("after", Fault::Status(status)) => status.after_s = Some(number()?),
                ("date", Fault::Status(status)) => status.date_s = Some(number()?),
                ("ms", Fault::Status(status)) => status.after_ms = Some(number()?),
                ("retry", Fault::Status(status)) if value == "false" => status.is_final = true,
                ("as", Fault::Status(status)) if value == "html" => status.is_html = true,
                ("as", Fault::Status(status)) if value == "quota" => status.is_quota = true,
                ("ms", Fault::Slow(pause)) => *pause = Duration::from_millis(number()?),
                ("to", Fault::Redirect(to)) => *to = redirect(value).ok_or_else(wrong)?,
                ("of", Fault::Refused { is_output }) if value == "output" => *is_output = true,
                // Tells tags apart that would otherwise read alike.
                ("id", _) => {}
                _ => return Err(wrong()),
            }
        }
        Ok(Self { fault, ..rule })
    }

    fn is_for(&self, provider: Option<Provider>, stage: Stage) -> bool {
        self.stage == stage && (self.provider.is_none() || self.provider == provider)
    }

    /// Counts a request that it is for, and says whether that one has the fault.
    fn strikes(&mut self) -> bool {
        if self.n_skipped > 0 {
            self.n_skipped -= 1;
            return false;
        }
        match &mut self.n_left {
            None => true,
            Some(0) => false,
            Some(n_left) => {
                *n_left -= 1;
                true
            }
        }
    }
}

fn named(word: &str) -> Option<Fault> {
    Some(match word {
        "reset_before" => Fault::ResetBefore,
        "reset_after" => Fault::ResetAfter,
        "cut" => Fault::Cut,
        "slow" => Fault::Slow(Duration::from_millis(100)),
        "hang" => Fault::Hang,
        "redirect" => Fault::Redirect(Redirect::Host),
        "truncated" => Fault::Truncated,
        "corrupt" => Fault::Corrupt,
        "html" => Fault::Html,
        "wrong_type" => Fault::WrongType,
        "no_type" => Fault::NoType,
        "octets" => Fault::Octets,
        "bomb" => Fault::Bomb,
        "huge" => Fault::Huge,
        "never" => Fault::Never,
        "failed" => Fault::Failed,
        "aborted" => Fault::Aborted,
        "refused" => Fault::Refused { is_output: false },
        "black" => Fault::Black,
        "fewer" => Fault::Fewer,
        "more" => Fault::More,
        "smaller" => Fault::Smaller,
        "empty" => Fault::Empty,
        "echo" => Fault::Echo,
        code => {
            let code = code.parse().ok().filter(|code| (300..600).contains(code))?;
            Fault::Status(Status { code, ..Status::default() })
        }
    })
}

fn redirect(word: &str) -> Option<Redirect> {
    match word {
        "host" => Some(Redirect::Host),
        "private" => Some(Redirect::Private),
        "loop" => Some(Redirect::Loop),
        "file" => Some(Redirect::File),
        _ => None,
    }
}

/// All faults that are in force.
#[derive(Debug, Default)]
pub(super) struct Faults {
    rules: Vec<Rule>,
}

impl Faults {
    /// Adds faults, one a line. Adds none if one cannot be read.
    pub fn add(&mut self, lines: &str) -> Result<(), FaultError> {
        let lines = lines.lines().map(str::trim).filter(|line| !line.is_empty());
        let mut rules = lines.map(Rule::read).collect::<Result<Vec<_>, _>>()?;
        self.rules.append(&mut rules);
        Ok(())
    }

    pub fn clear(&mut self) {
        self.rules.clear();
    }

    /// Counts a request, and returns what is wrong with it: by the first of the faults that are for it.
    ///
    /// `tags` are those of the prompt that it is about; `None` if that is not known yet.
    pub fn take(&mut self, provider: Option<Provider>, stage: Stage, tags: Option<&[String]>) -> Option<Fault> {
        let Some(tags) = tags else {
            let rules = self.rules.iter_mut().filter(|rule| rule.tag.is_none() && rule.is_for(provider, stage));
            return rules.filter_map(|rule| rule.strikes().then(|| rule.fault.clone())).next();
        };
        for tag in tags {
            if !self.rules.iter().any(|rule| rule.tag.as_ref() == Some(tag)) {
                // A tag that is no fault is part of the prompt.
                let Ok(rule) = Rule::read(tag) else { continue };
                self.rules.push(Rule { tag: Some(tag.clone()), ..rule });
            }
            let rule = self.rules.iter_mut().find(|rule| rule.tag.as_ref() == Some(tag));
            if let Some(rule) = rule.filter(|rule| rule.is_for(provider, stage))
                && rule.strikes()
            {
                return Some(rule.fault.clone());
            }
        }
        None
    }
}

/// The tags in a text: what stands between `[[` and `]]`.
pub(super) fn tags(text: &str) -> Vec<String> {
    let pieces = text.split("[[").skip(1);
    pieces.filter_map(|piece| Some(piece.split_once("]]")?.0.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(faults: &mut Faults, tags: &[String], n_requests: usize) -> Vec<u16> {
        let mut take = || match faults.take(Some(Provider::Fal), Stage::Submit, None) {
            None => faults.take(Some(Provider::Fal), Stage::Submit, Some(tags)),
            fault => fault,
        };
        let code = |fault| match fault {
            Some(Fault::Status(status)) => status.code,
            _ => 200,
        };
        (0..n_requests).map(|_| code(take())).collect()
    }

    #[test]
    fn a_fault_comes_as_often_as_it_says() {
        let mut faults = Faults::default();
        faults.add("fal submit 503 skip=1 times=2\npoll 500").expect("faults");
        assert_eq!(codes(&mut faults, &[], 5), [200, 503, 503, 200, 200]);
    }

    #[test]
    fn tags_that_read_alike_are_counted_together() {
        let mut faults = Faults::default();
        let tags = tags("a boat [[submit 429 after=2 times=1]] [[no fault]]");
        assert_eq!(codes(&mut faults, &tags, 2), [429, 200]);
        assert_eq!(codes(&mut faults, &tags, 1), [200]);
    }

    #[test]
    fn what_is_no_fault_is_told() {
        let mut faults = Faults::default();
        let told = |line: &str, faults: &mut Faults| faults.add(line).expect_err(line).to_string();
        assert!(told("sometimes 503", &mut faults).contains("names no stage"));
        assert!(told("submit 200", &mut faults).contains("names no fault"));
        assert!(told("submit 503 often=2", &mut faults).contains("`often=2` is no option"));
    }
}
