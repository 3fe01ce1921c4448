//! A kind that keeps weights, which are numbers of bytes and nothing else.

use rondel_sdk::prelude::*;

static WEIGHTS: Warm<String> = Warm::new("weights");

/// Works in memory, and passes a number on; it says what that costs, unless it is modest.
#[derive(Node)]
#[node(kind = "stub.work", version = 1, lane = Net, category = "stub")]
pub struct Work {
    /// What comes out.
    #[param(default = 0)]
    pub a: i64,
    /// How much is worked in.
    pub bytes: u64,
    /// Whether it keeps its cost to itself.
    #[param(default = false)]
    pub modest: bool,
    /// It holds the memory until this file is there.
    pub until: Option<String>,
}

impl Run for Work {
    type Output = i64;

    fn run(self, cx: &mut Cx) -> NodeResult<i64> {
        let _memory = cx.reserve_scratch(self.bytes, "work")?;
        if let Some(until) = &self.until {
            cx.log(Level::Info, "holds");
            while !std::path::Path::new(until).exists() {
                cx.check()?;
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
        }
        Ok(self.a)
    }

    fn cost(inputs: &Inputs<'_>, _cx: &Cx) -> NodeResult<Option<Estimate>> {
        Ok(match (inputs.get("bytes"), inputs.get("modest")) {
            (Some(bytes), Some(false)) => Some(Estimate::new().works("work", bytes)),
            _ => None,
        })
    }
}

/// Keeps weights between runs, works beside them, and passes a number on.
#[derive(Node)]
#[node(kind = "stub.heavy", version = 1, lane = Gpu, category = "stub")]
pub struct Heavy {
    /// What comes out, plus one.
    #[param(default = 0)]
    pub a: i64,
    /// Which weights; nobody has any without a name.
    pub weights: String,
    /// How large they are.
    pub bytes: u64,
    /// How much is worked in.
    #[param(default = 0)]
    pub scratch: u64,
    /// How little would do if the weights were streamed; they never are.
    pub streamed: Option<u64>,
}

impl Run for Heavy {
    type Output = i64;

    fn run(self, cx: &mut Cx) -> NodeResult<i64> {
        let _scratch = cx.reserve_scratch(self.scratch, "activations")?;
        let weights = WEIGHTS.get_sized(cx, self.weights.as_str(), self.bytes, || {
            cx.log(Level::Info, format!("loads {}", self.weights));
            Ok(self.weights.clone())
        })?;
        assert_eq!(*weights, self.weights);
        Ok(self.a + 1)
    }

    fn cost(inputs: &Inputs<'_>, _cx: &Cx) -> NodeResult<Option<Estimate>> {
        let (Some(weights), Some(bytes)) = (inputs.get::<String>("weights"), inputs.get("bytes")) else {
            return Ok(None);
        };
        if weights.is_empty() {
            return Err(NodeError::input("weights", "there are none"));
        }
        let mut estimate = Estimate::new().keeps("weights", &weights, bytes);
        if let Some(scratch @ 1..) = inputs.get("scratch") {
            estimate = estimate.works("activations", scratch);
        }
        if let Some(streamed) = inputs.get("streamed") {
            estimate = estimate.streams(streamed);
        }
        // What is known of the input is known of the output.
        if let Some(a) = inputs.get::<i64>("a") {
            estimate = estimate.makes("value", a + 1);
        }
        Ok(Some(estimate))
    }
}
