//! A kind that takes many steps, and can be stopped between them from outside.

use rondel_sdk::prelude::*;

/// Waits, as for an answer from elsewhere.
#[derive(Node)]
#[node(kind = "stub.wait", version = 1, lane = Net, category = "stub")]
pub struct Wait {
    /// What comes out.
    pub a: i64,
    /// How long, in milliseconds.
    pub ms: u64,
}

impl Run for Wait {
    type Output = i64;

    fn run(self, cx: &mut Cx) -> NodeResult<i64> {
        let began = std::time::Instant::now();
        while began.elapsed().as_millis() < u128::from(self.ms) {
            cx.check()?;
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        Ok(self.a)
    }
}

/// Keeps a core busy.
#[derive(Node)]
#[node(kind = "stub.toil", version = 1, lane = Cpu, category = "stub")]
pub struct Toil {
    /// Where to start from.
    pub a: i64,
    /// How many thousand rounds.
    pub rounds: u64,
}

impl Run for Toil {
    type Output = i64;

    fn run(self, cx: &mut Cx) -> NodeResult<i64> {
        let mut value = self.a as u64;
        for _ in 0..self.rounds {
            cx.check()?;
            for _ in 0..1000 {
                value = std::hint::black_box(value.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
            }
        }
        Ok(value as i64)
    }
}

/// Climbs, and keeps a checkpoint after each step.
///
/// Every step changes the result, so a climb that loses or repeats one ends elsewhere.
#[derive(Node)]
#[node(kind = "stub.climb", version = 1, lane = Cpu, category = "stub")]
pub struct Climb {
    /// How many steps.
    pub steps: u64,
    /// A file that may not be there, and is no part of what is computed: `fail 3` fails after step 3, `wait 3` waits there
    /// until the run is cancelled, `refuse` fails if there is a checkpoint.
    pub stop: String,
}

impl Run for Climb {
    type Output = i64;

    fn run(self, cx: &mut Cx) -> NodeResult<i64> {
        let (from, mut height) = match cx.latest_checkpoint() {
            Some(_) if std::fs::read_to_string(&self.stop).is_ok_and(|words| words == "refuse") => {
                return Err(NodeError::failed("it cannot go on from here"));
            }
            Some((step, state)) => (step, state.meta()["height"].parse()?),
            None => (0, 0i64),
        };
        for step in from + 1..=self.steps {
            height = (height * 3 + step as i64) % 1_000_003;
            cx.progress(step, self.steps)?;
            if cx.preview_wanted() {
                cx.preview(&Image::from_u8(1, 1, 1, vec![step as u8])?);
            }
            let meta = [("height".to_owned(), height.to_string())];
            let state = Bundle::new(rondel_sdk::value::Kind::Tensor, meta.into(), []);
            cx.checkpoint(step, &state);
            let stop = std::fs::read_to_string(&self.stop).unwrap_or_default();
            match stop.split_once(' ') {
                Some(("fail", at)) if at == step.to_string() => return Err(NodeError::failed("as asked")),
                Some(("wait", at)) if at == step.to_string() => {
                    // Not a note: progress may be dropped.
                    cx.log(Level::Info, "waiting");
                    loop {
                        cx.check()?;
                        std::thread::sleep(std::time::Duration::from_millis(1));
                    }
                }
                _ => {}
            }
        }
        Ok(height)
    }
}
